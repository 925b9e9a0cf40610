//! What the audience of the demo sees: progress and tables for people, one object at the end for programs.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use super::{
    answers::{Answer, Said},
    day::{Day, Half},
    promises::{self, Broken},
    screen::{self, Journey, Totals},
    stage::Stage,
    story::Stories,
    tally,
};
use crate::{
    cli::{
        Error,
        output::{Format, Output},
    },
    domain::id::MessageId,
    port::store::{DeliveryFilter, Page, Selector},
    task::Failure,
};

/// Deliveries of one message that are shown.
const SHOWN: usize = 100;

/// The audience.
#[derive(Debug)]
pub(super) struct Show<'o> {
    output: Output<'o>,
    result: Value,
}

impl<'o> Show<'o> {
    pub(super) fn new(output: Output<'o>) -> Self {
        Self { output, result: json!({}) }
    }

    fn says(&mut self, chinese: &str, english: &str) -> Result<(), Error> {
        match self.output.format {
            Format::Text => Ok(self.output.line(self.output.language.pick(chinese, english))?),
            Format::Json => Ok(()),
        }
    }

    fn is_for_people(&self) -> bool {
        self.output.format == Format::Text
    }

    /// Who takes part.
    pub(super) fn opening(&mut self, stage: &Stage, day: &Day) -> Result<(), Error> {
        let (parties, files) = (stage.parties.len(), day.files());
        self.result["parties"] = json!(parties);
        self.result["files"] = json!(files);
        self.says(
            &format!("联动演示：{parties} 个部门系统与枢纽只经网络和文件往来，今日共 {files} 个报文文件。"),
            &format!(
                "Liandong demo: {parties} departmental systems speak to the hub over sockets and files only; \
                 {files} message files today."
            ),
        )?;
        if !self.is_for_people() {
            return Ok(());
        }
        let language = self.output.language;
        for party in &stage.parties {
            let script = party.desk().script();
            screen::party(self.output.to, language, script)?;
        }
        Ok(())
    }

    /// Which half of the day begins.
    pub(super) fn half(&mut self, half: Half) -> Result<(), Error> {
        match half {
            Half::Morning => self.says(
                "\n上午：审批部门报送审批信息与审批结果",
                "\nMorning: approvers send progress and results",
            ),
            Half::Afternoon => self.says(
                "\n下午：监管反馈、行政处罚、风险预警，以及对上午结果的更正",
                "\nAfternoon: feedback, penalties, risk warnings, corrections of the morning",
            ),
        }
    }

    /// How far it is.
    pub(super) fn progress(&mut self, elapsed: Duration, totals: Totals) -> Result<(), Error> {
        if self.is_for_people() {
            screen::progress(self.output.to, self.output.language, elapsed.as_secs_f64(), totals)?;
        }
        Ok(())
    }

    /// What each organisation sent and got, and what the hub answered.
    pub(super) fn books(
        &mut self,
        stage: &Stage,
        store: &promises::Store,
        answers: &[Answer],
    ) -> Result<(), Error> {
        let refused: Vec<_> = answers.iter().filter_map(refusal).collect();
        let receipts = answers.len() - refused.len();
        self.result["totals"] = json!(Totals::of(store));
        self.result["receipts"] = json!(receipts);
        self.result["refused"] = json!(refused);
        let (kinds, tallies) = (tally::kinds(store), tally::organisations(store, &stage.registry));
        self.result["kinds"] = json!(kinds);
        self.result["organisations"] = json!(tallies);
        self.says("\n各机构收发情况", "\nWhat each organisation sent and got")?;
        if self.is_for_people() {
            let language = self.output.language;
            screen::kinds(self.output.to, language, &kinds)?;
            screen::organisations(self.output.to, language, &tallies)?;
        }
        let messages = store.messages.len();
        let repeated = receipts.saturating_sub(messages);
        self.says(
            &format!("  枢纽出具签名回执 {receipts} 份（其中重复报送返回首次回执 {repeated} 份），当面退回 {} 件：", refused.len()),
            &format!(
                "  the hub signed {receipts} receipts ({repeated} of them the first receipt again) and refused {} messages:",
                refused.len()
            ),
        )?;
        for (sheet, code, why) in refused {
            let line = format!("    {sheet}  [{code}] {why}");
            self.says(&line, &line)?;
        }
        Ok(())
    }

    /// How the work was shared between the processes.
    pub(super) fn shares(&mut self, shares: &BTreeMap<String, u64>) -> Result<(), Error> {
        if shares.is_empty() {
            return Ok(());
        }
        let each = |unit: [&str; 2]| {
            let share = |(name, count): (&String, &u64)| {
                format!("{name} {count}{}", if name.starts_with("hub") { unit[0] } else { unit[1] })
            };
            shares.iter().map(share).collect::<Vec<_>>()
        };
        self.says(
            &format!("  各进程分担：{}", each([" 条受理", " 批结果"]).join("，")),
            &format!("  shared by processes: {}", each([" accepted", " batches of outcomes"]).join(", ")),
        )?;
        self.result["processes"] = json!(shares);
        Ok(())
    }

    /// The way of the message of the first story that has a second hop.
    pub(super) async fn journey(&mut self, stage: &Stage, stories: &Stories) -> Result<(), Error> {
        let told = stories.stories.iter().find(|story| !story.in_the_name_of.is_empty());
        let Some(story) = told else { return Ok(()) };
        let store = stage.house.store();
        let Some(message) = story.message(store.as_ref()).await.map_err(Failure::from)? else {
            return Ok(());
        };
        self.result["journey"] = json!({ "story": story.id, "message": message });
        if !self.is_for_people() {
            return Ok(());
        }
        let language = self.output.language;
        self.output.line(format!(
            "\n{}：{}（{}）\n  {} {} {message}",
            language.pick("一件消息的留痕", "The trail of one message"),
            language.pick(&story.name.zh, &story.name.en),
            story.basis,
            language.pick(story.kind.row().chinese, story.kind.as_str()),
            story.key,
        ))?;
        let journeys = journeys(stage, message).await.map_err(Failure::from)?;
        let trail = store.trail_of(Selector::Message(message)).await.map_err(Failure::from)?;
        Ok(screen::trail(self.output.to, language, &stage.registry, &journeys, &trail)?)
    }

    /// Whether the promises were kept.
    pub(super) fn verdict(&mut self, broken: &[Broken], stories: &Stories) -> Result<(), Error> {
        let count = stories.stories.len();
        self.result["stories"] = json!(count);
        self.result["broken"] = broken.iter().map(ToString::to_string).collect();
        if !self.is_for_people() {
            return Ok(self.output.json(&self.result)?);
        }
        self.says(
            &format!("\n核对：双方台账逐件比对，{count} 个案例逐一核对，回执与封存验签"),
            &format!("\nThe books of both sides, {count} cases, receipts and seals were checked"),
        )?;
        let language = self.output.language;
        screen::stories(self.output.to, language, stories, broken)?;
        Ok(screen::verdict(self.output.to, language, broken)?)
    }

    /// Where everything still runs.
    pub(super) fn kept(&mut self, stage: &Stage) -> Result<(), Error> {
        let (http, admin) = (stage.house.http(0), stage.house.admin());
        let (data, configuration) =
            (stage.house.settings().paths.data.display(), stage.house.configuration().display());
        self.says(
            &format!(
                "\n枢纽与各部门系统继续运行，按 Ctrl-C 结束。\n  报文接口 http://{http}  监控 http://{admin}/metrics\n  \
                 数据目录 {data}\n  另开终端可用：liandong --config {configuration} deliveries list --state parked"
            ),
            &format!(
                "\nThe hub and its parties go on running; Ctrl-C ends them.\n  messages http://{http}  \
                 metrics http://{admin}/metrics\n  data directory {data}\n  \
                 in another terminal: liandong --config {configuration} deliveries list --state parked"
            ),
        )
    }
}

fn refusal(answer: &Answer) -> Option<(&str, &str, &str)> {
    match &answer.said {
        Said::Refused(code, why) => Some((&answer.sheet, code, why)),
        Said::Accepted(..) => None,
    }
}

async fn journeys(stage: &Stage, message: MessageId) -> Result<Vec<Journey>, crate::port::store::Error> {
    let store = stage.house.store();
    let filter = DeliveryFilter { message: Some(message), ..DeliveryFilter::default() };
    let mut journeys = Vec::new();
    for delivery in store.deliveries(filter, Page { offset: 0, limit: SHOWN }).await? {
        let attempts = store.attempts(delivery.id).await?;
        journeys.push(Journey { delivery, attempts });
    }
    Ok(journeys)
}
