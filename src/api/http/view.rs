//! How stored rows look as JSON, here and on the command line. Payloads are not part of any view.

use serde_json::{Value, json};

use crate::port::store::{
    AttemptRow, DeliveryRow, MessageRow, Obligation, OrganisationCount, Token, TrailRow,
};

/// A message with its deliveries and what is owed.
pub fn message(row: &MessageRow, deliveries: &[DeliveryRow], obligations: &[Obligation]) -> Value {
    let mut value = head(row);
    value["deliveries"] = json!(deliveries);
    value["obligations"] = json!(obligations);
    value
}

/// What names a message.
pub fn head(row: &MessageRow) -> Value {
    json!({
        "id": row.id, "organisation": row.key.organisation, "kind": row.key.kind,
        "business_key": row.key.business_key, "revision": row.revision, "matter": row.matter,
        "endpoint": row.endpoint, "accepted_at": row.accepted_at,
    })
}

/// A delivery with its attempts.
pub fn delivery(row: &DeliveryRow, attempts: &[AttemptRow]) -> Value {
    let mut value = json!(row);
    value["attempts_made"] = json!(attempts);
    value
}

/// One trail entry.
pub fn entry(row: &TrailRow) -> Value {
    let body: Value = serde_json::from_slice(&row.body).unwrap_or_default();
    json!({
        "at": row.at, "event": row.event, "delivery": row.delivery, "position": row.position,
        "data": body.get("data"),
    })
}

/// Counts per organisation.
pub fn counts(rows: &[OrganisationCount]) -> Value {
    json!(rows)
}

/// Tokens without their secrets.
pub fn tokens(rows: &[Token]) -> Value {
    json!(rows)
}
