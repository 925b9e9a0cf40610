//! The way in: a system's bytes become messages in canonical JSON, or a refusal that names every fault
//! with its record and field.
//!
//! A body is taken whole or not at all, so that a department repairs one file and sends it again. What is
//! kept as received is the body itself when it holds one record; of a body with several, each message
//! keeps its record with the digest of the body, since the body is kept by whoever sent it.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::{Adapter, adapter::Compiler, program::Program};
use crate::{
    config::adapter as config,
    domain::{fault::Fault, kind::Kind},
    evidence::digest::Digest,
    mapping::{
        codec::{self, Codec, Record},
        condition::Condition,
    },
    port::intake::{Code, Refusal, Submission},
};

/// Most faults that a refusal lists.
const MOST_FAULTS: usize = 100;

/// The compiled way in.
#[derive(Debug)]
pub(super) struct Inbound {
    pub(super) codec: Codec,
    select: Option<Condition>,
    mappings: BTreeMap<Kind, Arc<dyn Program>>,
}

impl Inbound {
    pub(super) fn compile(config: &config::Inbound, compiler: &mut Compiler<'_>) -> Option<Self> {
        let codec = compiler.codec("inbound.codec", &config.codec);
        let mappings = compiler.mappings(&config.mappings);
        let select = match &config.select {
            None => None,
            Some(source) => Some(compiler.condition("inbound.select", source, &["record"])?),
        };
        Some(Self { codec: codec?, select, mappings })
    }

    fn mapping(&self, record: &Value) -> Result<(Kind, &dyn Program), String> {
        let only = self.mappings.iter().next().filter(|_| self.select.is_none());
        let chosen = match (&self.select, only) {
            (_, Some((kind, mapping))) => return Ok((*kind, &**mapping)),
            (Some(select), None) => {
                let names = Map::from_iter([("record".to_owned(), record.clone())]);
                select.value(&names).map_err(|error| format!("'select': {error}"))?
            }
            (None, None) => return Err("the adapter has no mapping".to_owned()),
        };
        let kind = chosen.as_str().and_then(|text| text.parse::<Kind>().ok());
        let mapping = kind.and_then(|kind| self.mappings.get(&kind).map(|mapping| (kind, &**mapping)));
        mapping.ok_or_else(|| "'select' names a kind for which the adapter has no mapping".to_owned())
    }
}

impl Adapter {
    /// Translates a body into submissions, one a record, in the order of the body.
    pub fn inbound(&self, body: &[u8]) -> Result<Vec<Submission>, Refusal> {
        let Some(inbound) = &self.inbound else {
            return Err(Refusal::new(Code::Unmapped, "this adapter has no [inbound]"));
        };
        let limit = self.config.limits.max_body_bytes;
        if body.len() > limit {
            let text = format!("the body has {} bytes, the limit is {limit}; split it", body.len());
            return Err(Refusal::new(Code::TooLarge, text));
        }
        let records = inbound.codec.decode(body).map_err(|error| unreadable(&error))?;
        let limit = self.config.limits.max_records;
        if records.len() > limit {
            let text = format!("the body holds {} records, the limit is {limit}; split it", records.len());
            return Err(Refusal::new(Code::TooLarge, text));
        }
        if records.is_empty() {
            return Err(Refusal::new(Code::Malformed, "the body holds no record"));
        }
        let single = records.len() == 1;
        let (mut submissions, mut faults) = (Vec::with_capacity(records.len()), Vec::new());
        for record in &records {
            match self.translate(inbound, record) {
                Ok((kind, message)) => {
                    let received = if single { Bytes::copy_from_slice(body) } else { part(body, record) };
                    submissions.push(Submission {
                        endpoint: self.endpoint().clone(),
                        kind: Some(kind),
                        received,
                        message,
                    });
                }
                Err(found) => faults.extend(found),
            }
        }
        if faults.is_empty() {
            return Ok(submissions);
        }
        let text =
            format!("{} of {} records cannot be mapped", records.len() - submissions.len(), records.len());
        faults.truncate(MOST_FAULTS);
        Err(Refusal { faults, ..Refusal::new(Code::Unmapped, text) })
    }

    fn translate(&self, inbound: &Inbound, record: &Record) -> Result<(Kind, Value), Vec<Fault>> {
        let place = place(record);
        let (kind, mapping) =
            inbound.mapping(&record.value).map_err(|text| vec![Fault::new(place.as_str(), text)])?;
        let context = Map::from_iter([("endpoint".to_owned(), json!(self.endpoint()))]);
        let in_place = |fault: Fault| Fault::new(format!("{place}: {}", fault.path), fault.text);
        let message = mapping.apply(&record.value, &context);
        let message = message.map_err(|faults| faults.into_iter().map(in_place).collect::<Vec<_>>())?;
        Ok((kind, message))
    }
}

fn place(record: &Record) -> String {
    match record.origin.line {
        Some(line) => format!("record {} (line {line})", record.origin.number),
        None => format!("record {}", record.origin.number),
    }
}

/// A record of several, bound to the body it stood in.
fn part(body: &[u8], record: &Record) -> Bytes {
    let digest = format!("sha256:{}", hex::encode(Digest::of(body).as_bytes()));
    json!({"body": digest, "number": record.origin.number, "record": record.value}).to_string().into()
}

fn unreadable(error: &codec::Error) -> Refusal {
    let code = match error {
        codec::Error::TooLarge { .. } => Code::TooLarge,
        _ => Code::Malformed,
    };
    Refusal::new(code, error.to_string())
}
