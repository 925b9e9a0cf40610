//! Time stamps over checkpoints, where an authority is configured.

use std::{fs, sync::Arc, time::Duration};

use super::{Error, setup};
use crate::{
    config::settings::Settings,
    connector::authority::HttpAuthority,
    engine::stamp::Stamper,
    evidence::timestamp::{Authorities, MAX_ANSWER_BYTES},
    port::{clock::Clock, store::Store},
    task::Supervisor,
};

/// Authorities whose stamps count; none where none is configured.
pub fn authorities(settings: &Settings) -> Result<Option<Authorities>, Error> {
    let Some(stamps) = &settings.timestamp else { return Ok(None) };
    let path = &stamps.authority;
    let wrong = |error: &dyn std::fmt::Display| {
        Error::Configuration(format!("timestamp.authority: {}: {error}", path.display()))
    };
    let pem = fs::read(path).map_err(|error| wrong(&error))?;
    Authorities::from_pem(&pem).map(Some).map_err(|error| wrong(&error))
}

/// Has checkpoints stamped from now on.
pub(super) fn spawn(
    back: &mut Supervisor,
    settings: &Settings,
    store: &Arc<dyn Store>,
    clock: &Arc<dyn Clock>,
) -> Result<(), Error> {
    let Some((stamps, authorities)) = settings.timestamp.as_ref().zip(authorities(settings)?) else {
        return Ok(());
    };
    let timeout = Duration::from_millis(stamps.timeout_ms);
    let authority = HttpAuthority::new(&stamps.url, timeout, MAX_ANSWER_BYTES)
        .map_err(|error| setup("time-stamping authority")(error.into()))?;
    let stamper = Stamper {
        store: Arc::clone(store),
        clock: Arc::clone(clock),
        authority: Arc::new(authority),
        authorities,
        every: Duration::from_millis(stamps.every_ms),
        grace: Duration::from_millis(stamps.grace_ms),
    };
    back.spawn("stamp", stamper.run(back.token().clone()));
    Ok(())
}
