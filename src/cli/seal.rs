//! `liandong seal verify`: checks the sealed trail against its signed checkpoints, streaming. It reads the
//! store itself, beside a running hub or without one, and changes nothing.

use std::{path::PathBuf, time::Instant};

use clap::{Args, Subcommand};

use super::{Call, Error, language::Language, progress::Progress};
use crate::{
    app,
    evidence::{
        checkpoint::Origin,
        seal::{Report, SealCheck},
        signer::PublicKeys,
    },
    port::store::Store,
};

/// Entries read at a time.
const PAGE: usize = 5_000;

/// What to do.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Check every sealed entry, from the first one on
    Verify {
        /// PEM file with the public keys that count; the hub's own key otherwise
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
    },
}

pub(super) async fn run(mut call: Call<'_>, arguments: Arguments) -> Result<(), Error> {
    let What::Verify { key } = arguments.what;
    let origin = app::load::origin(&call.settings)?;
    let store = app::load::look_into_store(&call.settings)?;
    let keys = match key {
        Some(path) => keys(&path)?,
        None => app::load::public_keys(&call.settings)?,
    };
    let begun = Instant::now();
    let report = watched(&store, origin, keys, call.output.language).await;
    store.close().await?;
    let report = report?;
    let seconds = begun.elapsed().as_secs_f64();
    if call.output.is_json() {
        call.output.json(&serde_json::json!({ "report": report, "seconds": seconds }))?;
    } else {
        call.output.line(match call.output.language {
            Language::Zh => format!("{}（{seconds:.2} 秒）", report.chinese()),
            Language::En => format!("{report} ({seconds:.2} s)"),
        })?;
    }
    if report.is_intact() {
        Ok(())
    } else {
        Err(Error::said("封存的留痕已不完好", "the sealed trail is not intact"))
    }
}

fn keys(path: &std::path::Path) -> Result<PublicKeys, Error> {
    let named = || path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|source| Error::Unreadable { path: named(), source })?;
    PublicKeys::from_pem(&text).map_err(|error| {
        let path = named();
        Error::said(
            format!("{path} 中没有可用的公钥：{error}"),
            format!("{path} holds no public key: {error}"),
        )
    })
}

/// Says how far the check has come where a person watches.
async fn watched(
    store: &dyn Store,
    origin: Origin,
    keys: PublicKeys,
    language: Language,
) -> Result<Report, Error> {
    let total = store.sealer_state().await?.size;
    let mut progress = Progress::of_work(language, "核验留痕", "entries checked", total);
    let report = check(store, origin, keys, |position| progress.done(position)).await;
    progress.end();
    report
}

/// Feeds a store's log to the check.
pub(crate) async fn verify(store: &dyn Store, origin: Origin, keys: PublicKeys) -> Result<Report, Error> {
    check(store, origin, keys, |_| {}).await
}

async fn check(
    store: &dyn Store,
    origin: Origin,
    keys: PublicKeys,
    mut done: impl FnMut(u64),
) -> Result<Report, Error> {
    let mut check = SealCheck::new(origin, keys);
    let (mut position, mut after) = (0, 0);
    let mut number = 0;
    loop {
        let checkpoints = store.checkpoints(after, 1).await?;
        let Some((size, note)) = checkpoints.into_iter().next() else { break };
        while position < size {
            let limit = PAGE.min(usize::try_from(size - position).unwrap_or(PAGE));
            let entries = store.sealed(position, limit).await?;
            if entries.is_empty() {
                break;
            }
            for entry in entries {
                check.entry(entry.position, &entry.body);
                position = entry.position + 1;
            }
            done(position);
        }
        check.checkpoint(number, &note);
        number += 1;
        after = size;
        if check.is_broken() {
            break;
        }
    }
    let (unsealed, _) = store.unsealed_count().await?;
    Ok(check.finish(unsealed))
}
