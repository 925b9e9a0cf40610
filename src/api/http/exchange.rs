//! Reconciliation over HTTP: the sums of a day, and its lines. An endpoint sees what it sent and what it received. What a
//! plan does about differences is asked for by operators.

use std::collections::HashSet;

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
};
use jiff::civil::Date;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Counter, Identity, Problem, body::Small};
use crate::{
    domain::{delivery::Transport, id::DeliveryId},
    engine::exchange::{self, Asked},
    port::{
        operations::{self, Replay},
        store::{Exchanged, Redo, Scope, Way},
    },
};

/// Deliveries that one plan does something about at most: they are one transaction.
pub const STEPS: usize = 1_000;
/// Lines in one answer at most.
const LIMIT: usize = 1_000;

/// Query of both.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    day: String,
    sender: Option<String>,
    recipient: Option<String>,
    /// Where the lines before ended.
    after: Option<u64>,
}

/// `GET /v1/exchanges?day=2026-03-05`: sums by sender, recipient and kind.
pub(super) async fn sums(
    State(counter): State<Counter>,
    identity: Identity,
    query: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let (asked, bounds, _) = read(query)?;
    let sums = exchange::sums(counter.store.as_ref(), &asked, bounds, |row| may_see(&identity, row)).await?;
    Ok(Json(json!({ "day": asked.day, "sums": sums })))
}

/// `GET /v1/exchanges/lines?day=2026-03-05`: one line a delivery, in order of acceptance; `next` says how to go on.
pub(super) async fn lines(
    State(counter): State<Counter>,
    identity: Identity,
    query: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let (asked, bounds, after) = read(query)?;
    let see = |row: &Exchanged| may_see(&identity, row);
    let (rows, next) = exchange::lines(counter.store.as_ref(), &asked, bounds, (after, LIMIT), see).await?;
    let lines: Vec<_> = rows.iter().map(line).collect();
    Ok(Json(json!({ "day": asked.day, "lines": lines, "next": next })))
}

/// Body of `POST /v1/exchanges/replay`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Planned {
    /// SHA-256 of the plan, in hex.
    plan: String,
    steps: Vec<PlannedStep>,
    #[serde(default)]
    reason: String,
    /// What would be refused, without doing anything.
    #[serde(default)]
    dry_run: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlannedStep {
    delivery: DeliveryId,
    /// Its state when the plan was made.
    state: Transport,
    /// `retry`, or `resend` of what was delivered.
    #[serde(rename = "do")]
    redo: Redo,
}

/// `POST /v1/exchanges/replay`: all of it, or nothing and why.
pub(super) async fn replay(
    State(counter): State<Counter>,
    identity: Identity,
    Small(body): Small,
) -> Result<Json<Value>, Problem> {
    identity.operator()?;
    let asked: Planned = serde_json::from_slice(&body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        Problem::bad_request(format!(
            "the body is not as expected: line {line} column {column}; it is JSON with 'plan', 'steps' of 'delivery', \
             'state' and 'do' (retry or resend), 'reason' and 'dry_run'"
        ))
    })?;
    let is_digest = asked.plan.len() == 64 && asked.plan.bytes().all(|byte| byte.is_ascii_hexdigit());
    let ids: HashSet<_> = asked.steps.iter().map(|step| step.delivery).collect();
    if !is_digest || ids.len() != asked.steps.len() || ids.len() > STEPS || ids.is_empty() {
        return Err(Problem::bad_request(format!(
            "'plan' is the SHA-256 of the plan in hex; it has 1 to {STEPS} steps, each of another delivery"
        )));
    }
    let steps = asked.steps.iter().map(|step| (step.delivery, step.state, step.redo)).collect();
    let plan = Replay { plan: format!("sha256:{}", asked.plan.to_ascii_lowercase()), steps };
    let way = if asked.dry_run { Way::Rehearsed } else { Way::Done };
    let by = identity.answers(asked.reason)?;
    let refused = match counter.operations.replay(plan, way, by).await {
        Ok(()) => Vec::new(),
        Err(operations::Error::NotFitting(rows)) if asked.dry_run => rows,
        Err(other) => return Err(other.into()),
    };
    let refused: Vec<_> = refused
        .iter()
        .map(|why| json!({ "delivery": why.delivery(), "because": why.to_string(), "because_zh": why.chinese() }))
        .collect();
    Ok(Json(json!({ "steps": ids.len(), "dry_run": asked.dry_run, "refused": refused })))
}

type Read = (Asked, (jiff::Timestamp, jiff::Timestamp), Option<u64>);

fn read(query: Result<Query<Wanted>, QueryRejection>) -> Result<Read, Problem> {
    let wrong = || {
        Problem::bad_request(
            "the query is not as expected; it names day (2026-03-05), and may name sender, recipient and after",
        )
    };
    let Query(query) = query.map_err(|_| wrong())?;
    let day: Date = query.day.parse().map_err(|_| wrong())?;
    let asked =
        Asked { day, sender: query.sender.map(Into::into), recipient: query.recipient.map(Into::into) };
    let bounds = asked.bounds().map_err(|_| wrong())?;
    Ok((asked, bounds, query.after))
}

fn may_see(identity: &Identity, row: &Exchanged) -> bool {
    match &identity.scope {
        Scope::Operator => true,
        Scope::Worker(_) => false,
        Scope::Endpoint(endpoint) => {
            [&row.sent_by, &row.endpoint].into_iter().any(|it| it.as_ref() == Some(endpoint))
        }
    }
}

fn line(row: &Exchanged) -> Value {
    json!({
        "sender": row.sender, "recipient": row.recipient, "kind": row.kind, "business_key": row.business_key,
        "revision": row.revision, "delivery": row.delivery, "state": row.state,
        "handed_over_at": row.handed_over_at, "received_sha256": row.received_digest.map(|digest| hex::encode(digest.0)),
        "sent_sha256": row.sent_digest.map(|digest| hex::encode(digest.0)),
        "erased": row.received_digest.is_none(),
    })
}
