//! Buses: transports of claimed work and of outcomes. The store is the truth.

pub mod grpc;
pub mod local;
pub mod rabbitmq;
pub mod split;
