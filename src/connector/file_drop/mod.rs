//! Files in folders: the way of systems that have no interface, and of network gaps (网闸).
//!
//! [`outbound`] puts a delivery down as a whole file or not at all; [`inbound`] picks up what a system
//! put down, and moves it away only after it was accepted.

pub mod inbound;
pub mod outbound;

use std::{io, path::Path};

/// Makes a rename or a new name in `folder` durable.
async fn sync_folder(folder: &Path) -> io::Result<()> {
    tokio::fs::File::open(folder).await?.sync_all().await
}
