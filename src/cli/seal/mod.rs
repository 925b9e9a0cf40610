//! `liandong seal`: checks the sealed trail against its signed checkpoints, and proves that one checkpoint continues
//! another. It reads the store itself, beside a running hub or without one, and changes nothing.

mod prove;
mod verify;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::{Call, Error};
use crate::{
    app,
    evidence::{signer::PublicKeys, tree::Frontier},
    port::store::Archived,
};

pub(crate) use verify::verify;

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
    /// Check every sealed entry, from the first one on, and the rows that follow from them
    Verify {
        /// PEM file with the public keys that count; the hub's own key otherwise
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// A checkpoint that was kept elsewhere, which the store must contain; may be given several times
        #[arg(long, value_name = "FILE")]
        anchor: Vec<PathBuf>,
    },
    /// Prove that the trail continues a checkpoint that was kept elsewhere: nothing was changed or removed since
    Prove {
        /// The earlier checkpoint
        #[arg(value_name = "FILE")]
        old: PathBuf,
        /// The later checkpoint; the latest of the store otherwise
        #[arg(value_name = "FILE")]
        new: Option<PathBuf>,
        /// File for the proof; standard output otherwise
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
    },
    /// Check such a proof, without a store
    VerifyProof {
        /// The proof
        #[arg(value_name = "FILE")]
        proof: PathBuf,
        /// PEM file with the public keys that count; the hub's own key otherwise
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
    },
}

pub(super) async fn run(call: Call<'_>, arguments: Arguments) -> Result<(), Error> {
    match arguments.what {
        What::Verify { key, anchor } => verify::run(call, key, &anchor).await,
        What::Prove { old, new, to } => prove::run(call, &old, new.as_deref(), to.as_deref()).await,
        What::VerifyProof { proof, key } => prove::check(call, &proof, key.as_deref()),
    }
}

pub(super) fn read(path: &Path) -> Result<String, Error> {
    let named = || path.display().to_string();
    std::fs::read_to_string(path).map_err(|source| Error::Unreadable { path: named(), source })
}

pub(super) fn keys(path: &Path) -> Result<PublicKeys, Error> {
    PublicKeys::from_pem(&read(path)?).map_err(|error| {
        let path = path.display();
        Error::said(
            format!("{path} 中没有可用的公钥：{error}"),
            format!("{path} holds no public key: {error}"),
        )
    })
}

/// The keys in a file, else the hub's own.
fn trusted(call: &Call<'_>, key: Option<&Path>) -> Result<PublicKeys, Error> {
    match key {
        Some(path) => keys(path),
        None => Ok(app::load::public_keys(&call.settings, &call.environment)?),
    }
}

/// Where what is online begins: at the start, or where the archive ends.
fn begin(archived: Option<&Archived>) -> Result<Frontier, Error> {
    match archived {
        Some(Archived { frontier, checkpoint: Some(_), .. }) => {
            Frontier::from_bytes(frontier).map_err(|error| Error::Other(error.into()))
        }
        _ => Ok(Frontier::new()),
    }
}
