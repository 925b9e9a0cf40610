//! What a sender is told of a batch, over HTTP and AMQP alike: an answer an event, in their order.

use axum::http::StatusCode;
use serde_json::json;

use super::http::Problem;
use crate::port::intake::{Accepted, Code, ReceiptOf, Refusal, Submission};

/// What can be submitted of these events, and for each the refusal it has already.
pub(super) fn apart(events: Vec<Result<Submission, Refusal>>) -> (Vec<Submission>, Vec<Option<Refusal>>) {
    let mut readable = Vec::new();
    let mut places = Vec::with_capacity(events.len());
    for event in events {
        match event {
            Ok(submission) => {
                readable.push(submission);
                places.push(None);
            }
            Err(refusal) => places.push(Some(refusal)),
        }
    }
    (readable, places)
}

/// An answer for each event again, from the results of what was submitted.
pub(super) fn together(
    places: Vec<Option<Refusal>>,
    results: Vec<Result<Accepted, Refusal>>,
) -> Vec<Result<Accepted, Refusal>> {
    let mut results = results.into_iter();
    let unanswered = || Err(Refusal::new(Code::Unavailable, "send it again"));
    let answer = |refusal: Option<Refusal>| match refusal {
        Some(refusal) => Err(refusal),
        None => results.next().unwrap_or_else(unanswered),
    };
    places.into_iter().map(answer).collect()
}

/// The answer to a batch.
pub(super) fn batch(answers: Vec<Result<Accepted, Refusal>>) -> String {
    let entries = answers.into_iter().map(entry).collect::<Vec<_>>().join(",");
    format!("[{entries}]")
}

/// 201 for the first receipt of a message, 200 where it is given again.
pub(super) fn status(accepted: &Accepted) -> StatusCode {
    match accepted.receipt_of {
        ReceiptOf::First => StatusCode::CREATED,
        ReceiptOf::Earlier => StatusCode::OK,
    }
}

/// One answer of a batch, its receipt byte for byte as it is stored.
fn entry(result: Result<Accepted, Refusal>) -> String {
    match result {
        Ok(accepted) => format!(
            r#"{{"status":{},"message":"{}","receipt":{}}}"#,
            status(&accepted).as_u16(),
            accepted.message,
            String::from_utf8_lossy(&accepted.receipt)
        ),
        Err(refusal) => {
            let problem = Problem::from(refusal);
            json!({ "status": problem.status.as_u16(), "problem": problem.body() }).to_string()
        }
    }
}
