//! The other side of a process of the demo: `serve` or `worker` with the demo's day for a clock, until standard
//! input ends.

use std::{io, path::Path, sync::Arc};

use clap::ValueEnum;
use jiff::Timestamp;
use tokio::{
    io::AsyncReadExt as _,
    net::unix::pipe,
    signal::unix::{Signal, SignalKind, signal},
};

use super::clock::DayClock;
use crate::{
    app::{Attachment, Time},
    cli::{Call, Error, serve, submit::failed, worker},
    port::{clock::Clock, operations::By},
};

/// Standard input, as a file.
const STDIN: &str = "/dev/stdin";

/// What a process of the demo is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Part {
    /// A hub
    Hub,
    /// A worker apart from the hubs
    Worker,
}

impl Part {
    /// As it is written on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Hub => "hub",
            Self::Worker => "worker",
        }
    }
}

/// Plays the part on the day that began then, milliseconds by the machine's clock.
pub(super) async fn run(call: Call<'_>, part: Part, began_ms: i64) -> Result<(), Error> {
    let began = Timestamp::from_millisecond(began_ms).map_err(|error| failed(error.to_string()))?;
    let leash = Leash::take(Path::new(STDIN))
        .map_err(|error| failed(format!("--part is for the demo's own processes: {error}")))?;
    let clock: Arc<dyn Clock> = Arc::new(DayClock::since(began));
    match part {
        Part::Hub => {
            serve::run_until(call, clock, (Time::Given, By::new("liandong demo", "")), leash.let_go()).await
        }
        Part::Worker => worker::run_until(call, clock, Attachment::Amqp, leash.let_go()).await,
    }
}

/// The end of a pipe whose other end the demo holds.
struct Leash {
    pipe: pipe::Receiver,
    /// Ctrl-C reaches all processes of a terminal, but it is the demo that ends them in order.
    _interrupt: Signal,
}

impl Leash {
    fn take(stdin: &Path) -> io::Result<Self> {
        let pipe = pipe::OpenOptions::new().open_receiver(stdin)?;
        Ok(Self { pipe, _interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits until the demo lets go, or is gone.
    async fn let_go(mut self) {
        let mut nothing = [0; 64];
        while matches!(self.pipe.read(&mut nothing).await, Ok(1..)) {}
    }
}
