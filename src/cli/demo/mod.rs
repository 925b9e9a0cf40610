//! `liandong demo`: the main job on one machine. A hub over its embedded store, departmental systems as
//! parties of their own that speak to it over sockets and files, a day of messages, faults on the way, and
//! at the end the books of both sides laid side by side.

pub mod answers;
mod audit;
pub mod books;
mod clock;
pub mod day;
pub mod file;
pub mod party;
mod play;
pub mod promises;
pub mod screen;
mod show;
mod stage;
pub mod story;
pub mod tally;

use std::path::PathBuf;

use clap::Args;

use self::{
    play::Play,
    promises::Broken,
    show::Show,
    stage::{Leavings, Stage},
};
use super::{Call, Error};
use crate::app;

/// What to run, and where.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Leave the hub and the parties running afterwards, until Ctrl-C, and keep the data directory
    #[arg(long)]
    keep: bool,
    /// The demo's world: adapters, parties, messages, stories
    #[arg(long, value_name = "FOLDER", default_value = "config/demo")]
    world: PathBuf,
}

pub(super) async fn run(call: Call<'_>, arguments: Arguments) -> Result<(), Error> {
    app::telemetry::log(&stage::log())?;
    let Call { settings, environment, output } = call;
    let mut show = Show::new(output);
    let mut stage = Stage::set(&arguments.world, &settings, &environment).await?;
    let played = Play { stage: &mut stage, show: &mut show }.run().await;
    if !arguments.keep || played.is_err() {
        stage.strike(Leavings::Remove).await?;
        return verdict(&played?);
    }
    let mut stop = super::serve::Stop::listen()?;
    show.kept(&stage)?;
    let failed = tokio::select! {
        error = stage.watch() => Some(error),
        () = stop.told() => None,
    };
    stage.strike(Leavings::Keep).await?;
    match failed {
        Some(error) => Err(Error::Other(error.into())),
        None => verdict(&played?),
    }
}

fn verdict(broken: &[Broken]) -> Result<(), Error> {
    if broken.is_empty() {
        return Ok(());
    }
    Err(Error::NotInOrder(format!("{} promises of the demo were broken", broken.len())))
}
