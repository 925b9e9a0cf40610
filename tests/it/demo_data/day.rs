//! The day of the demo, walked through without a hub: each file is mapped by its adapter, each record parsed,
//! converted, checked against what came before it and routed, in the order in which the day hands it in.
//!
//! Within one half of the day the parties hand in side by side; here they take turns by name, since nothing
//! in one half may depend on another party of that half.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, LazyLock},
};

use jiff::Timestamp;
use liandong::{
    cli::demo::{
        day::{Day, Half},
        party::post::{Sheet, on_the_wire},
    },
    config,
    domain::{
        calendar::Calendar,
        decision::Decision,
        id::{EndpointId, MessageId, OrganisationId},
        kind::Kind,
        message::{ApprovalOutcome, LicenceKey, Message, MessageKey, Payload},
        registry::{Endpoint, Flow, Registry},
        route::{AnsweredMessage, History, route},
        rule::Rules,
    },
    evidence::canonical,
    mapping::codec::Codec,
    port::intake::{Code, Submission},
    proto::Wire,
    worker::Adapter,
};
use uuid::Uuid;

use super::{demo, programs::adapters};

/// A message of the day and what became of it.
#[derive(Debug)]
pub(super) struct Record {
    /// Its file, below `messages/`.
    pub(super) file: String,
    /// The message.
    pub(super) message: Message,
    /// As it is stored and sent on.
    pub(super) canonical: Vec<u8>,
    /// What became of it.
    pub(super) end: End,
}

/// What became of a message.
#[derive(Debug)]
pub(super) enum End {
    /// Accepted and routed.
    Routed(Box<Decision>),
    /// The same message again.
    Again,
    /// Refused.
    Refused(Code),
}

/// The world of the demo and its day.
#[derive(Debug)]
pub(super) struct Walk {
    /// Registry with the demo's endpoints.
    pub(super) registry: Registry,
    /// The adapters.
    pub(super) adapters: BTreeMap<EndpointId, Arc<Adapter>>,
    /// Working days.
    pub(super) calendar: Calendar,
    /// Every file.
    pub(super) files: Vec<(EndpointId, Sheet)>,
    /// Every record, in the order of the day.
    pub(super) records: Vec<Record>,
}

/// The day, walked once for all tests.
pub(super) static WALK: LazyLock<Walk> = LazyLock::new(walk);

/// When the day takes place.
pub(super) fn now() -> Timestamp {
    "2026-11-23T09:00:00+08:00".parse().unwrap()
}

/// How the hub routes a message it accepted.
pub(super) fn routed(record: &Record) -> Option<&Decision> {
    match &record.end {
        End::Routed(decision) => Some(decision),
        End::Again | End::Refused(_) => None,
    }
}

fn walk() -> Walk {
    let config = demo().parent().unwrap().to_owned();
    let adapters: BTreeMap<_, _> =
        adapters().into_iter().map(|adapter| (adapter.endpoint().clone(), adapter)).collect();
    let endpoints = adapters.values().map(|adapter| endpoint(adapter)).collect();
    let mut desk = Desk {
        registry: config::registry::load(&config.join("registry"), endpoints, 1).unwrap(),
        rules: config::rules::load(&config.join("rules"), 1).unwrap(),
        calendar: config::calendar::load(&config.join("calendar/holidays.csv")).unwrap(),
        past: Past::default(),
    };
    let day = Day::read(&demo().join("messages"), adapters.keys()).unwrap();
    let (mut files, mut records) = (Vec::new(), Vec::new());
    for half in Half::ALL {
        for (endpoint, adapter) in &adapters {
            for sheet in day.of(half, endpoint) {
                let file = format!("{endpoint}/{}/{}", half.folder(), sheet.name);
                records.extend(desk.take(adapter, &file, &sheet.bytes));
                files.push((endpoint.clone(), sheet.clone()));
            }
        }
    }
    Walk { registry: desk.registry, adapters, calendar: desk.calendar, files, records }
}

fn endpoint(adapter: &Adapter) -> Endpoint {
    let config = adapter.config();
    let (organisations, flow) = match (&config.inbound, &config.outbound) {
        (Some(_), Some(_)) => (&config.organisations, Flow::Both),
        (_, None) => (&config.organisations, Flow::Sends),
        (None, Some(_)) => (&config.receives_for, Flow::Receives),
    };
    Endpoint { id: config.endpoint.clone(), organisations: organisations.clone(), flow }
}

/// Takes messages in, as the hub does.
struct Desk {
    registry: Registry,
    rules: Rules,
    calendar: Calendar,
    past: Past,
}

/// What is known of earlier messages.
#[derive(Default)]
struct Past {
    accepted: HashMap<(MessageKey, u32), Vec<u8>>,
    recipients: HashMap<MessageKey, Vec<OrganisationId>>,
    issuers: HashMap<LicenceKey, OrganisationId>,
    warnings: HashMap<Box<str>, AnsweredMessage>,
}

impl Desk {
    fn take(&mut self, adapter: &Adapter, file: &str, bytes: &[u8]) -> Vec<Record> {
        let inbound = adapter.config().inbound.as_ref().unwrap_or_else(|| panic!("{file}: it sends nothing"));
        let codec: Codec = inbound.codec.clone().try_into().unwrap();
        let submissions = adapter
            .inbound(&on_the_wire(codec.media_type(), bytes))
            .unwrap_or_else(|refusal| panic!("{file}: {refusal:?}"));
        submissions.iter().map(|submission| self.read(submission, file)).collect()
    }

    fn read(&mut self, submission: &Submission, file: &str) -> Record {
        let mut wire = Wire::parse(&submission.message).unwrap_or_else(|fault| panic!("{file}: {fault:?}"));
        let speaks_for = self.registry.speaks_for(&submission.endpoint);
        if let [only] = speaks_for {
            wire.imply(only);
        }
        let message = wire.message().unwrap_or_else(|faults| panic!("{file}: {faults:?}"));
        assert_eq!(submission.kind, Some(message.kind()), "{file}");
        assert!(speaks_for.contains(&message.key.organisation), "{file}: {}", message.key.organisation);
        let canonical = canonical::to_bytes(&wire.to_json().unwrap()).unwrap();
        let end = self.judge(&message, &canonical);
        Record { file: file.to_owned(), message, canonical, end }
    }

    fn judge(&mut self, message: &Message, canonical: &[u8]) -> End {
        let key = (message.key.clone(), message.revision);
        if let Some(known) = self.past.accepted.get(&key) {
            return if known == canonical { End::Again } else { End::Refused(Code::Conflict) };
        }
        if self.past.accepted.contains_key(&(message.key.clone(), message.revision + 1)) {
            return End::Refused(Code::Stale);
        }
        let history = self.past.of(message);
        match route(message, &self.registry, &self.rules, &history, &self.calendar, now()) {
            Err(_) => End::Refused(Code::Invalid),
            Ok(decision) => {
                self.past.accepted.insert(key, canonical.to_vec());
                self.past.learn(message, &decision);
                End::Routed(Box::new(decision))
            }
        }
    }
}

impl Past {
    fn of(&self, message: &Message) -> History {
        let mut history = History { licence_issuers: self.issuers.clone(), ..History::default() };
        if message.revision > 1 {
            history.original_recipients = self.recipients.get(&message.key).cloned().unwrap_or_default();
        }
        if let Payload::RiskDisposal(disposal) = &message.payload {
            history.answered = self.warnings.get(&disposal.warning_no).cloned();
        }
        history
    }

    fn learn(&mut self, message: &Message, decision: &Decision) {
        let recipients = || decision.deliveries.iter().filter_map(|one| one.organisation.clone());
        self.recipients.entry(message.key.clone()).or_default().extend(recipients());
        if let Payload::ApprovalResult(result) = &message.payload
            && result.outcome == ApprovalOutcome::Granted
        {
            for licence in &message.licences {
                let issuer = licence.decided_by.as_ref().unwrap_or(&message.decided_by);
                self.issuers.insert(licence.key(), issuer.clone());
            }
        }
        if message.kind() == Kind::RiskWarning {
            let answered = AnsweredMessage {
                message: MessageId(Uuid::nil()),
                source: message.key.organisation.clone(),
                recipients: recipients().collect(),
                items: message.items.clone(),
            };
            self.warnings.insert(message.key.business_key.clone(), answered);
        }
    }
}
