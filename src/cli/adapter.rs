//! `liandong adapter`: are adapters in order, and do their mappings do what their tests say? Nothing is
//! contacted and nothing is changed.

use std::{path::PathBuf, sync::Arc};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Call, Error, error::io_chinese, language::Language, output::Output, parse};
use crate::{
    app,
    config::adapter as config,
    domain::{fault::Fault, id::EndpointId},
    worker::{
        Adapter,
        cases::{Case, Cases, Failure},
        difference::Difference,
    },
};

/// What to do.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Read and compile adapters: every fault with file, line and key
    Check(Endpoints),
    /// Run the mapping tests in adapters' folders
    Test(Endpoints),
}

#[derive(Debug, Args)]
struct Endpoints {
    /// Endpoints; all of them otherwise
    #[arg(value_name = "ENDPOINT")]
    endpoints: Vec<EndpointId>,
}

pub(super) fn run(call: Call<'_>, arguments: &Arguments) -> Result<(), Error> {
    match &arguments.what {
        What::Check(endpoints) => check(call, endpoints),
        What::Test(endpoints) => test(call, endpoints),
    }
}

/// The adapters asked for, compiled.
fn load(call: &Call<'_>, asked: &Endpoints) -> Result<Vec<Arc<Adapter>>, Error> {
    let root = &call.settings.paths.adapters;
    let folders = config::folders(root).map_err(|faults| app::Error::Configuration(faults.to_string()))?;
    let name = |folder: &PathBuf| folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let names: Vec<_> = folders.iter().map(name).collect();
    for endpoint in &asked.endpoints {
        parse::one_of(endpoint.as_str(), names.iter().map(String::as_str), ("接入系统", "endpoint"))?;
    }
    if folders.is_empty() {
        return Err(Error::said(
            format!("{} 下没有适配器目录（含 {} 的目录）", root.display(), config::FILE),
            format!("there is no adapter below {} (a folder with {})", root.display(), config::FILE),
        ));
    }
    let wanted = |folder: &PathBuf| {
        asked.endpoints.is_empty() || asked.endpoints.iter().any(|one| one.as_str() == name(folder))
    };
    let folders: Vec<_> = folders.iter().filter(|folder| wanted(folder)).cloned().collect();
    Ok(app::load::adapters(&call.settings, &folders)?)
}

fn check(mut call: Call<'_>, asked: &Endpoints) -> Result<(), Error> {
    let adapters = load(&call, asked)?;
    let facts: Vec<_> = adapters.iter().map(|adapter| facts(adapter)).collect();
    let cell = |value: &Value| match value {
        Value::Null => "—".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let rows: Vec<Vec<String>> = facts
        .iter()
        .map(|fact| {
            ["endpoint", "name", "in", "out", "mappings", "version"].map(|key| cell(&fact[key])).into()
        })
        .collect();
    let heads = [
        ("接入系统", "endpoint"),
        ("名称", "name"),
        ("送入", "in"),
        ("推送", "out"),
        ("映射", "mappings"),
        ("配置版本", "version"),
    ];
    Ok(call.output.rows(&json!(facts), &heads, &rows)?)
}

fn facts(adapter: &Adapter) -> Value {
    let config = adapter.config();
    let inbound = config.inbound.as_ref().map(|inbound| match inbound.connector {
        config::InboundConnector::Http => "http",
        config::InboundConnector::File(_) => "file",
    });
    let outbound = config.outbound.as_ref().map(|outbound| match outbound.connector {
        config::OutboundConnector::Http(_) => "http",
        config::OutboundConnector::File(_) => "file",
        config::OutboundConnector::Mailbox => "mailbox",
    });
    let mapped_in = config.inbound.as_ref().map_or(0, |inbound| inbound.mappings.len());
    let mapped_out = config
        .outbound
        .as_ref()
        .map_or(0, |outbound| outbound.mappings.kinds.len() + usize::from(outbound.mappings.other.is_some()));
    json!({
        "endpoint": config.endpoint, "name": config.name, "in": inbound, "out": outbound,
        "mappings": mapped_in + mapped_out, "version": adapter.version(),
    })
}

/// How one adapter stood its tests.
struct Tested {
    adapter: Arc<Adapter>,
    cases: Vec<(Case, Result<(), Failure>)>,
    untested: Vec<String>,
    stray: Vec<PathBuf>,
}

impl Tested {
    fn of(adapter: Arc<Adapter>) -> Result<Self, Error> {
        let folder = adapter.config().folder.join("tests");
        let found = Cases::of(&adapter)
            .map_err(|source| Error::Unreadable { path: folder.display().to_string(), source })?;
        let run = |case: Case| {
            let ended = case.run(&adapter);
            (case, ended)
        };
        let cases = found.cases.into_iter().map(run).collect();
        Ok(Self { cases, untested: found.untested, stray: found.stray, adapter })
    }

    fn passed(&self) -> usize {
        self.cases.iter().filter(|(_, ended)| ended.is_ok()).count()
    }

    fn wrong(&self) -> usize {
        self.cases.len() - self.passed() + self.untested.len() + self.stray.len()
    }

    fn value(&self) -> Value {
        let cases: Vec<_> = self
            .cases
            .iter()
            .map(|(case, ended)| {
                let mut value = json!({ "case": case.to_string(), "passed": ended.is_ok() });
                if let Err(failure) = ended {
                    value["failure"] = failure_value(failure);
                }
                value
            })
            .collect();
        json!({
            "endpoint": self.adapter.endpoint(), "cases": cases, "untested": self.untested,
            "stray": self.stray,
        })
    }
}

fn failure_value(failure: &Failure) -> Value {
    let mut value = json!({ "text": super::error::chain(failure) });
    match failure {
        Failure::Differs(differences) => value["differences"] = json!(differences),
        Failure::Refused(refusal) => value["faults"] = json!(refusal.faults),
        Failure::Unmapped(faults) => value["faults"] = json!(faults),
        Failure::OtherKind(_) | Failure::Unreadable { .. } | Failure::Malformed { .. } => {}
    }
    value
}

fn test(mut call: Call<'_>, asked: &Endpoints) -> Result<(), Error> {
    let tested = load(&call, asked)?.into_iter().map(Tested::of).collect::<Result<Vec<_>, _>>()?;
    let passed: usize = tested.iter().map(Tested::passed).sum();
    let wrong: usize = tested.iter().map(Tested::wrong).sum();
    if call.output.is_json() {
        let adapters: Vec<_> = tested.iter().map(Tested::value).collect();
        call.output.json(&json!({ "adapters": adapters, "passed": passed, "wrong": wrong }))?;
    } else {
        for one in &tested {
            show(&mut call.output, one)?;
        }
    }
    if wrong > 0 {
        return Err(Error::said(
            format!("{passed} 个映射用例通过，{wrong} 处有问题"),
            format!("{passed} mapping tests passed, {wrong} things are wrong"),
        ));
    }
    if call.output.is_json() {
        return Ok(());
    }
    Ok(call
        .output
        .say(&format!("{passed} 个映射用例全部通过。"), &format!("All {passed} mapping tests passed."))?)
}

fn show(output: &mut Output<'_>, tested: &Tested) -> Result<(), Error> {
    let language = output.language;
    output.line(format!("{}  {}", tested.adapter.endpoint(), tested.adapter.config().name))?;
    for (case, ended) in &tested.cases {
        match ended {
            Ok(()) => output.line(format!("  ✓ {case}"))?,
            Err(failure) => {
                output.line(format!("  ✗ {case}  {}", said(language, failure)))?;
                for line in details(language, failure) {
                    output.line(format!("      {line}"))?;
                }
            }
        }
    }
    for name in &tested.untested {
        output.say(&format!("  ✗ {name}  没有用例"), &format!("  ✗ {name}  has no test"))?;
    }
    for path in &tested.stray {
        let path = path.display();
        output.say(
            &format!("  ✗ {path}  不属于任何用例：文件名不对，或适配器没有这类映射"),
            &format!("  ✗ {path}  belongs to no test: its name is wrong, or the adapter has no such mapping"),
        )?;
    }
    Ok(())
}

fn said(language: Language, failure: &Failure) -> String {
    match (language, failure) {
        (Language::Zh, Failure::Differs(found)) => format!("有 {} 个字段与预期不符", found.len()),
        (Language::Zh, Failure::Refused(refusal)) => format!("报文被拒收：{}", refusal.detail),
        (Language::Zh, Failure::Unmapped(_)) => "消息无法映射".to_owned(),
        (Language::Zh, Failure::OtherKind(kind)) => {
            format!("select 把它认作{}（{kind}）", kind.row().chinese)
        }
        (Language::Zh, Failure::Unreadable { path, source }) => {
            format!("{} 无法读取：{}", path.display(), io_chinese(source))
        }
        (Language::Zh, Failure::Malformed { path, text }) => format!("{} 内容有误：{text}", path.display()),
        (Language::En, failure) => super::error::chain(failure),
    }
}

fn details(language: Language, failure: &Failure) -> Vec<String> {
    let fault = |fault: &Fault| match fault.path.as_str() {
        "" => fault.text.clone(),
        path => format!("{path}: {}", fault.text),
    };
    match failure {
        Failure::Differs(found) => found.iter().map(|one| difference(language, one)).collect(),
        Failure::Refused(refusal) => refusal.faults.iter().map(fault).collect(),
        Failure::Unmapped(faults) => faults.iter().map(fault).collect(),
        Failure::OtherKind(_) | Failure::Unreadable { .. } | Failure::Malformed { .. } => Vec::new(),
    }
}

fn difference(language: Language, one: &Difference) -> String {
    let path = if one.path.is_empty() { language.pick("（整体）", "(the whole)") } else { &one.path };
    let nothing = language.pick("（无）", "(nothing)");
    let shown = |value: &Option<Value>| value.as_ref().map_or_else(|| nothing.to_owned(), Value::to_string);
    let (expected, got) = (shown(&one.expected), shown(&one.got));
    match language {
        Language::Zh => format!("{path}：预期 {expected}，实际 {got}"),
        Language::En => format!("{path}: expected {expected}, got {got}"),
    }
}
