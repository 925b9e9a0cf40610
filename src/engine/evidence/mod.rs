//! Evidence files (证据包): what happened to a message, made out of the sealed trail and checked without a store.
//!
//! [`export`] gathers the entries about a delivery, a message or a linked matter, proves each against one checkpoint and
//! has the hub sign what follows from them ([`statements`]); [`verify`] repeats every step with nothing but the file and
//! the keys that the verifier trusts. What a file says is derived from its entries on both sides by one text ([`story`]),
//! so that no statement can say more than was sealed. Leaves the form of the file and its hashes to
//! [`crate::evidence::file`].

mod attempts;
pub mod export;
pub mod issue;
mod line;
pub mod page;
pub mod said;
pub mod source;
pub mod stamp;
pub mod statements;
pub mod story;
pub mod verify;

use serde::{Deserialize, Serialize};

pub use self::line::Line;
use crate::domain::id::{DeliveryId, MessageId};

/// What a file is about: every entry about these, as far as the checkpoint reaches, is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// Deliveries, in the order of their acceptance.
    pub deliveries: Vec<DeliveryId>,
    /// Linked matter, where the whole of it was asked for.
    pub matter: Option<String>,
    /// Messages, in the order of their acceptance.
    pub messages: Vec<MessageId>,
}
