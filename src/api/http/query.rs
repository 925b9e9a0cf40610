//! Look-ups. A sender sees its own messages and the deliveries for it; an operator sees all.

use axum::{
    Json,
    extract::{Path, Query, State, rejection::QueryRejection},
};
use serde::Deserialize;
use serde_json::Value;

use super::{Counter, Identity, Problem, view};
use crate::{
    domain::{
        delivery::Transport,
        id::{DeliveryId, MessageId, OrganisationId},
        kind::Kind,
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

/// Which messages of `GET /v1/messages`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    business_key: String,
    organisation: Option<OrganisationId>,
    kind: Option<Kind>,
    revision: Option<u32>,
}

impl Named {
    fn is(&self, row: &MessageRow) -> bool {
        self.organisation.as_ref().is_none_or(|it| *it == row.key.organisation)
            && self.kind.is_none_or(|it| it == row.key.kind)
            && self.revision.is_none_or(|it| it == row.revision)
    }
}

/// `GET /v1/messages`: those of a business key, newest revision first.
pub(super) async fn messages(
    State(counter): State<Counter>,
    identity: Identity,
    Query(named): Query<Named>,
) -> Result<Json<Value>, Problem> {
    let mut found = Vec::new();
    for id in counter.store.find(&named.business_key, LIMIT).await? {
        let row = counter.store.message(id).await?.filter(|row| may_see(&identity, row) && named.is(row));
        found.extend(row.iter().map(view::head));
    }
    Ok(Json(found.into()))
}

pub(super) async fn message(
    State(counter): State<Counter>,
    identity: Identity,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let row = find(&counter, &identity, &id).await?;
    let deliveries = deliveries_of(&counter, row.id).await?;
    let obligations = counter.store.of_message(row.id).await?;
    Ok(Json(view::message(&row, &deliveries, &obligations)))
}

pub(super) async fn trail(
    State(counter): State<Counter>,
    identity: Identity,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let row = find(&counter, &identity, &id).await?;
    let rows = counter.store.trail_of(Selector::Message(row.id)).await?;
    Ok(Json(rows.iter().map(view::entry).collect()))
}

pub(super) async fn delivery(
    State(counter): State<Counter>,
    identity: Identity,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let row = find_delivery(&counter, &identity, &id).await?;
    Ok(Json(view::delivery(&row, &counter.store.attempts(row.id).await?)))
}

pub(super) async fn trail_of_delivery(
    State(counter): State<Counter>,
    identity: Identity,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let row = find_delivery(&counter, &identity, &id).await?;
    let rows = counter.store.trail_of(Selector::Delivery(row.id)).await?;
    Ok(Json(rows.iter().map(view::entry).collect()))
}

pub(super) async fn deliveries(
    State(counter): State<Counter>,
    identity: Identity,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    identity.operator()?;
    let Query(filter) = expected(filter, "state, endpoint, organisation, message, offset and limit")?;
    let limit = filter.limit.unwrap_or(LIMIT);
    if limit > LIMIT {
        let detail = format!("limit is {limit}, at most {LIMIT} rows come at once; go on with offset");
        return Err(Problem::bad_request(detail));
    }
    let page = Page { offset: filter.offset, limit };
    let rows = counter.store.deliveries(checked(filter)?, page).await?;
    Ok(Json(serde_json::json!(rows)))
}

pub(super) async fn counts(
    State(counter): State<Counter>,
    identity: Identity,
) -> Result<Json<Value>, Problem> {
    identity.operator()?;
    Ok(Json(view::counts(&counter.store.counts().await?)))
}

pub(super) async fn tokens(
    State(counter): State<Counter>,
    identity: Identity,
) -> Result<Json<Value>, Problem> {
    identity.operator()?;
    Ok(Json(view::tokens(&counter.store.tokens().await?)))
}

/// A query, or what it may name; never what it named.
fn expected<T>(query: Result<Query<T>, QueryRejection>, known: &str) -> Result<Query<T>, Problem> {
    let unexpected = |_| Problem::bad_request(format!("the query is not as expected; it may name {known}"));
    query.map_err(unexpected)
}

fn checked(filter: Filter) -> Result<DeliveryFilter, Problem> {
    let state: Option<Transport> =
        filter.state.map(|state| state.parse()).transpose().map_err(
            |error: crate::domain::delivery::UnknownState| Problem::bad_request(error.to_string()),
        )?;
    let message =
        filter.message.map(|id| id.parse().map_err(|_| Problem::no_id("message", &id))).transpose()?;
    Ok(DeliveryFilter {
        id: None,
        message,
        state,
        endpoint: filter.endpoint.map(Into::into),
        organisation: filter.organisation.map(Into::into),
    })
}

/// A message that the caller may see; to others it does not exist.
async fn find(counter: &Counter, identity: &Identity, id: &str) -> Result<MessageRow, Problem> {
    let missing = || Problem::missing(format!("no message {id}"));
    let parsed: MessageId = id.parse().map_err(|_| Problem::no_id("message", id))?;
    let row = counter.store.message(parsed).await?.ok_or_else(missing)?;
    if may_see(identity, &row) { Ok(row) } else { Err(missing()) }
}

/// A delivery that the caller may see: for it, or of its own message.
pub(super) async fn find_delivery(
    counter: &Counter,
    identity: &Identity,
    id: &str,
) -> Result<DeliveryRow, Problem> {
    let id: DeliveryId = id.parse().map_err(|_| Problem::no_id("delivery", id))?;
    let filter = DeliveryFilter { id: Some(id), ..DeliveryFilter::default() };
    let rows = counter.store.deliveries(filter, Page { offset: 0, limit: 1 }).await?;
    let row = rows.into_iter().next().ok_or_else(|| Problem::missing(format!("no delivery {id}")))?;
    let is_theirs = match &identity.scope {
        Scope::Operator => true,
        Scope::Worker(_) => false,
        Scope::Endpoint(endpoint) => row.endpoint.as_ref() == Some(endpoint),
    };
    if !is_theirs {
        find(counter, identity, &row.message.to_string()).await?;
    }
    Ok(row)
}

fn may_see(identity: &Identity, row: &MessageRow) -> bool {
    match &identity.scope {
        Scope::Operator => true,
        Scope::Worker(_) => false,
        Scope::Endpoint(endpoint) => row.endpoint == *endpoint,
    }
}

async fn deliveries_of(counter: &Counter, message: MessageId) -> Result<Vec<DeliveryRow>, Problem> {
    let filter = DeliveryFilter { message: Some(message), ..DeliveryFilter::default() };
    Ok(counter.store.deliveries(filter, Page { offset: 0, limit: LIMIT }).await?)
}
