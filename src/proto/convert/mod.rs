//! From wire types to domain types: parse, don't validate. Every fault is listed with its field path.
//!
//! What needs a registry (does the item exist, may the sender say this) is left to routing; what needs a
//! check digit is left to routing too, since its strictness depends on who sends.

mod payload;

use jiff::{Timestamp, civil::Date};

use super::v1;
use crate::domain::{
    fault::Fault,
    id::OrganisationId,
    message::{
        Address, AddressRole, Attachment, IdentifierScheme, ItemFamily, ItemRef, LicenceRef, Message,
        MessageKey, Publicity, PublicityLevel, Subject, SubjectIdentifier, SubjectKind,
    },
    personal::shown,
};

/// Largest attachment, bytes.
pub const MAX_ATTACHMENT_BYTES: u64 = 64 * 1024 * 1024;

/// Longest business key, bytes.
pub const MAX_BUSINESS_KEY_BYTES: usize = 200;

/// Faults as they are found.
#[derive(Debug, Default)]
struct Faults(Vec<Fault>);

impl Faults {
    fn add(&mut self, path: impl Into<String>, text: impl Into<String>) {
        self.0.push(Fault::new(path, text));
    }

    fn required<'a>(&mut self, path: &str, text: &'a str) -> &'a str {
        if text.trim().is_empty() {
            self.add(path, "is required");
        }
        text
    }

    fn date(&mut self, path: &str, text: &str) -> Option<Date> {
        if text.is_empty() {
            return None;
        }
        text.parse()
            .map_err(|_| self.add(path, format!("'{}' is not a date, write YYYY-MM-DD", shown(text))))
            .ok()
    }

    fn timestamp(&mut self, path: &str, text: &str) -> Option<Timestamp> {
        text.parse()
            .map_err(|_| {
                let text = shown(text);
                self.add(path, format!("'{text}' is not a time, write RFC 3339: 2026-03-05T09:30:00+08:00"));
            })
            .ok()
    }

    fn unspecified<T>(&mut self, path: impl Into<String>, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.add(path, "is required and must name a known value");
        }
        value
    }
}

/// Converts a message; `implied` is the organisation of a credential that speaks for one only.
///
/// # Errors
/// Every fault found, in the order of the fields.
pub fn message(wire: &v1::Message, implied: Option<&OrganisationId>) -> Result<Message, Vec<Fault>> {
    let mut faults = Faults::default();
    let organisation = match (wire.organisation.is_empty(), implied) {
        (false, _) => OrganisationId::from(wire.organisation.as_str()),
        (true, Some(implied)) => implied.clone(),
        (true, None) => {
            faults.add("organisation", "is required: this credential speaks for several organisations");
            OrganisationId::from("")
        }
    };
    let business_key = faults.required("businessKey", &wire.business_key);
    if business_key.len() > MAX_BUSINESS_KEY_BYTES {
        faults.add(
            "businessKey",
            format!("has {} bytes, the limit is {MAX_BUSINESS_KEY_BYTES}", business_key.len()),
        );
    }
    let decided_at = faults.timestamp("decidedAt", &wire.decided_at);
    let items =
        wire.items.iter().enumerate().filter_map(|(i, item)| item_ref(&mut faults, i, item)).collect();
    let subject = wire.subject.as_ref().and_then(|subject| self::subject(&mut faults, subject));
    let licences =
        wire.licences.iter().enumerate().map(|(i, licence)| licence_ref(&mut faults, i, licence)).collect();
    let publicity = publicity(&mut faults, wire.publicity.as_ref());
    let attachments =
        wire.attachments.iter().enumerate().map(|(i, item)| attachment(&mut faults, i, item)).collect();
    let payload = payload::payload(&mut faults, wire.payload.as_ref());
    match (payload, decided_at, publicity) {
        (Some((kind, payload)), Some(decided_at), Some(publicity)) if faults.0.is_empty() => Ok(Message {
            key: MessageKey { organisation: organisation.clone(), kind, business_key: business_key.into() },
            revision: wire.revision.max(1),
            decided_by: optional(&wire.decided_by).unwrap_or(organisation),
            entrusted_body: optional(&wire.entrusted_body),
            decided_at,
            items,
            subject,
            licences,
            matter: if wire.matter.is_empty() { business_key.into() } else { wire.matter.as_str().into() },
            publicity,
            attachments,
            payload,
        }),
        _ => Err(faults.0),
    }
}

fn optional<T: for<'a> From<&'a str>>(text: &str) -> Option<T> {
    (!text.is_empty()).then(|| T::from(text))
}

fn item_ref(faults: &mut Faults, index: usize, wire: &v1::ItemRef) -> Option<ItemRef> {
    faults.required(&format!("items[{index}].code"), &wire.code);
    let family = match wire.family() {
        v1::ItemFamily::Unspecified => None,
        v1::ItemFamily::Approval => Some(ItemFamily::Approval),
        v1::ItemFamily::Supervision => Some(ItemFamily::Supervision),
    };
    let family = faults.unspecified(format!("items[{index}].family"), family)?;
    Some(ItemRef { family, code: wire.code.as_str().into() })
}

fn subject(faults: &mut Faults, wire: &v1::Subject) -> Option<Subject> {
    faults.required("subject.name", &wire.name);
    let kind = match wire.r#type() {
        v1::SubjectType::Unspecified => None,
        v1::SubjectType::NaturalPerson => Some(SubjectKind::NaturalPerson),
        v1::SubjectType::LegalPerson => Some(SubjectKind::LegalPerson),
        v1::SubjectType::Unincorporated => Some(SubjectKind::Unincorporated),
        v1::SubjectType::IndividualBusiness => Some(SubjectKind::IndividualBusiness),
    };
    let kind = faults.unspecified("subject.type", kind);
    let identifiers =
        wire.identifiers.iter().enumerate().filter_map(|(i, item)| identifier(faults, i, item)).collect();
    let addresses =
        wire.addresses.iter().enumerate().filter_map(|(i, item)| address(faults, i, item)).collect();
    Some(Subject { kind: kind?, name: wire.name.as_str().into(), identifiers, addresses })
}

fn identifier(faults: &mut Faults, index: usize, wire: &v1::Identifier) -> Option<SubjectIdentifier> {
    faults.required(&format!("subject.identifiers[{index}].number"), &wire.number);
    let scheme = match wire.r#type() {
        v1::IdentifierType::Unspecified => None,
        v1::IdentifierType::Uscc => Some(IdentifierScheme::Uscc),
        v1::IdentifierType::OrganisationCode => Some(IdentifierScheme::OrganisationCode),
        v1::IdentifierType::ResidentId => Some(IdentifierScheme::ResidentId),
        v1::IdentifierType::RegistrationNumber => Some(IdentifierScheme::RegistrationNumber),
        v1::IdentifierType::Other => Some(IdentifierScheme::Other),
    };
    let scheme = faults.unspecified(format!("subject.identifiers[{index}].type"), scheme)?;
    Some(SubjectIdentifier { scheme, number: wire.number.as_str().into() })
}

fn address(faults: &mut Faults, index: usize, wire: &v1::Address) -> Option<Address> {
    faults.required(&format!("subject.addresses[{index}].division"), &wire.division);
    let role = match wire.role() {
        v1::AddressRole::Unspecified => None,
        v1::AddressRole::Registered => Some(AddressRole::Registered),
        v1::AddressRole::Operating => Some(AddressRole::Operating),
        v1::AddressRole::Project => Some(AddressRole::Project),
        v1::AddressRole::Violation => Some(AddressRole::Violation),
    };
    let role = faults.unspecified(format!("subject.addresses[{index}].role"), role)?;
    Some(Address { role, division: wire.division.as_str().into() })
}

fn licence_ref(faults: &mut Faults, index: usize, wire: &v1::Licence) -> LicenceRef {
    let path = |field: &str| format!("licences[{index}].{field}");
    faults.required(&path("type"), &wire.r#type);
    faults.required(&path("number"), &wire.number);
    let from = faults.date(&path("validFrom"), &wire.valid_from);
    let to = faults.date(&path("validTo"), &wire.valid_to);
    in_order(faults, &path("validTo"), from, to);
    LicenceRef {
        kind: wire.r#type.as_str().into(),
        number: wire.number.as_str().into(),
        decided_by: optional(&wire.decided_by),
    }
}

fn in_order(faults: &mut Faults, path: &str, from: Option<Date>, to: Option<Date>) {
    if let (Some(from), Some(to)) = (from, to)
        && to < from
    {
        faults.add(path, format!("ends on {to}, before it begins on {from}"));
    }
}

fn publicity(faults: &mut Faults, wire: Option<&v1::Publicity>) -> Option<Publicity> {
    let Some(wire) = wire else {
        faults.add("publicity", "is required: say whether it is public (公开属性)");
        return None;
    };
    let level = match wire.level() {
        v1::PublicityLevel::Unspecified => None,
        v1::PublicityLevel::Public => Some(PublicityLevel::Public),
        v1::PublicityLevel::OnRequest => Some(PublicityLevel::OnRequest),
        v1::PublicityLevel::NotPublic => Some(PublicityLevel::NotPublic),
    };
    if matches!(level, Some(PublicityLevel::OnRequest | PublicityLevel::NotPublic)) {
        faults.required("publicity.reason", &wire.reason);
    }
    let until = faults.date("publicity.until", &wire.until);
    faults.unspecified("publicity.level", level).map(|level| Publicity { level, until })
}

fn attachment(faults: &mut Faults, index: usize, wire: &v1::Attachment) -> Attachment {
    let path = |field: &str| format!("attachments[{index}].{field}");
    faults.required(&path("name"), &wire.name);
    if wire.size_bytes > MAX_ATTACHMENT_BYTES {
        faults.add(path("sizeBytes"), format!("is {}, the limit is {MAX_ATTACHMENT_BYTES}", wire.size_bytes));
    }
    let hex = wire.digest.strip_prefix("sha256:").unwrap_or_default();
    if hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        faults.add(path("digest"), "is not 'sha256:' and 64 hex digits");
    }
    Attachment {
        name: wire.name.as_str().into(),
        size_bytes: wire.size_bytes,
        digest: wire.digest.as_str().into(),
    }
}

#[cfg(test)]
mod tests;
