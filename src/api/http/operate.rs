//! Operations: what an operator does to one delivery or token.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Counter, Identity, Problem, body::Small};
use crate::{
    domain::{id::DeliveryId, personal::shown},
    port::{
        operations::By,
        store::{Operation, Scope},
    },
};

/// Body of an operation; may be empty where nothing is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Asked {
    reason: String,
    document: String,
    /// What would happen, without doing it.
    dry_run: bool,
}

/// Body of `POST /v1/tokens`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    name: String,
    /// The endpoint it speaks as; absent for an operator's token.
    endpoint: Option<String>,
    /// The worker that attaches by it; absent for an endpoint's and an operator's token.
    worker: Option<String>,
    #[serde(default)]
    reason: String,
}

/// `POST /v1/deliveries/{id}/{retry|park|skip|withdraw|offline|confirm}`.
pub(super) async fn delivery(
    State(counter): State<Counter>,
    identity: Identity,
    Path((id, operation)): Path<(String, String)>,
    Small(body): Small,
) -> Result<Json<Value>, Problem> {
    identity.operator()?;
    let id: DeliveryId = id.parse().map_err(|_| Problem::no_id("delivery", &id))?;
    let asked: Asked = if body.is_empty() { Asked::default() } else { parse(&body)? };
    let operation = named(&operation, &asked)?;
    let by = identity.answers(asked.reason)?;
    if asked.dry_run {
        return rehearse(&counter, id, &operation, &by).await;
    }
    let operated = counter.operations.operate(id, operation, by).await?;
    Ok(Json(json!({ "delivery": id, "from": operated.from, "to": operated.to })))
}

async fn rehearse(
    counter: &Counter,
    id: DeliveryId,
    operation: &Operation,
    by: &By,
) -> Result<Json<Value>, Problem> {
    if matches!(operation, Operation::Retry | Operation::ConfirmRelay) {
        return Err(Problem::bad_request("'dry_run' is for park, skip, withdraw and offline"));
    }
    let would = counter.operations.rehearse(id, operation, by).await?;
    Ok(Json(json!({
        "delivery": id, "from": would.from, "to": would.to, "dry_run": true,
        "obligations": would.duties, "second_hops": would.second_hops,
    })))
}

/// The operation of a name.
fn named(name: &str, asked: &Asked) -> Result<Operation, Problem> {
    match name {
        "retry" => Ok(Operation::Retry),
        "park" => Ok(Operation::Park { reason: asked.reason.as_str().into() }),
        "skip" => Ok(Operation::Skip),
        "withdraw" => Ok(Operation::Withdraw),
        "offline" if asked.document.trim().is_empty() => {
            Err(Problem::bad_request("'document' is required: the number of the 送达回证"))
        }
        "offline" => Ok(Operation::ServeOffline { document: asked.document.as_str().into() }),
        "confirm" => Ok(Operation::ConfirmRelay),
        other => Err(Problem::missing(format!(
            "no operation '{}'; there are retry, park, skip, withdraw, offline, confirm",
            shown(other)
        ))),
    }
}

/// `POST /v1/tokens`: the token is in the answer and nowhere else.
pub(super) async fn add_token(
    State(counter): State<Counter>,
    identity: Identity,
    Small(body): Small,
) -> Result<(StatusCode, Json<Value>), Problem> {
    identity.operator()?;
    let wanted: Wanted = parse(&body)?;
    let scope = match (wanted.endpoint, wanted.worker) {
        (Some(endpoint), None) => Scope::Endpoint(endpoint.into()),
        (None, Some(worker)) if !worker.trim().is_empty() => Scope::Worker(worker.trim().into()),
        (None, None) => Scope::Operator,
        _ => {
            return Err(Problem::bad_request("a token is of one 'endpoint', of one 'worker', or of neither"));
        }
    };
    let by = identity.answers(wanted.reason)?;
    let token = counter.operations.add_token(&wanted.name, scope, by).await?;
    refresh(&counter).await?;
    Ok((StatusCode::CREATED, Json(json!({ "name": wanted.name, "token": token }))))
}

/// `DELETE /v1/tokens/{name}`.
pub(super) async fn revoke_token(
    State(counter): State<Counter>,
    identity: Identity,
    Path(name): Path<String>,
    Small(body): Small,
) -> Result<StatusCode, Problem> {
    identity.operator()?;
    let asked: Asked = if body.is_empty() { Asked::default() } else { parse(&body)? };
    let by = identity.answers(asked.reason)?;
    counter.operations.revoke_token(&name, by).await?;
    refresh(&counter).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /v1/keys`.
pub(super) async fn keys(State(counter): State<Counter>, identity: Identity) -> Result<Json<Value>, Problem> {
    identity.operator()?;
    Ok(Json(json!(counter.operations.keys().await?)))
}

/// `POST /v1/keys/rotation`.
pub(super) async fn rotate_keys(
    State(counter): State<Counter>,
    identity: Identity,
    Small(body): Small,
) -> Result<Json<Value>, Problem> {
    identity.operator()?;
    let asked: Asked = parse(&body)?;
    let rotation = if asked.dry_run {
        counter.operations.rehearse_rotation().await?
    } else {
        counter.operations.rotate_keys(identity.answers(asked.reason)?).await?
    };
    let mut said = json!(rotation);
    said["dry_run"] = json!(asked.dry_run);
    Ok(Json(said))
}

async fn refresh(counter: &Counter) -> Result<(), Problem> {
    Ok(counter.grants.refresh(counter.store.as_ref()).await?)
}

/// What the reader says, which may quote a value, and where.
fn told(error: &serde_json::Error) -> String {
    let fields = "it is JSON with 'reason', 'document', or 'name' and 'endpoint' or 'worker'";
    format!("line {} column {}; {fields}", error.line(), error.column())
}

fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Problem> {
    serde_json::from_slice(body)
        .map_err(|error| Problem::bad_request(format!("the body is not as expected: {}", told(&error))))
}
