//! The check of an evidence file, without a store and without a network, step by step.
//!
//! Promises to trust the keys it is given and nothing else, and to name the step that failed. What is not in the file
//! (a payload that was left out, a receipt of an erased message) is said, and never taken for checked.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use super::{
    About, Line, attempts,
    stamp::{self, Stamp},
    statements::{self, Bases, Configured, Ground},
};
use crate::{
    domain::id::MessageId,
    evidence::{
        attempt::Exchanged,
        digest::{Commitment, Digest, Sm3Digest},
        file::{self, File, Sealed},
        signer::{KeyId, PublicKey, PublicKeys},
        statement,
        timestamp::{self, Authorities},
    },
};

/// A step of the check, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The bytes are an evidence file.
    Reading,
    /// A trusted key signed the checkpoint.
    Checkpoint,
    /// Each entry is in the tree of the checkpoint.
    Inclusion,
    /// A trusted key signed all statements, as one batch.
    Statements,
    /// The file holds what the hub said that it holds.
    Contents,
    /// Each message has the receipt that was sealed.
    Receipts,
    /// What is opened is what was committed to.
    Openings,
    /// Statements say what the entries say.
    Facts,
    /// The words of targets are those that were sealed.
    Words,
    /// The keys that the file names are those that signed.
    Keys,
    /// The time stamp is of an authority that is trusted, over the checkpoint.
    Stamp,
}

impl Step {
    /// Every step.
    pub const ALL: [Self; 11] = [
        Self::Reading,
        Self::Checkpoint,
        Self::Inclusion,
        Self::Statements,
        Self::Contents,
        Self::Receipts,
        Self::Openings,
        Self::Facts,
        Self::Words,
        Self::Keys,
        Self::Stamp,
    ];

    /// The word in data.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reading => "reading",
            Self::Checkpoint => "checkpoint",
            Self::Inclusion => "inclusion",
            Self::Statements => "statements",
            Self::Contents => "contents",
            Self::Receipts => "receipts",
            Self::Openings => "openings",
            Self::Facts => "facts",
            Self::Words => "words",
            Self::Keys => "keys",
            Self::Stamp => "stamp",
        }
    }

    /// What fails there, on a screen.
    pub fn chinese(self) -> &'static str {
        match self {
            Self::Reading => "读取：不是证据包，或字节已被改动",
            Self::Checkpoint => "检查点：没有可信密钥的签名，或签名后被改动",
            Self::Inclusion => "留痕：有记录不在检查点所封存的树中，或内容、位置被改动",
            Self::Statements => "声明：没有可信密钥的签名，或签名后被改动、增减",
            Self::Contents => "清单：包内内容与枢纽签名的清单不符，有缺失、增添或替换",
            Self::Receipts => "回执：与封存的摘要不符，或没有可信密钥的签名",
            Self::Openings => "原文与收发摘要：与封存的承诺不符，已被改动",
            Self::Facts => "事实：声明所述与封存的留痕不符",
            Self::Words => "答复：对方答复的文字与封存的摘要不符",
            Self::Stamp => "时间戳：不是可信机构对该检查点签发的，或已被改动",
            Self::Keys => "公钥：包内所列公钥与实际签名的公钥不符",
        }
    }
}

/// The check that failed.
#[derive(Debug, thiserror::Error)]
#[error("{step} failed", step = step.as_str())]
pub struct Failed {
    /// The step.
    pub step: Step,
    /// Why.
    #[source]
    pub because: Because,
}

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub enum Because {
    /// The file's own checks.
    #[error(transparent)]
    File(#[from] file::Error),
    /// An entry that is none.
    #[error("the entry at position {0} cannot be read")]
    Entry(u64, #[source] serde_json::Error),
    /// Something that does not fit.
    #[error("{0}")]
    Unfit(String),
    /// A receipt.
    #[error("the receipt of message {0} does not hold")]
    Receipt(MessageId, #[source] Box<statement::Invalid>),
    /// The time stamp.
    #[error("the time stamp over the checkpoint does not hold")]
    Stamp(#[from] Box<timestamp::Error>),
}

/// What a file proves.
#[derive(Debug, Clone)]
pub struct Proven {
    /// The checkpoint.
    pub sealed: Sealed,
    /// What it is about.
    pub about: About,
    /// Names of organisations and the basis of the operative moment, as the hub gave them.
    pub configured: Configured,
    /// Entries by position.
    pub lines: Vec<Line>,
    /// Statements about deliveries.
    pub statements: Vec<Value>,
    /// Messages by the position of their acceptance.
    pub messages: Vec<Message>,
    /// What was sent and answered, by the position of the attempt; none where it is left out or erased.
    pub exchanged: BTreeMap<u64, Exchanged>,
    /// What targets answered, by the position of the attempt.
    pub said: BTreeMap<u64, String>,
    /// Keys that signed.
    pub keys: BTreeSet<KeyId>,
    /// What an authority vouches for.
    pub stamp: Stamp,
}

/// A message that was checked.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// What its receipt states; none where it was erased.
    pub receipt: Option<Value>,
    /// Its content; none where that is left out or erased.
    pub opened: Option<Opened>,
}

/// Content whose commitments were opened.
#[derive(Debug, Clone)]
pub struct Opened {
    /// Exact bytes received.
    pub received: Vec<u8>,
    /// Canonical form.
    pub content: Value,
    /// Routing.
    pub decision: Value,
}

/// Checks a file against the trusted keys; and against the name of a log, if one is given. A time stamp in it is not
/// checked, as [`Proven::stamp`] says.
pub fn verify(bytes: &[u8], keys: &PublicKeys, log: Option<&str>) -> Result<Proven, Failed> {
    verify_stamped(bytes, keys, log, None)
}

/// The same, with the time stamp in the file, where authorities are trusted.
pub fn verify_stamped(
    bytes: &[u8],
    keys: &PublicKeys,
    log: Option<&str>,
    authorities: Option<&Authorities>,
) -> Result<Proven, Failed> {
    let file = at(Step::Reading, File::parse(bytes).map_err(Into::into))?;
    let sealed = at(Step::Checkpoint, file.sealed(keys, log).map_err(Into::into))?;
    at(Step::Inclusion, file.included(&sealed).map_err(Into::into))?;
    let lines = at(Step::Inclusion, lines(&file))?;
    let stated = at(Step::Statements, file.stated(keys).map_err(Into::into))?;
    let mut signed_by: BTreeSet<_> = stated.iter().map(|one| one.key_id).collect();
    signed_by.extend(&sealed.signed_by);
    let mut stated: Vec<_> = stated.into_iter().map(|one| one.statement).collect();
    let listed = stated.pop();
    let issued_at =
        listed.as_ref().and_then(|listed| listed["issued_at"].as_str()).unwrap_or_default().to_owned();
    let (about, configured) = at(Step::Contents, contents(&file, (&sealed, &issued_at), listed))?;
    let mut messages = Vec::new();
    for message in &file.messages {
        let (checked, key) = at(Step::Receipts, receipt(message, &lines, keys))?;
        signed_by.extend(key);
        messages.push(checked);
    }
    for (message, checked) in file.messages.iter().zip(&mut messages) {
        checked.opened = at(Step::Openings, opened(message, checked, &lines))?;
    }
    let exchanged = at(Step::Openings, attempts::opened(&file, &lines))?;
    let bases = bases(&messages, &stated);
    let ground =
        Ground { sealed: &sealed, issued_at: &issued_at, lines: &lines, about: &about, bases: &bases };
    at(Step::Facts, facts(&stated, &ground.statements()))?;
    let said = at(Step::Words, words(&file, &lines, &exchanged))?;
    at(Step::Keys, named(&file, keys, &signed_by))?;
    let stamp = at(Step::Stamp, stamp::checked(&file, authorities))?;
    let keys = signed_by;
    Ok(Proven {
        sealed,
        about,
        configured,
        lines,
        statements: stated,
        messages,
        exchanged,
        said,
        keys,
        stamp,
    })
}

fn at<T>(step: Step, done: Result<T, Because>) -> Result<T, Failed> {
    done.map_err(|because| Failed { step, because })
}

fn unfit(said: impl Into<String>) -> Because {
    Because::Unfit(said.into())
}

fn lines(file: &File) -> Result<Vec<Line>, Because> {
    let read = |entry: &file::Entry| {
        Line::read(entry.position, entry.body.as_bytes())
            .map_err(|source| Because::Entry(entry.position, source))
    };
    file.entries.iter().map(read).collect()
}

/// The list that the hub signed, against the file.
fn contents(
    file: &File,
    (sealed, issued_at): (&Sealed, &str),
    listed: Option<Value>,
) -> Result<(About, Configured), Because> {
    let listed = listed.filter(|statement| statement["type"] == statements::CONTENTS);
    let listed = listed.ok_or_else(|| unfit("the last statement is not the list of contents"))?;
    let member = |name: &str| listed[name].clone();
    let about: About = serde_json::from_value(member("about"))
        .map_err(|_| unfit("the list of contents does not say what it is about"))?;
    let names = serde_json::from_value(member("names"))
        .map_err(|_| unfit("the list of contents has no names of organisations"))?;
    let moment_basis = listed["moment_basis"].as_str().unwrap_or_default().to_owned();
    let configured = Configured { names, moment_basis };
    let own = statements::contents(file, (sealed, issued_at), &about, &configured);
    let time = |text: &str| text.parse::<Timestamp>().ok();
    if time(issued_at).is_none_or(|issued| time(&sealed.time).is_none_or(|sealed| issued < sealed)) {
        return Err(unfit("the contents were stated before the checkpoint, or at no time"));
    }
    for name in ["log", "size", "root"] {
        if own[name] != listed[name] {
            return Err(unfit(format!(
                "the checkpoint has another {name} than the one the hub listed the contents for; it is of another time"
            )));
        }
    }
    if let Some(what) = different(&listed["entries"], &own["entries"], "position") {
        return Err(unfit(format!("the entry at position {what} is missing, added or not the one listed")));
    }
    if let Some(what) = different(&listed["messages"], &own["messages"], "id") {
        return Err(unfit(format!("message {what} or its receipt is missing, added or not the one listed")));
    }
    if own.get("stamp") != listed.get("stamp") {
        return Err(unfit("the time stamp is missing, added or not the one listed"));
    }
    if own != listed {
        return Err(unfit("the list of contents is not of this file"));
    }
    Ok((about, configured))
}

/// The first item that only one of two lists has, or that they do not have alike.
fn different(listed: &Value, found: &Value, name: &str) -> Option<String> {
    let items = |list: &Value| list.as_array().cloned().unwrap_or_default();
    let (listed, found) = (items(listed), items(found));
    let longest = listed.len().max(found.len());
    let at = (0..longest).find(|index| listed.get(*index) != found.get(*index))?;
    let item = listed.get(at).or_else(|| found.get(at))?;
    Some(item[name].as_str().map_or_else(|| item[name].to_string(), str::to_owned))
}

fn accepted(id: MessageId, lines: &[Line]) -> Result<&Line, Because> {
    let found = lines.iter().find(|line| line.accepts() == Some(id));
    found.ok_or_else(|| unfit(format!("no entry accepts message {id}")))
}

/// The receipt against the entry of its acceptance, and under the trusted keys.
fn receipt(
    message: &file::Message,
    lines: &[Line],
    keys: &PublicKeys,
) -> Result<(Message, Option<KeyId>), Because> {
    let id = message.id;
    let line = accepted(id, lines)?;
    let Some(receipt) = &message.receipt else {
        return Ok((Message { id, receipt: None, opened: None }, None));
    };
    if line.data["receipt"] != serde_json::json!(Digest::of(receipt.as_bytes())) {
        return Err(unfit(format!("the receipt of message {id} is not the one that was sealed")));
    }
    let proven = statement::verify(receipt.as_bytes(), keys)
        .map_err(|source| Because::Receipt(id, Box::new(source)))?;
    let stated = proven.statement;
    let same = |name: &str| stated[name] == line.data[name];
    let fits = stated["type"] == "accepted" && stated["id"] == id.to_string();
    if !fits || !["organisation", "kind", "revision"].into_iter().all(same) {
        return Err(unfit(format!("the receipt of message {id} is of another message")));
    }
    Ok((Message { id, receipt: Some(stated), opened: None }, Some(proven.key_id)))
}

fn opened(message: &file::Message, checked: &Message, lines: &[Line]) -> Result<Option<Opened>, Because> {
    let Some(opening) = &message.opening else { return Ok(None) };
    let (id, data) = (message.id, &accepted(message.id, lines)?.data);
    let commitment = |name: &str| {
        serde_json::from_value::<Commitment>(data[name].clone())
            .map_err(|_| unfit(format!("the entry of message {id} commits to no {name}")))
    };
    let (received, content, decision) =
        (commitment("commitment")?, commitment("content")?, commitment("decision")?);
    if let Some(what) = opening.closed([&received, &content, &decision]) {
        return Err(unfit(format!("{what} of message {id} is not what the sealed entry commits to")));
    }
    let received = opening.received().ok_or_else(|| unfit("the bytes received are not base64"))?;
    // Entries and receipts of before SM3 was kept do not have it.
    let by_sm3 = data.get("commitment_sm3");
    if by_sm3.is_some_and(|sealed| *sealed != serde_json::json!(opening.salt.commit_by_sm3(&received))) {
        return Err(unfit(format!("the bytes received of message {id} are not those committed to by SM3")));
    }
    let digests = [
        ("received", serde_json::json!(Digest::of(&received))),
        ("received_sm3", serde_json::json!(Sm3Digest::of(&received))),
    ];
    let differs = |receipt: &Value| {
        digests.iter().any(|(name, own)| receipt.get(*name).is_some_and(|stated| stated != own))
    };
    if checked.receipt.as_ref().is_some_and(differs) {
        return Err(unfit(format!("the bytes received of message {id} are not those of its receipt")));
    }
    let json = |text: &str, what: &str| {
        serde_json::from_str(text).map_err(|_| unfit(format!("{what} of message {id} is not JSON")))
    };
    let (content, decision) = (json(&opening.content, "content")?, json(&opening.decision, "decision")?);
    Ok(Some(Opened { received, content, decision }))
}

/// From the decision where it is opened, else as the hub stated them.
fn bases(messages: &[Message], stated: &[Value]) -> Bases {
    let mut bases = statements::bases_stated(stated);
    for message in messages {
        if let Some(opened) = &message.opened {
            bases.retain(|(of, _), _| *of != message.id);
            bases.extend(statements::bases_of(message.id, &opened.decision));
        }
    }
    bases
}

fn facts(stated: &[Value], derived: &[Value]) -> Result<(), Because> {
    for (stated, derived) in stated.iter().zip(derived) {
        if stated != derived {
            let id = stated["id"].as_str().unwrap_or_default();
            return Err(unfit(format!("the entries do not say what statement {id} says")));
        }
    }
    if stated.len() == derived.len() {
        return Ok(());
    }
    let (found, expected) = (stated.len(), derived.len());
    Err(unfit(format!("the entries give {expected} statements, the file has {found}")))
}

fn words(
    file: &File,
    lines: &[Line],
    opened: &BTreeMap<u64, Exchanged>,
) -> Result<BTreeMap<u64, String>, Because> {
    let mut said = BTreeMap::new();
    for one in &file.said {
        let file::Said { entry, words } = one;
        if !attempts::are_words(lines, opened, one) {
            return Err(unfit(format!("the words at position {entry} are not those that were sealed")));
        }
        if said.last_key_value().is_some_and(|(last, _)| last >= entry) {
            return Err(unfit(format!("the words at position {entry} stand out of order")));
        }
        said.insert(*entry, words.clone());
    }
    Ok(said)
}

fn named(file: &File, keys: &PublicKeys, signed_by: &BTreeSet<KeyId>) -> Result<(), Because> {
    let pem = |id: &KeyId| keys.get(*id).map(PublicKey::to_pem);
    let own: Result<Vec<_>, _> = signed_by.iter().map(pem).collect();
    if own.is_ok_and(|own| own == file.keys) {
        return Ok(());
    }
    Err(unfit("the public keys in the file are not those that signed it"))
}
