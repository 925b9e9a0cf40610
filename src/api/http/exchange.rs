//! Reconciliation over HTTP: the sums of a day, and its lines. An endpoint sees what it sent and what it received.

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
};
use jiff::civil::Date;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Counter, Identity, Problem};
use crate::{
    engine::exchange::{self, Asked},
    port::store::{Exchanged, Scope},
};

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
        "handed_over_at": row.handed_over_at, "received_sha256": hex::encode(row.received_digest.0),
        "sent_sha256": row.sent_digest.map(|digest| hex::encode(digest.0)),
    })
}
