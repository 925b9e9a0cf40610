//! Retention: months beyond the configured term are written into archives and then leave the store
//! (DESIGN section 8, 11).
//!
//! Promises: a month goes whole, after all months before it, and only when every delivery in it is final, nothing in it
//! is owed and all its entries are sealed; it is written, made durable and held against its checkpoint before anything
//! is removed; who did it and why is in the trail. Cut off at any moment it is taken up where it stood. What
//! messages said is erased after its legal term, online and in archives.

mod attempts;
mod erase;
mod month;
mod verify;
mod write;

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::{Value, json};

pub use erase::{Mode, Selection, Tally, archived, erase, erase_archived};
pub use month::Month;
pub(super) use verify::Kept;
pub use verify::{Findings, verify};

use super::trail::{self, About};
use crate::{
    evidence::{archive, checkpoint::Origin, tree},
    port::{
        operations::By,
        store::{self, Stock, Store},
    },
};

/// Rows removed in one step: hubs go on in between.
const SWEEP: usize = 2_000;
/// Months in one plan at most.
const MONTHS: usize = 1_200;

/// Why a month was not archived. Nothing of it was removed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The archive's files.
    #[error(transparent)]
    Archive(#[from] archive::Error),
    /// The tree.
    #[error("the stored tree cannot be used: {0}")]
    Tree(#[from] tree::Error),
    /// Something in it is not finished.
    #[error("{month} is held: {deliveries} deliveries not final, {obligations} obligations open, {unsealed} entries unsealed", deliveries = stock.open_deliveries, obligations = stock.open_obligations, unsealed = stock.unsealed)]
    Held {
        /// Which month.
        month: Month,
        /// What holds it.
        stock: Stock,
    },
    /// The stored trail does not give the root that was signed.
    #[error(
        "the entries of {month} are not those that were sealed; run 'liandong seal verify' and change nothing until it is understood"
    )]
    NotAsSealed {
        /// Which month.
        month: Month,
    },
    /// The folder has an archive of the month, with other content.
    #[error("{path} is another archive of this month; name another folder")]
    Another {
        /// Which folder.
        path: Box<str>,
    },
    /// Dropping is answered for.
    #[error("say why with --reason")]
    NoReason,
}

/// A month that is beyond the term, and what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// Which.
    pub month: Month,
    /// What is in it, and what holds it.
    pub stock: Stock,
}

/// The months beyond the term, oldest first. One that is held holds those after it.
pub async fn plan(store: &dyn Store, now: Timestamp, online_months: u16) -> Result<Vec<Due>, store::Error> {
    let begins = match store.archived().await? {
        Some(archived) => Some(archived.until),
        None => store.begins().await?,
    };
    let Some(begins) = begins else { return Ok(Vec::new()) };
    let mut month = Month::of(begins);
    let mut due = Vec::new();
    while month.after(1)?.after(online_months)?.begins()? <= now && due.len() < MONTHS {
        due.push(Due { month, stock: store.stock(month.begins()?, month.ends()?).await? });
        month = month.after(1)?;
    }
    Ok(due)
}

/// Archives months, each in a folder of its own below one.
#[derive(Debug)]
pub struct Archivist<'a> {
    /// From where.
    pub store: &'a dyn Store,
    /// Name of the log.
    pub origin: &'a Origin,
    /// Below which folder.
    pub folder: PathBuf,
}

impl Archivist<'_> {
    /// Writes the month's archive, records it with who and why, and removes the month; the archive's folder.
    pub async fn archive(&self, month: Month, by: &By, now: Timestamp) -> Result<PathBuf, Error> {
        if by.reason.trim().is_empty() {
            return Err(Error::NoReason);
        }
        let stock = self.store.stock(month.begins()?, month.ends()?).await?;
        if stock.is_held() {
            return Err(Error::Held { month, stock });
        }
        let written = write::month(self, month, stock).await?;
        let entry = trail::entry(trail::ARCHIVED, About::default(), &said(month, &written, stock, by), now);
        if !self.store.retire(written.archived, entry).await? {
            let stock = self.store.stock(month.begins()?, month.ends()?).await?;
            return Err(Error::Held { month, stock });
        }
        sweep(self.store).await?;
        Ok(written.folder)
    }

    fn place(&self, month: Month) -> PathBuf {
        self.folder.join(month.to_string())
    }
}

/// Removes what is archived, also what an earlier run that was cut off left.
pub async fn sweep(store: &dyn Store) -> Result<(), store::Error> {
    while store.sweep(SWEEP).await? > 0 {}
    Ok(())
}

fn said(month: Month, written: &write::Written, stock: Stock, by: &By) -> Value {
    let data = json!({
        "month": month.to_string(), "until": written.archived.until, "size": written.archived.size,
        "manifest": crate::evidence::digest::Digest::from_bytes(written.archived.manifest.0),
        "messages": stock.messages, "entries": stock.entries,
    });
    trail::answered(data, by)
}

fn exists(path: &Path) -> Result<bool, archive::Error> {
    path.try_exists().map_err(archive::Error::file(path))
}
