//! A department's system over a real socket: it takes deliveries and keeps a ledger of what it saw.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{Router, extract::State, http::HeaderMap, routing::post};
use serde_json::Value;

/// What a department saw: each delivery once, in the order of first sight, with how often.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) first_seen: Vec<(String, Value)>,
    pub(crate) times: HashMap<String, usize>,
}

/// A department that answers `{"code":0}`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Department(Arc<Mutex<Ledger>>);

impl Department {
    /// Opens its door at `address`; it stays open as long as the test's runtime.
    pub(crate) async fn open(address: &str) -> Self {
        let department = Self::default();
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        let router = Router::new().route("/receive", post(receive)).with_state(department.clone());
        #[expect(clippy::disallowed_methods, reason = "a party of its own, which ends with the test")]
        drop(tokio::spawn(axum::serve(listener, router).into_future()));
        department
    }

    /// Looks into the ledger.
    pub(crate) fn look<T>(&self, see: impl FnOnce(&Ledger) -> T) -> T {
        see(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn receive(State(department): State<Department>, headers: HeaderMap, body: String) -> String {
    let delivery = headers["x-delivery-id"].to_str().unwrap().to_owned();
    let mut ledger = department.0.lock().unwrap_or_else(PoisonError::into_inner);
    let times = ledger.times.entry(delivery.clone()).or_default();
    *times += 1;
    if *times == 1 {
        ledger.first_seen.push((delivery, serde_json::from_str(&body).unwrap()));
    }
    r#"{"code":0}"#.to_owned()
}
