//! `liandong worker`: runs adapters apart from the hub, until it is told to stop.

use std::sync::Arc;

use clap::{Args, ValueEnum};

use super::{Call, Error, serve::Orders};
use crate::{
    app::{self, Attached, Attachment, Outside, Time},
    port::{
        clock::{Clock, SystemClock},
        operations::By,
    },
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
    /// Over a gRPC stream that the worker opens to a hub, as [worker] of the configuration says
    Grpc,
}

pub(super) async fn run(call: Call<'_>, arguments: Arguments) -> Result<(), Error> {
    let mut orders = Orders::listen()?;
    let attachment = match arguments.attach {
        Attach::Amqp => Attachment::Amqp,
        Attach::Grpc => Attachment::Grpc,
    };
    run_until(call, Arc::new(SystemClock), attachment, orders.told_to_stop()).await
}

/// The same with a time and an end of its own.
pub(super) async fn run_until(
    mut call: Call<'_>,
    clock: Arc<dyn Clock>,
    attachment: Attachment,
    told_to_stop: impl Future<Output = ()>,
) -> Result<(), Error> {
    app::telemetry::log(&call.settings.log)?;
    let metrics = app::telemetry::record()?;
    let outside = Outside {
        clock,
        time: Time::OfStore,
        metrics,
        environment: call.environment.clone(),
        by: By::new("liandong worker", ""),
    };
    let mut worker = Attached::start(&call.settings, outside, attachment).await?;
    started(&mut call, &worker)?;
    let failed = tokio::select! {
        error = worker.watch() => Some(error),
        () = told_to_stop => None,
    };
    tracing::info!("stopping");
    let stopped = worker.stop().await;
    match failed {
        Some(error) => Err(Error::Other(error.into())),
        None => Ok(stopped?),
    }
}

fn started(call: &mut Call<'_>, worker: &Attached) -> Result<(), Error> {
    let (endpoints, admin) = (worker.endpoints(), worker.admin());
    if call.output.is_json() {
        return Ok(call.output.json(&serde_json::json!({ "endpoints": endpoints, "admin": admin }))?);
    }
    let names: Vec<_> = endpoints.iter().map(ToString::to_string).collect();
    let names = names.join(" ");
    Ok(call.output.say(
        &format!("适配进程已启动：接入系统 {names}，探针与指标 http://{admin}"),
        &format!("worker is running: endpoints {names}, probes and metrics http://{admin}"),
    )?)
}
