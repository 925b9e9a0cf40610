//! `liandong key`: the keys that sign, and their change.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Call, Error, language::Language, output::text, reach::Hub, who::Who, words::time};
use crate::app;

/// What to do.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List the keys that sign, and each one's time
    List {
        /// Print the public keys in PEM form, for those who check
        #[arg(long)]
        pem: bool,
    },
    /// Make the key that is to follow, in the file that keys.next names
    New,
    /// Show how the next key would follow; with --apply, let it follow
    Rotate {
        /// Do it: the next key signs once the notice is over
        #[arg(long, requires = "reason")]
        apply: bool,
        /// Reason, kept in the trail and signed by both keys
        #[arg(long)]
        reason: Option<String>,
        #[command(flatten)]
        who: Who,
    },
}

pub(super) async fn run(call: Call<'_>, arguments: Arguments) -> Result<(), Error> {
    match arguments.what {
        What::List { pem } => list(call, Form::of(pem)).await,
        What::New => new(call),
        What::Rotate { apply: true, reason: Some(reason), who } => {
            let body = json!({ "reason": reason });
            rotate(call, &who, body).await
        }
        What::Rotate { who, .. } => rotate(call, &who, json!({ "dry_run": true })).await,
    }
}

/// How keys are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Table,
    Pem,
}

impl Form {
    fn of(pem: bool) -> Self {
        if pem { Self::Pem } else { Self::Table }
    }
}

async fn list(mut call: Call<'_>, form: Form) -> Result<(), Error> {
    let hub = Hub::to_look(&call).await?;
    let asked = hub.ask(Method::GET, "/v1/keys", None).await;
    hub.close().await?;
    let keys = asked?;
    let rows: Vec<_> = keys.as_array().into_iter().flatten().collect();
    if form == Form::Pem {
        for key in rows {
            call.output.line(format!("# {} {}", text(key, "algorithm"), text(key, "key")))?;
            call.output.line(text(key, "public").trim_end())?;
        }
        return Ok(());
    }
    if call.output.is_json() {
        return Ok(call.output.json(&keys)?);
    }
    let language = call.output.language;
    let heads = [
        ("密钥", "key"),
        ("算法", "algorithm"),
        ("启用（北京时间）", "from (+08:00)"),
        ("停用", "until"),
        ("本枢纽持有", "held here"),
    ];
    let held = |key: &Value| match key["held"].as_bool() {
        Some(true) => language.pick("是", "yes").to_owned(),
        _ => language.pick("否", "no").to_owned(),
    };
    let row = |key: &&Value| {
        vec![text(key, "key"), text(key, "algorithm"), time(&key["from"]), time(&key["until"]), held(key)]
    };
    Ok(call.output.table(&heads, &rows.iter().map(row).collect::<Vec<_>>())?)
}

fn new(mut call: Call<'_>) -> Result<(), Error> {
    let (path, signer) = app::load::make_next(&call.settings, &call.environment)?;
    let (key, algorithm) = (signer.key_id(), signer.algorithm());
    if call.output.is_json() {
        let value = json!({
            "key": key, "algorithm": algorithm, "place": path, "public": signer.public_key().to_pem(),
        });
        return Ok(call.output.json(&value)?);
    }
    Ok(call.output.say(
        &format!(
            "已生成密钥 {key}（{algorithm}）：{path}\n文件须先复制到每个枢纽的同一位置（设备中的密钥无须复制），再执行 liandong key rotate"
        ),
        &format!(
            "key {key} ({algorithm}) is in {path}\na file is put in the same place of every hub first (a key in a device is not); then: liandong key rotate"
        ),
    )?)
}

async fn rotate(mut call: Call<'_>, who: &Who, body: Value) -> Result<(), Error> {
    let hub = Hub::to_operate(&call, who).await?;
    let asked = hub.ask(Method::POST, "/v1/keys/rotation", Some(body)).await;
    hub.close().await?;
    let answer = asked?;
    if call.output.is_json() {
        return Ok(call.output.json(&answer)?);
    }
    let (old, new, from) = (text(&answer, "old"), text(&answer, "new"), time(&answer["from"]));
    let (old_algorithm, new_algorithm) = (text(&answer, "old_algorithm"), text(&answer, "new_algorithm"));
    let is_rehearsal = answer["dry_run"] == true;
    call.output.line(match (call.output.language, is_rehearsal) {
        (Language::Zh, true) => {
            format!("将自 {from}（北京时间）起由密钥 {new}（{new_algorithm}）签名，取代 {old}（{old_algorithm}）")
        }
        (Language::Zh, false) => format!("自 {from}（北京时间）起由密钥 {new}（{new_algorithm}）签名，取代 {old}"),
        (Language::En, true) => format!(
            "from {from} (+08:00) on key {new} ({new_algorithm}) would sign in the place of {old} ({old_algorithm})"
        ),
        (Language::En, false) => {
            format!("from {from} (+08:00) on key {new} ({new_algorithm}) signs in the place of {old}")
        }
    })?;
    if is_rehearsal {
        call.output.say(
            "以上只是查看，未作任何改动。每个枢纽都要先有新密钥文件，否则到时停止签名、不再接收；\
             执行：liandong key rotate --apply --reason 原因",
            "nothing was changed; every hub must have the new key's file first, or it stops signing and takes nothing \
             in from then on; to do it: liandong key rotate --apply --reason WHY",
        )?;
    }
    Ok(())
}
