//! The stories (案例) of the demo: what must have become of certain messages when the day is over.
//!
//! They stand in `config/demo/stories.toml`, so that a reader finds the message, the rule it shows and the
//! end it must take in one place. The demo and the tests judge by the same file.

use std::path::Path;

use serde::Deserialize;

use super::{answers::Answer, file, party::script::Name};
use crate::{
    domain::{
        decision::ParkReason,
        delivery::Transport,
        id::{MessageId, OrganisationId},
        kind::Kind,
    },
    port::{
        intake::Code,
        store::{self, DeliveryRow, Store},
    },
};

/// Messages of other senders and revisions that may have a story's key.
const SAME_KEY: usize = 20;

/// All stories.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stories {
    /// In the order in which they are told.
    #[serde(rename = "story")]
    pub stories: Vec<Story>,
}

/// One story.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Story {
    /// Short name.
    pub id: String,
    /// What it shows.
    pub name: Name,
    /// Task of the plan, or another instrument.
    pub basis: String,
    /// The message file that tells it, below `messages/`.
    pub file: String,
    /// Kind of its message.
    pub kind: Kind,
    /// Who sends it.
    pub organisation: OrganisationId,
    /// Its business key.
    pub key: String,
    /// Its revision.
    #[serde(default = "first")]
    pub revision: u32,
    /// Organisations that must have it.
    #[serde(default)]
    pub reaches: Vec<OrganisationId>,
    /// Organisations that must not be told.
    #[serde(default)]
    pub never: Vec<OrganisationId>,
    /// Organisations that must have it in another's name: a second hop, 属地转办.
    #[serde(default)]
    pub in_the_name_of: Vec<InTheNameOf>,
    /// A delivery must be parked for this reason.
    pub parked: Option<ParkReason>,
    /// The hub must refuse the file for this reason.
    pub refused: Option<Code>,
}

/// A delivery in another's name.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InTheNameOf {
    /// Who receives.
    pub to: OrganisationId,
    /// In whose name.
    pub by: OrganisationId,
}

fn first() -> u32 {
    1
}

impl Stories {
    /// Reads the file.
    pub fn read(path: &Path) -> Result<Self, file::Error> {
        file::read(path)
    }
}

impl Story {
    /// Whether the answer is one to the story's file.
    pub fn is_in(&self, answer: &Answer) -> bool {
        let file = Path::new(&self.file);
        let sheet = file.file_name().is_some_and(|name| name == answer.sheet.as_str());
        sheet && file.starts_with(answer.endpoint.as_str())
    }

    /// Its message, if the hub accepted it.
    pub async fn message(&self, store: &dyn Store) -> Result<Option<MessageId>, store::Error> {
        for id in store.find(&self.key, SAME_KEY).await? {
            let Some(row) = store.message(id).await? else { continue };
            let key = (row.key.organisation, row.key.kind, row.revision);
            if key == (self.organisation.clone(), self.kind, self.revision) {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    /// What is wrong with how it ended, given the deliveries of its message.
    pub fn wrongs(&self, deliveries: &[DeliveryRow]) -> Vec<String> {
        let mut wrongs = Vec::new();
        for organisation in &self.reaches {
            if !deliveries.iter().any(|row| arrived(row, organisation)) {
                wrongs.push(format!("it did not reach {organisation}"));
            }
        }
        for organisation in &self.never {
            if deliveries.iter().any(|row| row.organisation.as_ref() == Some(organisation)) {
                wrongs.push(format!("it was sent to {organisation}"));
            }
        }
        for hop in &self.in_the_name_of {
            let made =
                |row: &DeliveryRow| arrived(row, &hop.to) && row.on_behalf_of.as_ref() == Some(&hop.by);
            if !deliveries.iter().any(made) {
                wrongs.push(format!("it did not reach {} in the name of {}", hop.to, hop.by));
            }
        }
        if let Some(reason) = self.parked
            && !deliveries.iter().any(|row| row.state == Transport::Parked && row.park_reason == Some(reason))
        {
            wrongs.push(format!("no delivery of it is parked as {reason}"));
        }
        wrongs
    }
}

fn arrived(row: &DeliveryRow, organisation: &OrganisationId) -> bool {
    row.state == Transport::Delivered && row.organisation.as_ref() == Some(organisation)
}
