//! Deliveries handed out through queues of a broker: the connector says that the answer comes by itself, and each copy
//! carries a ticket that its answer brings back.
//!
//! So no hub waits: whichever of them is brought the answer settles it, though the one that handed the copy out is
//! gone. A ticket says what was handed out when, sealed with a key that all hubs share, so that evidence does not rest
//! on the recipient's word.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use jiff::Timestamp;

use crate::{
    domain::id::{DeliveryId, EndpointId},
    evidence::{
        digest::{Digest, Sm3Digest},
        slip::SlipKey,
    },
    port::{
        bus::LeaseToken,
        clock::Clock,
        connector::{Answer, Connector, Error, Parcel},
        mailbox::{Copied, Handed, Post, Tickets},
    },
};

/// What stands for no time.
const NEVER: &str = "-";

/// Hands deliveries out through queues.
#[derive(Debug)]
pub struct Handout {
    clock: Arc<dyn Clock>,
    way: OnceLock<Way>,
}

#[derive(Debug)]
struct Way {
    post: Arc<dyn Post>,
    key: SlipKey,
}

impl Handout {
    /// One that hands nothing out yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, way: OnceLock::new() }
    }

    /// From now on copies go this way, under tickets sealed with this key. The first call counts.
    pub fn open(&self, post: Arc<dyn Post>, key: SlipKey) {
        // Opened once, when the hub starts.
        drop(self.way.set(Way { post, key }));
    }

    /// The way to one endpoint; `version` is that of its adapter's configuration.
    pub fn connector(self: &Arc<Self>, endpoint: &EndpointId, version: &str) -> Arc<dyn Connector> {
        Arc::new(Queue { handout: Arc::clone(self), endpoint: endpoint.clone(), version: version.into() })
    }
}

/// The way to one endpoint.
#[derive(Debug)]
struct Queue {
    handout: Arc<Handout>,
    endpoint: EndpointId,
    version: Box<str>,
}

#[async_trait]
impl Connector for Queue {
    async fn send(&self, parcel: Parcel) -> Result<Answer, Error> {
        let Some(way) = self.handout.way.get() else {
            return Err(Error::NotSent("the hub is starting".to_owned()));
        };
        let Some(envelope) = &parcel.envelope else {
            return Err(Error::NotSent("a mailbox cannot be asked".to_owned()));
        };
        let now = self.handout.clock.now();
        let left = now.duration_until(parcel.not_after);
        let left = std::time::Duration::try_from(left).unwrap_or_default();
        let handed = Handed {
            at: now,
            attempt: envelope.attempt,
            first_attempt_at: envelope.first_attempt_at,
            sent_digest: *Digest::of(&parcel.body).as_bytes(),
            sent_sm3: Some(*Sm3Digest::of(&parcel.body).as_bytes()),
            adapter_version: self.version.clone(),
        };
        let copied = Copied { delivery: parcel.delivery, lease: envelope.lease, handed };
        let ticket = way.ticket(&self.endpoint, &copied);
        way.post.hand_out(&self.endpoint, &ticket, parcel, left).await?;
        Err(Error::Later)
    }

    fn peer(&self) -> String {
        peer(&self.endpoint)
    }
}

fn peer(endpoint: &EndpointId) -> String {
    format!("mailbox queue of {endpoint}")
}

impl Tickets for Handout {
    fn read(&self, endpoint: &EndpointId, ticket: &str) -> Option<Copied> {
        self.way.get()?.read(endpoint, ticket)
    }

    fn peer(&self, endpoint: &EndpointId) -> String {
        peer(endpoint)
    }
}

impl Way {
    /// At most 240 bytes of plain text, which fits where the protocol has a correlation (255).
    fn ticket(&self, endpoint: &EndpointId, copied: &Copied) -> String {
        let Copied { delivery, lease, handed } = copied;
        let first =
            handed.first_attempt_at.map_or_else(|| NEVER.to_owned(), |at| millisecond(at).to_string());
        let sm3 = handed.sent_sm3.map_or_else(String::new, |digest| format!(".{}", BASE64.encode(digest)));
        let said = format!(
            "{delivery}.{}.{}.{}.{first}.{}.{}{sm3}",
            lease.0,
            handed.attempt,
            millisecond(handed.at),
            BASE64.encode(handed.sent_digest),
            handed.adapter_version,
        );
        let seal = self.key.seal_short(endpoint.as_str(), said.as_bytes());
        format!("{said}.{}", BASE64.encode(seal))
    }

    /// None when it is not one that hubs made for this endpoint.
    fn read(&self, endpoint: &EndpointId, ticket: &str) -> Option<Copied> {
        let (said, seal) = ticket.rsplit_once('.')?;
        let seal = BASE64.decode(seal).ok()?;
        if !self.key.knows_short(endpoint.as_str(), said.as_bytes(), &seal) {
            return None;
        }
        let mut parts = said.splitn(8, '.');
        let delivery: DeliveryId = parts.next()?.parse().ok()?;
        let lease = LeaseToken(parts.next()?.parse().ok()?);
        let attempt = parts.next()?.parse().ok()?;
        let at = time(parts.next()?)?;
        let first_attempt_at = match parts.next()? {
            NEVER => None,
            first => Some(time(first)?),
        };
        let sent_digest = BASE64.decode(parts.next()?).ok()?.try_into().ok()?;
        let adapter_version = parts.next()?.into();
        let sent_sm3 = match parts.next() {
            Some(digest) => Some(BASE64.decode(digest).ok()?.try_into().ok()?),
            None => None,
        };
        let handed = Handed { at, attempt, first_attempt_at, sent_digest, sent_sm3, adapter_version };
        Some(Copied { delivery, lease, handed })
    }
}

fn millisecond(at: Timestamp) -> i64 {
    at.as_millisecond()
}

fn time(text: &str) -> Option<Timestamp> {
    Timestamp::from_millisecond(text.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::evidence::{digest::ContentKey, slip::Purpose};

    #[derive(Debug)]
    struct Nobody;

    #[async_trait]
    impl Post for Nobody {
        async fn hand_out(
            &self,
            _: &EndpointId,
            _: &str,
            _: Parcel,
            _: std::time::Duration,
        ) -> Result<(), Error> {
            Err(Error::NotSent("nobody".to_owned()))
        }
    }

    fn key(byte: u8) -> SlipKey {
        SlipKey::of(&ContentKey::new(&[byte; 32]).unwrap(), Purpose::Copies)
    }

    fn way() -> Way {
        Way { post: Arc::new(Nobody), key: key(7) }
    }

    fn copied(first_attempt_at: Option<Timestamp>) -> Copied {
        let handed = Handed {
            at: Timestamp::from_millisecond(1_772_000_000_123).unwrap(),
            attempt: u32::MAX,
            first_attempt_at,
            sent_digest: [250; 32],
            sent_sm3: Some([251; 32]),
            adapter_version: "sha256:0123456789abcdef".into(),
        };
        Copied { delivery: DeliveryId(Uuid::from_u128(u128::MAX)), lease: LeaseToken(u64::MAX), handed }
    }

    #[test]
    fn a_ticket_brings_back_what_was_handed_out_and_fits_where_it_travels() {
        let (way, endpoint) = (way(), "e".into());
        for first in [None, Some(Timestamp::from_millisecond(1_771_000_000_000).unwrap())] {
            let ticket = way.ticket(&endpoint, &copied(first));
            assert!(ticket.len() <= 240, "{} bytes", ticket.len());
            assert_eq!(way.read(&endpoint, &ticket), Some(copied(first)));
            let mut earlier = copied(first);
            earlier.handed.sent_sm3 = None;
            let read = way.read(&endpoint, &way.ticket(&endpoint, &earlier));
            assert_eq!(read, Some(earlier), "of a hub of the version before");
        }
    }

    #[test]
    fn a_ticket_of_another_endpoint_key_or_content_is_none() {
        let (way, endpoint) = (way(), EndpointId::from("e"));
        let ticket = way.ticket(&endpoint, &copied(None));
        assert_eq!(way.read(&"other".into(), &ticket), None);
        let other = Way { post: Arc::new(Nobody), key: key(8) };
        assert_eq!(other.read(&endpoint, &ticket), None);
        let changed = ticket.replacen("4294967295", "1", 1);
        assert!(changed != ticket && way.read(&endpoint, &changed).is_none());
        for nonsense in ["", ".", "a.b", &ticket[..ticket.len() - 1]] {
            assert_eq!(way.read(&endpoint, nonsense), None);
        }
    }
}
