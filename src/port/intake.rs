//! The way in: connectors and interfaces hand messages to the engine through this port.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use crate::domain::fault::Fault;
use crate::domain::{
    id::{EndpointId, MessageId},
    kind::Kind,
};

/// Takes messages in.
///
/// - *Durability*: an [`Accepted`] is returned only after message, deliveries, obligations and trail are
///   durable in one transaction (promise 1).
/// - *Idempotence*: the same message again returns the first receipt, byte for byte (promise 2).
/// - *Order*: submissions of one call with the same order key are accepted in the order given; when one of them
///   is refused for now, those after it are too.
/// - *Cancel-safety*: a dropped call may or may not have accepted; submit again.
/// - *Bounds*: beyond the queue's limit the answer is [`Code::Overloaded`] at once.
#[async_trait]
pub trait Intake: fmt::Debug + Send + Sync {
    /// Accepts or refuses each submission on its own; the answers are in the order given.
    async fn submit(&self, submissions: Vec<Submission>) -> Vec<Result<Accepted, Refusal>>;

    /// Counts and keeps in the trail that a known sender handed in something unreadable; `received` is empty
    /// where nobody read it.
    async fn note_unreadable(&self, endpoint: &EndpointId, received: &[u8], refusal: &Refusal);
}

/// Reads a department's own body through its adapter.
///
/// *Pure*: changes nothing; the same bytes give the same submissions.
pub trait Translate: fmt::Debug + Send + Sync {
    /// The submissions in `body`, in its order; one refusal for all when any record cannot be read.
    fn translate(&self, endpoint: &EndpointId, body: &[u8]) -> Result<Vec<Submission>, Refusal>;
}

/// One message as a known endpoint handed it in.
#[derive(Clone, Debug)]
pub struct Submission {
    /// The authenticated endpoint.
    pub endpoint: EndpointId,
    /// Kind claimed by the envelope (CloudEvents `type`); must agree with the payload.
    pub kind: Option<Kind>,
    /// The exact bytes received for this message, before any mapping.
    pub received: Bytes,
    /// The message in canonical proto JSON, not yet checked.
    pub message: Value,
}

/// An accepted message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The hub's name of it.
    pub message: MessageId,
    /// Whether this call accepted it or an earlier one did.
    pub receipt_of: ReceiptOf,
    /// The signed statement, to be returned verbatim.
    pub receipt: Bytes,
}

/// Whose acceptance a receipt proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiptOf {
    /// This submission was the first.
    First,
    /// The same message had been accepted before.
    Earlier,
}

/// Why a message is not accepted. Nothing was changed, except that the trail has it when the sender is
/// known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct Refusal {
    /// Closed set for programs.
    pub code: Code,
    /// One sentence for people: what is wrong and what to do.
    pub detail: String,
    /// Each fault with its place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Fault>,
}

/// Kinds of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// Not readable: syntax, encoding, limits of the codec.
    Malformed,
    /// Larger than the limit.
    TooLarge,
    /// Readable, but fields are wrong.
    Invalid,
    /// No valid credential.
    Unauthenticated,
    /// The credential may not speak for that organisation, or its role may not send that kind.
    Forbidden,
    /// Other content under the same key and revision.
    Conflict,
    /// A revision below the highest accepted.
    Stale,
    /// Accepted before, and erased since with its receipt.
    Erased,
    /// 涉密 content must not enter the hub.
    Classified,
    /// The adapter's mapping failed.
    Unmapped,
    /// The store takes others, but not this one: a fault of the hub's own, for a person.
    Unstorable,
    /// Try again later: a limit of the hub is reached.
    Overloaded,
    /// Try again later: the store cannot take it now.
    Unavailable,
}

impl Code {
    /// Whether sending the same again later can succeed.
    pub fn retryable(self) -> bool {
        matches!(self, Self::Overloaded | Self::Unavailable)
    }

    /// The word in data and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::Invalid => "invalid",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::Conflict => "conflict",
            Self::Stale => "stale",
            Self::Erased => "erased",
            Self::Classified => "classified",
            Self::Unmapped => "unmapped",
            Self::Unstorable => "unstorable",
            Self::Overloaded => "overloaded",
            Self::Unavailable => "unavailable",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Refusal {
    /// A refusal without field paths.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), faults: Vec::new() }
    }
}
