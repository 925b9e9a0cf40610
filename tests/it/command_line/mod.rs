//! The command line as its users meet it: the real binary, its words, its exit codes.

mod adapters;
mod configuration;
mod deliveries;
mod languages;
mod messages;
mod seals;
mod tokens;

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output},
    time::Duration,
};

use serde_json::{Value, json};

use crate::harness::hub::{Hub, wait_until};

/// What the binary said and how it ended.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Said {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// It succeeded, and said these on standard output.
    #[track_caller]
    fn says(&self, parts: &[&str]) {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self.has(&self.out, parts);
    }

    /// It ended so, and said these on standard error.
    #[track_caller]
    fn fails(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self.has(&self.err, parts);
    }

    #[track_caller]
    fn has(&self, text: &str, parts: &[&str]) {
        for part in parts {
            assert!(text.contains(part), "'{part}' is not said:\n{self:#?}");
        }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}

/// A command without a locale of its own.
fn run(mut command: Command) -> Said {
    for variable in ["LC_ALL", "LC_MESSAGES", "LANG"] {
        command.env_remove(variable);
    }
    Said::of(&command.output().unwrap())
}

/// The binary without a hub's configuration, in the folder of the sources.
fn liandong(arguments: &[&str]) -> Said {
    run(bare(arguments))
}

fn bare(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_liandong"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments);
    command
}

/// A command on a hub.
fn on(hub: &Hub, arguments: &[&str]) -> Said {
    run(hub.command(arguments))
}

const SENDER: &str = r#"
endpoint = "ankang-spj"
name = "安康市行政审批平台"
organisations = ["610900-xzspj"]
[inbound]
http = {}
codec = { format = "json" }
mappings = { "approval.result" = "in.toml" }
"#;

/// Its target is never there: the first attempt is the last.
const RECEIVER: &str = r#"
endpoint = "ankang-scjg"
name = "安康市市场监管综合业务系统"
organisations = ["610900-scjgj"]
[outbound]
http = { url = "http://127.0.0.1:1/receive" }
codec = { format = "json" }
success = "status == 200"
mappings = { "*" = "out.toml" }
[limits]
timeout_ms = 2000
[retry]
max_attempts = 1
"#;

/// A hub with a sender and a receiver that is never there.
fn hub() -> Hub {
    let mapping = "name = 'm'\n[fields]\nkey = 'record.businessKey'\n";
    Hub::configure(&[
        ("ankang-spj", &[("adapter.toml", SENDER), ("in.toml", mapping)]),
        ("ankang-scjg", &[("adapter.toml", RECEIVER), ("out.toml", mapping)]),
    ])
}

/// The folder of a hub's configuration.
fn home(hub: &Hub) -> PathBuf {
    hub.configuration().parent().unwrap().to_owned()
}

/// An approval result in canonical JSON.
fn result(key: &str, revision: u32) -> Value {
    json!({
        "organisation": "610900-xzspj", "businessKey": key, "revision": revision,
        "decidedAt": "2026-03-05T09:30:00+08:00",
        "items": [{"family": "ITEM_FAMILY_APPROVAL", "code": "000131016000"}],
        "subject": {"type": "SUBJECT_TYPE_LEGAL_PERSON", "name": "汉滨示例餐饮有限公司",
            "identifiers": [{"type": "IDENTIFIER_TYPE_USCC", "number": "91610902MA70T3X14T"}]},
        "publicity": {"level": "PUBLICITY_LEVEL_PUBLIC"},
        "approvalResult": {"caseNo": key, "handling": "HANDLING_TYPE_NEW", "outcome": "OUTCOME_GRANTED",
            "procedure": "PROCEDURE_ORDINARY"},
    })
}

/// Writes a file beside the hub's configuration; its path.
fn file(hub: &Hub, name: &str, text: &str) -> String {
    let path = home(hub).join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A file with a token of the sender.
fn token_file(hub: &Hub) -> String {
    file(hub, "spj.token", &hub.token("ankang-spj"))
}

/// Hands a result in; its receipt's statement.
fn submit(hub: &Hub, token: &str, key: &str, revision: u32) -> Value {
    let message = file(hub, "message.json", &result(key, revision).to_string());
    hub.ask(&["submit", &message, "--token-file", token])["statement"].clone()
}

/// The delivery of a receipt for an organisation.
fn delivery_for(statement: &Value, organisation: &str) -> String {
    let deliveries = statement["deliveries"].as_array().unwrap();
    let found = deliveries.iter().find(|one| one["organisation"] == organisation).unwrap();
    found["id"].as_str().unwrap().to_owned()
}

/// Waits until the delivery is in a state.
async fn until(hub: &Hub, delivery: &str, state: &str) {
    let is = || {
        let rows = hub.ask(&["deliveries", "list"]);
        rows.as_array().unwrap().iter().any(|row| row["id"] == delivery && row["state"] == state)
    };
    assert!(wait_until(Duration::from_secs(20), is).await, "{delivery} did not become {state}");
}
