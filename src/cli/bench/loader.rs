//! The loader: hands messages in over HTTP as real senders do, singly or in CloudEvents batches.
//!
//! It waits for every receipt and counts what was accepted for the first time; a refusal ends the run,
//! since then the figures would be of something else.

use std::{net::SocketAddr, time::Duration};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use reqwest::{Client, RequestBuilder};
use tokio::time::Instant;

use super::message::{BATCH_EVENTS, Series};
use crate::task::Failure;

const SINGLE: &str = "application/cloudevents+json";
const BATCH: &str = "application/cloudevents-batch+json";
/// How an entry of a batch answer says that the message was accepted now.
const ACCEPTED: &str = r#""status":201"#;

/// How messages are handed in.
#[derive(Clone, Copy, Debug)]
pub(super) enum Manner {
    /// One request a message, on so many connections.
    Singly(usize),
    /// CloudEvents batches, on so many connections.
    InBatches(usize),
}

/// A sender of one hub.
#[derive(Debug)]
pub(super) struct Loader {
    client: Client,
    url: String,
    token: String,
}

impl Loader {
    /// A sender with its token.
    pub(super) fn new(hub: SocketAddr, token: String) -> Result<Self, Failure> {
        Ok(Self { client: client()?, url: format!("http://{hub}/v1/messages"), token })
    }

    /// Hands in messages `from..to` of a series; how long it took until the last receipt.
    pub(super) async fn send(
        &self,
        series: Series,
        from: usize,
        to: usize,
        manner: Manner,
    ) -> Result<Duration, Failure> {
        let begun = Instant::now();
        match manner {
            Manner::Singly(connections) => {
                let sends = (from..to).map(|number| self.single(series, number));
                drain(stream::iter(sends), connections).await?;
            }
            Manner::InBatches(connections) => {
                let starts = (from..to).step_by(BATCH_EVENTS);
                let sends = starts.map(|start| self.batch(series, start, (start + BATCH_EVENTS).min(to)));
                drain(stream::iter(sends), connections).await?;
            }
        }
        Ok(begun.elapsed())
    }

    /// Hands in messages `0..count`, each when its time has come, however slow the hub is.
    pub(super) async fn send_at_rate(
        &self,
        series: Series,
        count: usize,
        per_second: u32,
    ) -> Result<(), Failure> {
        let begun = Instant::now();
        let every = Duration::from_secs(1) / per_second.max(1);
        let due = stream::iter(0..count).then(|number| async move {
            let nth = u32::try_from(number).unwrap_or(u32::MAX);
            tokio::time::sleep_until(begun + every * nth).await;
            number
        });
        drain(due.map(|number| self.single(series, number)), count.max(1)).await
    }

    /// Hands in one message.
    pub(super) async fn single(&self, series: Series, number: usize) -> Result<(), Failure> {
        let response = self.request(SINGLE, series.event(number)).send().await?;
        let status = response.status();
        let body = response.bytes().await?;
        if status == reqwest::StatusCode::CREATED { Ok(()) } else { Err(refused(status, &body)) }
    }

    async fn batch(&self, series: Series, from: usize, to: usize) -> Result<(), Failure> {
        let response = self.request(BATCH, series.batch(from, to)).send().await?;
        let status = response.status();
        let body = response.bytes().await?;
        let accepted = std::str::from_utf8(&body).map_or(0, |text| text.matches(ACCEPTED).count());
        if accepted == to - from { Ok(()) } else { Err(refused(status, &body)) }
    }

    fn request(&self, media: &'static str, body: String) -> RequestBuilder {
        self.client.post(&self.url).bearer_auth(&self.token).header("content-type", media).body(body)
    }
}

/// Posts `count` messages straight to the sink, on so many connections; how long it took.
pub(super) async fn post_straight(
    sink: SocketAddr,
    series: Series,
    count: usize,
    connections: usize,
) -> Result<Duration, Failure> {
    let client = client()?;
    let url = format!("http://{sink}/");
    let begun = Instant::now();
    let sends = (0..count).map(|number| {
        let request =
            client.post(&url).header("content-type", "application/json").body(series.message(number));
        async move {
            let response = request.send().await?.error_for_status()?;
            response.bytes().await?;
            Ok(())
        }
    });
    drain(stream::iter(sends), connections).await?;
    Ok(begun.elapsed())
}

async fn drain(
    sends: impl stream::Stream<Item = impl Future<Output = Result<(), Failure>>>,
    connections: usize,
) -> Result<(), Failure> {
    sends.buffer_unordered(connections).try_for_each(|()| async { Ok(()) }).await
}

fn client() -> Result<Client, Failure> {
    Ok(Client::builder().no_proxy().tcp_nodelay(true).build()?)
}

fn refused(status: reqwest::StatusCode, body: &[u8]) -> Failure {
    let said: String = String::from_utf8_lossy(body).chars().take(400).collect();
    Failure::from(format!("the hub did not accept what was handed in: {status} {said}"))
}
