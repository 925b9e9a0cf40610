//! Messages come in: CloudEvents, and departments' own bodies.

use axum::{
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::future::join_all;
use serde_json::json;

use super::{
    Api, Identity, Problem,
    body::receive,
    events::{self, Events},
    problem,
};
use crate::{
    domain::{id::EndpointId, personal::shown},
    port::intake::{Accepted, Code, ReceiptOf, Refusal, Submission},
};

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
    match events::read(&headers, &received.bytes, endpoint, &limits) {
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
    let mut readable = Vec::new();
    let mut answers: Vec<Option<Refusal>> = Vec::new();
    for event in events {
        match event {
            Ok(submission) => {
                readable.push(submission);
                answers.push(None);
            }
            Err(refusal) => answers.push(Some(refusal)),
        }
    }
    let mut results = submit(api, readable).await?.into_iter();
    let entries = answers.into_iter().map(|unreadable| match unreadable {
        Some(refusal) => entry(Err(refusal)),
        None => {
            entry(results.next().unwrap_or_else(|| Err(Refusal::new(Code::Unavailable, "send it again"))))
        }
    });
    let entries = entries.collect::<Vec<_>>().join(",");
    Ok(json_response(StatusCode::OK, format!("[{entries}]").into()))
}

async fn submit(api: &Api, submissions: Vec<Submission>) -> Result<Vec<Result<Accepted, Refusal>>, Problem> {
    let limits = api.parts.limits;
    tokio::time::timeout(limits.timeout, api.parts.intake.submit(submissions)).await.map_err(|_| {
        let detail = format!("not accepted within {:?}; it may be yet, send it again", limits.timeout);
        Problem::from(Refusal::new(Code::Unavailable, detail))
    })
}

/// One answer of a batch, its receipt byte for byte as it is stored.
fn entry(result: Result<Accepted, Refusal>) -> String {
    match result {
        Ok(accepted) => format!(
            r#"{{"status":{},"message":"{}","receipt":{}}}"#,
            code(&accepted).as_u16(),
            accepted.message,
            String::from_utf8_lossy(&accepted.receipt)
        ),
        Err(refusal) => {
            let status = problem::status(refusal.code).0.as_u16();
            json!({ "status": status, "problem": Problem::from(refusal).body() }).to_string()
        }
    }
}

fn code(accepted: &Accepted) -> StatusCode {
    match accepted.receipt_of {
        ReceiptOf::First => StatusCode::CREATED,
        ReceiptOf::Earlier => StatusCode::OK,
    }
}

/// The receipt, byte for byte as it is stored.
fn receipt(accepted: Accepted) -> Response {
    json_response(code(&accepted), accepted.receipt)
}

fn json_response(status: StatusCode, body: Bytes) -> Response {
    (status, [(CONTENT_TYPE, "application/json")], body).into_response()
}
