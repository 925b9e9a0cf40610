//! Messages as they came over the wire, byte for byte, and their canonical JSON.
//!
//! On the wire a message inside a message and a field of bytes are the same. So the bytes that a sender sent
//! are kept as evidence, and read once more.

use std::sync::LazyLock;

use bytes::Bytes;
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, Value as Field};
use serde_json::Value;

use super::{DESCRIPTORS, v1};
use crate::domain::fault::Fault;

/// Most faults told at once.
const MOST_FAULTS: usize = 20;

/// `liandong.v1.SubmitRequest`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SubmitRequest {
    /// The message.
    #[prost(bytes = "bytes", tag = "1")]
    pub message: Bytes,
}

/// `liandong.v1.SubmitStreamRequest`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SubmitStreamRequest {
    /// Chosen by the sender.
    #[prost(uint64, tag = "1")]
    pub sequence: u64,
    /// The message.
    #[prost(bytes = "bytes", tag = "2")]
    pub message: Bytes,
}

static POOL: LazyLock<Result<DescriptorPool, String>> =
    LazyLock::new(|| DescriptorPool::decode(DESCRIPTORS).map_err(|error| error.to_string()));

/// The message in its canonical JSON, not yet checked. What this hub does not know in it is a fault: it would
/// be lost, and nobody told.
pub fn message(received: &[u8]) -> Result<Value, Vec<Fault>> {
    let unreadable = |text: String| vec![Fault::new("message", text)];
    let message = v1::Message::decode(received).map_err(|error| unreadable(error.to_string()))?;
    // What is unknown is longer than nothing; so is another spelling of what is known.
    if message.encoded_len() != received.len() {
        let unknown = unknown(received).map_err(unreadable)?;
        if !unknown.is_empty() {
            return Err(unknown);
        }
    }
    serde_json::to_value(&message).map_err(|error| unreadable(error.to_string()))
}

/// A message as it goes over the wire, of its canonical JSON.
pub fn encoded(message: &Value) -> Result<Bytes, serde_json::Error> {
    let message: v1::Message = serde::Deserialize::deserialize(message)?;
    Ok(message.encode_to_vec().into())
}

fn unknown(received: &[u8]) -> Result<Vec<Fault>, String> {
    let pool = POOL.as_ref().map_err(Clone::clone)?;
    let descriptor = pool.get_message_by_name("liandong.v1.Message").ok_or("the schema has no message")?;
    let message = DynamicMessage::decode(descriptor, received).map_err(|error| error.to_string())?;
    let mut faults = Vec::new();
    collect(&message, "", &mut faults);
    faults.truncate(MOST_FAULTS);
    Ok(faults)
}

fn collect(message: &DynamicMessage, path: &str, faults: &mut Vec<Fault>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    for field in message.unknown_fields() {
        let text = "this hub does not know this field number; its content would be lost";
        faults.push(Fault::new(below(&field.number().to_string()), text));
    }
    for (field, value) in message.fields() {
        let name = below(field.json_name());
        match value {
            Field::Message(inner) => collect(inner, &name, faults),
            Field::List(values) => {
                for (index, value) in values.iter().enumerate() {
                    if let Field::Message(inner) = value {
                        collect(inner, &format!("{name}[{index}]"), faults);
                    }
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message_with(subject: &[u8]) -> Vec<u8> {
        let mut bytes = v1::Message { business_key: "A".into(), ..Default::default() }.encode_to_vec();
        bytes.push(8 << 3 | 2);
        bytes.push(u8::try_from(subject.len()).unwrap());
        bytes.extend_from_slice(subject);
        bytes
    }

    #[test]
    fn a_message_has_its_canonical_json() {
        let value = message(&message_with(&[0x12, 1, b'n'])).unwrap();
        assert_eq!((&value["businessKey"], &value["subject"]["name"]), (&json!("A"), &json!("n")));
    }

    #[test]
    fn what_this_hub_does_not_know_is_named_and_not_lost() {
        let field_60 = [0xe0, 0x03, 1];
        let faults = message(&message_with(&field_60)).unwrap_err();
        assert_eq!(faults[0].path, "subject.60");
        assert!(message(b"\xff").is_err());
    }

    #[test]
    fn another_spelling_of_the_same_is_taken() {
        let explicit_zero_revision = [0x18, 0];
        let mut bytes = message_with(&[0x12, 1, b'n']);
        bytes.extend_from_slice(&explicit_zero_revision);
        assert!(message(&bytes).is_ok());
    }
}
