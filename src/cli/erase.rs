//! `liandong retention erase`: what messages said, erased after its legal term, online and in archives. Shows what it
//! would do unless told to do it.

use std::{path::PathBuf, sync::Arc};

use clap::Args;
use jiff::{
    Timestamp, ToSpan as _,
    civil::Date,
    tz::{Offset, offset},
};
use serde_json::json;

use super::{Call, Error, parse, who::Who};
use crate::{
    app::{
        self,
        shelf::{Opening, Shelf},
    },
    domain::id::MessageId,
    engine::retention::{self, Mode, Selection, Tally},
    evidence::archive::Manifest,
    port::{clock::SystemClock, operations::By, store::Store},
};

/// Days are those of China.
const CHINA: Offset = offset(8);
/// Months that everything is kept at least.
const KEPT_MONTHS: i32 = 6;

/// What to erase.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// What was accepted before this day (China time), at least six months ago
    #[arg(long, value_name = "DAY", required_unless_present = "message", conflicts_with = "message")]
    before: Option<Date>,
    /// This message, whatever its age; may be given several times
    #[arg(long, value_name = "MESSAGE", value_parser = parse::message)]
    message: Vec<MessageId>,
    /// Folder of archives: months that end before the day are erased there too
    #[arg(long, value_name = "FOLDER", requires = "before")]
    archives: Option<PathBuf>,
    /// Do it; it cannot be undone
    #[arg(long, requires = "reason")]
    apply: bool,
    /// Why: the term that has ended, or who asked for it; kept in the trail
    #[arg(long, value_parser = parse::not_blank)]
    reason: Option<String>,
    #[command(flatten)]
    who: Who,
}

pub(super) async fn run(call: Call<'_>, arguments: Arguments) -> Result<(), Error> {
    let by = arguments.who.by(&call.environment, arguments.reason.clone().unwrap_or_default());
    let opening = Opening::new(&call.settings, &call.environment, Arc::new(SystemClock));
    let now = opening.clock().now();
    let until = arguments.before.map(|day| begin(day, now)).transpose()?;
    let shelf = if arguments.apply { Shelf::beside(&opening).await? } else { Shelf::look(&opening).await? };
    let store = shelf.store();
    let asked = Asked { selection: selection(&arguments, until), until, now, mode: mode(&arguments, &by) };
    let done = asked.carry_out(store.as_ref(), arguments.archives.as_deref(), &by).await;
    drop(store);
    shelf.close().await.map_err(app::Error::from)?;
    tell(call, done?, asked.mode)
}

fn mode<'b>(arguments: &Arguments, by: &'b By) -> Mode<'b> {
    if arguments.apply { Mode::Do(by) } else { Mode::Rehearse }
}

fn selection(arguments: &Arguments, until: Option<Timestamp>) -> Selection {
    match until {
        Some(until) => Selection::Before(until),
        None => Selection::Messages(arguments.message.clone()),
    }
}

/// When a day begins in China, if it is long enough ago.
fn begin(day: Date, now: Timestamp) -> Result<Timestamp, Error> {
    let kept = CHINA.to_datetime(now).date().checked_sub(KEPT_MONTHS.months());
    let kept = kept.map_err(|error| Error::Other(error.into()))?;
    if day > kept {
        return Err(Error::said(
            format!("--before 最晚为 {kept}：内容至少在线保存六个月；个别消息请用 --message"),
            format!(
                "--before may be {kept} at the latest: contents are kept for six months at least; name single messages with --message"
            ),
        ));
    }
    CHINA.to_timestamp(day.at(0, 0, 0, 0)).map_err(|error| Error::Other(error.into()))
}

struct Asked<'b> {
    selection: Selection,
    until: Option<Timestamp>,
    now: Timestamp,
    mode: Mode<'b>,
}

impl Asked<'_> {
    async fn carry_out(
        &self,
        store: &dyn Store,
        archives: Option<&std::path::Path>,
        by: &By,
    ) -> Result<(Tally, Vec<Manifest>), Error> {
        let failed = |error: retention::Error| Error::Other(error.into());
        let tally = retention::erase(store, &self.selection, self.mode, self.now).await.map_err(failed)?;
        let (Some(folder), Some(until)) = (archives, self.until) else { return Ok((tally, Vec::new())) };
        let months = retention::archived(folder, until).map_err(failed)?;
        if matches!(self.mode, Mode::Do(_)) {
            for month in &months {
                retention::erase_archived(store, folder, month, by, self.now).await.map_err(failed)?;
            }
        }
        Ok((tally, months))
    }
}

fn tell(mut call: Call<'_>, (tally, months): (Tally, Vec<Manifest>), mode: Mode<'_>) -> Result<(), Error> {
    let done = matches!(mode, Mode::Do(_));
    let names: Vec<_> = months.iter().map(|manifest| manifest.month.as_str()).collect();
    if call.output.is_json() {
        return Ok(call.output.json(&json!({ "done": done, "online": tally, "archives": names }))?);
    }
    let Tally { erased, held, already, absent, refusals } = tally;
    let months = names.join(" ");
    call.output.say(
        &format!(
            "{}：在线消息 {erased} 条，归档月份 {}；未了结而保留 {held} 条，此前已清除 {already} 条，不在线 {absent} 条；拒收记录的盐 {refusals} 个",
            if done { "已清除" } else { "将清除" },
            if months.is_empty() { "无" } else { &months },
        ),
        &format!(
            "{}: {erased} messages online, archived months: {}; {held} held, {already} erased before, {absent} not online; salts of refusals: {refusals}",
            if done { "erased" } else { "would be erased" },
            if months.is_empty() { "none" } else { &months },
        ),
    )?;
    if done {
        return Ok(call.output.say(
            "留痕与检查点不变，仍可核验（seal verify）。备份中的副本随备份到期；消息总线死信队列须另行清空。",
            "trail and checkpoints are as before and verify (seal verify). Copies in backups end with them; purge the broker's dead letters.",
        )?);
    }
    Ok(call.output.say(
        "以上只是查看，未作任何改动；确实清除须加 --apply --reason 原因，不可恢复",
        "nothing was changed; to erase, which cannot be undone: --apply --reason WHY",
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_that_is_too_near_is_refused() {
        let now = "2026-07-15T20:00:00Z".parse().unwrap();
        let begins = begin("2026-01-16".parse().unwrap(), now).unwrap();
        assert_eq!(begins.to_string(), "2026-01-15T16:00:00Z", "days are those of China");
        assert!(begin("2026-01-17".parse().unwrap(), now).is_err());
    }
}
