//! Messages come in: CloudEvents, and departments' own bodies.

use axum::{
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::future::join_all;

use super::{Api, Identity, Problem, body::receive};
use crate::{
    api::{
        answer,
        events::{self, Envelope, Events},
    },
    domain::{id::EndpointId, personal::shown},
    port::intake::{Accepted, Code, Refusal, Submission},
};

/// Attributes in headers (CloudEvents HTTP protocol binding).
struct Headers<'a>(&'a HeaderMap);

impl Envelope for Headers<'_> {
    const PREFIX: &'static str = "ce-";
    const PLACES: &'static str = "headers";

    fn media(&self) -> &str {
        header(self.0, CONTENT_TYPE.as_str()).unwrap_or_default()
    }

    fn attribute(&self, name: &str) -> Option<&str> {
        header(self.0, &format!("{}{name}", Self::PREFIX))
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// `POST /v1/messages`. One event: 201 with the signed receipt, 200 when it is the first receipt again.
/// A batch: 200 with an array, one answer an event, each with its own status.
pub(super) async fn messages(
    State(api): State<Api>,
    identity: Identity,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let endpoint = identity.endpoint()?;
    let limits = api.parts.limits;
    let received = match receive(&api, &headers, body, limits.largest_bytes()).await {
        Ok(received) => received,
        Err(refusal) => return Err(unreadable(&api, endpoint, &[], refusal).await),
    };
    match events::read(&Headers(&headers), &received.bytes, endpoint, &limits.events()) {
        Ok(Events::One(submission)) => {
            let answers = submit(&api, vec![*submission]).await?;
            let answer = answers.into_iter().next().ok_or_else(|| Problem::missing("no message"))?;
            answer.map(receipt).map_err(Problem::from)
        }
        Ok(Events::Batch(events)) => {
            let bad = events.iter().filter_map(|event| event.as_ref().err());
            join_all(bad.map(|bad| note(&api, endpoint, &bad.received, &bad.refusal))).await;
            batch(&api, events.into_iter().map(|event| event.map_err(|bad| bad.refusal)).collect()).await
        }
        Err(refusal) => Err(unreadable(&api, endpoint, &received.bytes, refusal).await),
    }
}

/// `POST /v1/adapters/{endpoint}`: a department's own body; the answer has one entry a record.
pub(super) async fn adapter(
    State(api): State<Api>,
    identity: Identity,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let endpoint = identity.endpoint()?;
    if endpoint.as_str() != name {
        let detail = format!("this token speaks as '{endpoint}', not as '{}'", shown(&name));
        return Err(unreadable(&api, endpoint, &[], Refusal::new(Code::Forbidden, detail)).await);
    }
    let received = match receive(&api, &headers, body, api.parts.limits.largest_bytes()).await {
        Ok(received) => received,
        Err(refusal) => return Err(unreadable(&api, endpoint, &[], refusal).await),
    };
    match api.parts.translate.translate(endpoint, &received.bytes) {
        Ok(submissions) => batch(&api, submissions.into_iter().map(Ok).collect()).await,
        Err(refusal) => Err(unreadable(&api, endpoint, &received.bytes, refusal).await),
    }
}

/// The answer to a known sender whose request as a whole is refused; the refusal is kept.
async fn unreadable(api: &Api, endpoint: &EndpointId, received: &[u8], refusal: Refusal) -> Problem {
    note(api, endpoint, received, &refusal).await;
    refusal.into()
}

async fn note(api: &Api, endpoint: &EndpointId, received: &[u8], refusal: &Refusal) {
    if !refusal.code.retryable() {
        api.parts.intake.note_unreadable(endpoint, received, refusal).await;
    }
}

async fn batch(api: &Api, events: Vec<Result<Submission, Refusal>>) -> Result<Response, Problem> {
    let (readable, places) = answer::apart(events);
    let results = submit(api, readable).await?;
    Ok(json_response(StatusCode::OK, answer::batch(answer::together(places, results)).into()))
}

async fn submit(api: &Api, submissions: Vec<Submission>) -> Result<Vec<Result<Accepted, Refusal>>, Problem> {
    let limits = api.parts.limits;
    tokio::time::timeout(limits.timeout, api.parts.intake.submit(submissions)).await.map_err(|_| {
        let detail = format!("not accepted within {:?}; it may be yet, send it again", limits.timeout);
        Problem::from(Refusal::new(Code::Unavailable, detail))
    })
}

/// The receipt, byte for byte as it is stored.
fn receipt(accepted: Accepted) -> Response {
    json_response(answer::status(&accepted), accepted.receipt)
}

fn json_response(status: StatusCode, body: Bytes) -> Response {
    (status, [(CONTENT_TYPE, "application/json")], body).into_response()
}
