//! What happened to one delivery, read out of its sealed entries: the five moments, attempts, and where it stopped.
//!
//! A pure function of the entries. Times of attempts are those of the worker's clock, all others of the hub's.

use jiff::Timestamp;
use serde_json::Value;

use super::Line;
use crate::{
    domain::{
        decision::{ParkReason, Part},
        delivery::{Moment, Outcome},
        id::{DeliveryId, EndpointId, MessageId, OrganisationId},
    },
    engine::trail::{ANSWERED, ATTEMPTED, MISSED, OPERATED, SUPERSEDED},
};

/// A delivery as it was planned when its message was accepted.
#[derive(Debug, Clone)]
pub struct Planned<'l> {
    /// The entry of the acceptance.
    pub accepted: &'l Line,
    /// Its message.
    pub message: MessageId,
    /// Its id.
    pub id: DeliveryId,
    /// Recipient; none for an audience that came to nothing.
    pub organisation: Option<OrganisationId>,
    /// Endpoint.
    pub endpoint: Option<EndpointId>,
    /// In whose name.
    pub on_behalf_of: Option<OrganisationId>,
    /// 牵头, 配合, 知悉.
    pub part: Option<Part>,
    /// Rule that sends it.
    pub rule: String,
    /// Which online moment was operative then.
    pub moment: Option<Moment>,
    /// How it started.
    state: Value,
}

/// Something that happened, and the entry that says so.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Happened<'l> {
    /// When.
    pub at: Timestamp,
    /// The entry.
    pub line: &'l Line,
}

/// Why a delivery does not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// It waits for a person.
    Parked(Option<ParkReason>),
    /// Called off by a person.
    Withdrawn,
    /// Left out by a person.
    Skipped,
    /// A higher revision took its place.
    Superseded,
}

/// What is operative, and why.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Operative<'l> {
    /// The moment.
    pub happened: Happened<'l>,
    /// `handed_over`, `signed` or `served_offline`.
    pub by: &'static str,
}

/// What happened.
#[derive(Debug, Clone, Default)]
pub struct Story<'l> {
    /// Attempts, in the order of the trail.
    pub attempts: Vec<&'l Line>,
    /// The target confirmed it, or its receipt shows that it has it.
    pub handed_over: Option<Happened<'l>>,
    /// 签收.
    pub signed: Option<Happened<'l>>,
    /// 退回.
    pub returned: Option<Happened<'l>>,
    /// 反馈.
    pub answered: Option<Happened<'l>>,
    /// 线下送达.
    pub offline: Option<Happened<'l>>,
    /// Deadlines that passed.
    pub missed: Vec<&'l Line>,
    /// Where it stopped, as far as the entries go.
    pub stop: Option<(Stop, &'l Line)>,
    is_returned: bool,
    is_resent: bool,
    lease: u64,
}

impl<'l> Planned<'l> {
    /// The deliveries that an acceptance planned.
    pub fn of(accepted: &'l Line) -> Vec<Self> {
        let Some(message) = accepted.accepts() else { return Vec::new() };
        let moment = serde_json::from_value(accepted.data["moment"].clone()).ok();
        let rows = accepted.data["deliveries"].as_array().into_iter().flatten();
        let planned = |row: &Value| {
            let text = |name: &str| row[name].as_str();
            Some(Self {
                accepted,
                message,
                id: text("id")?.parse().ok()?,
                organisation: text("organisation").map(OrganisationId::from),
                endpoint: text("endpoint").map(EndpointId::from),
                on_behalf_of: text("on_behalf_of").map(OrganisationId::from),
                part: serde_json::from_value(row["part"].clone()).ok(),
                rule: text("rule").unwrap_or_default().to_owned(),
                moment,
                state: row["state"].clone(),
            })
        };
        rows.filter_map(planned).collect()
    }

    /// Whether it is the one delivery under which is said what an organisation owes about the message alone.
    fn stands_for(&self, organisation: Option<&OrganisationId>) -> bool {
        let all = Planned::of(self.accepted);
        let own = all.iter().find(|planned| planned.organisation.as_ref() == organisation);
        own.or_else(|| all.first()).is_some_and(|planned| planned.id == self.id)
    }

    fn is_held(&self) -> bool {
        self.state.get("held_after").is_some()
    }
}

impl<'l> Story<'l> {
    /// Reads the entries, which rise by position.
    pub fn of(planned: &Planned<'l>, lines: &'l [Line]) -> Self {
        let mut story = Self::default();
        if let Some(reason) = planned.state.get("parked") {
            story.stop = Some((Stop::Parked(reason_of(reason)), planned.accepted));
        }
        for line in lines {
            story.take(planned, line);
        }
        story
    }

    /// The operative moment (审管界点) of this recipient: the configured online one or paper, whichever is first. One that
    /// returned it has not taken it up.
    pub fn operative(&self, configured: Option<Moment>) -> Option<Operative<'l>> {
        let online = match configured? {
            _ if self.is_returned => None,
            Moment::HandedOver => self.handed_over.map(|happened| Operative { happened, by: "handed_over" }),
            Moment::Signed => {
                let first = [self.signed, self.answered].into_iter().flatten().min_by_key(|it| it.at);
                first.map(|happened| Operative { happened, by: "signed" })
            }
        };
        let paper = self.offline.map(|happened| Operative { happened, by: "served_offline" });
        [online, paper].into_iter().flatten().min_by_key(|it| it.happened.at)
    }

    /// Why it has not arrived; none when it has, or may yet without anybody's doing.
    pub fn undelivered(&self) -> Option<(Stop, &'l Line)> {
        let arrived = [self.handed_over, self.signed, self.returned, self.answered, self.offline];
        self.stop.filter(|_| arrived.iter().all(Option::is_none))
    }

    fn take(&mut self, planned: &Planned<'l>, line: &'l Line) {
        let own = line.delivery == Some(planned.id);
        match line.event.as_str() {
            ATTEMPTED if own => self.attempted(planned, line),
            OPERATED if own => self.operated(line),
            SUPERSEDED if own => self.stop = Some((Stop::Superseded, line)),
            MISSED if own => self.missed.push(line),
            MISSED
                if line.delivery.is_none()
                    && line.message == Some(planned.message)
                    && planned.stands_for(line.sender().as_ref()) =>
            {
                self.missed.push(line);
            }
            ANSWERED if line.message == Some(planned.message) && line.sender() == planned.organisation => {
                first(&mut self.answered, Happened { at: line.at, line });
                self.is_returned = false;
            }
            _ if line.accepts().is_some() => self.heard(planned, line),
            _ => {}
        }
    }

    fn attempted(&mut self, planned: &Planned<'l>, line: &'l Line) {
        self.attempts.push(line);
        // What was delivered before it was sent again keeps its moment, whatever the clocks of later workers say.
        if self.is_resent {
            return;
        }
        let outcome = line.data["outcome"]["class"].as_str();
        if outcome == Some(Outcome::Delivered.as_str()) {
            // A clock that is behind does not make it arrive before it was made.
            let at = line.at.max(planned.accepted.at);
            first(&mut self.handed_over, Happened { at, line });
            return;
        }
        // An outcome that came after its lease changes nothing; a later lease has the word.
        let lease = line.data["lease"].as_u64().unwrap_or_default();
        if lease < self.lease || self.is_final() {
            return;
        }
        self.lease = lease;
        let next = &line.data["next"];
        let parked = next["state"] == "parked";
        self.stop = parked.then(|| (Stop::Parked(reason_of(&next["reason"])), line));
    }

    fn operated(&mut self, line: &'l Line) {
        let operation = &line.data["operation"];
        let word = operation.as_object().and_then(|object| object.keys().next()).map(String::as_str);
        match word.or_else(|| operation.as_str()) {
            Some("serve_offline") => first(&mut self.offline, Happened { at: line.at, line }),
            Some("withdraw") => self.stop = Some((Stop::Withdrawn, line)),
            Some("skip") => self.stop = Some((Stop::Skipped, line)),
            Some("park") => self.stop = Some((Stop::Parked(Some(ParkReason::ByOperator)), line)),
            Some("retry" | "confirm_relay") => self.stop = None,
            Some("resend") => self.is_resent = true,
            _ => {}
        }
    }

    /// What another message says of this delivery.
    fn heard(&mut self, planned: &Planned<'l>, line: &'l Line) {
        let happened = Happened { at: line.at, line };
        for effect in line.effects() {
            let own = effect.delivery == Some(planned.id);
            match effect.says.as_str() {
                "signed" if own => {
                    first(&mut self.signed, happened);
                    self.is_returned = false;
                }
                "returned" if own => {
                    first(&mut self.returned, happened);
                    self.is_returned = true;
                }
                "relay_confirmed" if own => {
                    self.stop = None;
                    continue;
                }
                _ => continue,
            }
            // Whoever signs or returns it has it; a held one was not sent.
            if !planned.is_held() || !self.attempts.is_empty() {
                first(&mut self.handed_over, happened);
            }
        }
    }

    fn is_final(&self) -> bool {
        matches!(self.stop, Some((Stop::Withdrawn | Stop::Skipped | Stop::Superseded, _)))
    }
}

impl Stop {
    /// The word in data.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Parked(_) => "parked",
            Self::Withdrawn => "withdrawn",
            Self::Skipped => "skipped",
            Self::Superseded => "superseded",
        }
    }
}

fn reason_of(value: &Value) -> Option<ParkReason> {
    serde_json::from_value(value.clone()).ok()
}

/// Keeps whichever is earlier.
fn first<'l>(place: &mut Option<Happened<'l>>, happened: Happened<'l>) {
    if place.is_none_or(|known| happened.at < known.at) {
        *place = Some(happened);
    }
}
