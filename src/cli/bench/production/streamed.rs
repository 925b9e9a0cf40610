//! Messages handed in as streams over gRPC, to a hub on PostgreSQL with its workers inside; beside it the streams
//! alone, answered by a service that accepts nothing.

use std::{net::SocketAddr, ops::Range, pin::Pin, time::Duration};

use bytes::Bytes;
use futures::{Stream, StreamExt as _, future::try_join_all};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, mpsc},
    time::Instant,
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{
    Request, Response, Status, Streaming,
    transport::{Endpoint, Server, server::TcpIncoming},
};

use super::{
    Place, Sink,
    figures::{Figures, Round},
};
use crate::{
    cli::bench::{
        figures::{DELIVERED_GOAL, Delivered, Goal, Latency, Rate, Spread, rounded},
        message::{FanOut, Series},
        process::Meter,
        run::{GRACE, LIMIT, settled},
    },
    domain::delivery::Transport,
    proto::{
        received::{self, SubmitRequest, SubmitStreamRequest},
        v1::{
            ReceiptOf, SubmitResponse, SubmitStreamResponse,
            intake_client::IntakeClient,
            intake_server::{self, IntakeServer},
            submit_stream_response::Answer,
        },
    },
    task::{Failure, Supervisor},
};

/// Streams at once, a connection each.
const STREAMS: usize = 4;
/// Messages of one stream that wait for their answers.
const AHEAD: usize = 500;
/// A receipt of the hub has about so many bytes.
const RECEIPT_BYTES: usize = 2_000;

/// What was measured of one fan-out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Streamed {
    /// Messages that the streams alone carry.
    pub(super) stream: Rate,
    pub(super) delivered: Delivered,
}

impl Streamed {
    /// Deliveries that the stages of this path would allow one after the other: no broker is among them.
    pub(super) fn limit(&self, round: &Round) -> Rate {
        let (each, [claims, settles]) = (round.fan_out.deliveries(), round.written.settlements());
        let stages =
            [self.stream.times(each), round.written.rows().times(each), claims, round.posts, settles];
        Rate::through(&stages)
    }

    pub(super) fn json(&self, round: &Round) -> Value {
        let (rate, limit) = (self.delivered.rate, self.limit(round));
        json!({
            "streams_per_second": rounded(self.stream.0), "limit_per_second": rounded(limit.0),
            "per_second": rounded(rate.0), "saturated": self.delivered.latency.json(),
            "peak_bytes": self.delivered.peak_bytes, "cpu_micros": self.delivered.cpu_micros.map(rounded),
            "ratio": rounded(rate.0 / limit.0),
        })
    }
}

/// The goal of this path for one fan-out.
pub(super) fn goal(figures: &Figures, fan_out: FanOut) -> Goal {
    let rate = |round: &Round| round.streamed.delivered.rate.0;
    let limit = |round: &Round| round.streamed.limit(round).0;
    let ratio = Spread::of(figures.of(fan_out).map(|round| rate(round) / limit(round)));
    Goal {
        name: [
            "送达（gRPC 流送入，适配器在枢纽内）/ 各环节串联上限",
            "delivered, streamed in over gRPC, workers inside / stages in a row",
        ],
        fan_out: Some(fan_out),
        figure: figures.median(fan_out, rate),
        limit: figures.median(fan_out, limit),
        ratio,
        wanted: DELIVERED_GOAL,
        reached: ratio.median >= DELIVERED_GOAL,
    }
}

/// Measures both, the hub on a database that holds nothing.
pub(super) async fn measure(
    place: &Place,
    sink: &Sink,
    fan_out: FanOut,
    messages: usize,
) -> Result<Streamed, Failure> {
    let stream = Rate::of(messages, alone(Series::new(fan_out, 'S'), messages).await?);
    place.empty().await?;
    sink.welcome();
    let (mut hub, token) = place.start_streamed("streamed").await?;
    let address = hub.places().grpc.ok_or("the hub does not listen for gRPC")?;
    let deliveries = messages * fan_out.deliveries();
    let work = async {
        send(address, &token, &written(Series::new(FanOut::Four, 'W'), 0..1)?).await?;
        sink.taken(FanOut::Four.deliveries()).await;
        sink.welcome();
        let all = written(Series::new(fan_out, 'D'), 0..messages)?;
        let meter = Meter::start();
        let begun = Instant::now();
        send(address, &token, &all).await?;
        sink.taken(deliveries).await;
        let took = begun.elapsed();
        let (peak_bytes, cpu_micros) = (meter.peak_bytes(), meter.cpu_micros(deliveries));
        let latency = Latency::of_micros(&sink.ages());
        Ok::<_, Failure>(Delivered { rate: Rate::of(deliveries, took), latency, peak_bytes, cpu_micros })
    };
    let delivered = tokio::select! {
        done = tokio::time::timeout(LIMIT, work) => done??,
        error = hub.watch() => return Err(error.into()),
    };
    let all = deliveries + FanOut::Four.deliveries();
    tokio::time::timeout(LIMIT, settled(&hub, Transport::Delivered, all)).await??;
    hub.stop().await?;
    Ok(Streamed { stream, delivered })
}

/// Messages as they go over the wire; writing them is not what is measured.
fn written(series: Series, numbers: Range<usize>) -> Result<Vec<Bytes>, Failure> {
    let write = |number| {
        let message: Value = serde_json::from_str(&series.message(number))?;
        Ok(received::encoded(&message)?)
    };
    numbers.map(write).collect()
}

/// Hands in messages over all streams; returns when each has its receipt.
async fn send(hub: SocketAddr, token: &str, messages: &[Bytes]) -> Result<(), Failure> {
    let share = messages.len().div_ceil(STREAMS).max(1);
    try_join_all(messages.chunks(share).map(|share| stream(hub, token, share))).await?;
    Ok(())
}

async fn stream(hub: SocketAddr, token: &str, messages: &[Bytes]) -> Result<(), Failure> {
    let channel = Endpoint::from_shared(format!("http://{hub}"))?.tcp_nodelay(true).connect().await?;
    let (requests, receiver) = mpsc::channel(AHEAD);
    let mut request = Request::new(ReceiverStream::new(receiver));
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse()?);
    let mut answers = IntakeClient::new(channel).submit_stream(request).await?.into_inner();
    let room = Semaphore::new(AHEAD);
    let say = async {
        for (sequence, message) in (0_u64..).zip(messages) {
            room.acquire().await?.forget();
            let message = message.clone();
            requests.send(SubmitStreamRequest { sequence, message }).await?;
        }
        Ok::<_, Failure>(())
    };
    let hear = async {
        for _ in messages {
            let answer = answers.message().await?.ok_or("the stream ended before all was answered")?;
            match answer.answer {
                Some(Answer::Accepted(accepted)) if accepted.receipt_of() == ReceiptOf::First => {}
                other => return Err(format!("the hub did not accept what was handed in: {other:?}").into()),
            }
            room.add_permits(1);
        }
        Ok(())
    };
    tokio::try_join!(say, hear)?;
    Ok(())
}

/// How long the same streams take to a service that does nothing but answer.
async fn alone(series: Series, messages: usize) -> Result<Duration, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let mut tasks = Supervisor::new(CancellationToken::new());
    let end = tasks.token().clone().cancelled_owned();
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    tasks.spawn("service that answers", async move {
        let server = Server::builder().add_service(IntakeServer::new(Answers));
        Ok(server.serve_with_incoming_shutdown(incoming, end).await?)
    });
    let all = written(series, 0..messages)?;
    let begun = Instant::now();
    send(address, "anybody", &all).await?;
    let took = begun.elapsed();
    tasks.drain(GRACE).await?;
    Ok(took)
}

/// Answers each message at once, and keeps none.
#[derive(Debug)]
struct Answers;

fn receipt() -> SubmitResponse {
    let receipt = Bytes::from_static(&[b'r'; RECEIPT_BYTES]);
    SubmitResponse { message: String::new(), receipt_of: ReceiptOf::First.into(), receipt }
}

#[tonic::async_trait]
impl intake_server::Intake for Answers {
    async fn submit(&self, _: Request<SubmitRequest>) -> Result<Response<SubmitResponse>, Status> {
        Ok(Response::new(receipt()))
    }

    type SubmitStreamStream = Pin<Box<dyn Stream<Item = Result<SubmitStreamResponse, Status>> + Send>>;

    async fn submit_stream(
        &self,
        request: Request<Streaming<SubmitStreamRequest>>,
    ) -> Result<Response<Self::SubmitStreamStream>, Status> {
        let answer = |request: Result<SubmitStreamRequest, Status>| {
            let answer = Some(Answer::Accepted(receipt()));
            request.map(|it| SubmitStreamResponse { sequence: it.sequence, answer })
        };
        Ok(Response::new(request.into_inner().map(answer).boxed()))
    }
}
