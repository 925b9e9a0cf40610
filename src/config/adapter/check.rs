//! From `adapter.toml` as written to an adapter that holds together; every fault is noted with its key.

use std::{
    collections::BTreeMap,
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

use super::{
    Adapter, Ask, Breaker, Collector, Conditions, Credential, DeliveryIdAt, Effect, HttpTarget, Inbound,
    InboundConnector, InboundFolder, Limits, OnUnknown, Outbound, OutboundConnector, OutboundMappings, Retry,
    raw,
};
use crate::{
    config::secret::SecretRef,
    domain::{
        id::{EndpointId, OrganisationId},
        kind::Kind,
    },
};

const ANY_KIND: &str = "*";
const TIME_MS: RangeInclusive<u64> = 100..=300_000;
const BODY_BYTES: RangeInclusive<u64> = 1_024..=(16 << 20);

/// The adapter; it is good only if no fault was noted.
pub(super) fn adapter(folder: &Path, raw: raw::Adapter, faults: &mut Collector<'_>) -> Adapter {
    endpoint(folder, &raw.endpoint, faults);
    if raw.name.trim().is_empty() {
        faults.fault(&["name"], "is empty; give the name of the system");
    }
    let organisations = organisations("organisations", raw.organisations, faults);
    let receives_for = match raw.receives_for {
        Some(ids) => self::organisations("receives_for", ids, faults),
        None => organisations.clone(),
    };
    if raw.inbound.is_none() && raw.outbound.is_none() {
        faults.fault(&[], "has neither [inbound] nor [outbound]");
    }
    let limits = limits(&raw.limits, faults);
    let retry = retry(&raw.retry, faults);
    let breaker = breaker(&raw.breaker, faults);
    let inbound = raw.inbound.map(|raw| inbound(folder, raw, faults));
    let outbound = raw.outbound.map(|raw| outbound(folder, raw, faults));
    Adapter {
        folder: folder.to_owned(),
        endpoint: EndpointId::from(raw.endpoint),
        name: raw.name.into(),
        organisations,
        receives_for,
        limits,
        retry,
        breaker,
        inbound: inbound.flatten(),
        outbound: outbound.flatten(),
    }
}

fn endpoint(folder: &Path, id: &str, faults: &mut Collector<'_>) {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if id.is_empty() || id.len() > 64 || !id.chars().all(plain) {
        faults.fault(&["endpoint"], "is 1 to 64 of a-z, 0-9 and '-'");
    } else if folder.file_name().is_none_or(|name| name != id) {
        faults
            .fault(&["endpoint"], format!("is '{id}', but the folder has another name; make them the same"));
    }
}

fn organisations(key: &str, ids: Vec<String>, faults: &mut Collector<'_>) -> Vec<OrganisationId> {
    if ids.is_empty() || ids.iter().any(|id| id.trim().is_empty()) {
        faults.fault(&[key], "names at least one organisation, none of them empty");
    }
    ids.into_iter().map(OrganisationId::from).collect()
}

fn within(path: &[&str], value: u64, bounds: RangeInclusive<u64>, faults: &mut Collector<'_>) -> u64 {
    if !bounds.contains(&value) {
        faults.fault(path, format!("is {value}, allowed are {} to {}", bounds.start(), bounds.end()));
    }
    value
}

fn limits(raw: &raw::Limits, faults: &mut Collector<'_>) -> Limits {
    let mut checked = |key, value, bounds| within(&["limits", key], value, bounds, faults);
    let mut size = |key, value, bounds| usize::try_from(checked(key, value, bounds)).unwrap_or(usize::MAX);
    Limits {
        window: raw.window.map(|window| size("window", window, 1..=256)),
        queue: size("queue", raw.queue, 1..=10_000),
        max_body_bytes: size("max_body_bytes", raw.max_body_bytes, BODY_BYTES),
        max_answer_bytes: size("max_answer_bytes", raw.max_answer_bytes, BODY_BYTES),
        max_records: size("max_records", raw.max_records, 1..=10_000),
        timeout_ms: checked("timeout_ms", raw.timeout_ms, TIME_MS),
        connect_timeout_ms: checked("connect_timeout_ms", raw.connect_timeout_ms, TIME_MS),
        idle_ms: checked("idle_ms", raw.idle_ms, 0..=300_000),
    }
}

fn retry(raw: &raw::Retry, faults: &mut Collector<'_>) -> Retry {
    let mut checked =
        |key, value: Option<u64>, bounds| value.map(|value| within(&["retry", key], value, bounds, faults));
    let attempts = checked("max_attempts", raw.max_attempts, 1..=1_000);
    Retry {
        max_attempts: attempts.map(|attempts| u32::try_from(attempts).unwrap_or(u32::MAX)),
        first_ms: checked("first_ms", raw.first_ms, 10..=86_400_000),
        max_ms: checked("max_ms", raw.max_ms, 10..=86_400_000),
        max_age_ms: checked("max_age_ms", raw.max_age_ms, 1_000..=31_536_000_000),
    }
}

fn breaker(raw: &raw::Breaker, faults: &mut Collector<'_>) -> Breaker {
    let failures = raw.failures.map(|value| within(&["breaker", "failures"], value, 1..=10_000, faults));
    Breaker {
        failures: failures.map(|failures| u32::try_from(failures).unwrap_or(u32::MAX)),
        pause_ms: raw.pause_ms.map(|value| within(&["breaker", "pause_ms"], value, 100..=86_400_000, faults)),
    }
}

fn inbound(folder: &Path, raw: raw::Inbound, faults: &mut Collector<'_>) -> Option<Inbound> {
    let connector = match (raw.http, raw.file) {
        (Some(raw::InboundHttp {}), None) => Some(InboundConnector::Http),
        (None, Some(file)) => Some(InboundConnector::File(InboundFolder {
            folder: folder.join(file.folder),
            poll_ms: within(&["inbound", "file", "poll_ms"], file.poll_ms, 10..=3_600_000, faults),
            receipts: file.receipts,
        })),
        _ => one_connector("inbound", "[inbound.http] or [inbound.file]", faults),
    };
    let mappings = mappings(folder, &["inbound", "mappings"], raw.mappings, faults);
    if mappings.other.is_some() {
        faults.fault(&["inbound", "mappings", ANY_KIND], "is only for [outbound]; name a kind");
    }
    if mappings.kinds.len() > 1 && raw.select.is_none() {
        faults.fault(&["inbound"], "has several mappings; say with 'select' which kind a record is");
    }
    Some(Inbound { connector: connector?, codec: raw.codec, select: raw.select, mappings: mappings.kinds })
}

fn one_connector<T>(direction: &str, there_are: &str, faults: &mut Collector<'_>) -> Option<T> {
    faults.fault(&[direction], format!("needs exactly one connector: {there_are}"));
    None
}

fn mappings(
    folder: &Path,
    path: &[&str; 2],
    raw: BTreeMap<String, PathBuf>,
    faults: &mut Collector<'_>,
) -> OutboundMappings {
    if raw.is_empty() {
        faults.fault(path, "is empty; name a mapping file for at least one kind");
    }
    let mut checked = OutboundMappings::default();
    for (key, file) in raw {
        let place = [path[0], path[1], key.as_str()];
        if !folder.join(&file).is_file() {
            faults.fault(&place, format!("no such file: {}", file.display()));
        }
        match key.parse::<Kind>() {
            _ if key == ANY_KIND => checked.other = Some(file),
            Ok(kind) => drop(checked.kinds.insert(kind, file)),
            Err(error) => faults.fault(&place, error.to_string()),
        }
    }
    checked
}

fn outbound(folder: &Path, raw: raw::Outbound, faults: &mut Collector<'_>) -> Option<Outbound> {
    let mappings = mappings(folder, &["outbound", "mappings"], raw.mappings, faults);
    let connector = match (raw.http, raw.file, raw.mailbox) {
        (Some(http), None, None) => http_target(folder, http, faults).map(OutboundConnector::Http),
        (None, Some(file), None) => Some(OutboundConnector::File(folder.join(file.folder))),
        (None, None, Some(raw::OutboundMailbox {})) => Some(OutboundConnector::Mailbox),
        _ => one_connector("outbound", "[outbound.http], [outbound.file] or [outbound.mailbox]", faults),
    };
    let conditions = Conditions {
        success: raw.success,
        transient: raw.transient,
        throttled: raw.throttled,
        permanent: raw.permanent,
        unknown: raw.unknown,
    };
    let is_mailbox = matches!(connector, Some(OutboundConnector::Mailbox));
    if is_mailbox && conditions != Conditions::default() {
        faults
            .fault(&["outbound"], "has conditions, but a mailbox's system says itself what its answer means");
    }
    let delivery_id = delivery_id(raw.delivery_id.as_deref(), connector.as_ref(), faults);
    let ask = raw.ask.map(|raw| ask(raw, faults));
    // Whoever takes from a mailbox tells a repetition by its delivery id.
    let unsaid = if is_mailbox { OnUnknown::Resend } else { OnUnknown::default() };
    let choice = raw.on_unknown.unwrap_or(unsaid);
    on_unknown(choice, raw.effect, &delivery_id, ask.as_ref(), faults);
    if matches!(connector, Some(OutboundConnector::Http(_))) && conditions.success.is_none() {
        faults.fault(&["outbound"], "has no 'success': state how success reads, status alone is not enough");
    }
    Some(Outbound {
        connector: connector?,
        answer_codec: raw.answer_codec.unwrap_or_else(|| raw.codec.clone()),
        codec: raw.codec,
        mappings,
        conditions,
        on_unknown: choice,
        delivery_id,
        effect: raw.effect,
        ask,
    })
}

fn http_target(folder: &Path, raw: raw::OutboundHttp, faults: &mut Collector<'_>) -> Option<HttpTarget> {
    url(&["outbound", "http", "url"], &raw.url, faults);
    let ca = raw.ca.map(|ca| folder.join(ca));
    if ca.as_ref().is_some_and(|ca| !ca.is_file()) {
        faults.fault(&["outbound", "http", "ca"], "no such file");
    }
    let credential = match raw.credential {
        None => None,
        Some(raw) => Some(credential(raw, faults)?),
    };
    Some(HttpTarget { url: raw.url, method: raw.method, headers: raw.headers, credential, ca })
}

fn credential(raw: raw::Credential, faults: &mut Collector<'_>) -> Option<Credential> {
    let mut secret = |text: &str| {
        let parsed = text.parse::<SecretRef>();
        parsed.map_err(|error| faults.fault(&["outbound", "http", "credential"], error.to_string())).ok()
    };
    match raw {
        raw::Credential::Bearer { secret: text } => secret(&text).map(Credential::Bearer),
        raw::Credential::Header { name, secret: text } => {
            secret(&text).map(|secret| Credential::Header { name, secret })
        }
    }
}

fn url(path: &[&str], text: &str, faults: &mut Collector<'_>) {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let authority = rest.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
    match authority {
        None | Some("") => faults.fault(path, "is an absolute http:// or https:// address"),
        Some(authority) if authority.contains('@') => {
            faults.fault(path, "holds a credential; give it by reference in [outbound.http.credential]");
        }
        Some(_) => {}
    }
}

fn ask(raw: raw::Ask, faults: &mut Collector<'_>) -> Ask {
    url(&["outbound", "ask", "url"], &raw.url, faults);
    if raw.url.contains(['?', '#']) {
        faults.fault(&["outbound", "ask", "url"], "has a query of its own; put it into [outbound.ask.query]");
    }
    Ask { url: raw.url, query: raw.query, delivered: raw.delivered, absent: raw.absent }
}

fn delivery_id(
    text: Option<&str>,
    connector: Option<&OutboundConnector>,
    faults: &mut Collector<'_>,
) -> DeliveryIdAt {
    let is_file = matches!(connector, Some(OutboundConnector::File(_)));
    let is_mailbox = matches!(connector, Some(OutboundConnector::Mailbox));
    match text.map(|text| text.split_once(':').unwrap_or((text, ""))) {
        None if is_file => DeliveryIdAt::FileName,
        None if is_mailbox => DeliveryIdAt::Envelope,
        None => DeliveryIdAt::Nowhere,
        Some(("header", name)) if !name.is_empty() && !is_file && !is_mailbox => {
            DeliveryIdAt::Header(name.to_owned())
        }
        Some(("field", pointer)) if pointer.starts_with('/') => DeliveryIdAt::Field(pointer.to_owned()),
        Some(_) => {
            faults.fault(
                &["outbound", "delivery_id"],
                "is \"header:NAME\" (http only) or \"field:/path/in/body\"; a file has it in its \
                 name, a mailbox beside the body",
            );
            DeliveryIdAt::Nowhere
        }
    }
}

fn on_unknown(
    choice: OnUnknown,
    effect: Effect,
    id: &DeliveryIdAt,
    ask: Option<&Ask>,
    faults: &mut Collector<'_>,
) {
    match choice {
        OnUnknown::Resend if *id == DeliveryIdAt::Nowhere && effect == Effect::Repeats => faults.fault(
            &["outbound", "on_unknown"],
            "is 'resend': declare delivery_id (where the target receives it) or effect = \"idempotent\"",
        ),
        OnUnknown::Ask if ask.is_none() => {
            faults.fault(&["outbound", "on_unknown"], "is 'ask': say how in [outbound.ask]");
        }
        _ if choice != OnUnknown::Ask && ask.is_some() => {
            faults.fault(&["outbound", "ask"], "is never used: on_unknown is not 'ask'");
        }
        _ => {}
    }
}
