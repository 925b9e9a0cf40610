//! The bus: which one, and what RabbitMQ needs.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
    path::PathBuf,
};

use toml::Spanned;

use super::{check::Check, raw};
use crate::{config::secret::SecretRef, domain::id::EndpointId};

const WAIT_MS: RangeInclusive<i64> = 100..=60 * 60 * 1000;
const LIMIT: RangeInclusive<i64> = 1..=10_000_000;
/// A prefix leaves room for the rest of a name of 255 bytes.
const PREFIX_BYTES: usize = 64;

/// The bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bus {
    /// Which.
    pub backend: Carrier,
    /// Addresses of the broker's nodes, with the account.
    pub url: SecretRef,
    /// Certificate authority of the broker; none for those of the system.
    pub authority: Option<PathBuf>,
    /// Names of exchanges and queues begin with it.
    pub prefix: Box<str>,
    /// When opening a connection is given up.
    pub connect_timeout_ms: u64,
    /// When waiting for a confirm is given up.
    pub publish_timeout_ms: u64,
    /// How long a broker that cannot be reached is waited for at the start.
    pub start_wait_ms: u64,
    /// Pieces in an endpoint's work queue.
    pub work_limit: usize,
    /// Messages in the outcome queue.
    pub outcome_limit: usize,
    /// How often a copy of work is brought before it counts as a dead letter.
    pub delivery_limit: u32,
    /// Endpoints with workers outside, and the broker accounts that may report for each.
    pub workers: Accounts,
    /// Endpoints whose systems publish messages, and the broker accounts that may for each.
    pub senders: Accounts,
    /// Messages in the queue of one such endpoint.
    pub intake_limit: usize,
    /// Messages of one such endpoint that are fetched before any is accepted.
    pub intake_prefetch: u16,
    /// Endpoints whose systems fetch their deliveries, and the broker accounts that may answer for each.
    pub mailboxes: Accounts,
}

/// Broker accounts by endpoint.
pub type Accounts = BTreeMap<EndpointId, BTreeSet<Box<str>>>;

/// What carries work and outcomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// Queues in the process.
    Local,
    /// Queues on RabbitMQ.
    Rabbitmq,
}

impl Check {
    pub(super) fn bus(&mut self, raw: &raw::Bus, grpc: &raw::Grpc) -> Bus {
        let prefix = raw.prefix.get_ref();
        let alien = |c: char| !c.is_ascii_alphanumeric() && !['.', '-', '_'].contains(&c);
        if prefix.is_empty() || prefix.len() > PREFIX_BYTES || prefix.contains(alien) {
            self.refuse(&raw.prefix, "must be 1 to 64 letters, digits, '.', '-' and '_'");
        }
        let url = self.secret(&raw.url, raw.url.get_ref());
        let authority = raw.authority.get_ref();
        Bus {
            backend: self.word(&raw.backend, [("local", Carrier::Local), ("rabbitmq", Carrier::Rabbitmq)]),
            url,
            authority: (!authority.is_empty()).then(|| authority.into()),
            prefix: prefix.as_str().into(),
            connect_timeout_ms: self.number(&raw.connect_timeout_ms, WAIT_MS),
            publish_timeout_ms: self.number(&raw.publish_timeout_ms, WAIT_MS),
            start_wait_ms: self.number(&raw.start_wait_ms, 0..=*WAIT_MS.end()),
            work_limit: self.number(&raw.work_limit, LIMIT),
            outcome_limit: self.number(&raw.outcome_limit, LIMIT),
            delivery_limit: self.number(&raw.delivery_limit, 1..=1000),
            workers: self.workers(raw, grpc),
            senders: self.over_broker(&raw.senders, &raw.backend),
            mailboxes: self.over_broker(&raw.mailboxes, &raw.backend),
            intake_limit: self.number(&raw.intake_limit, LIMIT),
            intake_prefetch: self.number(&raw.intake_prefetch, 1..=10_000),
        }
    }

    /// Workers reach a hub with a bus of its own over gRPC.
    fn workers(&mut self, raw: &raw::Bus, grpc: &raw::Grpc) -> Accounts {
        let workers = self.accounts(&raw.workers);
        if !workers.is_empty() && raw.backend.get_ref() == "local" && grpc.listen.get_ref().is_empty() {
            let text =
                "needs grpc.listen, or bus.backend = \"rabbitmq\": nobody outside reaches this hub's bus";
            self.refuse(&raw.workers, text);
        }
        workers
    }

    /// Accounts of a broker, where there is one.
    fn over_broker(&mut self, lines: &Spanned<Vec<String>>, backend: &Spanned<String>) -> Accounts {
        let accounts = self.accounts(lines);
        if !accounts.is_empty() && backend.get_ref() == "local" {
            self.refuse(lines, "needs bus.backend = \"rabbitmq\": nobody outside reaches a local bus");
        }
        accounts
    }

    fn accounts(&mut self, lines: &Spanned<Vec<String>>) -> Accounts {
        let mut accounts = Accounts::new();
        for line in lines.get_ref() {
            let (account, endpoints) = line.split_once(':').unwrap_or((line, ""));
            let account = account.trim();
            if account.is_empty() || endpoints.trim().is_empty() {
                let text = format!("must be as \"account: endpoint endpoint\", found \"{line}\"");
                self.refuse(lines, text);
                continue;
            }
            for endpoint in endpoints.split_whitespace() {
                accounts.entry(endpoint.into()).or_default().insert(account.into());
            }
        }
        accounts
    }
}
