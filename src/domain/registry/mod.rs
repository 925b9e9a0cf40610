//! The registry (登记库): who exists, where, for what, and how each is reached.
//!
//! A [`Registry`] is an immutable snapshot, built from a [`Draft`] that has passed every check, with a
//! version and a digest of its content. Each message records the version that routed it. Lookups take
//! the day they are about.

mod check;
mod fault;
mod lookup;

use std::collections::HashMap;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

pub use fault::{Fault, Problem, Table};

use super::{
    division::{Division, Divisions, Governs},
    id::{DivisionCode, EndpointId, ItemCode, Line, OrganisationId},
    item::{ApprovalItem, Link, SupervisionItem},
    organisation::Organisation,
};

/// How one system (接入系统) takes part, as far as routing cares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Endpoint {
    /// Id.
    pub id: EndpointId,
    /// Organisations it may speak for and, when it receives, receives for.
    pub organisations: Vec<OrganisationId>,
    /// Whether it receives.
    pub flow: Flow,
}

/// Direction of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flow {
    /// It sends to the hub only.
    Sends,
    /// It receives from the hub only.
    Receives,
    /// Both.
    Both,
}

impl Flow {
    fn receives(self) -> bool {
        matches!(self, Self::Receives | Self::Both)
    }

    fn sends(self) -> bool {
        matches!(self, Self::Sends | Self::Both)
    }
}

/// The office and post that answers for an organisation in the linkage (plan task 9).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Contact {
    /// Organisation.
    pub organisation: OrganisationId,
    /// 内设机构.
    pub office: Box<str>,
    /// Post of the person.
    pub post: Box<str>,
    /// Name.
    pub name: Box<str>,
}

/// The content of a registry before it is checked.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Draft {
    /// Divisions and zones.
    pub divisions: Vec<Division>,
    /// What zones govern.
    pub governs: Vec<Governs>,
    /// Organisations.
    pub organisations: Vec<Organisation>,
    /// Approval items.
    pub approval_items: Vec<ApprovalItem>,
    /// Supervision items.
    pub supervision_items: Vec<SupervisionItem>,
    /// Cross-walk.
    pub cross_walk: Vec<Link>,
    /// Endpoints.
    pub endpoints: Vec<Endpoint>,
    /// Contacts.
    pub contacts: Vec<Contact>,
}

/// An immutable, checked snapshot.
#[derive(Clone, Debug)]
pub struct Registry {
    version: u64,
    digest: [u8; 32],
    divisions: Divisions,
    organisations: Vec<Organisation>,
    organisation_at: HashMap<OrganisationId, usize>,
    seated: HashMap<DivisionCode, Vec<usize>>,
    serving: HashMap<DivisionCode, Vec<(Line, usize)>>,
    branches: HashMap<OrganisationId, Vec<usize>>,
    approval_items: Vec<ApprovalItem>,
    approval_at: HashMap<ItemCode, usize>,
    supervision_items: Vec<SupervisionItem>,
    supervision_at: HashMap<ItemCode, usize>,
    approvals_of: HashMap<ItemCode, Vec<Link>>,
    supervisions_of: HashMap<ItemCode, Vec<Link>>,
    receiving: HashMap<OrganisationId, EndpointId>,
    speaking: HashMap<EndpointId, Vec<OrganisationId>>,
    contacts: Vec<Contact>,
}

impl Draft {
    /// Checks everything and builds the snapshot.
    ///
    /// # Errors
    /// Every fault found: dangling references, cycles, duplicates, dates out of order, two endpoints that
    /// receive for one organisation.
    pub fn build(mut self, version: u64) -> Result<Registry, Vec<Fault>> {
        let faults = check::faults(&self);
        if !faults.is_empty() {
            return Err(faults);
        }
        self.sort();
        let digest = self.digest();
        Ok(self.index(version, digest))
    }

    /// Brings the content into an order that does not depend on files, so that the digest does not either.
    fn sort(&mut self) {
        self.divisions.sort_by(|a, b| a.code.cmp(&b.code));
        self.governs.sort_by(|a, b| {
            (&a.division, &a.zone, a.period.from).cmp(&(&b.division, &b.zone, b.period.from))
        });
        self.organisations.sort_by(|a, b| a.id.cmp(&b.id));
        self.approval_items.sort_by(|a, b| a.code.cmp(&b.code));
        self.supervision_items.sort_by(|a, b| a.code.cmp(&b.code));
        self.cross_walk.sort_by(|a, b| {
            (&a.approval, &a.supervision, a.period.from).cmp(&(&b.approval, &b.supervision, b.period.from))
        });
        self.endpoints.sort_by(|a, b| a.id.cmp(&b.id));
        self.contacts.sort_by(|a, b| (&a.organisation, &a.office).cmp(&(&b.organisation, &b.office)));
    }

    fn digest(&self) -> [u8; 32] {
        let canonical = serde_json::to_vec(self).expect("every part of a draft serialises without a failure");
        Sha256::digest(canonical).into()
    }

    fn index(self, version: u64, digest: [u8; 32]) -> Registry {
        let mut registry = Registry {
            version,
            digest,
            divisions: Divisions::new(self.divisions, self.governs),
            organisation_at: positions(&self.organisations, |organisation| vec![organisation.id.clone()]),
            organisations: self.organisations,
            seated: HashMap::new(),
            serving: HashMap::new(),
            branches: HashMap::new(),
            approval_at: positions(&self.approval_items, |item| codes(&item.code, &item.implementations)),
            approval_items: self.approval_items,
            supervision_at: positions(&self.supervision_items, |item| {
                codes(&item.code, &item.implementations)
            }),
            supervision_items: self.supervision_items,
            approvals_of: HashMap::new(),
            supervisions_of: HashMap::new(),
            receiving: HashMap::new(),
            speaking: HashMap::new(),
            contacts: self.contacts,
        };
        registry.index_organisations();
        registry.index_links(self.cross_walk);
        registry.index_endpoints(self.endpoints);
        registry
    }
}

impl Registry {
    fn index_organisations(&mut self) {
        for (at, organisation) in self.organisations.iter().enumerate() {
            self.seated.entry(organisation.division.clone()).or_default().push(at);
            for service in &organisation.serves {
                for division in &service.divisions {
                    self.serving.entry(division.clone()).or_default().push((service.line.clone(), at));
                }
            }
            if let Some(principal) = &organisation.acts_for {
                self.branches.entry(principal.clone()).or_default().push(at);
            }
        }
    }

    fn index_links(&mut self, links: Vec<Link>) {
        for link in links {
            self.approvals_of.entry(link.supervision.clone()).or_default().push(link.clone());
            self.supervisions_of.entry(link.approval.clone()).or_default().push(link);
        }
    }

    fn index_endpoints(&mut self, endpoints: Vec<Endpoint>) {
        for endpoint in endpoints {
            if endpoint.flow.receives() {
                for organisation in &endpoint.organisations {
                    self.receiving.insert(organisation.clone(), endpoint.id.clone());
                }
            }
            if endpoint.flow.sends() {
                self.speaking.insert(endpoint.id, endpoint.organisations);
            }
        }
    }
}

fn codes(code: &ItemCode, implementations: &[ItemCode]) -> Vec<ItemCode> {
    std::iter::once(code).chain(implementations).cloned().collect()
}

fn positions<T, K: Eq + std::hash::Hash>(rows: &[T], names: impl Fn(&T) -> Vec<K>) -> HashMap<K, usize> {
    rows.iter().enumerate().flat_map(|(at, row)| names(row).into_iter().map(move |name| (name, at))).collect()
}
