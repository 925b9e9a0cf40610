//! Sending the latest checkpoint to somebody outside: where to, with what, how often.

use std::{ops::RangeInclusive, path::PathBuf};

use super::{check::Check, raw};
use crate::config::secret::SecretRef;

const EVERY_MS: RangeInclusive<i64> = 10..=7 * 24 * 60 * 60 * 1000;
const TIMEOUT_MS: RangeInclusive<i64> = 100..=60 * 60 * 1000;

/// Where the latest checkpoint is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// A folder; none: it is not written.
    pub folder: Option<PathBuf>,
    /// An address; none: it is not posted.
    pub url: Option<Box<str>>,
    /// What the hub shows there.
    pub token: Option<SecretRef>,
    /// Authority of that address's certificate.
    pub authority: Option<PathBuf>,
    /// How often.
    pub every_ms: u64,
    /// How long one try may take.
    pub timeout_ms: u64,
}

impl Check {
    pub(super) fn anchor(&mut self, raw: &raw::Anchor) -> Anchor {
        let path = |text: &String| (!text.is_empty()).then(|| PathBuf::from(text));
        let url = raw.url.get_ref();
        let token = raw.token.get_ref();
        for (value, name) in [(&raw.token, "token"), (&raw.authority, "authority")] {
            if url.is_empty() && !value.get_ref().is_empty() {
                self.refuse(value, format!("{name} is given, but anchor.url is empty"));
            }
        }
        Anchor {
            folder: path(raw.folder.get_ref()),
            url: (!url.is_empty()).then(|| url.as_str().into()),
            token: (!token.is_empty()).then(|| self.secret(&raw.token, token)),
            authority: path(raw.authority.get_ref()),
            every_ms: self.number(&raw.every_ms, EVERY_MS),
            timeout_ms: self.number(&raw.timeout_ms, TIMEOUT_MS),
        }
    }
}
