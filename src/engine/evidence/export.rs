//! Makes an evidence file out of a store: gathers, proves, has the hub sign, and checks its own work.
//!
//! The same state of the store gives the same bytes: the checkpoint is the first that covers every entry,
//! of those that an authority stamped where there are such, order is that
//! of positions, and no clock is asked. Reads no more of the log than that takes ([`super::source`]). Refuses what is not
//! sealed yet, and a store whose rows do not say what was sealed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use super::{
    About, Line, attempts,
    source::Archives,
    stamp,
    statements::{self, Bases, Configured, Ground},
    story::Planned,
    verify::{self, verify},
};
use crate::{
    domain::id::{DeliveryId, MessageId},
    engine::{
        audit::{self, Contradiction},
        trail::{ACCEPTED, ATTEMPTED},
    },
    evidence::{
        archive,
        digest::Salt,
        file::{self, Entry, File, Opening},
        signer::{KeyId, PublicKey, PublicKeys, Signer},
        statement, tree,
    },
    port::store::{self, DeliveryFilter, MessageRow, Page, Store, TrailRow},
};

/// Messages of one linked matter at most.
const MESSAGES: usize = 1_000;

/// Entries in one file at most.
const ENTRIES: usize = 100_000;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// One delivery.
    Delivery(DeliveryId),
    /// A message with its deliveries.
    Message(MessageId),
    /// The linked matter of a message: original, corrections, relays, receipts, answers.
    Matter(MessageId),
}

/// Whether payloads and answers go into the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// With what opens the commitments.
    Opened,
    /// Without.
    LeftOut,
}

/// What is needed beside the store.
#[derive(Debug, Clone)]
pub struct Exporter {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Signs the statements.
    pub signer: Arc<dyn Signer>,
    /// Since when that key signs: no statement of its says an earlier time.
    pub signs_since: Timestamp,
    /// Keys whose signatures may be in the store.
    pub keys: PublicKeys,
    /// Names of every organisation that is known, and the basis of the operative moment.
    pub configured: Configured,
    /// Archives of months that left the store; none where nothing of them is asked for.
    pub archives: Archives,
    /// Entries of the log that are read for one file at most.
    pub log_limit: u64,
}

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Nothing has this id.
    #[error("no message and no delivery has the id {0}")]
    Unknown(Uuid),
    /// Its trail is not in the store any more.
    #[error("the trail of message {0} is not in the store; its month was archived")]
    Archived(MessageId),
    /// An archive cannot be read.
    #[error(transparent)]
    Archive(#[from] archive::Error),
    /// An archive was changed.
    #[error("{name} in the archive of {month} is not the file that its manifest names")]
    Altered {
        /// Of which month.
        month: String,
        /// Which file.
        name: String,
    },
    /// Entries without a place in a checkpoint.
    #[error("{entries} entries are not sealed yet, the oldest since {oldest}")]
    Unsealed {
        /// How many.
        entries: usize,
        /// Since when.
        oldest: Timestamp,
    },
    /// Too much for one file.
    #[error("there are {found} {what}, one file holds {limit}; ask for a message or a delivery")]
    TooMuch {
        /// Of what.
        what: &'static str,
        /// How many.
        found: usize,
        /// How many there may be.
        limit: usize,
    },
    /// A row that does not say what was sealed.
    #[error("the store is not as sealed: {0}")]
    Contradicted(Contradiction),
    /// The log does not fit its checkpoints.
    #[error("the log is not as its checkpoint says; run 'liandong seal verify'")]
    Log,
    /// The tree.
    #[error(transparent)]
    Tree(#[from] tree::Error),
    /// The form of the file.
    #[error(transparent)]
    File(#[from] file::Error),
    /// Signing.
    #[error("the statements could not be signed")]
    Sign(#[from] statement::Error),
    /// What was made does not hold: the store was changed, or another key signs now.
    #[error("the file would not verify")]
    Unsound(#[from] verify::Failed),
}

/// What belongs into a file.
struct Found {
    about: About,
    /// By position.
    rows: BTreeMap<u64, TrailRow>,
    lines: Vec<Line>,
}

impl Exporter {
    /// The subject that has this id.
    pub async fn subject(&self, id: Uuid) -> Result<Subject, Error> {
        if self.store.message(MessageId(id)).await?.is_some() {
            return Ok(Subject::Message(MessageId(id)));
        }
        let delivery = DeliveryId(id);
        match self.message_of(delivery).await? {
            Some(_) => Ok(Subject::Delivery(delivery)),
            // An erased message is known to the trail alone.
            None if self.accepted(MessageId(id)).await? => Ok(Subject::Message(MessageId(id))),
            None => Err(Error::Unknown(id)),
        }
    }

    /// The file.
    pub async fn export(&self, subject: Subject, content: Content) -> Result<Vec<u8>, Error> {
        // Of what is sealed from here on an entry may be missing among those found.
        let sealed = self.store.sealer_state().await?.size;
        let found = self.find(subject).await?;
        self.hold(&found).await?;
        let mut file = self.proven(&found, sealed).await?;
        let mut bases = Bases::new();
        for line in found.lines.iter().filter(|line| line.accepts().is_some()) {
            let Some(id) = line.accepts() else { continue };
            let row = self.row(id).await?.filter(|row| !row.is_erased());
            if let Some(row) = &row {
                bases.extend(statements::bases_of(id, &json(&row.decision)));
            }
            file.messages.push(message(id, row, content));
        }
        if content == Content::Opened {
            self.open(&mut file, &found.lines).await?;
        }
        self.sign(&mut file, &found, &bases)?;
        let bytes = file.to_bytes()?;
        verify(&bytes, &self.keys, None)?;
        Ok(bytes)
    }

    /// The message of a delivery.
    pub async fn message(&self, delivery: DeliveryId) -> Result<MessageId, Error> {
        self.message_of(delivery).await?.ok_or(Error::Unknown(delivery.0))
    }

    async fn message_of(&self, delivery: DeliveryId) -> Result<Option<MessageId>, Error> {
        let filter = DeliveryFilter { id: Some(delivery), ..DeliveryFilter::default() };
        let rows = self.store.deliveries(filter, Page { offset: 0, limit: 1 }).await?;
        Ok(rows.first().map(|row| row.message))
    }

    async fn accepted(&self, message: MessageId) -> Result<bool, Error> {
        let rows = self.trail_of(message).await?;
        Ok(rows.iter().any(|row| row.event == ACCEPTED))
    }

    /// Every entry about the subject, each with its position.
    async fn find(&self, subject: Subject) -> Result<Found, Error> {
        let (message, only) = match subject {
            Subject::Matter(message) => return self.find_matter(message).await,
            Subject::Message(message) => (message, None),
            Subject::Delivery(delivery) => (self.message(delivery).await?, Some(delivery)),
        };
        let mut about = About { deliveries: Vec::new(), matter: None, messages: vec![message] };
        let mut rows = BTreeMap::new();
        self.gather(message, only, &mut rows).await?;
        let lines = read(&rows)?;
        let accepted = lines.iter().find(|line| line.accepts() == Some(message));
        let planned = Planned::of(accepted.ok_or(Error::Archived(message))?);
        let asked = planned.iter().map(|planned| planned.id).filter(|id| only.is_none_or(|only| only == *id));
        about.deliveries.extend(asked);
        self.finish(about, rows).await
    }

    /// Every message that is linked with one, by what the entries say of each other and by its key, each whole.
    async fn find_matter(&self, message: MessageId) -> Result<Found, Error> {
        let mut rows = BTreeMap::new();
        let (mut seen, mut ahead) = (BTreeSet::new(), vec![message]);
        while let Some(next) = ahead.pop() {
            if !seen.insert(next) {
                continue;
            }
            if seen.len() > MESSAGES {
                return Err(Error::TooMuch { what: "messages", found: seen.len(), limit: MESSAGES });
            }
            let mut own = BTreeMap::new();
            self.gather(next, None, &mut own).await?;
            ahead.extend(self.linked(next, &read(&own)?).await?);
            rows.extend(own);
        }
        let lines = read(&rows)?;
        let accepted: Vec<_> = lines.iter().filter(|line| line.accepts().is_some()).collect();
        let row = self.row(message).await?;
        let about = About {
            deliveries: accepted
                .iter()
                .flat_map(|line| Planned::of(line))
                .map(|planned| planned.id)
                .collect(),
            matter: row.map(|row| row.matter.as_str().to_owned()),
            messages: accepted.iter().filter_map(|line| line.accepts()).collect(),
        };
        self.finish(about, rows).await
    }

    /// Other revisions of a message, the messages that its trail names, and those that it speaks of.
    async fn linked(&self, message: MessageId, lines: &[Line]) -> Result<Vec<MessageId>, Error> {
        let mut linked: Vec<_> =
            lines.iter().filter_map(|line| line.accepts().or_else(|| line.names())).collect();
        let own = lines.iter().filter(|line| line.accepts() == Some(message));
        for (deliveries, messages) in own.map(Line::speaks_of) {
            linked.extend(messages);
            for delivery in deliveries {
                linked.extend(self.message_of(delivery).await?);
            }
        }
        if let Some(row) = self.row(message).await? {
            for other in self.store.find(&row.key.business_key, MESSAGES).await? {
                let same = self.row(other).await?.is_some_and(|other| other.key == row.key);
                linked.extend(same.then_some(other));
            }
        }
        Ok(linked)
    }

    /// With the acceptance of each message that the entries name: its receipt is in the file too.
    async fn finish(&self, about: About, mut rows: BTreeMap<u64, TrailRow>) -> Result<Found, Error> {
        for by in read(&rows)?.iter().filter_map(Line::names) {
            let all = self.trail_of(by).await?;
            let accepts = |row: &TrailRow| is_acceptance_of(row, by);
            let row = all.into_iter().find(accepts).ok_or(Error::Archived(by))?;
            let Some(position) = row.position else {
                return Err(Error::Unsealed { entries: 1, oldest: row.at });
            };
            rows.insert(position, row);
        }
        let lines = read(&rows)?;
        Ok(Found { about, rows, lines })
    }

    /// Entries of one message, or those of one of its deliveries and of the acceptance.
    async fn gather(
        &self,
        message: MessageId,
        only: Option<DeliveryId>,
        rows: &mut BTreeMap<u64, TrailRow>,
    ) -> Result<(), Error> {
        let all = self.trail_of(message).await?;
        let is_own = |row: &TrailRow| {
            is_acceptance_of(row, message)
                || only.is_none_or(|only| row.delivery.is_none_or(|delivery| delivery == only))
        };
        let own: Vec<_> = all.into_iter().filter(is_own).collect();
        let unsealed: Vec<_> = own.iter().filter(|row| row.position.is_none()).collect();
        if let Some(oldest) = unsealed.iter().map(|row| row.at).min() {
            return Err(Error::Unsealed { entries: unsealed.len(), oldest });
        }
        rows.extend(own.into_iter().filter_map(|row| Some((row.position?, row))));
        if rows.len() > ENTRIES {
            Err(Error::TooMuch { what: "entries", found: rows.len(), limit: ENTRIES })
        } else {
            Ok(())
        }
    }

    /// Holds the rows against the entries that they follow from.
    async fn hold(&self, found: &Found) -> Result<(), Error> {
        let archived = self.store.archived().await?.map(|archived| archived.until);
        for (position, row) in &found.rows {
            // What an archive says is proven by the file itself.
            if self.is_archived(*position) {
                continue;
            }
            let erased = row.event == ACCEPTED && self.is_erased(row).await?;
            if erased {
                continue;
            }
            let wrong = audit::contradiction(self.store.as_ref(), &row.body, archived).await?;
            if let Some(wrong) = wrong {
                return Err(Error::Contradicted(wrong));
            }
        }
        Ok(())
    }

    async fn is_erased(&self, row: &TrailRow) -> Result<bool, Error> {
        let id = json(&row.body)["message"].as_str().and_then(|id| id.parse().ok());
        Ok(match id {
            Some(id) => self.store.message(id).await?.is_none_or(|row| row.is_erased()),
            None => false,
        })
    }

    /// The entries with their paths to the first checkpoint that covers them all, or, where an authority stamped one of
    /// those that do, up to `sealed` entries, to the first of these.
    async fn proven(&self, found: &Found, sealed: u64) -> Result<File, Error> {
        let positions: Vec<_> = found.rows.keys().copied().collect();
        let last = positions.last().copied().unwrap_or_default();
        let (size, checkpoint) = self.covering(last).await?;
        let stamped = self.stamped(size, sealed).await?;
        let (gather, checkpoint, stamp) = match stamped {
            Some(stamped) => match self.gathered(&positions, stamped.size).await {
                // It lies further ahead than this exporter may read: the file is one without.
                Err(Error::TooMuch { .. }) => (self.gathered(&positions, size).await?, checkpoint, None),
                gather => (gather?, stamped.note.clone(), Some(stamp::written(&stamped))),
            },
            None => (self.gathered(&positions, size).await?, checkpoint, None),
        };
        let entry = |(position, row): (&u64, &TrailRow)| {
            let body = String::from_utf8(row.body.to_vec()).ok()?;
            Some(Entry { body, path: gather.path(*position)?, position: *position })
        };
        let entries: Option<Vec<_>> = found.rows.iter().map(entry).collect();
        Ok(File {
            format: file::FORMAT.to_owned(),
            attempts: Vec::new(),
            checkpoint,
            entries: entries.ok_or(Error::Log)?,
            keys: Vec::new(),
            messages: Vec::new(),
            said: Vec::new(),
            stamp,
            statements: Vec::new(),
        })
    }

    /// What opens the entries of attempts, and the words that targets answered, as far as they are kept.
    async fn open(&self, file: &mut File, lines: &[Line]) -> Result<(), Error> {
        for line in lines.iter().filter(|line| line.event == ATTEMPTED) {
            let Some(delivery) = line.delivery else { continue };
            let rows = self.attempts(delivery).await?;
            let (opening, words) = attempts::of_line(line, &rows);
            file.attempts.extend(opening);
            file.said.extend(words);
        }
        Ok(())
    }

    fn sign(&self, file: &mut File, found: &Found, bases: &Bases) -> Result<(), Error> {
        let sealed = file.sealed(&self.keys, None)?;
        let Found { about, lines, .. } = found;
        let mut signed_by: BTreeSet<_> = sealed.signed_by.iter().copied().collect();
        signed_by.insert(self.signer.key_id());
        for receipt in file.messages.iter().filter_map(|message| message.receipt.as_ref()) {
            let key = json(receipt.as_bytes())["proof"]["key_id"].as_str().map(str::parse::<KeyId>);
            signed_by.extend(key.and_then(Result::ok));
        }
        let keys = signed_by.iter().filter_map(|id| self.keys.get(*id).ok());
        file.keys = keys.map(PublicKey::to_pem).collect();
        let issued_at = self.issued_at(&sealed.time);
        let mut statements =
            Ground { sealed: &sealed, issued_at: &issued_at, lines, about, bases }.statements();
        let configured = self.configured_for(lines);
        statements.push(statements::contents(file, (&sealed, &issued_at), about, &configured));
        let envelopes = statement::sign_batch(&statements, self.signer.as_ref())?;
        let text = |envelope: Vec<u8>| String::from_utf8(envelope).map_err(|_| Error::Log);
        file.statements = envelopes.into_iter().map(text).collect::<Result<_, _>>()?;
        Ok(())
    }

    /// The time of the checkpoint, or that from which on the key signs, where that is later.
    fn issued_at(&self, sealed_at: &str) -> String {
        let sealed: Option<Timestamp> = sealed_at.parse().ok();
        let is_older = sealed.is_some_and(|sealed| sealed < self.signs_since);
        if is_older { self.signs_since.to_string() } else { sealed_at.to_owned() }
    }

    /// With the names of the organisations that entries speak of.
    fn configured_for(&self, lines: &[Line]) -> Configured {
        let mut names = BTreeMap::new();
        let mut name = |id: Option<&str>| {
            let named = id.and_then(|id| self.configured.names.get_key_value(id));
            names.extend(named.map(|(id, name)| (id.clone(), name.clone())));
        };
        for line in lines {
            for it in ["organisation", "decided_by", "on_behalf_of"] {
                name(line.text(it));
            }
            for row in line.data["deliveries"].as_array().into_iter().flatten() {
                for it in ["organisation", "on_behalf_of"] {
                    name(row[it].as_str());
                }
            }
        }
        Configured { names, moment_basis: self.configured.moment_basis.clone() }
    }
}

fn is_acceptance_of(row: &TrailRow, message: MessageId) -> bool {
    row.event == ACCEPTED && json(&row.body)["message"] == message.to_string()
}

fn read(rows: &BTreeMap<u64, TrailRow>) -> Result<Vec<Line>, Error> {
    let line = |(position, row): (&u64, &TrailRow)| Line::read(*position, &row.body).map_err(|_| Error::Log);
    rows.iter().map(line).collect()
}

fn message(id: MessageId, row: Option<MessageRow>, content: Content) -> file::Message {
    let Some(row) = row else { return file::Message { id, opening: None, receipt: None } };
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    let open = || {
        let (canonical, decision) = (text(&row.canonical)?, text(&row.decision)?);
        Some(Opening::of(&row.received, canonical, decision, Salt::from_bytes(row.salt)))
    };
    let opening = if content == Content::Opened { open() } else { None };
    file::Message { id, opening, receipt: text(&row.receipt) }
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_default()
}
