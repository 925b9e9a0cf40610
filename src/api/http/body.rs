//! The body of a request: read within its limit and its time, in one of the places for requests worked on.
//!
//! The place is taken before the first byte is read, so that what senders send at once is bounded, however
//! slowly they send it.

use axum::{
    body::{Body, BodyDataStream},
    extract::{FromRequest, Request},
    http::HeaderMap,
};
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use tokio::sync::OwnedSemaphorePermit;

use super::{Api, Problem};
use crate::port::intake::{Code, Refusal};

/// How many times its limit a body may be and still be read to its end, unkept: a sender that is cut off in
/// the middle may never see the answer that says why.
const PATIENCE: usize = 4;

/// A body with its place among the requests worked on, which is free when this is dropped.
#[derive(Debug)]
pub(super) struct Received {
    /// The whole body.
    pub(super) bytes: Bytes,
    _place: OwnedSemaphorePermit,
}

/// Takes a place, then reads the body: at most `limit` bytes, within the time a request has.
pub(super) async fn receive(
    api: &Api,
    headers: &HeaderMap,
    body: Body,
    limit: usize,
) -> Result<Received, Refusal> {
    let limits = api.parts.limits;
    let place = std::sync::Arc::clone(&api.room).try_acquire_owned().map_err(|_| {
        let detail = format!("{} requests are being worked on already", limits.concurrency);
        Refusal::new(Code::Overloaded, detail)
    })?;
    let announced =
        headers.get("content-length").and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if let Some(announced) = announced.filter(|bytes| *bytes > limit.saturating_mul(PATIENCE)) {
        return Err(too_large(announced, limit));
    }
    let read = tokio::time::timeout(limits.timeout, read(body.into_data_stream(), limit));
    let bytes = read.await.unwrap_or_else(|_| {
        let detail = format!("the body did not arrive within {:?}; send it again", limits.timeout);
        Err(Refusal::new(Code::Unavailable, detail))
    })?;
    Ok(Received { bytes, _place: place })
}

/// The body of an operation, within the limit of one message.
#[derive(Debug)]
pub(super) struct Small(pub(super) Bytes);

impl<S: Send + Sync> FromRequest<S> for Small {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        Bytes::from_request(request, state).await.map(Self).map_err(|rejection| {
            let code = if rejection.status() == 413 { Code::TooLarge } else { Code::Malformed };
            Problem::from(Refusal::new(code, "the body is too large or broke off"))
        })
    }
}

async fn read(mut body: BodyDataStream, limit: usize) -> Result<Bytes, Refusal> {
    let mut bytes = BytesMut::new();
    let mut found = 0_usize;
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|_| Refusal::new(Code::Malformed, "the body broke off; send it again"))?;
        found = found.saturating_add(chunk.len());
        if found <= limit {
            bytes.extend_from_slice(&chunk);
        } else if found > limit.saturating_mul(PATIENCE) {
            break;
        }
    }
    if found > limit { Err(too_large(found, limit)) } else { Ok(bytes.freeze()) }
}

fn too_large(found: usize, limit: usize) -> Refusal {
    Refusal::new(
        Code::TooLarge,
        format!("the body has {found} bytes or more, the limit is {limit}; split it"),
    )
}
