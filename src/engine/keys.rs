//! The keyring: which key signs now, of those that this hub holds.
//!
//! The store says which key signs from when on; files and devices say which keys this hub holds. A change is made
//! known `notice` before it takes effect, and nothing is signed by a hub that has not read the history for half of
//! that. So no hub on the store signs with the old key from that moment on, whatever it heard of the change, and
//! one that does not hold the new key refuses to sign. Promises to sign only with the key whose time it is. Leaves to
//! the callers what they say when nothing can be signed now.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use metrics::gauge;
use serde_json::json;
use tokio::sync::Mutex;

use super::trail::{self, About};
use crate::{
    domain::personal,
    evidence::{
        signer::{self, KeyId, PublicKey, PublicKeys, Signer},
        succession::{self, History, Succession, Tenure},
    },
    port::{
        operations::{self, By, KeyFault, KeyState, Rotation},
        store::{self, SigningKey, Store},
    },
    task::{Failure, metrics::KEY_MISSING},
};

/// Part of the notice after which a hub that has not read the history signs no more.
const LEASE_SHARE: u32 = 2;
/// Part of the notice after which the history is read again.
const READ_SHARE: u32 = 8;

/// Gives the keys that a hub holds; asked at the start, and again when one is missing.
pub type Source = Box<dyn Fn() -> Result<Vec<Arc<dyn Signer>>, signer::Error> + Send + Sync>;

/// Why nothing is signed now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoKey {
    /// The history was not read for too long.
    #[error("which key signs now could not be read from the store for too long")]
    Stale,
    /// Another key signs.
    #[error(
        "key {0} signs now, and this hub does not hold it; put its file in the place that keys.next names"
    )]
    NotHeld(KeyId),
    /// There is no history.
    #[error("the store names no key that signs")]
    Unnamed,
}

/// The keys of a hub.
pub struct Keyring {
    /// None of a ring that never changes.
    shared: Option<Shared>,
    state: RwLock<State>,
}

struct Shared {
    store: Arc<dyn Store>,
    source: Source,
    notice: Duration,
    reading: Mutex<()>,
}

struct State {
    history: History,
    held: Vec<Arc<dyn Signer>>,
    read_at: Instant,
}

impl State {
    fn holds(&self, id: KeyId) -> Option<&Arc<dyn Signer>> {
        self.held.iter().find(|signer| signer.key_id() == id)
    }
}

impl Keyring {
    /// A ring of one key that signs for ever.
    pub fn of(signer: Arc<dyn Signer>) -> Self {
        let key = signer.public_key().clone();
        let first = Tenure { key, from: Timestamp::UNIX_EPOCH, by_predecessor: None, by_itself: None };
        let state = State { history: History(vec![first]), held: vec![signer], read_at: Instant::now() };
        Self { shared: None, state: RwLock::new(state) }
    }

    /// The ring of a hub on a store.
    pub async fn open(store: Arc<dyn Store>, source: Source, notice: Duration) -> Result<Self, Failure> {
        let read_at = Instant::now();
        let history = history(&store.signing_keys().await?)?;
        let state = State { history, held: source()?, read_at };
        let shared = Some(Shared { store, source, notice, reading: Mutex::new(()) });
        let ring = Self { shared, state: RwLock::new(state) };
        ring.tell();
        Ok(ring)
    }

    /// The key that signs at a time, if this hub may sign then.
    pub fn at(&self, now: Timestamp) -> Result<Arc<dyn Signer>, NoKey> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = &self.shared
            && state.read_at.elapsed() >= shared.notice / LEASE_SHARE
        {
            return Err(NoKey::Stale);
        }
        let id = state.history.at(now).ok_or(NoKey::Unnamed)?.key.id();
        state.holds(id).cloned().ok_or(NoKey::NotHeld(id))
    }

    /// The key that signs at a time, and since when.
    pub fn signing(&self, now: Timestamp) -> Result<(Arc<dyn Signer>, Option<Timestamp>), NoKey> {
        let signer = self.at(now)?;
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        Ok((signer, state.history.at(now).map(|tenure| tenure.from)))
    }

    /// The keys that this hub holds, and those of the history that they vouch for, each for its time.
    pub fn trusted(&self) -> PublicKeys {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let held: PublicKeys = state.held.iter().map(|signer| signer.public_key().clone()).collect();
        state.history.trusted(&held)
    }

    /// Reads the history again when it is time to. What cannot be read now leaves the ring as it was.
    pub async fn confirm(&self) {
        let Some(shared) = &self.shared else { return };
        let _turn = shared.reading.lock().await;
        let age = self.state.read().unwrap_or_else(PoisonError::into_inner).read_at.elapsed();
        if age >= shared.notice / READ_SHARE
            && let Err(error) = self.read(shared).await
        {
            tracing::debug!(%error, "keys that sign could not be read, trying again");
        }
    }

    /// Reads history and keys again now.
    pub async fn refresh(&self) -> Result<(), Failure> {
        let Some(shared) = &self.shared else { return Ok(()) };
        let _turn = shared.reading.lock().await;
        self.read(shared).await
    }

    async fn read(&self, shared: &Shared) -> Result<(), Failure> {
        // Before the question: what was true then may have changed since.
        let read_at = Instant::now();
        let history = history(&shared.store.signing_keys().await?)?;
        let is_held = {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            history.last().is_none_or(|last| state.holds(last.key.id()).is_some())
        };
        let held = if is_held { None } else { Some((shared.source)()) };
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let is_news = state.history != history;
        (state.history, state.read_at) = (history, read_at);
        match held {
            Some(Ok(held)) => state.held = held,
            Some(Err(error)) => tracing::warn!(%error, "keys of this hub could not be read again"),
            None => {}
        }
        drop(state);
        if is_news {
            self.tell();
        }
        self.measure();
        Ok(())
    }

    /// Says which key signs, or will, and whether this hub can.
    fn tell(&self) {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let Some(last) = state.history.last() else { return };
        let (key, from) = (last.key.id(), last.from);
        if state.holds(key).is_some() {
            tracing::info!(%key, %from, "key that signs");
        } else {
            tracing::error!(%key, %from, "key that signs is not held by this hub, which signs nothing from then on");
        }
        drop(state);
        self.measure();
    }

    fn measure(&self) {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let is_missing = state.history.last().is_some_and(|last| state.holds(last.key.id()).is_none());
        gauge!(KEY_MISSING).set(if is_missing { 1.0 } else { 0.0 });
    }

    /// The keys in the order in which they sign, and which of them this hub holds.
    pub fn states(&self) -> Vec<KeyState> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let tenures = &state.history.0;
        let one = |(index, tenure): (usize, &Tenure)| KeyState {
            key: tenure.key.id().to_string(),
            algorithm: tenure.key.algorithm().as_str(),
            public: tenure.key.to_pem(),
            from: (index > 0).then_some(tenure.from),
            until: tenures.get(index + 1).map(|next| next.from),
            held: state.holds(tenure.key.id()).is_some(),
        };
        tenures.iter().enumerate().map(one).collect()
    }

    /// What a change of keys that is begun now would be.
    pub async fn rehearse(&self, now: Timestamp) -> Result<Rotation, operations::Error> {
        Ok(self.plan(now).await?.told())
    }

    /// Makes the key that waits in its place the one that signs, from the end of the notice on.
    pub async fn rotate(&self, now: Timestamp, by: &By) -> Result<Rotation, operations::Error> {
        if by.reason.trim().is_empty() {
            return Err(operations::Error::NoReason);
        }
        let shared = self.shared.as_ref().ok_or(KeyFault::NoNext)?;
        let begun = Instant::now();
        let plan = self.plan(now).await?;
        let (key, entry) = plan.stated(now, by)?;
        if !shared.store.add_signing_key(key, Some(entry)).await? {
            return Err(KeyFault::Raced.into());
        }
        if begun.elapsed() > shared.notice / LEASE_SHARE {
            tracing::error!(
                from = %plan.from, "the change of keys took so long to be stored that another hub may sign with the \
                old key a little after it took effect; such a receipt does not verify, its sender must send again"
            );
        }
        self.refresh().await.map_err(|error| KeyFault::Unreadable(error.to_string()))?;
        Ok(plan.told())
    }

    async fn plan(&self, now: Timestamp) -> Result<Plan, operations::Error> {
        let unreadable = |error: &dyn fmt::Display| KeyFault::Unreadable(error.to_string());
        let shared = self.shared.as_ref().ok_or(KeyFault::NoNext)?;
        self.refresh().await.map_err(|error| unreadable(&error))?;
        let held = (shared.source)().map_err(|error| unreadable(&error))?;
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.held = held;
        let last = state.history.last().ok_or(KeyFault::NoNext)?;
        if last.from > now {
            return Err(KeyFault::UnderWay { from: last.from }.into());
        }
        let id = last.key.id();
        let old = state.holds(id).cloned().ok_or_else(|| KeyFault::NotHeld { key: id.to_string() })?;
        let is_new = |signer: &&Arc<dyn Signer>| {
            state.history.0.iter().all(|tenure| tenure.key.id() != signer.key_id())
        };
        let new = state.held.iter().find(is_new).cloned().ok_or(KeyFault::NoNext)?;
        let notice = SignedDuration::try_from(shared.notice).unwrap_or(SignedDuration::MAX);
        let from = now.checked_add(notice).unwrap_or(Timestamp::MAX);
        // Whole seconds, later rather than sooner: every store and every document says them alike.
        let from = Timestamp::from_second(from.as_second().saturating_add(1)).unwrap_or(Timestamp::MAX);
        let number = u32::try_from(state.history.0.len()).unwrap_or(u32::MAX).saturating_add(1);
        Ok(Plan { number, old, new, from })
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        f.debug_struct("Keyring").field("held", &state.held).finish_non_exhaustive()
    }
}

/// A change of keys.
struct Plan {
    number: u32,
    old: Arc<dyn Signer>,
    new: Arc<dyn Signer>,
    from: Timestamp,
}

impl Plan {
    fn told(&self) -> Rotation {
        let name = |signer: &dyn Signer| (signer.key_id().to_string(), signer.algorithm().as_str());
        let ((old, old_algorithm), (new, new_algorithm)) = (name(&*self.old), name(&*self.new));
        Rotation { old, old_algorithm, new, new_algorithm, from: self.from }
    }

    /// The next in the history and the entry that says so, both with what the two keys sign about it.
    fn stated(&self, now: Timestamp, by: &By) -> Result<(SigningKey, store::NewEntry), KeyFault> {
        let (old, new) = (self.old.public_key(), self.new.public_key());
        let succession = Succession {
            from: self.from,
            id: trail::new_id(now).to_string(),
            issued_at: now,
            operator: by.operator.clone(),
            predecessor: old.to_pem(),
            reason: personal::without_numbers(&by.reason).into_owned(),
            successor: new.to_pem(),
            r#type: succession::KIND.to_owned(),
        };
        let sign = |signer: &dyn Signer| {
            succession.sign(signer).map_err(|error| KeyFault::Unsigned(error.to_string()))
        };
        let (by_predecessor, by_itself) = (sign(&*self.old)?, sign(&*self.new)?);
        let data = json!({
            "key": new.id(), "algorithm": new.algorithm(), "from": self.from, "predecessor": old.id(),
            "by_predecessor": by_predecessor, "by_itself": by_itself,
        });
        let data = trail::answered(data, by);
        let entry = trail::entry(trail::KEY_ROTATED, About::default(), &data, now);
        let key = SigningKey {
            number: self.number,
            public: succession.successor,
            from: self.from,
            by_predecessor: Some(by_predecessor),
            by_itself: Some(by_itself),
        };
        Ok((key, entry))
    }
}

/// The history as the store has it.
pub fn history(rows: &[SigningKey]) -> Result<History, signer::Error> {
    let tenure = |row: &SigningKey| {
        Ok(Tenure {
            key: PublicKey::from_pem(&row.public)?,
            from: row.from,
            by_predecessor: row.by_predecessor.clone(),
            by_itself: row.by_itself.clone(),
        })
    };
    rows.iter().map(tenure).collect::<Result<_, _>>().map(History)
}

/// `base`, and the keys of the store's history that signed statements lead to from there, each for its time.
pub async fn trusted(store: &dyn Store, base: &PublicKeys) -> Result<PublicKeys, Failure> {
    Ok(history(&store.signing_keys().await?)?.trusted(base))
}
