//! Mapping: the room that translates between departmental systems and canonical messages.
pub mod codec;
