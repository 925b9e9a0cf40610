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
mod production;
mod report;
mod rows;
mod run;
mod sealing;
mod sink;

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{Call, Error, output::Format};
use crate::config::settings::Carrier;

/// How much to measure.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Store of the hub; postgres is the server of postgres.url, where the run makes a database of its own and drops it
    #[arg(long, value_enum, default_value = "sqlite")]
    store: Keeper,
    /// Bus of the hub; amqp is the broker of bus.url, with a worker apart from the hub, and goes with postgres
    #[arg(long, value_enum, default_value = "local")]
    bus: Bus,
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

/// Stores to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Keeper {
    /// Embedded
    Sqlite,
    /// A server that hubs share
    Postgres,
}

/// Buses to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Bus {
    /// Inside the process
    Local,
    /// RabbitMQ
    Amqp,
}

pub(super) async fn run(call: Call<'_>, arguments: Arguments) -> Result<(), Error> {
    match (arguments.store, arguments.bus) {
        (Keeper::Sqlite, Bus::Local) => embedded(call, arguments).await,
        (Keeper::Postgres, Bus::Local) => shared(call, arguments, Carrier::Local).await,
        (Keeper::Postgres, Bus::Amqp) => shared(call, arguments, Carrier::Rabbitmq).await,
        (Keeper::Sqlite, Bus::Amqp) => Err(Error::said(
            "--bus amqp 须与 --store postgres 同用：内嵌库上没有这样的部署",
            "--bus amqp goes with --store postgres: nobody runs it over the embedded store",
        )),
    }
}

async fn shared(mut call: Call<'_>, arguments: Arguments, carrier: Carrier) -> Result<(), Error> {
    let figures = Box::pin(production::measure(&call, &arguments, carrier)).await.map_err(Error::Other)?;
    match call.output.format {
        Format::Json => call.output.json(&figures.json())?,
        Format::Text => production::print(&mut call.output, &figures)?,
    }
    Ok(())
}

async fn embedded(mut call: Call<'_>, arguments: Arguments) -> Result<(), Error> {
    let figures = Box::pin(run::measure(&call, &arguments)).await.map_err(Error::Other)?;
    match call.output.format {
        Format::Json => call.output.json(&figures.json())?,
        Format::Text => report::print(&mut call.output, &figures)?,
    }
    Ok(())
}
