//! Refusals: whether these are the bytes that were refused, where a sender says that the hub refused something else.
//!
//! The trail commits to the bytes refused under a salt that lies apart; the bytes themselves are kept by nobody but their
//! sender. While the salt is there (`liandong retention erase` erases it, and the end of its month online), whoever brings
//! the bytes finds the entry that refuses them.

use bytes::Bytes;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::{
    evidence::digest::Salt,
    port::store::{Error, Refused, Store},
};

/// Refusals looked at in one step.
const PAGE: usize = 500;

/// An entry that refuses the bytes, with the salt that shows it.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    /// The entry.
    pub id: Uuid,
    /// When.
    pub at: Timestamp,
    /// Its position once sealed.
    pub position: Option<u64>,
    /// What it says: who sent, why it was refused, the commitments.
    pub data: Value,
    /// The salt: SHA-256 over it and the bytes is the commitment.
    pub salt: Salt,
}

/// The entries that refuse exactly these bytes, oldest first; and how many could be looked at.
pub async fn of(store: &dyn Store, bytes: &[u8]) -> Result<(Vec<Found>, u64), Error> {
    let (mut found, mut looked, mut after) = (Vec::new(), 0, None);
    loop {
        let page = store.refusals(after, PAGE).await?;
        let Some(last) = page.last() else { return Ok((found, looked)) };
        after = Some(last.id);
        looked += page.len() as u64;
        found.extend(page.into_iter().filter_map(|refused| is_of(refused, bytes)));
    }
}

fn is_of(refused: Refused, bytes: &[u8]) -> Option<Found> {
    let Refused { id, position, body, salt } = refused;
    let (at, data) = read(&body)?;
    let salt = Salt::from_bytes(salt);
    let is_it = data["commitment"] == serde_json::json!(salt.commit(bytes))
        && data["commitment_sm3"] == serde_json::json!(salt.commit_by_sm3(bytes));
    is_it.then_some(Found { id: id.0, at, position, data, salt })
}

fn read(body: &Bytes) -> Option<(Timestamp, Value)> {
    let entry: Value = serde_json::from_slice(body).ok()?;
    Some((entry["at"].as_str()?.parse().ok()?, entry["data"].clone()))
}
