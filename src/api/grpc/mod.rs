//! gRPC: `Intake`, `Mailbox`, `Workers`, `Query` and `Operations` of `proto/liandong/v1`, with server reflection and
//! health.
//!
//! Bounded in connections, calls, streams, sizes and times. A stalled stream holds up nobody: its window is a
//! small part of the connection's. Streams end when intake closes, so that the server does.

mod access;
mod counter;
mod health;
mod incoming;
mod intake;
mod mailbox;
mod status;
mod tls;
mod workers;

use std::{sync::Arc, time::Duration};

use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::sync::CancellationToken;
use tonic::{service::Routes, transport::Server};

pub use self::{
    tls::{Certificates, Error as CertificateError, Files},
    workers::Attachments,
};
use crate::{
    api::{admin::Health, http::Counter},
    port::{
        self,
        mailbox::{Acknowledgements, Mailboxes},
    },
    proto::{
        DESCRIPTORS,
        v1::{
            intake_server::IntakeServer, mailbox_server::MailboxServer, operations_server::OperationsServer,
            query_server::QueryServer, workers_server::WorkersServer,
        },
    },
    task::Failure,
};

/// What one stream may have on its way to the hub, and all of a connection together.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 16 << 20;

/// Streams and calls of one connection at once: though all but a few stall, its window is not used up.
const STREAMS_A_CONNECTION: u32 = CONNECTION_WINDOW / STREAM_WINDOW - 4;

/// How many times its limit a message may be and still be read, so that it is refused in words and noted.
const PATIENCE: usize = 4;

/// Outcomes that a worker reports in one message have room in this.
const OUTCOMES_BYTES: usize = 1 << 20;

/// Longest reason of a refusal that is kept.
const REASON_BYTES: usize = 4 << 10;

/// Bounds of the interface (promise 9).
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest message.
    pub message_bytes: usize,
    /// Most messages of one stream handed in at once.
    pub batch: usize,
    /// Calls worked on at once.
    pub concurrency: usize,
    /// Streams open at once.
    pub streams: usize,
    /// Connections open at once.
    pub connections: usize,
    /// Longest call.
    pub timeout: Duration,
    /// How often a silent connection is asked whether it lives, and how long it may take to answer.
    pub keepalive: Duration,
    /// What of the grace period streams and calls under way may take.
    pub drain: Duration,
    /// How often the files of certificates are looked at.
    pub reload: Duration,
}

/// What the interface is built from.
#[derive(Debug)]
pub struct Parts {
    /// Takes messages in.
    pub intake: Arc<dyn port::intake::Intake>,
    /// Answers look-ups and operations.
    pub counter: Counter,
    /// Holds deliveries for those who connect.
    pub mailboxes: Arc<dyn Mailboxes>,
    /// Settles answers that come late, or for what another hub handed out.
    pub acknowledgements: Arc<dyn Acknowledgements>,
    /// What adapters that run apart attach to.
    pub attachments: Attachments,
    /// Readiness.
    pub health: Arc<dyn Health>,
    /// Without them connections are not encrypted.
    pub certificates: Option<Arc<Certificates>>,
    /// Bounds.
    pub limits: Limits,
}

/// Serves until `end`, then finishes what is under way, within the time it has for that.
pub async fn serve(listener: TcpListener, parts: Parts, end: CancellationToken) -> Result<(), Failure> {
    let limits = parts.limits;
    let (reporter, health) = tonic_health::server::health_reporter();
    let schema = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let routes = services(&parts, &end)
        .add_service(health)
        .add_service(schema().build_v1()?)
        // The libraries for Python, and older tools, know no other.
        .add_service(schema().build_v1alpha()?);
    let gate = access::Gate {
        grants: Arc::clone(&parts.counter.grants),
        room: Arc::new(Semaphore::new(limits.concurrency)),
        timeout: limits.timeout,
    };
    let incoming = incoming::incoming(listener, parts.certificates.clone(), limits.connections);
    let server = Server::builder()
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(STREAMS_A_CONNECTION)
        .http2_keepalive_interval(Some(limits.keepalive))
        .http2_keepalive_timeout(Some(limits.keepalive))
        .layer(gate)
        .add_routes(routes)
        .serve_with_incoming_shutdown(incoming, end.clone().cancelled_owned());
    let follow = health::follow(Arc::clone(&parts.health), reporter, end.clone());
    let watch = async {
        if let Some(certificates) = parts.certificates {
            certificates.watch(limits.reload, end.clone()).await;
        }
    };
    let stop = async {
        end.cancelled().await;
        parts.mailboxes.close();
        tokio::time::sleep(limits.drain).await;
    };
    let served = async { tokio::join!(server, follow, watch).0 };
    let served = tokio::select! {
        served = served => served,
        // A connection that never spoke, or a stream that nobody reads, would be waited for without end.
        () = stop => {
            tracing::warn!("gRPC stopped before all of its connections had ended");
            Ok(())
        }
    };
    parts.mailboxes.close();
    parts.mailboxes.end();
    parts.attachments.finish().await;
    Ok(served?)
}

fn services(parts: &Parts, end: &CancellationToken) -> Routes {
    let limits = parts.limits;
    let streams = Arc::new(Semaphore::new(limits.streams));
    let intake = intake::Intake {
        way_in: Arc::clone(&parts.intake),
        message_bytes: limits.message_bytes,
        batch: limits.batch,
        streams: Arc::clone(&streams),
        end: end.clone(),
    };
    let mailbox = mailbox::Mailbox {
        mailboxes: Arc::clone(&parts.mailboxes),
        acknowledgements: Arc::clone(&parts.acknowledgements),
        streams: Arc::clone(&streams),
        reason_bytes: REASON_BYTES,
        end: end.clone(),
    };
    let workers = workers::Workers {
        attachments: parts.attachments.clone(),
        store: Arc::clone(&parts.counter.store),
        grants: Arc::clone(&parts.counter.grants),
        streams,
        end: end.clone(),
    };
    let window = counter::Window(parts.counter.clone());
    let largest = limits.message_bytes.saturating_mul(PATIENCE);
    Routes::new(IntakeServer::new(intake).max_decoding_message_size(largest))
        .add_service(MailboxServer::new(mailbox).max_decoding_message_size(limits.message_bytes))
        .add_service(
            WorkersServer::new(workers).max_decoding_message_size(limits.message_bytes.max(OUTCOMES_BYTES)),
        )
        .add_service(QueryServer::new(window.clone()).max_decoding_message_size(limits.message_bytes))
        .add_service(OperationsServer::new(window).max_decoding_message_size(limits.message_bytes))
}
