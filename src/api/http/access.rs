//! Who comes in: a bearer token, looked up by its hash among the live grants.

use std::{
    collections::HashMap,
    fmt,
    sync::{PoisonError, RwLock},
};

use axum::{
    extract::{FromRef, FromRequestParts},
    http::{HeaderMap, header::AUTHORIZATION, request::Parts},
};

use super::{Counter, Problem};
use crate::{
    domain::id::EndpointId,
    port::{
        intake::{Code, Refusal},
        operations::{By, Said},
        store::{self, Grant, Scope, Sha256Digest, Store},
    },
};

/// The live grants, in memory.
pub struct Grants {
    /// Digest of a presented token, as the office keeps it.
    hash: fn(&str) -> Sha256Digest,
    by_hash: RwLock<HashMap<Sha256Digest, (String, Scope)>>,
    /// Held from reading to replacing, so that what was read before a change never replaces what was read after it.
    turn: tokio::sync::Mutex<()>,
}

impl fmt::Debug for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grants").finish_non_exhaustive()
    }
}

impl Grants {
    /// No grants yet.
    pub fn new(hash: fn(&str) -> Sha256Digest) -> Self {
        Self { hash, by_hash: RwLock::default(), turn: tokio::sync::Mutex::default() }
    }

    /// Takes the grants that are live in the store now; those left out no longer open anything. A store that
    /// cannot answer changes nothing.
    pub async fn refresh(&self, store: &dyn Store) -> Result<(), store::Error> {
        let _turn = self.turn.lock().await;
        self.replace(store.grants().await?);
        Ok(())
    }

    /// Takes these grants and no others.
    pub(in crate::api) fn replace(&self, grants: Vec<Grant>) {
        let grants = grants.into_iter().map(|grant| (grant.hash, (grant.name, grant.scope))).collect();
        *self.by_hash.write().unwrap_or_else(PoisonError::into_inner) = grants;
    }

    /// Whose token this is.
    pub fn identify(&self, token: &str) -> Option<Identity> {
        let grants = self.by_hash.read().unwrap_or_else(PoisonError::into_inner);
        let (name, scope) = grants.get(&(self.hash)(token))?;
        Some(Identity::new(name.clone(), scope.clone()))
    }
}

/// A known caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Name of the token.
    pub name: String,
    /// What it opens.
    pub scope: Scope,
    /// What whoever holds it says of himself.
    pub said: Said,
}

impl Identity {
    /// Somebody who says nothing of himself.
    pub fn new(name: impl Into<String>, scope: Scope) -> Self {
        Self { name: name.into(), scope, said: Said::default() }
    }

    /// An operator, with his reason.
    pub(super) fn answers(&self, reason: impl Into<String>) -> Result<By, Problem> {
        let operator = self.operator()?.to_owned();
        Ok(By { operator, said: self.said.clone(), reason: reason.into() })
    }

    /// The endpoint it speaks as.
    pub(super) fn endpoint(&self) -> Result<&EndpointId, Problem> {
        match &self.scope {
            Scope::Endpoint(endpoint) => Ok(endpoint),
            Scope::Operator => Err(forbidden(
                "an operator's token sends no messages; use an endpoint's",
                "运维人员的令牌不能发送消息；请用接入系统的令牌",
            )),
            Scope::Worker(_) => Err(forbidden(
                "a worker's token sends no messages; use an endpoint's",
                "适配进程的令牌不能发送消息；请用接入系统的令牌",
            )),
        }
    }

    /// Requires an operator.
    pub(super) fn operator(&self) -> Result<&str, Problem> {
        match &self.scope {
            Scope::Operator => Ok(&self.name),
            Scope::Endpoint(_) | Scope::Worker(_) => {
                Err(forbidden("this needs an operator's token", "须用运维人员的令牌"))
            }
        }
    }
}

fn forbidden(detail: &str, chinese: &str) -> Problem {
    let problem = Problem::from(Refusal::new(Code::Forbidden, detail));
    Problem { chinese: Some(chinese.to_owned()), ..problem }
}

/// Carries the name of who operates, percent-encoded.
pub const BY: &str = "liandong-by";
/// Carries the account that he works under, percent-encoded.
pub const ACCOUNT: &str = "liandong-account";

fn said(headers: &HeaderMap) -> Said {
    let said = |name: &str| {
        let (text, _) = form_urlencoded::parse(headers.get(name)?.as_bytes()).next()?;
        (!text.trim().is_empty()).then(|| text.trim().to_owned())
    };
    Said { name: said(BY), account: said(ACCOUNT) }
}

impl<S> FromRequestParts<S> for Identity
where
    S: Send + Sync,
    Counter: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        // Put there only by whoever asks from inside the process; nothing on the wire becomes an extension.
        if let Some(inside) = parts.extensions.get::<Self>() {
            return Ok(inside.clone());
        }
        let grants = Counter::from_ref(state).grants;
        let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = header.and_then(|value| value.strip_prefix("Bearer "));
        let known = token.and_then(|token| grants.identify(token.trim()));
        known.map(|known| Self { said: said(&parts.headers), ..known }).ok_or_else(|| {
            let detail = "send 'Authorization: Bearer <token>' with a live token of this hub";
            let problem = Problem::from(Refusal::new(Code::Unauthenticated, detail));
            let chinese = "没有令牌，或令牌无效、已吊销；请向枢纽运维人员领取";
            Problem { chinese: Some(chinese.to_owned()), ..problem }
        })
    }
}
