//! A party's web service: one HTTP endpoint that takes deliveries as the party's script says.

use std::{io, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Bytes,
    extract::{ConnectInfo, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use tokio_util::sync::CancellationToken;

use super::{
    desk::{Desk, encode},
    fault::{self, Treatment},
    wire::{Address, Shears},
};

/// Serves at `address` until `stop`. A system that is down at first opens only when its time has come.
pub(super) async fn serve(desk: Arc<Desk>, address: Address, stop: CancellationToken) -> io::Result<()> {
    if let Some(down_ms) = fault::down_ms(&desk.script().faults) {
        let over = tokio::time::sleep(Duration::from_millis(down_ms));
        tokio::select! {
            () = over => {}
            () = stop.cancelled() => return Ok(()),
        }
    }
    let app = Router::new().fallback(take).with_state(desk);
    let service = app.into_make_service_with_connect_info::<Shears>();
    axum::serve(address.open()?, service).with_graceful_shutdown(stop.cancelled_owned()).await
}

async fn take(
    State(desk): State<Arc<Desk>>,
    ConnectInfo(shears): ConnectInfo<Shears>,
    body: Bytes,
) -> Response {
    tokio::time::sleep(Duration::from_millis(fault::delay_ms(&desk.script().faults))).await;
    let Some(receives) = &desk.script().receives else {
        desk.note("a delivery came to a party that takes none".to_owned());
        return StatusCode::NOT_FOUND.into_response();
    };
    let said = desk.receive(receives, &body);
    if said.treatment == Treatment::TakeAndCut {
        shears.cut();
    }
    let media_type = receives.codec.media_type();
    let bytes = encode(receives.codec.encoding, &said.body);
    ([(header::CONTENT_TYPE, media_type)], bytes).into_response()
}
