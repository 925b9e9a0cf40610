//! Look-ups. A sender sees its own messages and the deliveries for it; an operator sees all.

use axum::{
    Json,
    extract::{Path, Query, State},
};
use serde::Deserialize;
use serde_json::Value;

use super::{Api, Identity, Problem, view};
use crate::{
    domain::{
        delivery::Transport,
        id::{DeliveryId, MessageId},
    },
    port::store::{DeliveryFilter, DeliveryRow, MessageRow, Page, Scope, Selector},
};

/// Rows of a listing at most.
const LIMIT: usize = 1000;

/// Filter of `GET /v1/deliveries`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    state: Option<String>,
    endpoint: Option<String>,
    organisation: Option<String>,
    message: Option<String>,
    #[serde(default)]
    offset: u64,
    limit: Option<usize>,
}

pub(super) async fn message(
    State(api): State<Api>,
    identity: Identity,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let row = find(&api, &identity, &id).await?;
    let deliveries = deliveries_of(&api, row.id).await?;
    let obligations = api.parts.store.of_message(row.id).await?;
    Ok(Json(view::message(&row, &deliveries, &obligations)))
}

pub(super) async fn trail(
    State(api): State<Api>,
    identity: Identity,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let row = find(&api, &identity, &id).await?;
    let rows = api.parts.store.trail_of(Selector::Message(row.id)).await?;
    Ok(Json(rows.iter().map(view::entry).collect()))
}

pub(super) async fn delivery(
    State(api): State<Api>,
    identity: Identity,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let id: DeliveryId =
        id.parse().map_err(|_| Problem::bad_request(format!("'{id}' is not a delivery id")))?;
    let filter = DeliveryFilter { id: Some(id), ..DeliveryFilter::default() };
    let rows = api.parts.store.deliveries(filter, Page { offset: 0, limit: 1 }).await?;
    let row = rows.first().ok_or_else(|| Problem::missing(format!("no delivery {id}")))?;
    let is_theirs = match &identity.scope {
        Scope::Operator => true,
        Scope::Endpoint(endpoint) => row.endpoint.as_ref() == Some(endpoint),
    };
    if !is_theirs {
        find(&api, &identity, &row.message.to_string()).await?;
    }
    Ok(Json(view::delivery(row, &api.parts.store.attempts(id).await?)))
}

pub(super) async fn deliveries(
    State(api): State<Api>,
    identity: Identity,
    Query(filter): Query<Filter>,
) -> Result<Json<Value>, Problem> {
    identity.operator()?;
    let page = Page { offset: filter.offset, limit: filter.limit.unwrap_or(LIMIT).min(LIMIT) };
    let rows = api.parts.store.deliveries(checked(filter)?, page).await?;
    Ok(Json(serde_json::json!(rows)))
}

pub(super) async fn counts(State(api): State<Api>, identity: Identity) -> Result<Json<Value>, Problem> {
    identity.operator()?;
    Ok(Json(view::counts(&api.parts.store.counts().await?)))
}

pub(super) async fn tokens(State(api): State<Api>, identity: Identity) -> Result<Json<Value>, Problem> {
    identity.operator()?;
    Ok(Json(view::tokens(&api.parts.store.tokens().await?)))
}

fn checked(filter: Filter) -> Result<DeliveryFilter, Problem> {
    let state: Option<Transport> =
        filter.state.map(|state| state.parse()).transpose().map_err(
            |error: crate::domain::delivery::UnknownState| Problem::bad_request(error.to_string()),
        )?;
    let message = filter
        .message
        .map(|id| id.parse().map_err(|_| Problem::bad_request(format!("'{id}' is not a message id"))))
        .transpose()?;
    Ok(DeliveryFilter {
        id: None,
        message,
        state,
        endpoint: filter.endpoint.map(Into::into),
        organisation: filter.organisation.map(Into::into),
    })
}

/// A message that the caller may see; to others it does not exist.
async fn find(api: &Api, identity: &Identity, id: &str) -> Result<MessageRow, Problem> {
    let missing = || Problem::missing(format!("no message {id}"));
    let parsed: MessageId =
        id.parse().map_err(|_| Problem::bad_request(format!("'{id}' is not a message id")))?;
    let row = api.parts.store.message(parsed).await?.ok_or_else(missing)?;
    match &identity.scope {
        Scope::Operator => Ok(row),
        Scope::Endpoint(endpoint) if row.endpoint == *endpoint => Ok(row),
        Scope::Endpoint(_) => Err(missing()),
    }
}

async fn deliveries_of(api: &Api, message: MessageId) -> Result<Vec<DeliveryRow>, Problem> {
    let filter = DeliveryFilter { message: Some(message), ..DeliveryFilter::default() };
    Ok(api.parts.store.deliveries(filter, Page { offset: 0, limit: LIMIT }).await?)
}
