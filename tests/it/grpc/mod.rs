//! The gRPC interface of the real binary: by its generated client, and by one that knows reflection alone.

mod certificates;
mod counter;
mod hubs;
mod intake;
mod mailbox;
mod reflection;
mod stream;

use crate::harness::{
    hub::Hub,
    rpc::hub_with_grpc,
    sender::{BUREAU, REGULATOR, sends, takes_out},
};

/// A hub whose bureau sends and whose regulator has a mailbox; and where gRPC listens.
fn bureau_and_mailbox(more: &str) -> (Hub, String) {
    hub_with_grpc(&[("xzspj", sends("xzspj", &[BUREAU])), ("scjgj", takes_out("scjgj", REGULATOR, more))])
}
