//! The interfaces as configured: their bounds, the certificates of gRPC, and who may publish over AMQP.

use std::{sync::Arc, time::Duration};

use super::{Error, FRONT_SHARE};
use crate::{
    api::{
        amqp, events,
        grpc::{self, Certificates, Files},
        http,
    },
    config::settings::{Settings, Tls},
    domain::id::EndpointId,
    port::{
        inbox::Inbox,
        intake::{Intake, Translate},
    },
    task::Supervisor,
};

/// Of the time that requests have at the end, so much is for what is under way; the rest is to cut off.
const DRAIN_PERCENT: u32 = 80;

/// The certificates, read and found to fit together; none where connections are not encrypted.
pub(super) fn certificates(settings: &Settings) -> Result<Option<Arc<Certificates>>, Error> {
    if settings.grpc.listen.is_none() {
        return Ok(None);
    }
    let Some(Tls { certificate, key, client_authority }) = settings.grpc.tls.clone() else { return Ok(None) };
    let loaded = Certificates::load(Files { certificate, key, client_authority });
    loaded
        .map(|certificates| Some(Arc::new(certificates)))
        .map_err(|error| Error::Configuration(format!("grpc: {error}")))
}

/// The bounds of HTTP.
pub(super) fn http(settings: &Settings) -> http::Limits {
    let own = &settings.http;
    http::Limits {
        body_bytes: own.body_limit_bytes,
        batch_bytes: own.batch_limit_bytes,
        batch_events: own.batch_limit_events,
        concurrency: own.concurrency,
        timeout: Duration::from_millis(own.request_timeout_ms),
    }
}

/// Takes in what systems publish.
pub(super) fn amqp(
    front: &mut Supervisor,
    inboxes: Vec<(EndpointId, Box<dyn Inbox>)>,
    settings: &Settings,
    intake: &Arc<dyn Intake>,
    translate: &Arc<dyn Translate>,
) {
    let senders = Arc::new(settings.bus.senders.clone());
    let own = &settings.http;
    for (endpoint, inbox) in inboxes {
        let name = format!("intake of {endpoint} over AMQP");
        let desk = amqp::Desk {
            endpoint,
            intake: Arc::clone(intake),
            translate: Arc::clone(translate),
            senders: Arc::clone(&senders),
            limits: events::Limits {
                body_bytes: own.body_limit_bytes,
                batch_bytes: own.batch_limit_bytes,
                batch_events: own.batch_limit_events,
            },
        };
        // While half of what may be fetched is worked on, the broker brings the other.
        let batch = usize::from(settings.bus.intake_prefetch).div_ceil(2);
        front.spawn(name, amqp::run(desk, inbox, batch, front.token().clone()));
    }
}

/// The bounds of gRPC.
pub(super) fn grpc(settings: &Settings) -> grpc::Limits {
    let own = &settings.grpc;
    let front = Duration::from_millis(settings.shutdown.grace_ms) / FRONT_SHARE;
    grpc::Limits {
        message_bytes: own.message_limit_bytes,
        batch: settings.intake.batch_limit,
        concurrency: own.concurrency,
        streams: own.streams,
        connections: own.connections,
        timeout: Duration::from_millis(own.request_timeout_ms),
        keepalive: Duration::from_millis(own.keepalive_ms),
        drain: front * DRAIN_PERCENT / 100,
        reload: Duration::from_millis(own.reload_ms),
    }
}
