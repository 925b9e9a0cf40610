//! The house that the day is played in: one hub inside this process over its embedded store, or the shape of
//! production, in which hubs and workers are processes of their own.

use std::{collections::BTreeMap, net::SocketAddr, path::Path, sync::Arc};

use super::{
    clock::DayClock,
    home::{Adapters, Home, Props, Room},
    party::publish::Place,
    production::Production,
};
use crate::{
    app::{self, Hub, Outside, Time},
    cli::{Error, reach::Running, serve},
    config::{environment::Environment, settings::Settings},
    domain::id::EndpointId,
    port::{
        operations::{By, Operations as _},
        store::{Scope, Store},
    },
    task,
};

/// What the demo runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// One hub, nothing to install.
    Embedded,
    /// Hubs and workers on PostgreSQL and RabbitMQ.
    Production,
}

/// Hub or hubs.
#[derive(Debug)]
pub(super) enum House {
    /// A hub in this process.
    Embedded(Box<Embedded>),
    /// Processes.
    Production(Production),
}

/// A hub in this process.
#[derive(Debug)]
pub(super) struct Embedded {
    hub: Hub,
    room: Room,
}

impl House {
    /// Furnishes and starts it.
    pub(super) async fn open(
        shape: Shape,
        home: &Home,
        props: &Props<'_>,
        environment: &Environment,
        day: DayClock,
    ) -> Result<Self, Error> {
        if shape == Shape::Production {
            return Ok(Self::Production(Production::open(home, props, environment, day).await?));
        }
        let room = home.room("hub", props, toml::Table::new())?;
        let outside = Outside {
            clock: Arc::new(day),
            time: Time::Given,
            metrics: app::telemetry::record()?,
            environment: environment.clone(),
            by: By::new("liandong demo", "the demo's own registry"),
        };
        let hub = Hub::start(&room.settings, outside).await?;
        serve::admit_local_commands(&hub).await?;
        Ok(Self::Embedded(Box::new(Embedded { hub, room })))
    }

    /// Settings of the first hub.
    pub(super) fn settings(&self) -> &Settings {
        match self {
            Self::Embedded(one) => &one.room.settings,
            Self::Production(several) => several.settings(),
        }
    }

    /// The configuration with which commands reach the first hub.
    pub(super) fn configuration(&self) -> &Path {
        match self {
            Self::Embedded(one) => &one.room.configuration,
            Self::Production(several) => several.configuration(),
        }
    }

    /// The adapters of the hub that takes in what party `number` sends.
    pub(super) fn takes_in(&self, number: usize) -> &Adapters {
        match self {
            Self::Embedded(one) => &one.room.adapters,
            Self::Production(several) => several.takes_in(number),
        }
    }

    /// The adapters of whoever carries deliveries out.
    pub(super) fn sends(&self) -> &Adapters {
        match self {
            Self::Embedded(one) => &one.room.adapters,
            Self::Production(several) => several.sends(),
        }
    }

    /// Where party `number` hands in over HTTP.
    pub(super) fn http(&self, number: usize) -> SocketAddr {
        match self {
            Self::Embedded(one) => one.hub.places().http,
            Self::Production(several) => several.http(number),
        }
    }

    /// Where a party publishes instead, if it does.
    pub(super) fn broker(&self, endpoint: &EndpointId, media_type: &str) -> Option<Place> {
        match self {
            Self::Embedded(_) => None,
            Self::Production(several) => several.broker(endpoint, media_type),
        }
    }

    /// Probes and metrics of the first hub.
    pub(super) fn admin(&self) -> SocketAddr {
        match self {
            Self::Embedded(one) => one.hub.places().admin,
            Self::Production(several) => several.admin(),
        }
    }

    /// A new token for a party.
    pub(super) async fn token(&mut self, endpoint: &EndpointId) -> Result<String, Error> {
        match self {
            Self::Embedded(one) => {
                let by = By::new("liandong demo", "party of the demo");
                let scope = Scope::Endpoint(endpoint.clone());
                let token = one.hub.office().add_token(endpoint.as_str(), scope, by).await;
                token.map_err(|error| Error::Other(error.into()))
            }
            Self::Production(several) => several.token(endpoint).await,
        }
    }

    /// Returns when every hub knows the tokens made so far.
    pub(super) async fn know_tokens(&self) -> Result<(), Error> {
        match self {
            Self::Embedded(one) => Ok(one.hub.refresh_grants().await.map_err(app::Error::from)?),
            Self::Production(several) => several.know_tokens().await,
        }
    }

    /// The store, to look at.
    pub(super) fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::Embedded(one) => one.hub.store(),
            Self::Production(several) => several.store(),
        }
    }

    /// Returns when nothing is unsealed.
    pub(super) async fn seal(&self) -> Result<(), Error> {
        match self {
            Self::Embedded(one) => Ok(one.hub.seal().await?),
            Self::Production(several) => several.sealed().await,
        }
    }

    /// How much each process did: a hub messages accepted, a worker outcomes handed to the broker. Empty for one
    /// hub that does everything.
    pub(super) async fn shares(&self) -> Result<BTreeMap<String, u64>, Error> {
        match self {
            Self::Embedded(_) => Ok(BTreeMap::new()),
            Self::Production(several) => several.shares().await,
        }
    }

    /// Waits until a part of it fails; never returns while all is well.
    pub(super) async fn watch(&mut self) -> task::Error {
        match self {
            Self::Embedded(one) => one.hub.watch().await,
            Self::Production(several) => several.watch().await,
        }
    }

    /// Stops it in order.
    pub(super) async fn close(self) -> Result<(), Error> {
        match self {
            Self::Embedded(one) => {
                let Embedded { hub, .. } = *one;
                Running::remove(&hub.places().data)?;
                Ok(hub.stop().await?)
            }
            Self::Production(several) => several.close().await,
        }
    }
}
