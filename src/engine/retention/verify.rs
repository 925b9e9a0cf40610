//! Verifies archives without a store: the files are those of the manifest, the entries those that were sealed, the
//! messages those that the entries commit to, and each archive continues the one before.

use std::{collections::HashMap, fs, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    attempts::{self, Attempts},
    exists,
};
use crate::{
    domain::{
        id::{EndpointId, MatterId, MessageId},
        message::MessageKey,
    },
    engine::{audit, trail::ACCEPTED},
    evidence::{
        archive::{self, CHECKPOINTS, DELIVERIES, FORMAT, MANIFEST, MESSAGES, Manifest, TRAIL, read_part},
        checkpoint::Origin,
        digest::{Digest, Salt},
        seal::{Report, SealCheck},
        signer::PublicKeys,
        tree::Frontier,
    },
    port::store::MessageRow,
};

/// What was found out about one archive.
#[derive(Debug, Serialize)]
pub struct Findings {
    /// Its month.
    pub month: String,
    /// Digest of its manifest, which the trail of the store names too.
    pub manifest: Digest,
    /// The seal.
    pub report: Report,
    /// Messages that are what their entries commit to.
    pub messages: u64,
    /// Entries of attempts that what is kept of these opens.
    pub attempts: u64,
    /// Messages that were erased before they were archived; the trail says by whom.
    pub erased_messages: u64,
    /// Whether the file of personal contents is gone, as it may be after its legal term.
    pub erased: bool,
    /// What is wrong, in words.
    pub wrong: Vec<String>,
}

impl Findings {
    /// Whether everything fitted.
    pub fn is_intact(&self) -> bool {
        self.wrong.is_empty() && self.report.is_intact()
    }
}

/// Verifies every archive below a folder, oldest first; anchors kept elsewhere must be contained.
pub fn verify(
    folder: &Path,
    origin: &Origin,
    keys: &PublicKeys,
    anchors: &[String],
) -> Result<Vec<Findings>, archive::Error> {
    let mut places = Vec::new();
    for entry in fs::read_dir(folder).map_err(archive::Error::file(folder))? {
        let path = entry.map_err(archive::Error::file(folder))?.path();
        if exists(&path.join(MANIFEST))? && path.extension().is_none() {
            places.push(path);
        }
    }
    places.sort();
    let (mut found, mut before, mut attempts) = (Vec::new(), None, Attempts::default());
    for place in places {
        let (manifest, digest) = Manifest::read(&place)?;
        let of = Archive { place: &place, manifest: &manifest, digest };
        found.push(one(&of, before.as_ref(), (origin, keys, anchors), &mut attempts)?);
        before = Some((manifest, digest));
    }
    Ok(found)
}

type Trust<'t> = (&'t Origin, &'t PublicKeys, &'t [String]);

/// One of them.
struct Archive<'a> {
    place: &'a Path,
    manifest: &'a Manifest,
    digest: Digest,
}

fn one(
    &Archive { place, manifest, digest }: &Archive<'_>,
    before: Option<&(Manifest, Digest)>,
    trust: Trust<'_>,
    attempts: &mut Attempts,
) -> Result<Findings, archive::Error> {
    let mut wrong = Vec::new();
    if manifest.format != FORMAT || manifest.origin != trust.0.to_string() {
        wrong.push(format!("it is {} of {}, not {FORMAT} of {}", manifest.format, manifest.origin, trust.0));
    }
    if let Some((earlier, earlier_digest)) = before
        && (manifest.previous != Some(*earlier_digest) || manifest.before != earlier.after)
    {
        wrong.push(format!("it does not continue the archive of {}", earlier.month));
    }
    let mut accepted = HashMap::new();
    let report = sealed(place, manifest, trust, (&mut accepted, attempts), &mut wrong)?;
    let erased = !exists(&place.join(MESSAGES))?;
    let (messages, erased_messages) =
        if erased { (0, 0) } else { committed(place, manifest, (&accepted, attempts), &mut wrong)? };
    let (opened, unfit) = attempts.settle();
    wrong.extend(unfit.iter().map(|id| format!("delivery {id}: an attempt is not as it was sealed")));
    let deliveries = read_part(place, DELIVERIES, |_| Ok(()))?;
    if !manifest.parts.contains(&deliveries) {
        wrong.push(format!("{DELIVERIES} is not the file that the manifest names"));
    }
    let month = manifest.month.clone();
    Ok(Findings {
        month,
        manifest: digest,
        report,
        messages,
        attempts: opened,
        erased_messages,
        erased,
        wrong,
    })
}

#[derive(Deserialize)]
struct Entry {
    position: u64,
    body: String,
}

#[derive(Deserialize)]
struct Mark {
    size: u64,
    note: String,
}

/// The seal over the archived entries; what they say of acceptances goes into `accepted`, and of attempts into `attempts`.
fn sealed(
    place: &Path,
    manifest: &Manifest,
    (origin, keys, anchors): Trust<'_>,
    (accepted, attempts): (&mut HashMap<MessageId, Value>, &mut Attempts),
    wrong: &mut Vec<String>,
) -> Result<Report, archive::Error> {
    let mut marks = Vec::new();
    let checkpoints = read_part(place, CHECKPOINTS, |value| {
        marks.push(read::<Mark>(value)?);
        Ok(())
    })?;
    let (origin, keys) = (origin.clone(), keys.clone());
    let mut check = match (&manifest.before.checkpoint, frontier(&manifest.before.frontier)) {
        (Some(note), Some(frontier)) => SealCheck::resume(origin, keys, frontier, 0, note),
        (Some(_), None) => {
            wrong.push("the frontier of the manifest is none".to_owned());
            SealCheck::new(origin, keys)
        }
        (None, _) => SealCheck::new(origin, keys),
    };
    for anchor in anchors.iter().filter(|anchor| is_within(anchor, manifest)) {
        check.anchor(anchor);
    }
    let mut marks = (1..).zip(marks).peekable();
    let trail = read_part(place, TRAIL, |value| {
        let entry = read::<Entry>(value)?;
        while let Some((number, mark)) = marks.next_if(|(_, mark)| mark.size <= entry.position) {
            check.checkpoint(number, &mark.note);
        }
        check.entry(entry.position, entry.body.as_bytes());
        let said: Value = serde_json::from_str(&entry.body).unwrap_or_default();
        attempts.entry(&said);
        if said["event"] == ACCEPTED
            && let Some(id) = said["message"].as_str().and_then(|id| id.parse().ok())
        {
            accepted.insert(id, said["data"].clone());
        }
        Ok(())
    })?;
    for (number, mark) in marks {
        check.checkpoint(number, &mark.note);
    }
    for (part, name) in [(trail, TRAIL), (checkpoints, CHECKPOINTS)] {
        if !manifest.parts.contains(&part) {
            wrong.push(format!("{name} is not the file that the manifest names"));
        }
    }
    let report = check.finish(0);
    if report.is_intact() && report.sealed.max(manifest.before.size) != manifest.after.size {
        wrong.push(format!("it ends at {}, not at {}", report.sealed, manifest.after.size));
    }
    Ok(report)
}

fn is_within(anchor: &str, manifest: &Manifest) -> bool {
    let signed = crate::evidence::checkpoint::SignedCheckpoint::parse(anchor);
    signed.is_ok_and(|signed| {
        let size = signed.checkpoint().size();
        size > manifest.before.size && size <= manifest.after.size
    })
}

fn frontier(text: &str) -> Option<Frontier> {
    Frontier::from_bytes(&hex::decode(text).ok()?).ok()
}

/// The messages against what the entries of their acceptance commit to; how many there are, and how many erased ones.
fn committed(
    place: &Path,
    manifest: &Manifest,
    (accepted, attempts): (&HashMap<MessageId, Value>, &mut Attempts),
    wrong: &mut Vec<String>,
) -> Result<(u64, u64), archive::Error> {
    let (mut good, mut erased) = (0, 0);
    let part = read_part(place, MESSAGES, |value| {
        let mut kept = read::<Kept>(value)?;
        let deliveries = std::mem::take(&mut kept.deliveries);
        deliveries.iter().try_for_each(|delivery| attempts.delivery(delivery))?;
        let row = kept.row()?;
        match accepted.get(&row.id).map(|data| audit::message(&row, data)) {
            Some(None) if row.is_erased() => erased += 1,
            Some(None) => good += 1,
            Some(Some(what)) => wrong.push(format!("message {}: {what}", row.id)),
            None => wrong.push(format!("message {}: no entry speaks of its acceptance", row.id)),
        }
        Ok(())
    })?;
    if !manifest.parts.contains(&part) {
        wrong.push(format!("{MESSAGES} is not the file that the manifest names"));
    }
    Ok((good, erased))
}

/// A message as the archive keeps it.
#[derive(Deserialize)]
pub(in crate::engine) struct Kept {
    id: MessageId,
    #[serde(flatten)]
    key: MessageKey,
    revision: u32,
    matter: MatterId,
    endpoint: EndpointId,
    accepted_at: jiff::Timestamp,
    salt: Salt,
    received: String,
    canonical: String,
    decision: String,
    receipt: String,
    /// None in archives of earlier versions.
    #[serde(default)]
    deliveries: Vec<attempts::Kept>,
}

impl Kept {
    /// As the store keeps it.
    pub(in crate::engine) fn row(self) -> Result<MessageRow, String> {
        let bytes = |text: &str| STANDARD.decode(text).map(Bytes::from).map_err(|error| error.to_string());
        Ok(MessageRow {
            received: bytes(&self.received)?,
            canonical: bytes(&self.canonical)?,
            decision: bytes(&self.decision)?,
            receipt: bytes(&self.receipt)?,
            salt: *self.salt.as_bytes(),
            id: self.id,
            key: self.key,
            revision: self.revision,
            matter: self.matter,
            endpoint: self.endpoint,
            accepted_at: self.accepted_at,
        })
    }
}

fn read<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_json::from_value(value).map_err(|error| error.to_string())
}
