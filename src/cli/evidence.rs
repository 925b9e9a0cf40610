//! `liandong evidence`: files that prove a delivery, a message or a linked matter to a third party. Making one reads the
//! store itself, beside a running hub or without one, and signs with the hub's key; checking one needs neither store nor
//! network.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Call, Error, language::Language, output::Output, refused, seal};
use crate::{
    app::{
        self,
        shelf::{Opening, Shelf},
    },
    engine::evidence::{
        Line,
        export::{self, Content, Exporter, Subject},
        page,
        said::{self, Tongue},
        source::Archives,
        stamp::Stamp,
        verify::{Failed, Proven, verify_stamped},
    },
    evidence::{file::MAX_BYTES, timestamp::Authorities},
    port::clock::SystemClock,
};

/// How often it is looked whether entries are sealed.
const STEP: Duration = Duration::from_millis(200);

/// How much longer than the rhythm of sealing is waited at most.
const SEALS: u32 = 3;
const MORE: Duration = Duration::from_secs(10);

/// What to do.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Write the evidence file of a delivery or a message; whoever holds it reads what the message says
    Export(Export),
    /// Check an evidence file, without a store and without a network, and say what it proves
    Verify(Verify),
    /// Say whether the hub refused exactly these bytes, and which entry of the trail says so
    Refused(refused::Arguments),
}

#[derive(Debug, Args)]
struct Export {
    /// Delivery id or message id
    id: Uuid,
    /// The whole linked matter: corrections, relays, receipts and answers too
    #[arg(long)]
    matter: bool,
    /// File to write; standard output otherwise
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Also write a page for people, in Chinese, to print
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Leave out what messages say and targets answered; the rest is proven all the same
    #[arg(long)]
    redact: bool,
    /// Wait until the entries are sealed
    #[arg(long)]
    wait: bool,
    /// Folder of archives: for what 'retention run' moved out of the store
    #[arg(long, value_name = "FOLDER")]
    archives: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Verify {
    /// Evidence file
    file: PathBuf,
    /// PEM file with the public keys that count; keys in the evidence file never do
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Name of the log that it must be of, as seal.origin; any log that the key signed otherwise
    #[arg(long, value_name = "NAME")]
    log: Option<String>,
    /// PEM file with the certificates of time-stamping authorities that are trusted; timestamp.authority otherwise
    #[arg(long, value_name = "FILE")]
    authority: Option<PathBuf>,
    /// Also write a page for people, in Chinese, to print
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

pub(super) async fn run(call: Call<'_>, arguments: Arguments) -> Result<(), Error> {
    match arguments.what {
        What::Export(arguments) => export(call, &arguments).await,
        What::Verify(arguments) => check(call, &arguments),
        What::Refused(arguments) => refused::run(call, &arguments).await,
    }
}

async fn export(mut call: Call<'_>, arguments: &Export) -> Result<(), Error> {
    let own = app::load::public_keys(&call.settings, &call.environment)?;
    let configured = app::load::configured(&call.settings);
    let opening = Opening::new(&call.settings, &call.environment, Arc::new(SystemClock));
    let shelf = Shelf::look(&opening).await?;
    let store = shelf.store();
    let keys = app::load::trusted(store.as_ref(), &own).await?;
    let now = opening.clock().now();
    let (signer, signs_since) = app::load::signing(&call.settings, &call.environment, &store, now).await?;
    let archives = match &arguments.archives {
        Some(folder) => Archives::open(folder).map_err(|error| Error::Other(error.into()))?,
        None => Archives::default(),
    };
    let keys = keys.clone();
    let exporter = Exporter {
        store,
        signer,
        signs_since,
        keys: keys.clone(),
        configured,
        archives,
        log_limit: u64::MAX,
    };
    let rhythm = Duration::from_millis(call.settings.seal.every_ms);
    let made = made(&exporter, arguments, rhythm).await;
    drop(exporter);
    shelf.close().await.map_err(app::Error::from)?;
    let bytes = made?;
    if let Some(html) = &arguments.html {
        let authorities = app::stamps::authorities(&call.settings)?;
        let proven = verify_stamped(&bytes, &keys, None, authorities.as_ref());
        let proven = proven.map_err(|failed| failed_said(&failed))?;
        write(html, page::of(&proven).as_bytes())?;
    }
    match &arguments.out {
        Some(path) => {
            write(path, &bytes)?;
            let (path, size) = (path.display(), bytes.len());
            if call.output.is_json() {
                call.output.json(&json!({ "file": path.to_string(), "bytes": size }))?;
            } else {
                call.output.say(
                    &format!("已写入 {path}（{size} 字节）；核验：liandong evidence verify {path} --key 公钥文件"),
                    &format!(
                        "wrote {path} ({size} bytes); to check it: liandong evidence verify {path} --key PUBLIC_KEY"
                    ),
                )?;
            }
        }
        None => call.output.to.write_all(&bytes)?,
    }
    Ok(())
}

async fn made(exporter: &Exporter, arguments: &Export, rhythm: Duration) -> Result<Vec<u8>, Error> {
    let subject = exporter.subject(arguments.id).await.map_err(|error| export_said(error, rhythm))?;
    let subject = match (arguments.matter, subject) {
        (true, Subject::Message(message)) => Subject::Matter(message),
        (true, Subject::Delivery(delivery)) => {
            Subject::Matter(exporter.message(delivery).await.map_err(|error| export_said(error, rhythm))?)
        }
        (_, subject) => subject,
    };
    let content = if arguments.redact { Content::LeftOut } else { Content::Opened };
    let end = Instant::now() + rhythm * SEALS + MORE;
    loop {
        match exporter.export(subject, content).await {
            Err(export::Error::Unsealed { .. }) if arguments.wait && Instant::now() < end => {
                tokio::time::sleep(STEP).await;
            }
            made => return made.map_err(|error| export_said(error, rhythm)),
        }
    }
}

/// In both languages, with what can be done.
fn export_said(error: export::Error, rhythm: Duration) -> Error {
    let english = super::error::chain(&error);
    match error {
        export::Error::Unknown(id) => Error::said(format!("没有编号为 {id} 的消息或推送"), english),
        export::Error::Archived(message) => Error::said(
            format!("消息 {message} 的留痕已归档，不在在线存储中；请用 --archives 指明归档目录"),
            format!("{english}; name the folder of archives with --archives"),
        ),
        export::Error::Unsealed { entries, .. } => {
            let seconds = rhythm.as_secs_f64();
            Error::said(
                format!(
                    "有 {entries} 条记录尚未封存；枢纽运行时每 {seconds} 秒封存一次，届时再导出，或加 --wait 等待"
                ),
                format!("{english}; a running hub seals every {seconds} s: export then, or wait with --wait"),
            )
        }
        export::Error::TooMuch { found, limit, .. } => {
            Error::said(format!("共 {found} 项，超出一个证据包的上限 {limit}；请按消息或推送导出"), english)
        }
        export::Error::Altered { month, name } => {
            Error::said(format!("{month} 归档中的 {name} 与清单不符，不予出具"), english)
        }
        export::Error::Contradicted(found) => {
            Error::said(format!("存储内容与留痕不符，不予出具：{}", found.chinese()), english)
        }
        export::Error::Unsound(failed) => {
            Error::said(format!("出具的证据包自检未通过：{}", failed.step.chinese()), english)
        }
        other => Error::Other(other.into()),
    }
}

fn check(mut call: Call<'_>, arguments: &Verify) -> Result<(), Error> {
    let keys = seal::keys(&arguments.key)?;
    let bytes = read(&arguments.file)?;
    let authorities = authorities(&call, arguments)?;
    let proven = match verify_stamped(&bytes, &keys, arguments.log.as_deref(), authorities.as_ref()) {
        Ok(proven) => proven,
        Err(failed) => {
            if call.output.is_json() {
                call.output.json(&json!({
                    "holds": false, "step": failed.step.as_str(), "because": super::error::chain(&failed.because),
                }))?;
            }
            return Err(failed_said(&failed));
        }
    };
    if let Some(html) = &arguments.html {
        write(html, page::of(&proven).as_bytes())?;
    }
    if call.output.is_json() {
        return Ok(call.output.json(&value(&proven))?);
    }
    show(&mut call.output, &proven)
}

/// Those that are named, or else those whose stamps this hub takes.
fn authorities(call: &Call<'_>, arguments: &Verify) -> Result<Option<Authorities>, Error> {
    let Some(path) = &arguments.authority else { return Ok(app::stamps::authorities(&call.settings)?) };
    let pem = seal::read(path)?;
    Authorities::from_pem(pem.as_bytes()).map(Some).map_err(|error| {
        let path = path.display();
        Error::said(
            format!("{path} 中没有可用的时间戳机构证书：{error}"),
            format!("{path} holds no certificate of an authority: {error}"),
        )
    })
}

fn show(output: &mut Output<'_>, proven: &Proven) -> Result<(), Error> {
    output.say("核验通过。本证据包证明：", "it holds. The file proves:")?;
    let tongue = match output.language {
        Language::Zh => Tongue::Chinese,
        Language::En => Tongue::English,
    };
    for line in said::proven(proven, tongue) {
        output.line(format!("- {line}"))?;
    }
    Ok(())
}

fn value(proven: &Proven) -> Value {
    let messages: Vec<_> = proven
        .messages
        .iter()
        .map(|message| {
            let content = message.opened.as_ref().map(|opened| &opened.content);
            json!({ "id": message.id, "receipt": message.receipt, "content": content })
        })
        .collect();
    let attempts: Vec<_> = proven
        .exchanged
        .iter()
        .map(|(entry, exchanged)| json!({ "entry": entry, "exchanged": exchanged }))
        .collect();
    let stamp = match proven.stamp {
        Stamp::Absent => Value::Null,
        Stamp::Unchecked => json!({ "checked": false }),
        Stamp::Holds(at) => json!({ "checked": true, "time": at }),
    };
    let erased: Vec<_> = proven.lines.iter().filter_map(Line::erases).collect();
    json!({
        "holds": true, "log": proven.sealed.log, "size": proven.sealed.size, "sealed_at": proven.sealed.time,
        "keys": proven.keys, "about": proven.about, "messages": messages, "statements": proven.statements,
        "stamp": stamp, "attempts": attempts, "erased": erased, "entries": proven.lines.len(),
        "proves": said::proven(proven, Tongue::Chinese),
    })
}

fn failed_said(failed: &Failed) -> Error {
    Error::said(
        format!("核验未通过。{}", failed.step.chinese()),
        format!("it does not hold: {}", super::error::chain(failed)),
    )
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let named = |source| Error::Unreadable { path: path.display().to_string(), source };
    let mut bytes = Vec::new();
    std::fs::File::open(path).map_err(named)?.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(named)?;
    if bytes.len() as u64 > MAX_BYTES {
        let path = path.display();
        return Err(Error::said(
            format!("{path} 超过 {MAX_BYTES} 字节，不是证据包"),
            format!("{path} has more than {MAX_BYTES} bytes, which no evidence file has"),
        ));
    }
    Ok(bytes)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    std::fs::write(path, bytes).map_err(|source| {
        let path = path.display();
        Error::said(format!("无法写入 {path}：{source}"), format!("cannot write {path}: {source}"))
    })
}
