//! `liandong seal verify`: the whole store, streaming, in constant memory; says how fast it went.

use std::{path::PathBuf, sync::Arc, time::Instant};

use super::{PAGE, begin, read, trusted};
use crate::{
    app::{
        self,
        shelf::{Opening, Shelf},
    },
    cli::{Call, Error, language::Language, output::Output, progress::Progress},
    domain::id::MessageId,
    engine::{
        audit::{self, Contradiction},
        stamp,
    },
    evidence::{
        checkpoint::Origin,
        seal::{Report, SealCheck},
        signer::PublicKeys,
    },
    port::{
        clock::SystemClock,
        store::{Archived, SealedEntry, Store},
    },
};

/// Checkpoints read at a time.
const NOTES: usize = 1_000;

pub(super) async fn run(mut call: Call<'_>, key: Option<PathBuf>, anchors: &[PathBuf]) -> Result<(), Error> {
    let anchors = anchors.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?;
    let origin = app::load::origin(&call.settings)?;
    let opening = Opening::new(&call.settings, &call.environment, Arc::new(SystemClock));
    let shelf = Shelf::look(&opening).await?;
    let keys = trusted(&call, key.as_deref())?;
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
    let stamps = stamps?;
    let (report, Rows { contradiction, erased }) = checked?;
    let speed = Speed::of(&report, begun.elapsed().as_secs_f64());
    if call.output.is_json() {
        let value = serde_json::json!({
            "report": report, "contradiction": contradiction,
            "stamps": stamps.as_ref().map(|stamps| stamps.as_ref().ok()),
            "erased": { "messages": erased.count, "ids": erased.ids }, "seconds": speed.seconds,
            "entries_per_second": speed.entries, "megabytes_per_second": speed.megabytes,
        });
        call.output.json(&value)?;
    } else {
        let Speed { seconds, entries, megabytes } = speed;
        call.output.line(match call.output.language {
            Language::Zh => {
                format!("{}（{seconds:.2} 秒，每秒 {entries:.0} 条、{megabytes:.1} MB）", report.chinese())
            }
            Language::En => format!("{report} ({seconds:.2} s, {entries:.0} entries/s, {megabytes:.1} MB/s)"),
        })?;
        erased.tell(&mut call.output)?;
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

/// How fast it went, seal and rows together.
struct Speed {
    seconds: f64,
    entries: f64,
    megabytes: f64,
}

impl Speed {
    #[expect(clippy::cast_precision_loss, reason = "a rate; exact up to 2^53")]
    fn of(report: &Report, seconds: f64) -> Self {
        let per_second = |count: u64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
        Self { seconds, entries: per_second(report.entries), megabytes: per_second(report.bytes) / 1e6 }
    }
}

/// The seal, and where it is intact the rows that follow from what it covers; says how far it has come where a
/// person watches.
async fn watched(store: &dyn Store, check: SealCheck, language: Language) -> Result<(Report, Rows), Error> {
    let total = store.sealer_state().await?.size;
    let mut progress = Progress::of_work(language, "核验留痕", "entries checked", total);
    let report = feed(store, check, |position| progress.done(position)).await;
    progress.end();
    let report = report?;
    if !report.is_intact() {
        return Ok((report, Rows::default()));
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
) -> Result<Rows, Error> {
    let mut rows = Rows::default();
    let mut position = archived.map_or(0, |archived| archived.size);
    let until = archived.map(|archived| archived.until);
    while position < sealed {
        let entries = store.sealed(position, PAGE).await?;
        let mut rest = entries.as_slice();
        if rest.is_empty() {
            break;
        }
        while !rest.is_empty() {
            let held = audit::held(store, rest, until).await?;
            rows.erased.add(&held.erased);
            if held.found.is_some() {
                return Ok(Rows { contradiction: held.found, ..rows });
            }
            position = rest[held.entries - 1].position + 1;
            rest = &rest[held.entries..];
            done(position);
        }
    }
    Ok(rows)
}

/// What the rows say.
#[derive(Default)]
struct Rows {
    contradiction: Option<Contradiction>,
    erased: Erased,
}

/// Messages whose contents were erased, as the trail says.
#[derive(Default)]
struct Erased {
    count: u64,
    ids: Vec<MessageId>,
}

impl Erased {
    /// Ids that are named; there are as many more as the count says.
    const NAMED: usize = 1_000;

    fn add(&mut self, ids: &[MessageId]) {
        self.count += ids.len() as u64;
        let room = Self::NAMED.saturating_sub(self.ids.len());
        self.ids.extend(ids.iter().take(room));
    }

    fn tell(&self, output: &mut Output<'_>) -> Result<(), Error> {
        if self.count == 0 {
            return Ok(());
        }
        let count = self.count;
        output.say(
            &format!("其中 {count} 条消息的内容已按留痕清除："),
            &format!("the contents of {count} messages were erased, as the trail says:"),
        )?;
        for id in &self.ids {
            output.line(format!("  {id}"))?;
        }
        if count > self.ids.len() as u64 {
            output.line("  …")?;
        }
        Ok(())
    }
}

/// A check of what is online: from the first entry on, or from the checkpoint on that the archive ends with.
fn begun_at(archived: Option<&Archived>, origin: Origin, keys: PublicKeys) -> Result<SealCheck, Error> {
    let Some(Archived { checkpoint: Some(note), .. }) = archived else {
        return Ok(SealCheck::new(origin, keys));
    };
    Ok(SealCheck::resume(origin, keys, begin(archived)?, 0, note))
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
    if let Some(latest) = store.sealer_state().await?.checkpoint {
        check.latest(&latest);
    }
    let (mut after, mut number) = (begin, 0);
    let mut entries = Entries { store, read: Vec::new().into_iter(), next: begin };
    loop {
        let checkpoints = store.checkpoints(after, NOTES).await?;
        if checkpoints.is_empty() || check.is_broken() {
            break;
        }
        for (size, note) in checkpoints {
            while let Some(entry) = entries.below(size).await? {
                check.entry(entry.position, &entry.body);
            }
            check.checkpoint(number, &note);
            (number, after) = (number + 1, size);
            done(after);
        }
    }
    // What is sealed meanwhile has its checkpoint by the time that it is seen.
    if !check.is_broken()
        && let Some(entry) = store.sealed(after, 1).await?.first()
        && store.checkpoints(after, 1).await?.is_empty()
    {
        check.uncovered(entry.position);
    }
    let (unsealed, _) = store.unsealed_count().await?;
    Ok(check.finish(unsealed))
}

/// Sealed entries one after the other, read by the page.
struct Entries<'s> {
    store: &'s dyn Store,
    read: std::vec::IntoIter<SealedEntry>,
    next: u64,
}

impl Entries<'_> {
    /// The next one, if its position is below `size`, or not the one due.
    async fn below(&mut self, size: u64) -> Result<Option<SealedEntry>, Error> {
        if self.read.as_slice().is_empty() {
            self.read = self.store.sealed(self.next, PAGE).await?.into_iter();
        }
        let is_due = |entry: &SealedEntry| entry.position == self.next;
        if self.read.as_slice().first().is_none_or(|entry| is_due(entry) && entry.position >= size) {
            return Ok(None);
        }
        let entry = self.read.next();
        self.next = entry.as_ref().map_or(self.next, |entry| entry.position + 1);
        Ok(entry)
    }
}
