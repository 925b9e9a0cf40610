//! `liandong bench`: what this machine allows, what the hub makes of it, in one run.
//!
//! Loader, hub and sink share the process and the cores; everything travels over loopback sockets. The hub
//! is the real one: [`app::Hub`](crate::app::Hub) over its store, bus, interface and adapters. A limit that
//! is missed is said, not failed: the exit code is 0 whenever everything could be measured.

mod bed;
mod figures;
mod loader;
mod message;
mod process;
mod report;
mod rows;
mod run;
mod sink;

use std::path::PathBuf;

use clap::Args;

use super::{Call, Error, output::Format};

/// How much to measure.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Messages handed in in batches, in each series of each round
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    messages: u32,
    /// Messages handed in singly, in each series of each round
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    singles: u32,
    /// Rounds; ratios are taken within each, the table shows medians
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Deliveries in the backlog, at four a message
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(4..=100_000_000))]
    backlog: u32,
    /// Messages a second while latency is measured on a hub with little to do
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// Seconds of that
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    seconds: u32,
    /// Messages of the lone sender
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    lone: u32,
    /// Folder to work in, on the disk that is to be measured; the system's temporary one otherwise
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

pub(super) async fn run(mut call: Call<'_>, arguments: Arguments) -> Result<(), Error> {
    let figures = run::measure(&call, &arguments).await.map_err(Error::Other)?;
    match call.output.format {
        Format::Json => call.output.json(&figures.json())?,
        Format::Text => report::print(&mut call.output, &figures)?,
    }
    Ok(())
}
