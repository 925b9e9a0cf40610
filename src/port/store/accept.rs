//! Accepting messages: one durable commit for everything that an acceptance means.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::{Timestamp, civil::Date};

use super::{Error, NewEntry, Sha256Digest};
use crate::domain::{
    decision::{ParkReason, Part, Redaction, Relay},
    delivery::{Acknowledgement, Moment},
    id::{DeliveryId, EndpointId, MatterId, MessageId, OrderKey, OrganisationId, RuleId},
    message::{LicenceKey, MessageKey},
    obligation::{CalendarBasis, Duty, Term},
};

/// Accepts messages.
///
/// - *Atomic*: each acceptance is done whole or not at all; a bad one does not fail its neighbours, its
///   verdict is [`Verdict::Unstorable`]. Verdicts other than [`Verdict::Accepted`] changed nothing.
/// - *Durable*: a verdict is returned after the commit that holds it.
/// - *Order*: acceptances of a call are taken in the order given; lane sequences rise in that order.
/// - *Idempotence*: (organisation, kind, business key, revision) is unique for ever (promise 2).
#[async_trait]
pub trait Accept {
    /// Accepts each on its own, in one transaction.
    async fn accept(&self, acceptances: Vec<Acceptance>, now: Timestamp) -> Result<Vec<Verdict>, Error>;
}

/// Everything one message brings.
#[derive(Clone, Debug)]
pub struct Acceptance {
    /// The hub's name of it.
    pub id: MessageId,
    /// What makes it the same message.
    pub key: MessageKey,
    /// Its revision.
    pub revision: u32,
    /// Highest revision of the key that routing knew; the verdict is [`Verdict::Moved`] when another was
    /// accepted since, so that corrections reach everybody who had the original.
    pub known_revision: Option<u32>,
    /// Linked matter.
    pub matter: MatterId,
    /// Endpoint that sent it.
    pub endpoint: EndpointId,
    /// Exact bytes received.
    pub received: Bytes,
    /// Salt of the commitment to `received` that the trail holds; lives and dies with the payload.
    pub salt: [u8; 16],
    /// SHA-256 of `received`.
    pub received_digest: Sha256Digest,
    /// Keyed digest of the canonical form.
    pub content_digest: Sha256Digest,
    /// Canonical JSON (RFC 8785) of the message.
    pub canonical: Bytes,
    /// The decision as JSON.
    pub decision: Bytes,
    /// Order key of its deliveries.
    pub order_key: OrderKey,
    /// Deliveries.
    pub deliveries: Vec<NewDelivery>,
    /// Obligations.
    pub obligations: Vec<NewObligation>,
    /// What it does to what is already stored.
    pub effects: Vec<Effect>,
    /// Signed receipt, kept and returned verbatim.
    pub receipt: Bytes,
    /// Trail entries.
    pub entries: Vec<NewEntry>,
}

/// One delivery to create.
#[derive(Clone, Debug)]
pub struct NewDelivery {
    /// Its id.
    pub id: DeliveryId,
    /// Recipient; none for an audience that came to nothing.
    pub organisation: Option<OrganisationId>,
    /// Endpoint; a delivery without one is parked.
    pub endpoint: Option<EndpointId>,
    /// 牵头, 配合, 知悉.
    pub part: Part,
    /// 职责分工.
    pub share: Option<Box<str>>,
    /// What is taken out for this recipient.
    pub redaction: Redaction,
    /// In whose name.
    pub on_behalf_of: Option<OrganisationId>,
    /// Rule that sends it.
    pub rule: RuleId,
    /// How it starts.
    pub start: NewState,
}

/// How a delivery starts.
#[derive(Clone, Debug)]
pub enum NewState {
    /// In its lane.
    Ready,
    /// In its lane, held until `after` reaches `moment`; then it goes by itself with a standing
    /// authorisation, by a confirmation with [`Relay::Confirm`], and never with [`Relay::OwnSystem`].
    /// `after` is an earlier delivery of the same acceptance or a stored one. It reaches `handed_over`
    /// when delivered, `signed` when signed or answered, both when served offline, none while returned.
    Held {
        /// The first hop.
        after: DeliveryId,
        /// Operative moment of the first hop.
        moment: Moment,
        /// How it is authorised.
        relay: Relay,
    },
    /// Parked.
    Parked {
        /// Why.
        reason: ParkReason,
        /// In words.
        detail: Box<str>,
    },
}

/// One obligation to create.
#[derive(Clone, Debug)]
pub struct NewObligation {
    /// Who owes.
    pub organisation: OrganisationId,
    /// What.
    pub duty: Duty,
    /// About which delivery.
    pub delivery: Option<DeliveryId>,
    /// Last day.
    pub due: Date,
    /// Calendar it was counted with.
    pub calendar: CalendarBasis,
    /// Stated or assumed.
    pub term: Term,
    /// Rule.
    pub rule: RuleId,
    /// Basis.
    pub basis: Box<str>,
}

/// What a message does to what is stored.
#[derive(Clone, Debug)]
pub enum Effect {
    /// A receipt about one delivery. Signed or returned before the worker's outcome also settles the
    /// delivery as delivered, unless it is held; meets `Sign`. The latest receipt counts, except that a
    /// late `Signed` does not undo `Answered`.
    Acknowledge {
        /// Which.
        delivery: DeliveryId,
        /// Signed or returned.
        acknowledgement: Acknowledgement,
    },
    /// The recipient lets a held second hop go; meets `Relay`. No effect unless it is held and its first
    /// hop has reached its moment: the verdict is then [`Verdict::Moved`] for ever, so intake checks first.
    ConfirmRelay {
        /// The held delivery.
        delivery: DeliveryId,
    },
    /// An answer by `organisation` to `message`: its deliveries there become answered, the duties are met.
    Answer {
        /// Message answered.
        message: MessageId,
        /// Who answers.
        organisation: OrganisationId,
        /// Duties met.
        duties: Vec<Duty>,
    },
    /// A higher revision: parked deliveries of lower revisions of the key are superseded, and with them
    /// the held ones that wait for them. `deliveries` is what [`super::HistoryRow::superseded`] named; when
    /// another has been parked since, the verdict is [`Verdict::Moved`]; one that is no longer parked goes
    /// its own way and its entry is not written.
    Supersede {
        /// Each with the entry that says so.
        deliveries: Vec<(DeliveryId, NewEntry)>,
    },
    /// A licence the hub now knows.
    Licence {
        /// Type and number.
        licence: LicenceKey,
        /// Issuer.
        issuer: OrganisationId,
    },
}

/// What became of one acceptance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Durable now. Endpoints that have something ready because of it.
    Accepted {
        /// Endpoints to look at.
        ready: Vec<EndpointId>,
    },
    /// The same was accepted before: its receipt.
    Duplicate {
        /// The first one.
        message: MessageId,
        /// Its receipt, verbatim.
        receipt: Bytes,
    },
    /// Other content stands under the same key and revision.
    Conflict {
        /// The message that stands.
        message: MessageId,
    },
    /// A higher revision was accepted.
    Stale {
        /// The highest.
        highest: u32,
    },
    /// The history used for routing has changed: route again.
    Moved,
    /// It cannot be stored as it is (an id used twice, a delivery named that does not exist): a fault of
    /// the hub's own, for a person.
    Unstorable {
        /// What the store said.
        why: Arc<str>,
    },
}
