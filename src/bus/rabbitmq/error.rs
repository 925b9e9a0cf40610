//! Why a broker cannot be used, in sentences that say what to do.

use std::time::Duration;

use lapin::{ErrorKind, protocol::AMQPError};

/// Why a bus on RabbitMQ does not open.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address is not one.
    #[error("broker address {number} is not right: {text}")]
    Address {
        /// Which, from 1.
        number: usize,
        /// What is wrong, without the address.
        text: Box<str>,
    },
    /// A name does not fit.
    #[error("queue name '{name}' has more than {limit} bytes; shorten bus.prefix or the endpoint's id")]
    Name {
        /// Which.
        name: String,
        /// Bytes at most.
        limit: usize,
    },
    /// A node does not answer.
    #[error("broker {node} cannot be reached: {source}")]
    Unreachable {
        /// Which.
        node: String,
        /// Why.
        #[source]
        source: lapin::Error,
    },
    /// A node answers too late.
    #[error("broker {node} did not answer in {limit:?}")]
    Silent {
        /// Which.
        node: String,
        /// How long it had.
        limit: Duration,
    },
    /// The account or its virtual host is refused.
    #[error("broker {node} lets nobody in with this account: {text}")]
    Access {
        /// Which.
        node: String,
        /// What it said.
        text: String,
    },
    /// The account may not do what it must.
    #[error("account '{account}' may not use {what}: {text}. It needs {needs}")]
    Forbidden {
        /// Whose.
        account: String,
        /// Queue, exchange or binding.
        what: String,
        /// What the broker said.
        text: String,
        /// Permissions to give.
        needs: String,
    },
    /// Something of that name is there and is another.
    #[error(
        "{what} is there with other properties: {text}. Messages could be lost in it: empty and delete it, or choose another bus.prefix"
    )]
    Other {
        /// Queue or exchange.
        what: String,
        /// What the broker said.
        text: String,
    },
    /// The broker did not do what the queues' arguments ask for.
    #[error(
        "broker would lose messages: {0}. A policy of the broker may stand against the queues' arguments; remove it"
    )]
    Loses(&'static str),
    /// The broker is set to take no message of the size that work may have.
    #[error(
        "broker takes no message of {bytes} bytes, as the largest work has: set max_message_size in rabbitmq.conf to that, or lower http.body_limit_bytes and grpc.message_limit_bytes"
    )]
    Small {
        /// Bytes of the largest work on its way.
        bytes: usize,
    },
    /// Anything else the broker said.
    #[error("broker: {0}")]
    Broker(#[source] lapin::Error),
}

/// `ACCESS_REFUSED`.
const FORBIDDEN: u16 = 403;
/// `PRECONDITION_FAILED`.
const OTHER: u16 = 406;
/// `NOT_ALLOWED`: no such virtual host, or no right to it.
const NOT_ALLOWED: u16 = 530;

impl Error {
    /// A node that could not be connected to.
    pub(super) fn unreachable(node: String, source: lapin::Error) -> Self {
        match said(&source) {
            Some(said) if [FORBIDDEN, NOT_ALLOWED].contains(&said.get_id()) => {
                Self::Access { node, text: said.get_message().to_string() }
            }
            _ => Self::Unreachable { node, source },
        }
    }

    /// Something the broker refused to declare or to give.
    pub(super) fn refused(what: String, account: String, needs: String, source: lapin::Error) -> Self {
        match said(&source) {
            Some(said) if said.get_id() == FORBIDDEN => {
                Self::Forbidden { account, what, text: said.get_message().to_string(), needs }
            }
            Some(said) if said.get_id() == OTHER => {
                Self::Other { what, text: said.get_message().to_string() }
            }
            _ => Self::Broker(source),
        }
    }

    /// Whether waiting does not help.
    pub fn needs_a_person(&self) -> bool {
        matches!(
            self,
            Self::Address { .. }
                | Self::Name { .. }
                | Self::Access { .. }
                | Self::Forbidden { .. }
                | Self::Other { .. }
                | Self::Loses(_)
                | Self::Small { .. }
        )
    }
}

/// Whether the broker found what was asked for, and not fit.
pub(super) fn is_precondition(error: &lapin::Error) -> bool {
    said(error).is_some_and(|said| said.get_id() == OTHER)
}

fn said(error: &lapin::Error) -> Option<&AMQPError> {
    match error.kind() {
        ErrorKind::ProtocolError(said) => Some(said),
        _ => None,
    }
}
