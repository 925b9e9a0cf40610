//! The ports: what the engine asks of stores, buses, connectors and clocks, with the contract on each
//! trait. One contract suite a port runs against every backend (DESIGN promise 14).

pub mod anchorage;
pub mod authority;
pub mod bus;
pub mod clock;
pub mod connector;
pub mod inbox;
pub mod intake;
pub mod mailbox;
pub mod operations;
pub mod pickup;
pub mod store;
