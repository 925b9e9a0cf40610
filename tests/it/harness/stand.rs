//! gRPC without a hub around it: the real interface over a bus of the test's choice, for workers that attach.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use liandong::{
    api::{
        admin::Health,
        grpc::{self, Attachments, Limits, Parts},
        http::{Counter, Grants},
    },
    connector::mailbox::Mailboxes,
    domain::id::EndpointId,
    engine::{
        desk::{Desk, Leases},
        evidence::{issue::Issuer, statements::Configured},
        keys::Keyring,
        office::{self, Office},
    },
    evidence::{signer::Ed25519, slip::SlipKey},
    port::{
        bus::Bus,
        clock::SystemClock,
        intake::{Accepted, Code, Intake, Refusal, Submission},
        mailbox::{Acknowledgement, Acknowledgements, Counted},
        operations::{By, Operations as _},
        store::{Scope, Store},
    },
    store::sqlite::{Options, SqliteStore},
    task::{Failure, Supervisor},
};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::broker::slip_key;

/// An interface that workers attach to.
#[derive(Debug)]
pub(crate) struct Stand {
    /// Where, as `worker.hubs`.
    pub(crate) address: String,
    /// Of the worker.
    pub(crate) token: String,
    /// What slips are sealed with.
    pub(crate) slips: SlipKey,
    _tasks: Supervisor,
    _folder: TempDir,
}

impl Stand {
    /// Lets one worker attach for these endpoints.
    pub(crate) async fn new(bus: Arc<dyn Bus>, worker: &str, endpoints: &[&str]) -> Self {
        drop(rustls::crypto::ring::default_provider().install_default());
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&Options::new(folder.path())).unwrap());
        let desk = Arc::new(Desk::new(HashMap::new(), Leases::Own));
        let keys = Arc::new(Keyring::of(Arc::new(Ed25519::from_seed(&[7; 32]))));
        let evidence = Arc::new(Issuer::new(
            Arc::clone(&store),
            Arc::clone(&keys),
            Arc::new(SystemClock),
            Configured::default(),
        ));
        let office = Office {
            store: Arc::clone(&store),
            clock: Arc::new(SystemClock),
            desk: Arc::clone(&desk),
            endpoints: HashSet::new(),
            keys,
        };
        let by = By::new("test", "");
        let token = office.add_token(worker, Scope::Worker(worker.into()), by).await.unwrap();
        let grants = Arc::new(Grants::new(office::hash_token));
        grants.refresh(store.as_ref()).await.unwrap();
        let workers = BTreeSet::from([worker.into()]);
        let listed: BTreeMap<EndpointId, _> =
            endpoints.iter().map(|endpoint| (EndpointId::from(*endpoint), workers.clone())).collect();
        let slips = slip_key();
        let parts = Parts {
            intake: Arc::new(Shut),
            counter: Counter { operations: Arc::new(office), store, grants, evidence },
            mailboxes: Arc::new(Mailboxes::new(desk, Arc::new(SystemClock))),
            acknowledgements: Arc::new(Shut),
            attachments: Attachments { bus, slips: slips.clone(), listed, clock: Arc::new(SystemClock) },
            health: Arc::new(Shut),
            certificates: None,
            limits: limits(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let mut tasks = Supervisor::new(CancellationToken::new());
        tasks.spawn("grpc", grpc::serve(listener, parts, tasks.token().clone()));
        Self { address, token, slips, _tasks: tasks, _folder: folder }
    }
}

fn limits() -> Limits {
    Limits {
        message_bytes: 1 << 20,
        batch: 100,
        concurrency: 100,
        streams: 100,
        connections: 100,
        timeout: Duration::from_secs(30),
        keepalive: Duration::from_secs(30),
        drain: Duration::from_secs(20),
        reload: Duration::from_secs(1),
    }
}

/// Takes no messages.
#[derive(Debug)]
struct Shut;

#[async_trait]
impl Intake for Shut {
    async fn submit(&self, submissions: Vec<Submission>) -> Vec<Result<Accepted, Refusal>> {
        submissions.into_iter().map(|_| Err(Refusal::new(Code::Unavailable, "closed"))).collect()
    }

    async fn note_unreadable(&self, _endpoint: &EndpointId, _received: &[u8], _refusal: &Refusal) {}
}

#[async_trait]
impl Acknowledgements for Shut {
    async fn settle(&self, answers: Vec<Acknowledgement>) -> Result<Vec<Counted>, Failure> {
        Ok(vec![Counted::Stale; answers.len()])
    }
}

#[async_trait]
impl Health for Shut {
    async fn not_ready(&self) -> Vec<String> {
        Vec::new()
    }
}
