//! Rows of `organisations.toml` and `contacts.toml`.

use jiff::civil::Date;
use serde::Deserialize;

use crate::domain::{
    id::{DivisionCode, Line, OrganisationId},
    identifier::Uscc,
    organisation::{Form, Organisation, Role, Service, Superior},
    registry::Contact,
};

/// An `[[organisation]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Row {
    id: OrganisationId,
    name: Box<str>,
    uscc: Option<Box<str>>,
    division: DivisionCode,
    form: Form,
    roles: Vec<Role>,
    #[serde(default)]
    lines: Vec<Line>,
    acts_for: Option<OrganisationId>,
    #[serde(default)]
    serves: Vec<Service>,
    #[serde(default)]
    superiors: Vec<Superior>,
    predecessor: Option<OrganisationId>,
    successor: Option<OrganisationId>,
    from: Option<Date>,
    to: Option<Date>,
}

impl Row {
    pub(super) fn id(&self) -> Box<str> {
        self.id.as_str().into()
    }

    pub(super) fn into_domain(self) -> Result<Organisation, String> {
        if let Some(fault) = self.uscc.as_deref().and_then(|uscc| Uscc::parse(uscc).err()) {
            return Err(format!("uscc: {fault}"));
        }
        Ok(Organisation {
            id: self.id,
            name: self.name,
            uscc: self.uscc,
            division: self.division,
            form: self.form,
            roles: self.roles,
            lines: self.lines,
            acts_for: self.acts_for,
            serves: self.serves,
            superiors: self.superiors,
            predecessor: self.predecessor,
            successor: self.successor,
            from: self.from,
            to: self.to,
        })
    }
}

/// A `[[contact]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ContactRow {
    organisation: OrganisationId,
    office: Box<str>,
    post: Box<str>,
    name: Box<str>,
}

impl ContactRow {
    pub(super) fn organisation(&self) -> Box<str> {
        self.organisation.as_str().into()
    }

    pub(super) fn into_domain(self) -> Result<Contact, String> {
        let Self { organisation, office, post, name } = self;
        if office.is_empty() {
            return Err("office is empty; name the office that answers for the linkage".to_owned());
        }
        Ok(Contact { organisation, office, post, name })
    }
}
