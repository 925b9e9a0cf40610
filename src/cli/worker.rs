//! `liandong worker`: runs adapters apart from the hub, until it is told to stop.

use std::sync::Arc;

use clap::{Args, ValueEnum};

use super::{Call, Error, serve::Orders};
use crate::{
    app::{self, Attached, Outside},
    port::clock::SystemClock,
};

/// Options of `liandong worker`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// How the worker reaches the hub
    #[arg(long, value_enum, default_value = "amqp")]
    attach: Attach,
}

/// Ways to reach the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Attach {
    /// Through RabbitMQ, as [bus] of the configuration says
    Amqp,
}

pub(super) async fn run(mut call: Call<'_>, arguments: Arguments) -> Result<(), Error> {
    app::telemetry::log(&call.settings.log)?;
    let mut orders = Orders::listen()?;
    let metrics = app::telemetry::record()?;
    let outside = Outside { clock: Arc::new(SystemClock), metrics, environment: call.environment.clone() };
    let mut worker = match arguments.attach {
        Attach::Amqp => Attached::start(&call.settings, outside).await?,
    };
    let said = call.output.language.pick("适配进程已启动", "worker is running");
    let endpoints: Vec<_> = worker.endpoints().iter().map(ToString::to_string).collect();
    call.output.line(format!("{said}: {}  admin http://{}", endpoints.join(" "), worker.admin()))?;
    let failed = tokio::select! {
        error = worker.watch() => Some(error),
        () = orders.told_to_stop() => None,
    };
    tracing::info!("stopping");
    let stopped = worker.stop().await;
    match failed {
        Some(error) => Err(Error::Other(error.into())),
        None => Ok(stopped?),
    }
}
