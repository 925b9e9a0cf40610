//! The interfaces: HTTP and gRPC with intake, look-ups and operations, mailboxes, intake over AMQP, and the admin
//! port with probes and metrics.

pub mod admin;
pub mod amqp;
mod answer;
pub mod events;
pub mod grpc;
pub mod http;

use std::{future::IntoFuture as _, io};

use axum::Router;
use tokio::net::TcpListener;

/// Serves until `end`, then finishes what is in flight.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    end: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    axum::serve(listener, router).with_graceful_shutdown(end).into_future().await
}
