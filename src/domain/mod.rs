//! The domain: divisions, organisations, items, messages, routing, deliveries. Pure: no tokio, no I/O,
//! no clock, no environment.

pub mod calendar;
pub mod decision;
pub mod delivery;
pub mod division;
pub mod fault;
pub mod id;
pub mod identifier;
pub mod item;
pub mod kind;
pub mod lint;
pub mod message;
pub mod obligation;
pub mod organisation;
pub mod period;
pub mod personal;
pub mod registry;
pub mod retry;
pub mod route;
pub mod rule;
