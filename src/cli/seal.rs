//! `liandong seal verify`: checks the sealed trail against its signed checkpoints, streaming.

use std::{path::PathBuf, time::Instant};

use clap::{Args, Subcommand};

use super::{Call, Error, output::Format, submit::failed};
use crate::{
    app,
    evidence::{
        checkpoint::Origin,
        seal::{Report, SealCheck},
        signer::PublicKeys,
    },
    port::store::Store,
};

/// Entries read at a time.
const PAGE: usize = 5_000;

/// What to do.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Check every sealed entry of a stopped hub's store
    Verify {
        /// PEM file with the public keys that count; the hub's own key otherwise
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
    },
}

pub(super) async fn run(mut call: Call<'_>, arguments: Arguments) -> Result<(), Error> {
    let What::Verify { key } = arguments.what;
    let origin = Origin::new(&*call.settings.seal.origin).map_err(|error| failed(error.to_string()))?;
    let keys = match key {
        Some(path) => {
            let text = std::fs::read_to_string(&path)?;
            PublicKeys::from_pem(&text).map_err(|error| failed(error.to_string()))?
        }
        None => app::load::public_keys(&call.settings)?,
    };
    let store = app::load::open_store(&call.settings).map_err(app::Error::from)?;
    let begun = Instant::now();
    let report = verify(&store, origin, keys).await;
    store.close().await.map_err(app::Error::from)?;
    let report = report?;
    let seconds = begun.elapsed().as_secs_f64();
    match call.output.format {
        Format::Json => call.output.json(&serde_json::json!({ "report": report, "seconds": seconds }))?,
        Format::Text => call.output.line(format!("{report} ({seconds:.2} s)"))?,
    }
    if report.is_intact() {
        Ok(())
    } else {
        Err(Error::NotInOrder("the sealed trail is not intact".to_owned()))
    }
}

/// Feeds a store's log to the check.
pub(crate) async fn verify(store: &dyn Store, origin: Origin, keys: PublicKeys) -> Result<Report, Error> {
    let stored = |error: crate::port::store::Error| Error::App(error.into());
    let mut check = SealCheck::new(origin, keys);
    let (mut position, mut after) = (0, 0);
    let mut number = 0;
    loop {
        let checkpoints = store.checkpoints(after, 1).await.map_err(stored)?;
        let Some((size, note)) = checkpoints.into_iter().next() else { break };
        while position < size {
            let limit = PAGE.min(usize::try_from(size - position).unwrap_or(PAGE));
            let entries = store.sealed(position, limit).await.map_err(stored)?;
            if entries.is_empty() {
                break;
            }
            for entry in entries {
                check.entry(entry.position, &entry.body);
                position = entry.position + 1;
            }
        }
        check.checkpoint(number, &note);
        number += 1;
        after = size;
    }
    let (unsealed, _) = store.unsealed_count().await.map_err(stored)?;
    Ok(check.finish(unsealed))
}
