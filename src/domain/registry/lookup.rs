//! Lookups of the registry: by id, by place and line, up the lines, across the cross-walk.

use jiff::civil::Date;

use super::{Contact, Registry};
use crate::domain::{
    division::{Division, Divisions, Level, LevelSet},
    id::{DivisionCode, EndpointId, ItemCode, Line, OrganisationId},
    item::{ApprovalItem, SupervisionItem},
    organisation::{Organisation, Role},
};

impl Registry {
    /// No chain of successors, principals or superiors is longer.
    const DEPTH_MAX: usize = 8;

    /// Version of the snapshot.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// SHA-256 over the content in canonical order.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// The divisions.
    pub fn divisions(&self) -> &Divisions {
        &self.divisions
    }

    /// One organisation.
    pub fn organisation(&self, id: &OrganisationId) -> Option<&Organisation> {
        self.organisation_at.get(id).map(|&at| &self.organisations[at])
    }

    /// Every organisation, by id.
    pub fn organisations(&self) -> &[Organisation] {
        &self.organisations
    }

    /// An approval item, by our code or an 实施编码.
    pub fn approval_item(&self, code: &ItemCode) -> Option<&ApprovalItem> {
        self.approval_at.get(code).map(|&at| &self.approval_items[at])
    }

    /// Every approval item, by code.
    pub fn approval_items(&self) -> &[ApprovalItem] {
        &self.approval_items
    }

    /// A supervision item, by 目录编码 or 检查实施清单编码.
    pub fn supervision_item(&self, code: &ItemCode) -> Option<&SupervisionItem> {
        self.supervision_at.get(code).map(|&at| &self.supervision_items[at])
    }

    /// Every supervision item, by code.
    pub fn supervision_items(&self) -> &[SupervisionItem] {
        &self.supervision_items
    }

    /// Approval items that the cross-walk links to a supervision item on `day`.
    pub fn approvals_linked(&self, item: &SupervisionItem, day: Date) -> impl Iterator<Item = &ApprovalItem> {
        let links = self.approvals_of.get(&item.code).into_iter().flatten();
        links
            .filter(move |link| link.period.covers(day))
            .filter_map(|link| self.approval_item(&link.approval))
    }

    /// Supervision items that the cross-walk links to an approval item on `day`.
    pub fn supervisions_linked(
        &self,
        item: &ApprovalItem,
        day: Date,
    ) -> impl Iterator<Item = &SupervisionItem> {
        let links = self.supervisions_of.get(&item.code).into_iter().flatten();
        links
            .filter(move |link| link.period.covers(day))
            .filter_map(|link| self.supervision_item(&link.supervision))
    }

    /// The endpoint that receives for an organisation.
    pub fn endpoint_for(&self, organisation: &OrganisationId) -> Option<&EndpointId> {
        self.receiving.get(organisation)
    }

    /// The organisations an endpoint may speak for; empty when it only receives or is unknown.
    pub fn speaks_for(&self, endpoint: &EndpointId) -> &[OrganisationId] {
        self.speaking.get(endpoint).map_or(&[], Vec::as_slice)
    }

    /// Whether some endpoint speaks for both, so that one may state what the other decided.
    pub fn share_a_sender(&self, one: &OrganisationId, other: &OrganisationId) -> bool {
        self.speaking.values().any(|voices| voices.contains(one) && voices.contains(other))
    }

    /// Contacts of an organisation.
    pub fn contacts_of(&self, organisation: &OrganisationId) -> impl Iterator<Item = &Contact> {
        self.contacts.iter().filter(move |contact| contact.organisation == *organisation)
    }

    /// In whose name and with whose power it acts: itself, unless it acts for another (a 分局 for its bureau).
    pub fn principal<'a>(&'a self, organisation: &'a Organisation) -> &'a Organisation {
        let next = |organisation: &&'a Organisation| self.organisation(organisation.acts_for.as_ref()?);
        std::iter::successors(Some(organisation), next).take(Self::DEPTH_MAX).last().unwrap_or(organisation)
    }

    /// The level at which an organisation decides: that of its principal's seat.
    pub fn level_of(&self, organisation: &Organisation) -> Level {
        self.seat_level(self.principal(organisation))
    }

    /// Every level at which an organisation may be addressed: that of its principal, of its own seat, and
    /// of the divisions it serves.
    pub fn levels_of(&self, organisation: &Organisation) -> LevelSet {
        let served = organisation.serves.iter().flat_map(|service| &service.divisions);
        let served = served.filter_map(|code| self.divisions.get(code)).map(|division| division.level);
        served.chain([self.level_of(organisation), self.seat_level(organisation)]).collect()
    }

    fn seat_level(&self, organisation: &Organisation) -> Level {
        let seat = self.divisions.get(&organisation.division);
        seat.expect("the seat of every organisation was checked when the registry was built").level
    }

    /// Organisations in a role on a line that are seated in `division`, else those that serve it on that
    /// line. Each exists on `day`.
    pub fn holders(&self, role: Role, line: &Line, division: &DivisionCode, day: Date) -> Vec<&Organisation> {
        let fits = |organisation: &&Organisation| {
            organisation.has(role) && organisation.works_on(line) && organisation.exists_on(day)
        };
        let seated = self.seated.get(division).into_iter().flatten();
        let seated: Vec<_> = seated.map(|&at| &self.organisations[at]).filter(fits).collect();
        if !seated.is_empty() {
            return seated;
        }
        let serving = self.serving.get(division).into_iter().flatten();
        let serving = serving.filter(|(served, _)| served == line).map(|&(_, at)| &self.organisations[at]);
        serving.filter(fits).collect()
    }

    /// Organisations in a role in the nearest division that has one, going up from `from`.
    pub fn nearest(
        &self,
        role: Role,
        line: Option<&Line>,
        from: &DivisionCode,
        day: Date,
    ) -> Vec<&Organisation> {
        let at = |division: &Division| -> Vec<&Organisation> {
            let seated = self.seated.get(&division.code).into_iter().flatten();
            let fits = |organisation: &&Organisation| {
                organisation.has(role)
                    && organisation.exists_on(day)
                    && line.is_none_or(|line| organisation.works_on(line))
            };
            seated.map(|&at| &self.organisations[at]).filter(fits).collect()
        };
        self.divisions.chain(from, day).map(at).find(|found| !found.is_empty()).unwrap_or_default()
    }

    /// The superior of an organisation on a line, or of its principal.
    pub fn superior(&self, organisation: &Organisation, line: &Line, day: Date) -> Option<&Organisation> {
        let above = |organisation: &Organisation| {
            let superior = organisation.superiors.iter().find(|superior| superior.line == *line)?;
            self.organisation(&superior.organisation).filter(|superior| superior.exists_on(day))
        };
        above(organisation).or_else(|| above(self.principal(organisation)))
    }

    /// The branch that acts for `principal` on a line where `place` lies in what it serves.
    pub fn branch_at(
        &self,
        principal: &Organisation,
        line: &Line,
        place: &DivisionCode,
        day: Date,
    ) -> Option<&Organisation> {
        let branches = self.branches.get(&principal.id)?;
        let serves = |branch: &&Organisation| {
            let services = branch.serves.iter().filter(|service| service.line == *line);
            branch.exists_on(day)
                && services
                    .flat_map(|service| &service.divisions)
                    .any(|served| self.divisions.lies_in(place, served, day))
        };
        branches.iter().map(|&at| &self.organisations[at]).find(serves)
    }

    /// The organisation itself while it exists on `day`, else what it became.
    pub fn heir<'a>(&'a self, organisation: &'a Organisation, day: Date) -> Option<&'a Organisation> {
        let next = |organisation: &&'a Organisation| self.organisation(organisation.successor.as_ref()?);
        std::iter::successors(Some(organisation), next)
            .take(Self::DEPTH_MAX)
            .find(|organisation| organisation.exists_on(day))
    }

    /// Whether one became the other, through any number of successions.
    pub fn are_of_one_succession(&self, one: &Organisation, other: &Organisation) -> bool {
        let becomes = |from: &Organisation, to: &Organisation| {
            let next = |organisation: &&Organisation| self.organisation(organisation.successor.as_ref()?);
            std::iter::successors(self.organisation(&from.id), next)
                .take(Self::DEPTH_MAX)
                .any(|organisation| organisation.id == to.id)
        };
        becomes(one, other) || becomes(other, one)
    }
}
