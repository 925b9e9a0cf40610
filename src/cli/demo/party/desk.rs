//! The desk of one party: reads what arrives, writes it into the ledger, and prepares what the party
//! answers by its script.
//!
//! Both channels, HTTP and files, hand their records here. A record is taken once per delivery id; only a
//! record taken for the first time leads to answers.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU32, AtomicUsize, Ordering},
};

use jiff::tz::Offset;
use tokio::sync::mpsc;

use super::{
    fault::{self, Treatment},
    ledger::{Decision, Ledger, Offered, Taken},
    script::{Error, Program, Receives, Scene, Script},
};
use crate::{mapping::codec::Encoding, port::clock::Clock};

/// Messages a party may have ready to send; more would mean that the demo is wrong.
const OUTBOX: usize = 4_096;

/// A message that a party has ready to send.
#[derive(Clone, Debug)]
pub struct Letter {
    /// Its name, for people and for files.
    pub name: String,
    /// Text of the message in the party's own form.
    pub body: String,
}

/// A party's desk.
#[derive(Debug)]
pub struct Desk {
    script: Script,
    program: Program,
    ledger: Ledger,
    clock: Arc<dyn Clock>,
    requests: AtomicU32,
    numbers: AtomicU32,
    outbox: mpsc::Sender<Letter>,
    waiting: AtomicUsize,
    troubles: Mutex<Vec<String>>,
}

/// What the party says to one delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// How it was treated.
    pub treatment: Treatment,
    /// The body of its answer.
    pub body: String,
}

impl Desk {
    /// The desk of a script, and the messages it will want to send.
    pub fn new(script: Script, clock: Arc<dyn Clock>) -> (Arc<Self>, mpsc::Receiver<Letter>) {
        let (outbox, letters) = mpsc::channel(OUTBOX);
        let endpoint = script.endpoint.clone();
        let desk = Self {
            program: Program::new(endpoint.clone()),
            ledger: Ledger::new(endpoint),
            script,
            clock,
            requests: AtomicU32::new(0),
            numbers: AtomicU32::new(0),
            outbox,
            waiting: AtomicUsize::new(0),
            troubles: Mutex::default(),
        };
        (Arc::new(desk), letters)
    }

    /// The script it works by.
    pub fn script(&self) -> &Script {
        &self.script
    }

    /// Its ledger.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// What went wrong at this desk: each one breaks a promise of the demo.
    pub fn troubles(&self) -> Vec<String> {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes in the bytes of one delivery.
    pub fn receive(&self, receives: &Receives, bytes: &[u8]) -> Said {
        match self.read(receives, bytes) {
            Ok(said) => said,
            Err(trouble) => {
                self.note(trouble);
                Said { treatment: Treatment::Refuse, body: receives.replies.refused.clone() }
            }
        }
    }

    fn read(&self, receives: &Receives, bytes: &[u8]) -> Result<Said, String> {
        let number = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let records = receives.codec.decode(bytes).map_err(|error| chain(&error))?;
        let [record] = records.as_slice() else {
            return Err(format!("{} records where one delivery was due", records.len()));
        };
        let scene = Scene::new(&record.value, number, &self.now());
        self.decide(receives, &scene, number).map_err(|error| chain(&error))
    }

    fn decide(&self, receives: &Receives, scene: &Scene, number: u32) -> Result<Said, Error> {
        let (delivery, fact) = self.program.identify(receives, scene)?;
        let faults = &self.script.faults;
        let treatment = fault::treat(faults, number, self.program.refuses(faults, scene)?);
        let (decision, body) = match treatment {
            Treatment::Take | Treatment::TakeAndCut => (Decision::Take, &receives.replies.taken),
            Treatment::Busy => (Decision::Decline, &receives.replies.busy),
            Treatment::Refuse => (Decision::Decline, &receives.replies.refused),
        };
        if self.ledger.write(Offered { delivery, fact }, decision) == Taken::Now {
            self.answer(scene)?;
        }
        Ok(Said { treatment, body: self.program.fill(body, scene)? })
    }

    fn answer(&self, scene: &Scene) -> Result<(), Error> {
        for answer in &self.script.answers {
            if self.program.holds(&answer.when, scene)? {
                let number = self.numbers.fetch_add(1, Ordering::Relaxed) + 1;
                let body = self.program.fill(&answer.body, &scene.numbered(number))?;
                self.put_out(Letter { name: format!("{}-{number:04}", answer.name), body });
            }
        }
        Ok(())
    }

    fn put_out(&self, letter: Letter) {
        self.waiting.fetch_add(1, Ordering::AcqRel);
        if self.outbox.try_send(letter).is_err() {
            self.waiting.fetch_sub(1, Ordering::AcqRel);
            self.note(format!("no room for another answer; {OUTBOX} wait"));
        }
    }

    /// Letters prepared and not yet handed in.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Acquire)
    }

    /// One letter was handed in.
    pub fn handed_in(&self) {
        self.waiting.fetch_sub(1, Ordering::AcqRel);
    }

    /// Notes that something went wrong here.
    pub fn note(&self, trouble: String) {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner).push(trouble);
    }

    fn now(&self) -> String {
        Offset::constant(8).to_datetime(self.clock.now()).strftime("%Y-%m-%d %H:%M:%S").to_string()
    }
}

/// Text in the character set of a party's system.
pub(super) fn encode(encoding: Encoding, text: &str) -> Vec<u8> {
    match encoding {
        Encoding::Utf8 => text.as_bytes().to_vec(),
        Encoding::Gb18030 => encoding_rs::GB18030.encode(text).0.into_owned(),
    }
}

/// An error with its causes, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
