//! Deliveries at work: claim, settle, operate.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Error, NewEntry, Step, Way};
use crate::{
    domain::{
        delivery::{Next, Outcome, Transport},
        id::{DeliveryId, EndpointId, MessageId},
    },
    port::bus::{AttemptRecord, LeaseToken, Work},
};

/// Deliveries at work.
///
/// - *Order*: only the head of a lane (endpoint, order key) is ever claimed; the next one heads the lane
///   when the one before is final (promise 5). Held and parked deliveries block their lane.
/// - *Fencing*: a settlement counts only under the lease it carries, with one exception: a late success
///   settles as delivered (promise 6).
/// - *Belonging*: a settlement counts only for a delivery of the endpoint and the message that it names.
/// - *Idempotence*: the same end of one lease settled twice changes nothing the second time. The lease
///   stands until it is settled; that its time is over ([`Deliveries::expired`]) is for the reconciler.
/// - *Ready*: endpoints reported ready may already have been so.
#[async_trait]
pub trait Deliveries {
    /// Leases up to `limit` due lane heads for each wanted endpoint, oldest first; durable before return. Where
    /// a want names a window, callers at once do not together exceed it.
    async fn claim(&self, claim: Claim, now: Timestamp) -> Result<Vec<Work>, Error>;

    /// Records attempts and moves deliveries; the answers are in the order given.
    async fn settle(&self, settlements: Vec<Settlement>, now: Timestamp) -> Result<Vec<Settled>, Error>;

    /// Leases that ended before `now` and were never settled.
    async fn expired(&self, now: Timestamp, limit: usize) -> Result<Vec<ExpiredLease>, Error>;

    /// Endpoints with something claimable now, and when the next scheduled one falls due.
    async fn waiting(&self, now: Timestamp) -> Result<Waiting, Error>;

    /// What a person does to one delivery. The entry is written only when the operation is possible.
    async fn operate(
        &self,
        delivery: DeliveryId,
        operation: Operation,
        entry: NewEntry,
        now: Timestamp,
    ) -> Result<Result<Operated, NotPossible>, Error>;

    /// Carries out a replay plan in one transaction: every step with its entry, or none, and then why, of each that is
    /// not possible. Endpoints that have something ready because of it.
    async fn replay(
        &self,
        steps: Vec<Step>,
        way: Way,
        now: Timestamp,
    ) -> Result<Result<Vec<EndpointId>, Vec<NotPossible>>, Error>;
}

/// A request for work.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Endpoints with room.
    pub wants: Vec<Want>,
    /// When the lease ends.
    pub lease_until: Timestamp,
    /// Latest time a worker may still be at it; before `lease_until` by the margin.
    pub not_after: Timestamp,
}

/// Room at one endpoint.
#[derive(Clone, Debug)]
pub struct Want {
    /// Which.
    pub endpoint: EndpointId,
    /// How many.
    pub limit: usize,
    /// How many may be under lease at the endpoint then, whoever leased them; none where the caller knows.
    pub window: Option<usize>,
}

/// The end of one attempt.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// Which delivery.
    pub delivery: DeliveryId,
    /// Its message, as whoever reports says.
    pub message: MessageId,
    /// Its endpoint, as whoever reports says: that for which he may report.
    pub endpoint: EndpointId,
    /// Under which lease.
    pub lease: LeaseToken,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// What was tried.
    pub record: AttemptRecord,
    /// Salt under which the entry commits to what was sent and answered; none where nothing was tried.
    pub salt: Option<[u8; 16]>,
    /// Where the delivery goes if the lease still stands.
    pub next: Next,
    /// Whether the attempt counts against the retry policy.
    pub counts: Counts,
    /// Trail entry of the attempt.
    pub entry: NewEntry,
}

/// Whether an attempt is used up. Waiting behind a breaker burns none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    /// Yes.
    Attempt,
    /// No: nothing was tried.
    Nothing,
}

/// What became of a settlement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// Applied. Endpoints that have something ready because of it.
    Applied {
        /// Endpoints to look at.
        ready: Vec<EndpointId>,
    },
    /// The lease was over and the success came late: delivered now.
    LateSuccess {
        /// Endpoints to look at.
        ready: Vec<EndpointId>,
    },
    /// It was only sent again: the attempt is recorded, the delivery stays as it had ended.
    Again {
        /// Endpoints to look at.
        ready: Vec<EndpointId>,
    },
    /// The lease was over: the attempt is recorded, the state is not touched.
    LateIgnored,
    /// No such delivery, or no such lease was ever given: nothing is recorded.
    Unknown,
    /// The delivery is of another endpoint or message than was said: nothing is recorded.
    Foreign,
}

/// A lease that ended unsettled.
#[derive(Clone, Debug)]
pub struct ExpiredLease {
    /// The work as it was handed out, with an empty body.
    pub work: Work,
}

/// What waits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Endpoints with something claimable.
    pub ready: Vec<EndpointId>,
    /// When the next scheduled delivery falls due.
    pub next_due: Option<Timestamp>,
}

/// What a person may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Try again now: from parked or scheduled; attempts and age start again. A second hop that was parked
    /// while held goes back to waiting for its first hop.
    Retry,
    /// Stop for a person: from ready, scheduled, held.
    Park {
        /// Reason, in words.
        reason: Box<str>,
    },
    /// Leave out: from parked, so that its lane goes on.
    Skip,
    /// Call off (取消推送): from any state that is not final and not leased.
    Withdraw,
    /// Served on paper (线下送达), with the paper's number: from any state that is not final and not leased.
    ServeOffline {
        /// 送达回证 number.
        document: Box<str>,
    },
    /// Let a held second hop go: its first hop must have reached its moment. Meets `Relay`.
    ConfirmRelay,
}

impl Operation {
    /// The word in data.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Park { .. } => "park",
            Self::Skip => "skip",
            Self::Withdraw => "withdraw",
            Self::ServeOffline { .. } => "serve_offline",
            Self::ConfirmRelay => "confirm_relay",
        }
    }

    /// The states from which it is possible.
    pub fn from(&self) -> &'static [Transport] {
        use Transport::{Held, Parked, Ready, Scheduled};

        match self {
            Self::Retry => &[Parked, Scheduled],
            Self::Park { .. } => &[Ready, Scheduled, Held],
            Self::Skip => &[Parked],
            Self::Withdraw | Self::ServeOffline { .. } => &[Held, Ready, Scheduled, Parked],
            Self::ConfirmRelay => &[Held],
        }
    }

    /// The state it leads to. Of a retry, a second hop that was parked while it waited goes back to
    /// [`Transport::Held`] instead.
    pub fn to(&self) -> Transport {
        match self {
            Self::Retry | Self::ConfirmRelay => Transport::Ready,
            Self::Park { .. } => Transport::Parked,
            Self::Skip => Transport::Skipped,
            Self::Withdraw => Transport::Withdrawn,
            Self::ServeOffline { .. } => Transport::ServedOffline,
        }
    }
}

/// An operation done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operated {
    /// Before.
    pub from: Transport,
    /// After.
    pub to: Transport,
    /// Endpoints to look at.
    pub ready: Vec<EndpointId>,
}

/// An operation that cannot be done; nothing changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotPossible {
    /// No such delivery.
    #[error("no delivery {0}")]
    Unknown(DeliveryId),
    /// Not from this state.
    #[error("delivery {delivery} is {state}, which does not allow this; it needs {}", or(needs))]
    State {
        /// Which.
        delivery: DeliveryId,
        /// Its state.
        state: Transport,
        /// States that would do.
        needs: &'static [Transport],
    },
    /// It has no endpoint to go to.
    #[error("delivery {0} has no endpoint; name the recipient in the registry and send the message on")]
    NoEndpoint(DeliveryId),
    /// It stands otherwise than when the plan was made.
    #[error("delivery {delivery} was {planned} when the plan was made and is {state} now; make a new plan")]
    Moved {
        /// Which.
        delivery: DeliveryId,
        /// Its state in the plan.
        planned: Transport,
        /// Its state.
        state: Transport,
    },
    /// It is being sent again.
    #[error("delivery {0} is being sent again already")]
    UnderWay(DeliveryId),
    /// There is nothing to send.
    #[error("what the message of delivery {0} said was archived or erased; ask its sender")]
    Emptied(DeliveryId),
    /// It would come after what is newer.
    #[error(
        "later deliveries of the same lane went out after {0}, or cannot be told: sent again alone, the older fact would come last; let the sender send it anew"
    )]
    Overtaken(DeliveryId),
    /// Its relay cannot be confirmed.
    #[error("relay of delivery {delivery} cannot be confirmed: {because}")]
    Relay {
        /// Which.
        delivery: DeliveryId,
        /// Why.
        because: NotConfirmable,
    },
}

impl NotPossible {
    /// Which delivery.
    pub fn delivery(&self) -> DeliveryId {
        match self {
            Self::Unknown(delivery)
            | Self::NoEndpoint(delivery)
            | Self::UnderWay(delivery)
            | Self::Emptied(delivery)
            | Self::Overtaken(delivery)
            | Self::State { delivery, .. }
            | Self::Moved { delivery, .. }
            | Self::Relay { delivery, .. } => *delivery,
        }
    }

    /// The same for a screen.
    pub fn chinese(&self) -> String {
        match self {
            Self::Unknown(delivery) => format!("没有编号为 {delivery} 的推送"),
            Self::State { delivery, state, needs } => {
                let needs: Vec<_> = needs.iter().map(|state| format!("“{}”", state.chinese())).collect();
                let needs = needs.join("或");
                format!("推送 {delivery} 当前为“{}”，不能这样处理；须为{needs}", state.chinese())
            }
            Self::NoEndpoint(delivery) => {
                format!("推送 {delivery} 没有接入系统可送；请先在注册表中明确接收机构，再转送该消息")
            }
            Self::Moved { delivery, planned, state } => format!(
                "推送 {delivery} 编制方案时为“{}”，现为“{}”；请重新编制方案",
                planned.chinese(),
                state.chinese()
            ),
            Self::UnderWay(delivery) => format!("推送 {delivery} 正在重新推送"),
            Self::Emptied(delivery) => format!("推送 {delivery} 的消息内容已归档或清除；请联系发送机构"),
            Self::Overtaken(delivery) => format!(
                "推送 {delivery} 之后同一推送序列已有更新的送出（或无法确认），单独重发会使旧事实后到；请由发送机构重新报送"
            ),
            Self::Relay { delivery, because } => {
                format!("推送 {delivery} 不能确认转报：{}", because.chinese())
            }
        }
    }
}

/// Why a relay cannot be confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotConfirmable {
    /// It is an ordinary delivery.
    #[error("it is no second hop")]
    NoSecondHop,
    /// The supervisor sends it by other means.
    #[error("the supervisor relays in its own system")]
    OwnSystem,
    /// The first recipient does not have it yet.
    #[error("its first hop has not reached its operative moment")]
    TooEarly,
}

impl NotConfirmable {
    fn chinese(self) -> &'static str {
        match self {
            Self::NoSecondHop => "它不是转报的推送",
            Self::OwnSystem => "监管部门在自有系统中转报",
            Self::TooEarly => "前一环节尚未到审管界点",
        }
    }
}

fn or(states: &[Transport]) -> String {
    let words: Vec<_> = states.iter().map(|state| state.as_str()).collect();
    match words.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, first)) => format!("{} or {last}", first.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn what_is_not_possible_says_which_states_would_do() {
        let delivery = DeliveryId(Uuid::nil());
        let refused = |operation: &Operation| NotPossible::State {
            delivery,
            state: Transport::Delivered,
            needs: operation.from(),
        };
        let text = refused(&Operation::Withdraw).to_string();
        assert!(text.ends_with("it needs held, ready, scheduled or parked"), "{text}");
        let text = refused(&Operation::Skip).to_string();
        assert!(text.ends_with("it needs parked"), "{text}");
        let text = refused(&Operation::Retry).chinese();
        assert!(text.contains("“已送达”") && text.ends_with("须为“待人工处理”或“待重试”"), "{text}");
    }
}
