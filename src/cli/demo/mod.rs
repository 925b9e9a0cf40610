//! `liandong demo`: the main job on one machine. A hub over its embedded store, or hubs and workers as in
//! production, departmental systems as parties of their own that speak to them over sockets and files, a day of
//! messages, faults on the way, and at the end the books of both sides laid side by side.

pub mod answers;
mod audit;
pub mod books;
mod clock;
pub mod day;
pub mod file;
mod home;
mod house;
mod part;
pub mod party;
mod play;
mod process;
mod production;
pub mod promises;
pub mod screen;
mod show;
mod stage;
pub mod story;
pub mod tally;

use std::path::PathBuf;

use clap::Args;

use self::{
    home::Leavings, house::Shape, part::Part, play::Play, promises::Broken, show::Show, stage::Stage,
};
use super::{Call, Error, serve::Orders};
use crate::app;

/// What to run, and where.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Leave the hub and the parties running afterwards, until Ctrl-C, and keep the data directory
    #[arg(long)]
    keep: bool,
    /// Two hubs and two workers as processes, on the PostgreSQL of postgres.url, which must be empty, and the RabbitMQ
    /// of bus.url
    #[arg(long)]
    production: bool,
    /// The demo's world: adapters, parties, messages, stories
    #[arg(long, value_name = "FOLDER", default_value = "config/demo")]
    world: PathBuf,
    /// Be one of the demo's own processes
    #[arg(long, hide = true, value_enum, requires = "began")]
    part: Option<Part>,
    /// When the demo's day began, milliseconds
    #[arg(long, hide = true, value_name = "TIME", requires = "part")]
    began: Option<i64>,
}

pub(super) async fn run(call: Call<'_>, arguments: Arguments) -> Result<(), Error> {
    match (arguments.part, arguments.began) {
        (Some(part), Some(began_ms)) => part::run(call, part, began_ms).await,
        _ => play(call, arguments).await,
    }
}

async fn play(call: Call<'_>, arguments: Arguments) -> Result<(), Error> {
    app::telemetry::log(&stage::log())?;
    let mut orders = Orders::listen()?;
    let Call { settings, environment, output } = call;
    let mut show = Show::new(output);
    let shape = if arguments.production { Shape::Production } else { Shape::Embedded };
    let mut stage = Stage::set(&arguments.world, shape, &settings, &environment).await?;
    let played = tokio::select! {
        played = (Play { stage: &mut stage, show: &mut show }).run() => played,
        () = orders.told_to_stop() => Err(Error::NotInOrder("stopped before the day was over".to_owned())),
    };
    if !arguments.keep || played.is_err() {
        stage.strike(Leavings::Remove).await?;
        return verdict(&played?);
    }
    show.kept(&stage)?;
    let failed = tokio::select! {
        error = stage.watch() => Some(error),
        () = orders.told_to_stop() => None,
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
