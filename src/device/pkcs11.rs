//! A signing device that speaks PKCS#11: an HSM, a 服务器密码机, a card.
//!
//! Every call to the device's library is made on one thread of its own, and waited for no longer than the time-out: a
//! device that hangs costs whoever signs that long, and the next ones nothing, since they are refused at once while
//! it has not come back. Promises that a signature is given only after it was held against the public key, so that a
//! device with another key, or out of order, signs nothing wrong. Ed25519 alone: PKCS#11 has no mechanism for SM2 that
//! vendors agree on. Leaves opening sessions to [`super::session`].

use std::{
    fmt,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TrySendError},
    },
    thread,
    time::Duration,
};

use tokio::{
    runtime::{Handle, RuntimeFlavor},
    task,
};

use super::session::{Fault, Keeper};
use crate::{
    config::secret::Secret,
    evidence::signer::{self, PublicKey, Signature, Signer},
};

/// Orders that wait while the device is at work.
const WAITING: usize = 64;

/// How a device is reached.
#[derive(Clone, Debug)]
pub struct Options {
    /// The library of its vendor.
    pub library: PathBuf,
    /// Label of the token in it.
    pub token: Box<str>,
    /// Of the user who may sign.
    pub pin: Secret,
    /// Longest wait for an answer.
    pub timeout: Duration,
}

/// What the device is asked for, and where the answer goes.
enum Order {
    Find { label: Box<str>, reply: Reply<Option<[u8; 32]>> },
    Make { label: Box<str>, reply: Reply<[u8; 32]> },
    Sign { label: Box<str>, message: Vec<u8>, reply: Reply<Vec<u8>> },
}

type Reply<T> = SyncSender<Result<T, Fault>>;

/// Orders by number, to know of one that was given up whether the device has come back from it.
#[derive(Debug, Default)]
struct Numbers {
    /// The last that was given.
    given: u64,
    /// The last that nobody waits for any more.
    lost: u64,
}

/// A device. Its session is ended with it, within the time-out: a process that ends beside calls to a vendor's library may
/// be ended by that library.
pub struct Device {
    /// Taken when it ends.
    orders: Option<SyncSender<Order>>,
    numbers: Mutex<Numbers>,
    /// Orders that the device has come back from.
    finished: Arc<AtomicU64>,
    /// Nothing comes out of it; it closes when the session has ended.
    ended: Mutex<Receiver<()>>,
    timeout: Duration,
}

impl Device {
    /// Starts the thread that speaks with it. The device is first asked when something is wanted of it.
    pub fn new(options: Options) -> Result<Arc<Self>, signer::Error> {
        let (orders, inbox) = mpsc::sync_channel(WAITING);
        let (ending, ended) = mpsc::sync_channel::<()>(1);
        let timeout = options.timeout;
        let mut keeper = Keeper::new(options);
        let finished = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&finished);
        let serve = move || {
            for order in inbox {
                // Whoever no longer waits was told that the device does not answer.
                match order {
                    Order::Find { label, reply } => drop(reply.try_send(keeper.find(&label))),
                    Order::Make { label, reply } => drop(reply.try_send(keeper.make(&label))),
                    Order::Sign { label, message, reply } => {
                        drop(reply.try_send(keeper.sign(&label, &message)));
                    }
                }
                count.fetch_add(1, Ordering::AcqRel);
            }
            keeper.forget();
            drop(ending);
        };
        let started = thread::Builder::new().name("signing device".to_owned()).spawn(serve);
        started.map_err(|error| signer::Error::Device(error.to_string()))?;
        Ok(Arc::new(Self {
            orders: Some(orders),
            numbers: Mutex::default(),
            finished,
            ended: Mutex::new(ended),
            timeout,
        }))
    }

    /// The key pair of this label, where there is one.
    pub fn key(self: &Arc<Self>, label: &str) -> Result<Option<Arc<dyn Signer>>, signer::Error> {
        let point = self.ask(|reply| Order::Find { label: label.into(), reply })?;
        point.map(|point| self.signer(label, point)).transpose()
    }

    /// Has it make a key pair of this label, which it must not have yet.
    pub fn make(self: &Arc<Self>, label: &str) -> Result<Arc<dyn Signer>, signer::Error> {
        let point = self.ask(|reply| Order::Make { label: label.into(), reply })?;
        self.signer(label, point)
    }

    fn signer(self: &Arc<Self>, label: &str, point: [u8; 32]) -> Result<Arc<dyn Signer>, signer::Error> {
        let public_key = PublicKey::of_ed25519(&point)?;
        Ok(Arc::new(DeviceKey { device: Arc::clone(self), label: label.into(), public_key }))
    }

    /// Gives it an order and waits for the answer, with the other tasks of the runtime taken elsewhere meanwhile.
    fn ask<T>(&self, order: impl FnOnce(Reply<T>) -> Order) -> Result<T, signer::Error> {
        let gone = || unanswered("its thread has ended");
        let (reply, answer) = mpsc::sync_channel(1);
        let orders = self.orders.as_ref().ok_or_else(gone)?;
        let number = {
            let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
            if self.finished.load(Ordering::Acquire) < numbers.lost {
                return Err(unanswered("it has not come back from what it was asked before"));
            }
            orders.try_send(order(reply)).map_err(|error| match error {
                TrySendError::Full(_) => unanswered("it has not answered for some time"),
                TrySendError::Disconnected(_) => gone(),
            })?;
            numbers.given += 1;
            numbers.given
        };
        let wait = || answer.recv_timeout(self.timeout);
        let answer = match Handle::try_current().map(|handle| handle.runtime_flavor()) {
            Ok(RuntimeFlavor::MultiThread) => task::block_in_place(wait),
            _ => wait(),
        };
        match answer {
            Ok(answer) => answer.map_err(|fault| unanswered(&fault.to_string())),
            Err(RecvTimeoutError::Timeout) => {
                let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
                numbers.lost = numbers.lost.max(number);
                Err(unanswered(&format!("no answer within {} ms", self.timeout.as_millis())))
            }
            Err(RecvTimeoutError::Disconnected) => Err(gone()),
        }
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        drop(self.orders.take());
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        if ended.recv_timeout(self.timeout) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!("the signing device does not answer; its session was left open");
        }
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Device").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

fn unanswered(said: &str) -> signer::Error {
    signer::Error::Device(said.to_owned())
}

/// A key pair in a device.
#[derive(Debug)]
struct DeviceKey {
    device: Arc<Device>,
    label: Box<str>,
    public_key: PublicKey,
}

impl Signer for DeviceKey {
    fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    fn sign(&self, message: &[u8]) -> Result<Signature, signer::Error> {
        let (label, message_sent) = (self.label.clone(), message.to_vec());
        let signature = self.device.ask(|reply| Order::Sign { label, message: message_sent, reply })?;
        let signature = Signature::from_bytes(signature);
        self.public_key.verify(message, &signature)?;
        Ok(signature)
    }
}
