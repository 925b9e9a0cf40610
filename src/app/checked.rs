//! All that can be found wrong before anything is opened.

use std::{collections::HashMap, sync::Arc};

use super::{
    Error, Outside,
    adapters::{self, Adapters, Outgoing},
    bus, interfaces, keys, load,
};
use crate::{
    api,
    config::settings::Settings,
    connector::{handout::Handout, mailbox::Mailboxes},
    domain::id::EndpointId,
    engine::{EndpointPolicy, desk::Desk, world::World},
    evidence::checkpoint::Origin,
};

/// All that configuration says, read and found in order before anything is opened.
pub(super) struct Checked {
    pub(super) adapters: Adapters,
    pub(super) outgoing: Vec<Outgoing>,
    pub(super) policies: HashMap<EndpointId, EndpointPolicy>,
    pub(super) desk: Arc<Desk>,
    pub(super) mailboxes: Arc<Mailboxes>,
    pub(super) handout: Arc<Handout>,
    pub(super) certificates: Option<Arc<api::grpc::Certificates>>,
    pub(super) world: World,
    pub(super) origin: Origin,
}

impl Checked {
    pub(super) fn new(settings: &Settings, outside: &Outside) -> Result<Self, Error> {
        let adapters = adapters::load(settings, &outside.environment)?;
        keys::check(settings)?;
        bus::check(settings, &adapters)?;
        adapters.check_mailboxes(settings)?;
        let policies = adapters.policies(settings)?;
        let desk = Arc::new(Desk::new(policies.clone(), bus::leases(settings)));
        let mailboxes = Arc::new(Mailboxes::new(Arc::clone(&desk) as _, Arc::clone(&outside.clock)));
        let handout = Arc::new(Handout::new(Arc::clone(&outside.clock)));
        let is_here = |endpoint: &EndpointId| !settings.bus.workers.contains_key(endpoint);
        Ok(Self {
            outgoing: adapters.outgoing(&outside.clock, &mailboxes, &handout, is_here)?,
            policies,
            desk,
            mailboxes,
            handout,
            certificates: interfaces::certificates(settings)?,
            world: load::draft(settings, adapters.endpoints())?,
            origin: load::origin(settings)?,
            adapters,
        })
    }
}
