//! Mailbox queues: copies of deliveries for systems that fetch them, each until its time is over.
//!
//! A copy that expires, or was fetched too often, is gone: it is one, and the delivery goes on when its lease ends.

use std::time::Duration;

use async_trait::async_trait;
use lapin::types::{AMQPValue, FieldTable, ShortString};

use super::{
    publisher::{Fate, Parcel, Publisher, Routing},
    topology::{put, short, text},
};
use crate::{
    domain::id::EndpointId,
    port::{
        connector::{self, Envelope},
        mailbox::Post,
    },
};

/// Puts copies into mailbox queues.
#[derive(Debug)]
pub(super) struct Copies {
    pub(super) publisher: Publisher,
    /// Bytes in one at most.
    pub(super) largest: usize,
}

#[async_trait]
impl Post for Copies {
    async fn hand_out(
        &self,
        endpoint: &EndpointId,
        ticket: &str,
        parcel: connector::Parcel,
        left: Duration,
    ) -> Result<(), connector::Error> {
        let not_sent = |why: &str| Err(connector::Error::NotSent(why.to_owned()));
        if parcel.body.len() > self.largest {
            let (bytes, limit) = (parcel.body.len(), self.largest);
            return not_sent(&format!("its {bytes} bytes are more than the broker carries ({limit})"));
        }
        let copy = Parcel {
            key: short(endpoint.as_str()),
            id: parcel.delivery.to_string(),
            media: parcel.content_type.into(),
            correlation: Some(short(ticket)),
            routing: Routing::Mandatory,
            expiration: Some(ShortString::from(left.as_millis().to_string())),
            headers: parcel.envelope.as_deref().map(|envelope| headers(envelope, parcel.not_after)),
            body: parcel.body.to_vec(),
        };
        match self.publisher.publish(vec![copy]).await.pop() {
            Some(Fate::Taken) => Ok(()),
            Some(Fate::NotSent(why)) => not_sent(&why),
            Some(Fate::Nacked) => not_sent("the mailbox queue is full"),
            Some(Fate::Returned) => not_sent("the mailbox queue is not there"),
            Some(Fate::Unknown(why)) => Err(connector::Error::Unknown(why.into())),
            None => Err(connector::Error::Unknown("the broker said nothing of it".to_owned())),
        }
    }
}

/// What stands beside the body.
fn headers(envelope: &Envelope, not_after: jiff::Timestamp) -> FieldTable {
    let mut table = FieldTable::default();
    let number = |number: u64| AMQPValue::LongLongInt(i64::try_from(number).unwrap_or(i64::MAX));
    put(&mut table, "liandong-message", text(&envelope.message.to_string()));
    put(&mut table, "liandong-kind", text(envelope.kind.as_str()));
    put(&mut table, "liandong-organisation", text(envelope.organisation.as_str()));
    if let Some(organisation) = &envelope.on_behalf_of {
        put(&mut table, "liandong-on-behalf-of", text(organisation.as_str()));
    }
    put(&mut table, "liandong-lane-sequence", number(envelope.lane_sequence));
    put(&mut table, "liandong-attempt", number(envelope.attempt.into()));
    put(&mut table, "liandong-lease", number(envelope.lease.0));
    put(&mut table, "liandong-not-after", text(&not_after.to_string()));
    put(&mut table, "liandong-accepted-at", text(&envelope.accepted_at.to_string()));
    table
}
