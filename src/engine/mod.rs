//! The engine: intake, dispatch, settle, reconcile, seal. It knows ports alone; `app` gives it a store, a
//! bus, a clock, a signer and the world (registry, rules, calendar).

pub mod acknowledge;
pub mod anchor;
mod attempt;
pub mod audit;
pub mod breaker;
pub mod census;
pub mod desk;
pub mod dispatch;
pub mod evidence;
pub mod exchange;
pub mod intake;
pub mod keys;
pub mod office;
pub mod reconcile;
pub mod refusals;
pub mod retention;
pub mod seal;
pub mod settle;
pub mod stamp;
pub mod trail;
pub mod watch;
pub mod world;

use breaker::BreakerPolicy;

use crate::domain::{delivery::OnUnknown, retry};

/// How the hub treats one endpoint.
#[derive(Clone, Copy, Debug)]
pub struct EndpointPolicy {
    /// Deliveries with its workers at once.
    pub window: usize,
    /// When a failed delivery is tried again.
    pub retry: retry::Policy,
    /// When it is paused.
    pub breaker: BreakerPolicy,
    /// What an unknown outcome leads to.
    pub on_unknown: OnUnknown,
    /// Who calls whom.
    pub reach: Reach,
}

/// How deliveries reach an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// The hub calls it.
    #[default]
    Called,
    /// It connects to the hub. While it does not, its work waits unclaimed: no attempt is burned.
    Connects,
    /// It fetches from a queue of the broker, and any hub settles its answers. While it does not, its work waits too.
    Fetches,
}
