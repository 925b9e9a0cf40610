//! A load: systems that hand in message after message, go to another hub when one does not answer, repeat what
//! was not accepted, and keep every receipt.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures::future::join_all;
use liandong::config::environment::Environment;
use serde_json::Value;
use tokio::{sync::watch, task::JoinHandle};

use super::{
    hub::STEP,
    sender::{Sender, penalty, result},
};

/// Messages about one licence, a round each.
pub(crate) const ROUNDS: usize = 20;
/// Every so many rounds are penalties, which the bureau gets too; the others are results.
const PENALTY_EVERY: usize = 5;
/// Systems that send at once, each about licences of its own.
const SYSTEMS: usize = 4;
/// Messages of one request, each about another licence.
const BATCH: usize = 25;
/// Messages that are handed in when nobody says how many.
const MESSAGES: usize = 2_000;

/// A number of the environment.
pub(crate) fn parameter(name: &str, otherwise: usize) -> usize {
    let environment = Environment::of_process();
    let value = environment.get(name);
    value
        .map_or(otherwise, |value| value.parse().unwrap_or_else(|_| panic!("{name} is no number: {value:?}")))
}

/// Whether a round is one of penalties.
pub(crate) fn is_penalty(round: usize) -> bool {
    round % PENALTY_EVERY == PENALTY_EVERY - 1
}

/// What is handed in, and what came of it so far.
#[derive(Debug)]
pub(crate) struct Load {
    bureau: Vec<Sender>,
    enforcement: Vec<Sender>,
    licences: usize,
    receipts: Mutex<BTreeMap<String, Value>>,
    accepted: AtomicUsize,
    later: AtomicUsize,
    unanswered: AtomicUsize,
    /// Rounds that may be handed in.
    rounds: watch::Sender<usize>,
}

impl Load {
    /// Of `LIANDONG_TEST_MESSAGES` messages, by a bureau and an enforcement that know these hubs, as many
    /// rounds as are let on.
    pub(crate) fn new(bureau: Vec<Sender>, enforcement: Vec<Sender>) -> Arc<Self> {
        let messages = parameter("LIANDONG_TEST_MESSAGES", MESSAGES);
        assert!(
            messages.is_multiple_of(ROUNDS),
            "LIANDONG_TEST_MESSAGES: {ROUNDS} a licence, not {messages}"
        );
        Arc::new(Self {
            bureau,
            enforcement,
            licences: messages / ROUNDS,
            receipts: Mutex::default(),
            accepted: AtomicUsize::new(0),
            later: AtomicUsize::new(0),
            unanswered: AtomicUsize::new(0),
            rounds: watch::Sender::new(0),
        })
    }

    /// How many messages in all.
    pub(crate) fn messages(&self) -> usize {
        self.licences * ROUNDS
    }

    /// How many of them are penalties.
    pub(crate) fn penalties(&self) -> usize {
        self.licences * (ROUNDS / PENALTY_EVERY)
    }

    /// How long all of it is waited for.
    pub(crate) fn patience(&self) -> Duration {
        Duration::from_mins(1) + Duration::from_millis(20) * u32::try_from(self.messages()).unwrap()
    }

    /// Hands everything in that is let on.
    pub(crate) fn begin(self: &Arc<Self>) -> JoinHandle<()> {
        let load = Arc::clone(self);
        #[expect(clippy::disallowed_methods, reason = "parties of their own, whose end the test waits for")]
        tokio::spawn(async move {
            join_all((0..SYSTEMS).map(|system| load.send(system))).await;
        })
    }

    /// Lets it go as far as this round.
    pub(crate) fn let_on(&self, rounds: usize) {
        self.rounds.send_replace(rounds);
    }

    /// Messages whose receipt is in the sender's hand.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Requests that were told to try later.
    pub(crate) fn later(&self) -> usize {
        self.later.load(Ordering::Relaxed)
    }

    /// Requests that nobody answered.
    pub(crate) fn unanswered(&self) -> usize {
        self.unanswered.load(Ordering::Relaxed)
    }

    /// What the receipts state, by business key.
    pub(crate) fn receipts(&self) -> BTreeMap<String, Value> {
        self.receipts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Hands in again what was handed in first and last: every hub answers with the first receipt.
    pub(crate) async fn repeat(&self) {
        let receipts = self.receipts();
        for round in [0, ROUNDS - 1] {
            let keys: Vec<_> = (0..self.licences.min(BATCH)).map(|licence| (licence, round)).collect();
            let batch: Vec<_> = keys.iter().map(|(licence, round)| message(*licence, *round)).collect();
            for hub in self.systems_of(round) {
                let answers = hub.try_send_all(&batch).await.unwrap();
                for ((licence, round), answer) in keys.iter().zip(answers) {
                    let first = &receipts[&key(*licence, *round)];
                    assert_eq!((&answer["status"], &answer["receipt"]["statement"]), (&200.into(), first));
                }
            }
        }
    }

    fn systems_of(&self, round: usize) -> &[Sender] {
        if is_penalty(round) { &self.enforcement } else { &self.bureau }
    }

    async fn send(&self, system: usize) {
        let licences: Vec<_> = (system..self.licences).step_by(SYSTEMS).collect();
        for round in 0..ROUNDS {
            self.rounds.subscribe().wait_for(|rounds| round < *rounds).await.unwrap();
            for licences in licences.chunks(BATCH) {
                let batch = licences.iter().map(|licence| (key(*licence, round), message(*licence, round)));
                self.hand_in(self.systems_of(round), system, batch.collect()).await;
            }
        }
    }

    /// Until all of it is accepted, at one hub or another.
    async fn hand_in(&self, hubs: &[Sender], first: usize, mut batch: Vec<(String, Value)>) {
        let end = Instant::now() + self.patience();
        for hub in first.. {
            let messages: Vec<_> = batch.iter().map(|(_, message)| message.clone()).collect();
            match hubs[hub % hubs.len()].try_send_all(&messages).await {
                Some(answers) => batch = self.keep(batch, answers),
                None => _ = self.unanswered.fetch_add(1, Ordering::Relaxed),
            }
            if batch.is_empty() {
                return;
            }
            assert!(Instant::now() < end, "not accepted in time: {}", batch[0].0);
            tokio::time::sleep(STEP).await;
        }
    }

    /// Keeps receipts; what is to be tried later.
    fn keep(&self, batch: Vec<(String, Value)>, answers: Vec<Value>) -> Vec<(String, Value)> {
        assert_eq!(batch.len(), answers.len());
        let mut rest = Vec::new();
        for (sent, answer) in batch.into_iter().zip(answers) {
            match answer["status"].as_u64() {
                Some(200 | 201) => {
                    let statement = answer["receipt"]["statement"].clone();
                    let mut receipts = self.receipts.lock().unwrap_or_else(PoisonError::into_inner);
                    assert_eq!(receipts.insert(sent.0, statement), None, "accepted twice");
                    self.accepted.fetch_add(1, Ordering::Relaxed);
                }
                Some(429 | 503) => rest.push(sent),
                _ => panic!("{}: {answer}", sent.0),
            }
        }
        if !rest.is_empty() {
            self.later.fetch_add(1, Ordering::Relaxed);
        }
        rest
    }
}

fn key(licence: usize, round: usize) -> String {
    format!("{}-{round}", name(licence))
}

fn name(licence: usize) -> String {
    format!("JY{licence:05}")
}

fn message(licence: usize, round: usize) -> Value {
    let (key, licence) = (key(licence, round), name(licence));
    if is_penalty(round) { penalty(&key, &licence) } else { result(&key, &licence) }
}
