//! The loader: hands messages in over HTTP as real senders do, singly or in CloudEvents batches.
//!
//! It waits for every receipt and counts what was accepted for the first time; a refusal ends the run,
//! since then the figures would be of something else.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use futures::{Stream, StreamExt as _, TryStreamExt as _, stream};
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

/// Numbers `0..count`, each when its time has come.
pub(super) fn due(count: usize, per_second: u32) -> impl Stream<Item = usize> {
    let (begun, every) = (Instant::now(), Duration::from_secs(1) / per_second.max(1));
    stream::iter(0..count).then(move |number| async move {
        tokio::time::sleep_until(begun + every * u32::try_from(number).unwrap_or(u32::MAX)).await;
        number
    })
}

/// A sender of one hub.
#[derive(Debug)]
pub(super) struct Loader {
    client: Client,
    hub: SocketAddr,
    url: String,
    token: String,
}

impl Loader {
    /// A sender with its token.
    pub(super) fn new(hub: SocketAddr, token: String) -> Result<Self, Failure> {
        Ok(Self { client: client()?, hub, url: format!("http://{hub}/v1/messages"), token })
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
        drain(due(count, per_second).map(|number| self.single(series, number)), count.max(1)).await
    }

    /// Hands in one message.
    async fn single(&self, series: Series, number: usize) -> Result<(), Failure> {
        let response = self.request(SINGLE, series.event(number)).send().await?;
        let status = response.status();
        let body = response.bytes().await?;
        if status == reqwest::StatusCode::CREATED { Ok(()) } else { Err(refused(status, &body)) }
    }

    /// The same sender with nothing but a socket.
    pub(super) fn lone(&self) -> std::io::Result<LoneSender> {
        LoneSender::connect(self.hub, &self.token)
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

/// A sender that does one thing after the other, as a department's simple client does: one blocking socket,
/// so that as little as possible of what is measured is its own.
#[derive(Debug)]
pub(super) struct LoneSender {
    stream: BufReader<TcpStream>,
    head: String,
}

impl LoneSender {
    /// Connects.
    pub(super) fn connect(hub: SocketAddr, token: &str) -> std::io::Result<Self> {
        let stream = TcpStream::connect(hub)?;
        stream.set_nodelay(true)?;
        let head = format!(
            "POST /v1/messages HTTP/1.1\r\nhost: {hub}\r\nauthorization: Bearer {token}\r\n\
             content-type: {SINGLE}\r\ncontent-length: "
        );
        Ok(Self { stream: BufReader::new(stream), head })
    }

    /// Hands in one event and waits for its receipt; how long that took.
    pub(super) fn send(&mut self, event: &str) -> Result<Duration, Failure> {
        let request = format!("{}{}\r\n\r\n{event}", self.head, event.len());
        let begun = std::time::Instant::now();
        self.stream.get_mut().write_all(request.as_bytes())?;
        let mut status = String::new();
        self.stream.read_line(&mut status)?;
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line)?;
            match line.split_once(':') {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.trim().parse()?;
                }
                Some(_) => {}
                None => break,
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        let took = begun.elapsed();
        if status.starts_with("HTTP/1.1 201 ") { Ok(took) } else { Err(refused(status.trim(), &body)) }
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
    sends: impl Stream<Item = impl Future<Output = Result<(), Failure>>>,
    connections: usize,
) -> Result<(), Failure> {
    sends.buffer_unordered(connections).try_for_each(|()| async { Ok(()) }).await
}

fn client() -> Result<Client, Failure> {
    Ok(Client::builder().no_proxy().tcp_nodelay(true).build()?)
}

fn refused(status: impl std::fmt::Display, body: &[u8]) -> Failure {
    let said: String = String::from_utf8_lossy(body).chars().take(400).collect();
    Failure::from(format!("the hub did not accept what was handed in: {status} {said}"))
}
