//! The adapters of a process, replaced as a whole when configuration is read again.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use super::Adapter;
use crate::{
    domain::id::EndpointId,
    port::intake::{Code, Refusal, Submission, Translate},
};

/// Adapters by endpoint.
#[derive(Debug, Default)]
pub struct Adapters {
    by_endpoint: RwLock<BTreeMap<EndpointId, Arc<Adapter>>>,
}

impl Adapters {
    /// These adapters.
    pub fn new(adapters: impl IntoIterator<Item = Arc<Adapter>>) -> Self {
        let all = Self::default();
        all.replace(adapters);
        all
    }

    /// Replaces all at once; what holds one keeps it.
    pub fn replace(&self, adapters: impl IntoIterator<Item = Arc<Adapter>>) {
        let table = adapters.into_iter().map(|adapter| (adapter.endpoint().clone(), adapter)).collect();
        *self.by_endpoint.write().unwrap_or_else(PoisonError::into_inner) = table;
    }

    /// The adapter of one endpoint.
    pub fn get(&self, endpoint: &EndpointId) -> Option<Arc<Adapter>> {
        self.by_endpoint.read().unwrap_or_else(PoisonError::into_inner).get(endpoint).cloned()
    }

    /// All, in order of endpoint.
    pub fn all(&self) -> Vec<Arc<Adapter>> {
        self.by_endpoint.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

impl Translate for Adapters {
    fn translate(&self, endpoint: &EndpointId, body: &[u8]) -> Result<Vec<Submission>, Refusal> {
        let Some(adapter) = self.get(endpoint).filter(|adapter| adapter.takes_http()) else {
            let text = format!("endpoint '{endpoint}' has no adapter with [inbound.http]; send CloudEvents");
            return Err(Refusal::new(Code::Unmapped, text));
        };
        adapter.inbound(body)
    }
}
