//! A worker of its own that attaches over gRPC: its hubs, its credential, its limits.

use std::{ops::RangeInclusive, path::PathBuf};

use super::{check::Check, raw};
use crate::config::secret::SecretRef;

const WAIT_MS: RangeInclusive<i64> = 100..=60 * 60 * 1000;

/// How `liandong worker --attach grpc` finds its hubs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worker {
    /// Addresses of hubs on one store, tried in turn.
    pub hubs: Vec<Box<str>>,
    /// Its token; none where its certificate is enough.
    pub token: Option<SecretRef>,
    /// Authority of the hubs' certificates.
    pub authority: Option<PathBuf>,
    /// The worker's own certificate and its private key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// When waiting for a hub's answer is given up.
    pub connect_timeout_ms: u64,
    /// How long hubs that cannot be reached are waited for at the start.
    pub start_wait_ms: u64,
    /// When a silent hub is asked whether it lives.
    pub keepalive_ms: u64,
    /// Outcomes kept until they are settled.
    pub outcome_limit: usize,
}

impl Check {
    pub(super) fn worker(&mut self, raw: &raw::Worker) -> Worker {
        let path = |text: &String| (!text.is_empty()).then(|| PathBuf::from(text));
        let hubs = raw.hubs.get_ref().split([' ', ',', '\n', '\r', '\t']).filter(|hub| !hub.is_empty());
        let hubs: Vec<Box<str>> = hubs.map(Into::into).collect();
        let token = raw.token.get_ref();
        let token = (!token.is_empty()).then(|| self.secret(&raw.token, token));
        let authority = path(raw.authority.get_ref());
        let identity = match (path(raw.certificate.get_ref()), path(raw.key.get_ref())) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            (Some(_), None) => {
                self.refuse(&raw.key, "is empty, but worker.certificate is given");
                None
            }
            (None, Some(_)) => {
                self.refuse(&raw.certificate, "is empty, but worker.key is given");
                None
            }
        };
        if authority.is_none() && identity.is_some() {
            self.refuse(&raw.authority, "is empty, but worker.certificate is given");
        }
        if authority.is_none() && hubs.iter().any(|hub| hub.starts_with("https:")) {
            self.refuse(&raw.authority, "is empty, but worker.hubs has an https address");
        }
        Worker {
            hubs,
            token,
            authority,
            identity,
            connect_timeout_ms: self.number(&raw.connect_timeout_ms, WAIT_MS),
            start_wait_ms: self.number(&raw.start_wait_ms, 0..=*WAIT_MS.end()),
            keepalive_ms: self.number(&raw.keepalive_ms, WAIT_MS),
            outcome_limit: self.number(&raw.outcome_limit, 1..=1_000_000),
        }
    }
}
