//! Everything that a hub's database holds, table by table, for tests that search all of it.

use std::fmt::Write as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest as _, Sha256};

use super::{books::Books, hub::Hub};
use crate::contract::backend::Postgres;

/// A table with the bytes of all its values.
pub(crate) type Table = (String, Vec<u8>);

/// Every table of a hub's database, on PostgreSQL where a place is given.
pub(crate) async fn tables(hub: &Hub, place: Option<&Postgres>) -> Vec<Table> {
    let Some(place) = place else { return Books::of(hub).tables() };
    let database = place.database().await;
    let sql = "SELECT c.relname::text FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace";
    let mut tables = Vec::new();
    for row in database.run(sql).await {
        let name: String = row.get(0);
        let rows = database.run(&format!("SELECT t::text FROM \"{name}\" t")).await;
        let mut bytes = Vec::new();
        for row in rows {
            let text: String = row.get(0);
            bytes.extend(unescaped(&text));
            bytes.push(b'\n');
        }
        tables.push((name, bytes));
    }
    tables
}

/// A row as text, and after it the bytes of every value that is written as hex.
fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for piece in text.split("\\x").skip(1) {
        let digits = piece.find(|digit: char| !digit.is_ascii_hexdigit()).unwrap_or(piece.len());
        bytes.push(b'\n');
        bytes.extend(hex::decode(&piece[..digits]).unwrap());
    }
    bytes
}

/// How digests of these bytes may be written: raw, in hex and in base64, by SHA-256 and by SM3.
pub(crate) fn digests(of: &[u8]) -> Vec<Vec<u8>> {
    let raw = [Sha256::digest(of).to_vec(), sm3::Sm3::digest(of).to_vec()];
    let written = |digest: &Vec<u8>| {
        let hex = hex::encode(digest);
        let unpadded = STANDARD.encode(digest).trim_end_matches('=').to_owned();
        [digest.clone(), hex.to_uppercase().into_bytes(), hex.into_bytes(), unpadded.into_bytes()]
    };
    raw.iter().flat_map(written).collect()
}

/// The tables in which a digest of these bytes stands.
pub(crate) fn confirmed_by(tables: &[Table], bytes: &[u8]) -> String {
    let mut found = String::new();
    for (name, content) in tables {
        let is_there = |digest: &Vec<u8>| content.windows(digest.len()).any(|window| window == digest);
        if digests(bytes).iter().any(is_there) {
            write!(found, "{name} ").unwrap();
        }
    }
    found.trim_end().to_owned()
}
