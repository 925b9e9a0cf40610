//! What a bus on RabbitMQ is told: nodes, names, limits, and who may report for whom.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use lapin::uri::{AMQPScheme, AMQPUri};

use super::Error;
use crate::{domain::id::EndpointId, evidence::slip::SlipKey};

/// Seconds between heartbeats: a peer that says nothing for twice as long is gone.
const HEARTBEAT_SECONDS: u16 = 10;

/// How a process takes part.
#[derive(Clone, Debug)]
pub struct Options {
    /// Nodes of the cluster.
    pub nodes: Nodes,
    /// Names of exchanges and queues begin with it.
    pub prefix: Box<str>,
    /// Endpoints with a work queue.
    pub lanes: Vec<Lane>,
    /// What the process is.
    pub role: Role,
    /// Seals the work of a hub and knows its outcomes again; a worker has none.
    pub slips: Option<SlipKey>,
    /// Longest time a connection or a channel may take to open.
    pub connect_timeout: Duration,
    /// Longest time from publishing to the confirm.
    pub publish_timeout: Duration,
    /// How long a broker that cannot be reached is waited for at the start.
    pub start_wait: Duration,
    /// How often a copy may be brought before it is dead-lettered.
    pub delivery_limit: u32,
    /// Bytes of the largest message that is taken in.
    pub message_bytes: usize,
    /// Messages in the outcome queue at most.
    pub outcome_limit: usize,
    /// Broker accounts, beside our own, whose outcomes count for an endpoint.
    pub reporters: HashMap<EndpointId, BTreeSet<Box<str>>>,
    /// Endpoints whose systems fetch their deliveries from a queue.
    pub mailboxes: Vec<EndpointId>,
    /// Copies in one such queue at most.
    pub mailbox_limit: usize,
    /// What systems publish; nothing where there is no endpoint.
    pub intake: IntakeOptions,
    /// Certificate authority of the broker, PEM, beside those of the system.
    pub authority: Option<String>,
}

impl Options {
    /// Whether the process answers accounts that are not ours, in queues of theirs.
    pub(super) fn replies(&self) -> bool {
        !self.intake.endpoints.is_empty() || !self.mailboxes.is_empty()
    }
}

/// Queues that systems publish into.
#[derive(Clone, Debug, Default)]
pub struct IntakeOptions {
    /// Endpoints with such a queue.
    pub endpoints: Vec<EndpointId>,
    /// Messages in one at most.
    pub limit: usize,
    /// Messages that are brought of one before any is acknowledged.
    pub prefetch: u16,
}

/// One endpoint's queue.
#[derive(Clone, Debug)]
pub struct Lane {
    /// Whose.
    pub endpoint: EndpointId,
    /// Messages in it at most.
    pub limit: usize,
    /// Attempts at once in this process: what is fetched ahead.
    pub window: u16,
    /// Where its workers run.
    pub served: Served,
}

/// Where an endpoint's workers run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    /// In this process.
    Here,
    /// In processes of their own.
    Outside,
}

/// What a process is on the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Declares queues, sends work, settles outcomes. Its own workers finish what is queued when it stops.
    Hub,
    /// Takes work and reports outcomes, with no right to more. What it has not begun when it stops goes
    /// back to the queue.
    Worker,
}

/// Nodes of one cluster with the account to use. Neither printed with the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Nodes(Vec<AMQPUri>);

impl Nodes {
    /// Reads `amqp://` or `amqps://` addresses, separated by spaces, commas or lines.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let parts = text.split([' ', ',', '\n', '\r', '\t']).filter(|part| !part.is_empty());
        let nodes: Vec<_> =
            parts.enumerate().map(|(index, part)| node(index + 1, part)).collect::<Result<_, _>>()?;
        let Some(first) = nodes.first() else {
            return Err(Error::Address { number: 1, text: "none is given".into() });
        };
        let alike =
            |node: &AMQPUri| node.vhost == first.vhost && node.authority.userinfo == first.authority.userinfo;
        match nodes.iter().position(|node| !alike(node)) {
            None => Ok(Self(nodes)),
            Some(index) => Err(Error::Address {
                number: index + 1,
                text: "account and virtual host must be those of the first: they are nodes of one cluster"
                    .into(),
            }),
        }
    }

    pub(super) fn all(&self) -> &[AMQPUri] {
        &self.0
    }

    /// The account's name, which the broker vouches for on what it publishes.
    pub fn user(&self) -> &str {
        self.0.first().map_or("", |node| &node.authority.userinfo.username)
    }
}

impl std::fmt::Debug for Nodes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(place)).finish()
    }
}

/// Where a node is, without the account.
pub(super) fn place(node: &AMQPUri) -> String {
    let scheme = match node.scheme {
        AMQPScheme::AMQP => "amqp",
        AMQPScheme::AMQPS => "amqps",
    };
    format!("{scheme}://{}:{}/{}", node.authority.host, node.authority.port, node.vhost)
}

/// What the parser says may repeat the address, and with it the password: it is not passed on.
fn node(number: usize, text: &str) -> Result<AMQPUri, Error> {
    let mut node: AMQPUri = text.parse().map_err(|_: String| Error::Address {
        number,
        text: "must be as amqp://account:password@host:5672/vhost, with amqps for TLS".into(),
    })?;
    node.query.heartbeat.get_or_insert(HEARTBEAT_SECONDS);
    Ok(node)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_nodes_of_one_cluster_are_read() {
        let nodes = Nodes::parse("amqp://u:p@a:5672/v, amqps://u:p@b:5671/v\namqp://u:p@c/v").unwrap();
        let places: Vec<_> = nodes.all().iter().map(place).collect();
        assert_eq!(places, ["amqp://a:5672/v", "amqps://b:5671/v", "amqp://c:5672/v"]);
        assert!(nodes.all().iter().all(|node| node.query.heartbeat == Some(10)));
        assert_eq!(nodes.user(), "u");
    }

    #[test]
    fn a_wrong_address_is_refused_without_repeating_the_password() {
        for text in ["", "http://u:hunter2@a/", "u:hunter2@a", "amqp://u:hunter2@a/v amqp://w:hunter2@b/v"] {
            let said = Nodes::parse(text).unwrap_err().to_string();
            assert!(said.contains("address") && !said.contains("hunter2"), "{said}");
        }
    }

    #[test]
    fn passwords_are_not_printed() {
        let printed = format!("{:?}", Nodes::parse("amqp://u:hunter2@a/v").unwrap());
        assert!(printed.contains("a:5672") && !printed.contains("hunter2"), "{printed}");
    }
}
