//! `liandong serve`: runs the hub until it is told to stop.

use std::{io, sync::Arc};

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{
    Call, Error, parse,
    reach::{LOCAL, Running},
    who::Who,
};
use crate::{
    app::{self, Hub, Outside, Time},
    port::{
        clock::{Clock, SystemClock},
        operations::{By, Operations as _, Said},
        store::Scope,
    },
};

/// Who starts it.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    who: Who,
    /// Why registry or rules are other than before; kept in the trail when they are
    #[arg(long, value_parser = parse::not_blank)]
    reason: Option<String>,
}

pub(super) async fn run(call: Call<'_>, arguments: Arguments) -> Result<(), Error> {
    let mut orders = Orders::listen()?;
    let by = arguments.who.by(&call.environment, arguments.reason.unwrap_or_default());
    let by = By { operator: "liandong serve".to_owned(), ..by };
    run_until(call, Arc::new(SystemClock), (Time::OfStore, by), orders.told_to_stop()).await
}

/// The same with a time and an end of its own.
pub(super) async fn run_until(
    mut call: Call<'_>,
    clock: Arc<dyn Clock>,
    (time, by): (Time, By),
    told_to_stop: impl Future<Output = ()>,
) -> Result<(), Error> {
    app::telemetry::log(&call.settings.log)?;
    let metrics = app::telemetry::record()?;
    let outside = Outside { clock, time, metrics, environment: call.environment.clone(), by };
    let mut hub = Hub::start(&call.settings, outside).await?;
    let places = hub.places().clone();
    let local = admit_local_commands(&hub).await?;
    started(&mut call, &places)?;
    let failed = tokio::select! {
        error = hub.watch() => Some(error),
        () = told_to_stop => None,
    };
    tracing::info!("stopping");
    // Whatever becomes of the note, the hub is stopped in order.
    let removed = Running::remove(&places.data);
    if let Err(error) = hub.office().revoke_token(&local, of_this_run()).await {
        tracing::warn!(%error, "token of commands on this machine stays, the next start cannot know it");
    }
    let stopped = hub.stop().await;
    if let Some(error) = failed {
        return Err(Error::Other(error.into()));
    }
    stopped?;
    Ok(removed?)
}

fn started(call: &mut Call<'_>, places: &app::Places) -> Result<(), Error> {
    let app::Places { http, grpc, admin, data } = places;
    if call.output.is_json() {
        let places = serde_json::json!({ "http": http, "grpc": grpc, "admin": admin, "data": data });
        return Ok(call.output.json(&places)?);
    }
    let data = data.display();
    let also = grpc.map(|grpc| format!(", gRPC {grpc}")).unwrap_or_default();
    let also_chinese = grpc.map(|grpc| format!("，gRPC {grpc}")).unwrap_or_default();
    Ok(call.output.say(
        &format!(
            "联动已启动：接收消息 http://{http}{also_chinese}，探针与指标 http://{admin}，数据目录 {data}"
        ),
        &format!(
            "liandong is running: messages http://{http}{also}, probes and metrics http://{admin}, data {data}"
        ),
    )?)
}

fn of_this_run() -> By {
    By::new("liandong serve", "commands on this machine")
}

/// Makes this run's operator token and leaves it where the machine's account finds it; the token's name. Hubs that
/// share a store have one each.
pub(crate) async fn admit_local_commands(hub: &Hub) -> Result<String, Error> {
    let office = hub.office();
    let places = hub.places();
    if let Some(earlier) = Running::earlier(&places.data) {
        drop(office.revoke_token(&earlier.name, of_this_run()).await);
    }
    let name = format!("{LOCAL}-{}", uuid::Uuid::now_v7());
    let token = office
        .add_token(&name, Scope::Operator, of_this_run())
        .await
        .map_err(|error| Error::Other(error.into()))?;
    hub.refresh_grants().await.map_err(app::Error::from)?;
    Running { http: places.http, token, name: name.clone(), said: Said::default() }.leave(&places.data)?;
    Ok(name)
}

/// Hears SIGTERM and Ctrl-C from the moment it is made on, so that none is lost while a hub starts.
pub(super) struct Orders {
    terminate: Signal,
    interrupt: Signal,
}

impl Orders {
    /// Begins to listen.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits to be told to stop.
    pub(super) async fn told_to_stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
