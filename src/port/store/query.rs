//! Reading what is stored: for routing, for people, for checks.

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{EntryId, Error, Sha256Digest};
use crate::domain::{
    decision::{ParkReason, Part},
    delivery::{Acknowledgement, Transport},
    id::{DeliveryId, EndpointId, MatterId, MessageId, OrganisationId, RuleId},
    message::{LicenceKey, MessageKey},
};

/// Reads. Never blocks writers; sees every commit that returned before the call.
#[async_trait]
pub trait Query {
    /// What routing needs to know of the past.
    async fn history(&self, request: HistoryRequest) -> Result<HistoryRow, Error>;

    /// One message.
    async fn message(&self, id: MessageId) -> Result<Option<MessageRow>, Error>;

    /// Ids of messages by business key, newest revision first.
    async fn find(&self, business_key: &str, limit: usize) -> Result<Vec<MessageId>, Error>;

    /// Deliveries by filter, in order of acceptance.
    async fn deliveries(&self, filter: DeliveryFilter, page: Page) -> Result<Vec<DeliveryRow>, Error>;

    /// Attempts of one delivery, oldest first.
    async fn attempts(&self, delivery: DeliveryId) -> Result<Vec<AttemptRow>, Error>;

    /// Trail entries of one message or delivery, oldest first.
    async fn trail_of(&self, selector: Selector) -> Result<Vec<TrailRow>, Error>;

    /// Counts per receiving organisation.
    async fn counts(&self) -> Result<Vec<OrganisationCount>, Error>;
}

/// What routing asks.
#[derive(Clone, Debug, Default)]
pub struct HistoryRequest {
    /// The key whose earlier revisions matter.
    pub key: Option<MessageKey>,
    /// Licences whose issuer is not named.
    pub licences: Vec<LicenceKey>,
    /// A message answered by id.
    pub answers: Option<MessageId>,
    /// A message answered by its own key, whatever organisation sent it: kind and business key.
    pub answers_key: Option<(crate::domain::kind::Kind, Box<str>)>,
    /// A delivery a receipt is about.
    pub delivery: Option<DeliveryId>,
    /// What stands under a key and revision.
    pub standing: Option<(MessageKey, u32)>,
}

/// What the store knows.
#[derive(Clone, Debug, Default)]
pub struct HistoryRow {
    /// Highest revision of the key.
    pub known_revision: Option<u32>,
    /// Recipients of its earlier revisions, without those whose delivery a person withdrew.
    pub recipients: Vec<OrganisationId>,
    /// What a higher revision supersedes: its parked deliveries and the held ones that wait for them.
    pub superseded: Vec<DeliveryId>,
    /// Issuers of the licences asked for, where known.
    pub issuers: Vec<(LicenceKey, OrganisationId)>,
    /// The message answered.
    pub answered: Option<AnsweredRow>,
    /// The delivery a receipt is about.
    pub delivery: Option<DeliveryRow>,
    /// What stands under the key and revision asked for.
    pub standing: Option<StandingRow>,
}

/// An accepted message as far as it tells the same from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandingRow {
    /// Its id.
    pub message: MessageId,
    /// SHA-256 of the bytes received; zeros once it is erased.
    pub received_digest: Sha256Digest,
    /// Keyed digest of the canonical form.
    pub content_digest: Sha256Digest,
    /// Its receipt, verbatim; empty once it is erased.
    pub receipt: Bytes,
}

/// A message that another one answers.
#[derive(Clone, Debug)]
pub struct AnsweredRow {
    /// Its id.
    pub message: MessageId,
    /// Its key.
    pub key: MessageKey,
    /// Its matter.
    pub matter: MatterId,
    /// Its recipients.
    pub recipients: Vec<OrganisationId>,
    /// Its canonical JSON.
    pub canonical: Bytes,
}

/// A stored message.
#[derive(Clone, Debug)]
pub struct MessageRow {
    /// Its id.
    pub id: MessageId,
    /// Its key.
    pub key: MessageKey,
    /// Its revision.
    pub revision: u32,
    /// Its matter.
    pub matter: MatterId,
    /// Endpoint that sent it.
    pub endpoint: EndpointId,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// Exact bytes received.
    pub received: Bytes,
    /// Salt of the commitment to them that the trail holds.
    pub salt: [u8; 16],
    /// Canonical JSON.
    pub canonical: Bytes,
    /// The decision as JSON.
    pub decision: Bytes,
    /// The receipt, verbatim.
    pub receipt: Bytes,
}

impl MessageRow {
    /// Whether what it said was erased. No message is received without a byte.
    pub fn is_erased(&self) -> bool {
        self.received.is_empty()
    }
}

/// Which deliveries.
#[derive(Clone, Debug, Default)]
pub struct DeliveryFilter {
    /// One delivery.
    pub id: Option<DeliveryId>,
    /// Of one message.
    pub message: Option<MessageId>,
    /// In one state.
    pub state: Option<Transport>,
    /// At one endpoint.
    pub endpoint: Option<EndpointId>,
    /// For one organisation.
    pub organisation: Option<OrganisationId>,
}

/// A slice of a listing.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// Rows to leave out.
    pub offset: u64,
    /// Rows at most.
    pub limit: usize,
}

/// A stored delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeliveryRow {
    /// Its id.
    pub id: DeliveryId,
    /// Its message.
    pub message: MessageId,
    /// Kind, business key and source of the message.
    pub key: MessageKey,
    /// Recipient.
    pub organisation: Option<OrganisationId>,
    /// Endpoint.
    pub endpoint: Option<EndpointId>,
    /// 牵头, 配合, 知悉.
    pub part: Part,
    /// In whose name.
    pub on_behalf_of: Option<OrganisationId>,
    /// Rule.
    pub rule: RuleId,
    /// Transport.
    pub state: Transport,
    /// Acknowledgement.
    pub acknowledgement: Acknowledgement,
    /// Place in its lane.
    pub lane_sequence: u64,
    /// Attempts that counted.
    pub attempts: u32,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it falls due, if scheduled.
    pub next_attempt_at: Option<Timestamp>,
    /// Why it is parked.
    pub park_reason: Option<ParkReason>,
    /// Last detail, in words.
    pub detail: Option<Box<str>>,
    /// Handed over: the target confirmed it.
    pub handed_over_at: Option<Timestamp>,
    /// Signed or returned.
    pub acknowledged_at: Option<Timestamp>,
    /// Served on paper, its number.
    pub document: Option<Box<str>>,
    /// The first hop, for a second one.
    pub after: Option<DeliveryId>,
    /// How far it is with being sent again, though it was delivered; none when it is not.
    pub sent_again: Option<Transport>,
}

/// A stored attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptRow {
    /// Which attempt.
    pub attempt: u32,
    /// How it ended.
    pub outcome: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// When the hub was told.
    #[serde(skip)]
    pub recorded_at: Timestamp,
    /// Whom it spoke to.
    pub peer: String,
    /// HTTP status.
    pub status: Option<u16>,
    /// Detail.
    pub detail: String,
    /// SHA-256 of the bytes sent, hex; none when nothing was.
    pub sent_digest: Option<String>,
    /// SHA-256 of the answer's bytes, hex; none without an answer.
    pub answer_digest: Option<String>,
    /// SM3 of the bytes sent, hex; none when nothing was, and for attempts of before it was kept.
    pub sent_sm3: Option<String>,
    /// SM3 of the answer's bytes, hex.
    pub answer_sm3: Option<String>,
    /// Version of the adapter's configuration.
    pub adapter_version: String,
    /// Salt under which the trail commits to the digests and the detail, for whoever opens that; none of attempts of before,
    /// where nothing was tried, and once it is erased.
    #[serde(skip)]
    pub salt: Option<[u8; 16]>,
    /// Whether digests, detail and salt were erased with what the message said.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub erased: bool,
}

impl AttemptRow {
    /// What stands in the place of the salt once it is erased.
    pub const ERASED: [u8; 16] = [0; 16];
}

/// Whose trail.
#[derive(Clone, Copy, Debug)]
pub enum Selector {
    /// A message with its deliveries.
    Message(MessageId),
    /// One delivery.
    Delivery(DeliveryId),
}

/// A trail entry as read.
#[derive(Clone, Debug)]
pub struct TrailRow {
    /// Its id.
    pub id: EntryId,
    /// When.
    pub at: Timestamp,
    /// What.
    pub event: String,
    /// Delivery it belongs to.
    pub delivery: Option<DeliveryId>,
    /// Position once sealed.
    pub position: Option<u64>,
    /// Canonical JSON.
    pub body: Bytes,
}

/// How one organisation's deliveries stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OrganisationCount {
    /// Recipient; none for audiences that came to nothing.
    pub organisation: Option<OrganisationId>,
    /// State.
    pub state: Transport,
    /// Acknowledgement.
    pub acknowledgement: Acknowledgement,
    /// Deliveries.
    pub deliveries: u64,
    /// Of these, with more than one counted attempt.
    pub retried: u64,
}
