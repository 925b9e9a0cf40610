//! Dead letters are counted, so that somebody is told: nothing here takes them from their queue.

use std::time::Duration;

use lapin::{
    options::QueueDeclareOptions,
    types::{FieldTable, ShortString},
};
use metrics::gauge;
use tokio_util::sync::CancellationToken;

use super::{link::Link, node::Live};
use crate::task::{Failure, metrics::BUS_DEAD};

/// How often they are counted.
const EVERY: Duration = Duration::from_secs(15);

/// Counts until told to end.
pub(super) async fn watch(link: Link, queue: ShortString, token: CancellationToken) -> Result<(), Failure> {
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = token.cancelled() => return Ok(()),
            _ = every.tick() => {}
        }
        let Some(live) = link.now() else { continue };
        match tokio::time::timeout(EVERY, count(&live, queue.clone())).await {
            Ok(Ok(count)) => gauge!(BUS_DEAD).set(f64::from(count)),
            Ok(Err(error)) => tracing::warn!(%error, "dead letters cannot be counted"),
            Err(_) => tracing::warn!("dead letters cannot be counted: the broker does not answer"),
        }
    }
}

async fn count(live: &Live, queue: ShortString) -> lapin::Result<u32> {
    let channel = live.connection.create_channel().await?;
    let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let queue = channel.queue_declare(queue, options, FieldTable::default()).await?;
    Ok(queue.message_count())
}
