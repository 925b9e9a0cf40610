//! Promise 4, right_level: a delivery leaves its level only by a rule that says so. Over the registry and
//! the rules that ship, one test for each sentence of the routing rules, and random messages for the promise
//! itself.

mod answers;
mod any_message;
mod hops;
mod lint;
mod penalties;
mod refusals;
mod results;
mod warnings;

use std::{path::PathBuf, sync::LazyLock};

use jiff::{Timestamp, civil::Date};
use liandong::{
    config,
    domain::{
        calendar::{CHINA, Calendar},
        decision::{Decision, ParkReason, PlannedDelivery, Start},
        id::{ItemCode, OrganisationId},
        kind::Kind,
        message::{
            Address, AddressRole, ApprovalOutcome, ApprovalResult, Handling, IdentifierScheme, ItemFamily,
            ItemRef, LicenceRef, Message, MessageKey, Payload, PenaltyDecision, PenaltyEvent, Procedure,
            Publicity, PublicityLevel, RiskWarning, Subject, SubjectIdentifier, SubjectKind,
        },
        registry::{Endpoint, Flow, Registry},
        route::{History, Refusal, route},
        rule::Rules,
    },
};

/// Organisations that have no system at the hub.
const NOT_CONNECTED: [&str; 3] = ["610924-wjj", "610000-ypjdj", "610000-wjw"];

const FOOD: &str = "000131016000";
const DRUG_SHOP: &str = "000172012000";
const CLINIC: &str = "000123005000";
const HYGIENE: &str = "000123010000";
const CHEMICALS: &str = "000125015000";
const FIREWORKS_WHOLESALE: &str = "000125020000";
const EQUIPMENT: &str = "000131025000";
const EMISSION: &str = "000116010000";
const BUILDING: &str = "000117020000";
const PACKAGED_FOOD: &str = "001031040000";
const GAUGES: &str = "000131060000";
const SPORT: &str = "000160003000";
const CLASSIFIED: &str = "000155001000";

const FOOD_SUPERVISION: &str = "13101600100001";
const CHEMICALS_SUPERVISION: &str = "12501500100001";
const PRICE_SUPERVISION: &str = "13109900100001";
const EMISSION_SUPERVISION: &str = "11601000100001";
const GAUGE_SUPERVISION: &str = "13106000100001";

struct World {
    registry: Registry,
    rules: Rules,
    calendar: Calendar,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let config = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("config");
    let bare = config::registry::load(&config.join("registry"), Vec::new(), 1).unwrap();
    let connected = bare.organisations().iter().filter(|one| !NOT_CONNECTED.contains(&one.id.as_str()));
    let endpoints = connected.map(|organisation| Endpoint {
        id: organisation.id.as_str().into(),
        organisations: vec![organisation.id.clone()],
        flow: Flow::Both,
    });
    World {
        registry: config::registry::load(&config.join("registry"), endpoints.collect(), 1).unwrap(),
        rules: config::rules::load(&config.join("rules"), 1).unwrap(),
        calendar: config::calendar::load(&config.join("calendar/holidays.csv")).unwrap(),
    }
});

fn noon(day: Date) -> Timestamp {
    CHINA.to_timestamp(day.at(12, 0, 0, 0)).unwrap()
}

fn today() -> Timestamp {
    noon(jiff::civil::date(2026, 3, 10))
}

fn routed(message: &Message, history: &History) -> Result<Decision, Refusal> {
    route(message, &WORLD.registry, &WORLD.rules, history, &WORLD.calendar, today())
}

fn decided(message: &Message) -> Decision {
    routed(message, &History::default()).unwrap()
}

fn refused(message: &Message) -> Vec<(String, &'static str)> {
    let refusal = routed(message, &History::default()).unwrap_err();
    refusal.reasons.iter().map(|reason| (reason.field.to_string(), reason.cause.code())).collect()
}

fn base(kind: Kind, source: &str, payload: Payload) -> Message {
    Message {
        key: MessageKey { organisation: source.into(), kind, business_key: "K1".into() },
        revision: 1,
        decided_by: source.into(),
        entrusted_body: None,
        decided_at: noon(jiff::civil::date(2026, 3, 9)),
        items: Vec::new(),
        subject: Some(Subject {
            kind: SubjectKind::LegalPerson,
            name: "安康示例商贸有限公司".into(),
            identifiers: vec![SubjectIdentifier {
                scheme: IdentifierScheme::Uscc,
                number: "91610902MA70T3X14T".into(),
            }],
            addresses: Vec::new(),
        }),
        licences: Vec::new(),
        matter: "M1".into(),
        publicity: Publicity { level: PublicityLevel::Public, until: None },
        attachments: Vec::new(),
        payload,
    }
}

fn result(source: &str, item: &str) -> Message {
    let payload = Payload::ApprovalResult(ApprovalResult {
        handling: Handling::New,
        outcome: ApprovalOutcome::Granted,
        procedure: Procedure::Ordinary,
        verify_by: None,
    });
    with_item(base(Kind::ApprovalResult, source, payload), ItemFamily::Approval, item)
}

fn penalty(source: &str, item: &str, violation: Option<&str>) -> Message {
    let payload = Payload::PenaltyDecision(PenaltyDecision {
        event: PenaltyEvent::Decided,
        violation_division: violation.map(Into::into),
    });
    with_item(base(Kind::PenaltyDecision, source, payload), ItemFamily::Supervision, item)
}

fn warning(item: Option<&str>, region: Option<&str>) -> Message {
    let payload = Payload::RiskWarning(RiskWarning { region: region.map(Into::into) });
    let message = base(Kind::RiskWarning, "610000-hlwjg", payload);
    match item {
        Some(item) => with_item(message, ItemFamily::Supervision, item),
        None => message,
    }
}

fn with_item(mut message: Message, family: ItemFamily, code: &str) -> Message {
    message.items.push(ItemRef { family, code: ItemCode::from(code) });
    message
}

fn at(mut message: Message, role: AddressRole, division: &str) -> Message {
    let subject = message.subject.as_mut().unwrap();
    subject.addresses.push(Address { role, division: division.into() });
    message
}

fn with_licence(mut message: Message, kind: &str, issuer: Option<&str>) -> Message {
    message.licences.push(LicenceRef {
        kind: kind.into(),
        number: "JY16109020001".into(),
        decided_by: issuer.map(Into::into),
    });
    message
}

fn result_payload(message: &mut Message) -> &mut ApprovalResult {
    match &mut message.payload {
        Payload::ApprovalResult(result) => result,
        other => panic!("{other:?}"),
    }
}

/// Ids of the organisations that get a delivery, in order of planning.
fn recipients(decision: &Decision) -> Vec<&str> {
    decision
        .deliveries
        .iter()
        .filter_map(|one| one.organisation.as_ref())
        .map(OrganisationId::as_str)
        .collect()
}

fn to<'a>(decision: &'a Decision, organisation: &str) -> &'a PlannedDelivery {
    let found = decision.deliveries.iter().find(|one| one.organisation == Some(organisation.into()));
    found.unwrap_or_else(|| panic!("{organisation} is not among {:#?}", decision.deliveries))
}

/// Reasons of the deliveries that are parked without an organisation.
fn parked(decision: &Decision) -> Vec<ParkReason> {
    let reason = |one: &PlannedDelivery| match (&one.organisation, &one.start) {
        (None, Start::Parked { reason, .. }) => Some(*reason),
        _ => None,
    };
    decision.deliveries.iter().filter_map(reason).collect()
}
