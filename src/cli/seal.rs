//! `liandong seal verify`: checks the sealed trail against its signed checkpoints, streaming. It reads the
//! store itself, beside a running hub or without one, and changes nothing.

use std::{path::PathBuf, sync::Arc, time::Instant};

use clap::{Args, Subcommand};
use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::{Call, Error, language::Language, progress::Progress};
use crate::{
    app::{
        self,
        shelf::{Opening, Shelf},
    },
    engine::{
        audit::{self, Contradiction},
        stamp,
    },
    evidence::{
        checkpoint::Origin,
        seal::{Report, SealCheck},
        signer::PublicKeys,
        tree::Frontier,
    },
    port::{
        clock::SystemClock,
        store::{Archived, SealedEntry, Store},
    },
};

/// Entries read at a time.
const PAGE: usize = 5_000;
/// Entries whose rows are asked for at once: most of the time is spent on the way to a store and back.
const AT_ONCE: usize = 8;

/// What to do.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Check every sealed entry, from the first one on, and the rows that follow from them
    Verify {
        /// PEM file with the public keys that count; the hub's own key otherwise
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// A checkpoint that was kept elsewhere, which the store must contain; may be given several times
        #[arg(long, value_name = "FILE")]
        anchor: Vec<PathBuf>,
    },
}

pub(super) async fn run(mut call: Call<'_>, arguments: Arguments) -> Result<(), Error> {
    let What::Verify { key, anchor } = arguments.what;
    let anchors = anchor.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?;
    let origin = app::load::origin(&call.settings)?;
    let opening = Opening::new(&call.settings, &call.environment, Arc::new(SystemClock));
    let shelf = Shelf::look(&opening).await?;
    let keys = match key {
        Some(path) => keys(&path)?,
        None => app::load::public_keys(&call.settings, &call.environment)?,
    };
    let keys = app::load::trusted(shelf.store().as_ref(), &keys).await?;
    let begun = Instant::now();
    let archived = shelf.store().archived().await.map_err(app::Error::from)?;
    let mut check = begun_at(archived.as_ref(), origin, keys)?;
    for anchor in &anchors {
        check.anchor(anchor);
    }
    let checked = watched(shelf.store().as_ref(), check, call.output.language).await;
    let stamps = stamped(&call, shelf.store().as_ref()).await;
    shelf.close().await?;
    let ((report, contradiction), stamps) = (checked?, stamps?);
    let seconds = begun.elapsed().as_secs_f64();
    if call.output.is_json() {
        let value = serde_json::json!({
            "report": report, "contradiction": contradiction, "seconds": seconds,
            "stamps": stamps.as_ref().map(|stamps| stamps.as_ref().ok()),
        });
        call.output.json(&value)?;
    } else {
        call.output.line(match call.output.language {
            Language::Zh => format!("{}（{seconds:.2} 秒）", report.chinese()),
            Language::En => format!("{report} ({seconds:.2} s)"),
        })?;
    }
    match contradiction {
        _ if !report.is_intact() => Err(Error::said("封存的留痕已不完好", "the sealed trail is not intact")),
        Some(found) => Err(Error::said(
            format!("存储内容与留痕不符：{}", found.chinese()),
            format!("stored rows are not as sealed: {found}"),
        )),
        None => match stamps {
            Some(Err(wrong)) => Err(Error::said(format!("时间戳不成立：{wrong}"), wrong)),
            Some(Ok(_)) | None => Ok(()),
        },
    }
}

/// How many time stamps there are, or what is wrong with one; none where no authority is configured.
async fn stamped(call: &Call<'_>, store: &dyn Store) -> Result<Option<Result<u64, String>>, Error> {
    match app::stamps::authorities(&call.settings)? {
        Some(authorities) => Ok(Some(stamp::check(store, &authorities).await?)),
        None => Ok(None),
    }
}

pub(super) fn read(path: &std::path::Path) -> Result<String, Error> {
    let named = || path.display().to_string();
    std::fs::read_to_string(path).map_err(|source| Error::Unreadable { path: named(), source })
}

pub(super) fn keys(path: &std::path::Path) -> Result<PublicKeys, Error> {
    PublicKeys::from_pem(&read(path)?).map_err(|error| {
        let path = path.display();
        Error::said(
            format!("{path} 中没有可用的公钥：{error}"),
            format!("{path} holds no public key: {error}"),
        )
    })
}

/// The seal, and where it is intact the rows that follow from what it covers; says how far it has come where a
/// person watches.
async fn watched(
    store: &dyn Store,
    check: SealCheck,
    language: Language,
) -> Result<(Report, Option<Contradiction>), Error> {
    let total = store.sealer_state().await?.size;
    let mut progress = Progress::of_work(language, "核验留痕", "entries checked", total);
    let report = feed(store, check, |position| progress.done(position)).await;
    progress.end();
    let report = report?;
    if !report.is_intact() {
        return Ok((report, None));
    }
    let archived = store.archived().await?;
    let mut progress =
        Progress::of_work(language, "核对存储内容", "rows held against entries", report.sealed);
    let found =
        contradicted(store, report.sealed, archived.as_ref(), |position| progress.done(position)).await;
    progress.end();
    Ok((report, found?))
}

/// The first row that is not as the sealed entries say.
async fn contradicted(
    store: &dyn Store,
    sealed: u64,
    archived: Option<&Archived>,
    mut done: impl FnMut(u64),
) -> Result<Option<Contradiction>, Error> {
    let mut position = archived.map_or(0, |archived| archived.size);
    let until = archived.map(|archived| archived.until);
    while position < sealed {
        let entries = store.sealed(position, PAGE).await?;
        let Some(last) = entries.last() else { break };
        position = last.position + 1;
        let hold = async |entry: &SealedEntry| {
            let found = audit::contradiction(store, &entry.body, until).await;
            found.map(|found| (entry.position, found))
        };
        let mut held = stream::iter(&entries).map(hold).buffered(AT_ONCE);
        while let Some((position, found)) = held.try_next().await? {
            if found.is_some() {
                return Ok(found);
            }
            done(position);
        }
    }
    Ok(None)
}

/// A check of what is online: from the first entry on, or from the checkpoint on that the archive ends with.
fn begun_at(archived: Option<&Archived>, origin: Origin, keys: PublicKeys) -> Result<SealCheck, Error> {
    let Some(Archived { frontier, checkpoint: Some(note), .. }) = archived else {
        return Ok(SealCheck::new(origin, keys));
    };
    let frontier = Frontier::from_bytes(frontier).map_err(|error| Error::Other(error.into()))?;
    Ok(SealCheck::resume(origin, keys, frontier, 0, note))
}

/// Feeds a store's log to the check.
pub(crate) async fn verify(store: &dyn Store, origin: Origin, keys: PublicKeys) -> Result<Report, Error> {
    let archived = store.archived().await.map_err(app::Error::from)?;
    let check = begun_at(archived.as_ref(), origin, keys)?;
    feed(store, check, |_| {}).await
}

async fn feed(store: &dyn Store, mut check: SealCheck, mut done: impl FnMut(u64)) -> Result<Report, Error> {
    let archived = store.archived().await.map_err(app::Error::from)?;
    let begin = archived.map_or(0, |archived| archived.size);
    let (mut position, mut after) = (begin, begin);
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
