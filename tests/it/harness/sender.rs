//! A department's system that sends, and the messages it has to say.

use std::time::Instant;

use serde_json::{Value, json};

use super::hub::{Hub, PATIENCE, STEP, client};

/// 汉滨区: the bureau that approves, the departments that supervise and enforce.
pub(crate) const BUREAU: &str = "610902-xzspj";
pub(crate) const REGULATOR: &str = "610902-scjgj";
pub(crate) const ENFORCEMENT: &str = "610902-cgj";

/// A sending system with its credential.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    client: reqwest::Client,
    hub: String,
    token: String,
}

/// What the hub answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The closed word of a refusal.
    pub(crate) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    /// Paths of the fields that a refusal names.
    pub(crate) fn paths(&self) -> Vec<String> {
        let body = self.json();
        let faults = body["faults"].as_array().into_iter().flatten();
        faults.map(|fault| fault["path"].as_str().unwrap().to_owned()).collect()
    }

    /// What an accepted receipt states.
    pub(crate) fn statement(&self) -> Value {
        let statement = self.json()["statement"].clone();
        assert!(statement.is_object(), "no receipt: {} {}", self.status, self.json());
        statement
    }

    /// The hub's name of the message.
    pub(crate) fn message(&self) -> String {
        self.statement()["id"].as_str().unwrap().to_owned()
    }

    /// How many deliveries the receipt names.
    pub(crate) fn deliveries(&self) -> usize {
        self.statement()["deliveries"].as_array().unwrap().len()
    }

    /// The delivery to an organisation.
    pub(crate) fn delivery_to(&self, organisation: &str) -> String {
        let statement = self.statement();
        let deliveries = statement["deliveries"].as_array().unwrap();
        let found = deliveries.iter().find(|delivery| delivery["organisation"] == organisation);
        found.unwrap_or_else(|| panic!("none to {organisation}: {statement}"))["id"]
            .as_str()
            .unwrap()
            .to_owned()
    }
}

impl Sender {
    /// The system at an endpoint of a running hub, with a new token.
    pub(crate) fn at(hub: &Hub, endpoint: &str) -> Self {
        Self::with(hub, &hub.token(endpoint))
    }

    /// A system that has a token.
    pub(crate) fn with(hub: &Hub, token: &str) -> Self {
        Self { client: client(), hub: hub.http.clone(), token: token.to_owned() }
    }

    /// The same system with another token.
    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    /// Hands in a message.
    pub(crate) async fn send(&self, message: &Value) -> Answer {
        self.send_text(kind_of(message), &message.to_string()).await
    }

    /// Hands in a message that must be accepted now.
    pub(crate) async fn accepted(&self, message: &Value) -> Answer {
        let answer = self.send(message).await;
        assert_eq!(answer.status, 201, "{}", answer.json());
        answer
    }

    /// Hands in a message until the answer has a status; the answer.
    pub(crate) async fn until_answered(&self, message: &Value, status: u16) -> Answer {
        let end = Instant::now() + PATIENCE;
        loop {
            let answer = self.send(message).await;
            if answer.status == status {
                return answer;
            }
            assert!(Instant::now() < end, "{} and not {status}: {}", answer.status, answer.json());
            tokio::time::sleep(STEP).await;
        }
    }

    /// Hands in a text, byte for byte.
    pub(crate) async fn send_text(&self, kind: &str, text: &str) -> Answer {
        self.try_send_text(kind, text).await.unwrap()
    }

    /// Hands in a text; nothing when the hub is gone before it has answered.
    pub(crate) async fn try_send_text(&self, kind: &str, text: &str) -> Option<Answer> {
        self.try_send_bytes(kind, text.as_bytes()).await
    }

    /// The same with bytes that may be no text.
    pub(crate) async fn try_send_bytes(&self, kind: &str, bytes: &[u8]) -> Option<Answer> {
        let request = self
            .client
            .post(format!("http://{}/v1/messages", self.hub))
            .bearer_auth(&self.token)
            .header("content-type", "application/json")
            .header("ce-specversion", "1.0")
            .header("ce-id", "1")
            .header("ce-source", "test")
            .header("ce-type", format!("liandong.{kind}"));
        let answer = request.body(bytes.to_vec()).send().await.ok()?;
        let status = answer.status().as_u16();
        Some(Answer { status, body: answer.bytes().await.ok()?.to_vec() })
    }

    /// Hands in a batch of messages; one answer each, in order.
    pub(crate) async fn send_all(&self, messages: &[Value]) -> Vec<Value> {
        let events: Vec<_> = messages.iter().map(event).collect();
        let body = Value::Array(events).to_string();
        let answer = self.post("/v1/messages", "application/cloudevents-batch+json", body).await;
        answer.json().as_array().unwrap_or_else(|| panic!("{}", answer.json())).clone()
    }

    /// Hands in a batch of messages; one answer each, in order. Nothing when the hub is gone before it has answered.
    pub(crate) async fn try_send_all(&self, messages: &[Value]) -> Option<Vec<Value>> {
        let events: Vec<_> = messages.iter().map(event).collect();
        let request = self
            .client
            .post(format!("http://{}/v1/messages", self.hub))
            .bearer_auth(&self.token)
            .header("content-type", "application/cloudevents-batch+json")
            .body(Value::Array(events).to_string());
        let answer = request.send().await.ok()?;
        let status = answer.status().as_u16();
        match serde_json::from_slice(&answer.bytes().await.ok()?).unwrap() {
            Value::Array(answers) => Some(answers),
            // Refused as a whole.
            problem => Some(vec![json!({ "status": status, "problem": problem }); messages.len()]),
        }
    }

    /// Looks something up.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        let request = self.client.get(format!("http://{}{path}", self.hub)).bearer_auth(&self.token);
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        Answer { status, body: answer.bytes().await.unwrap().to_vec() }
    }

    /// Posts a body as it is.
    pub(crate) async fn post(&self, path: &str, media: &str, body: impl Into<Vec<u8>>) -> Answer {
        let request = self.client.post(format!("http://{}{path}", self.hub)).bearer_auth(&self.token);
        let answer = request.header("content-type", media).body(body.into()).send().await.unwrap();
        let status = answer.status().as_u16();
        Answer { status, body: answer.bytes().await.unwrap().to_vec() }
    }
}

/// A message as a structured event.
pub(crate) fn event(message: &Value) -> Value {
    json!({
        "specversion": "1.0", "id": "1", "source": "test",
        "type": format!("liandong.{}", kind_of(message)), "data": message,
    })
}

fn kind_of(message: &Value) -> &'static str {
    let kinds = [
        ("approvalResult", "approval.result"),
        ("penaltyDecision", "penalty.decision"),
        ("receipt", "receipt"),
    ];
    let kind = kinds.into_iter().find(|(field, _)| message.get(field).is_some());
    kind.unwrap_or_else(|| panic!("no payload in {message}")).1
}

/// A result of 汉滨区's bureau about one licence, not public: its regulator supervises the holder.
pub(crate) fn result(key: &str, licence: &str) -> Value {
    result_of(BUREAU, key, licence)
}

/// A result of any bureau about one licence, not public.
pub(crate) fn result_of(bureau: &str, key: &str, licence: &str) -> Value {
    json!({
        "organisation": bureau, "businessKey": key, "decidedAt": "2026-03-05T09:30:00+08:00",
        "items": [{"family": "ITEM_FAMILY_APPROVAL", "code": "000131016000"}],
        "subject": {"type": "SUBJECT_TYPE_LEGAL_PERSON", "name": "汉滨示例餐饮有限公司",
            "identifiers": [{"type": "IDENTIFIER_TYPE_USCC", "number": "91610902MA70T3X14T"}]},
        "licences": [{"type": "食品经营许可证", "number": licence}],
        "publicity": {"level": "PUBLICITY_LEVEL_NOT_PUBLIC", "reason": "涉及商业秘密"},
        "approvalResult": {"caseNo": key, "handling": "HANDLING_TYPE_CHANGE", "outcome": "OUTCOME_GRANTED",
            "procedure": "PROCEDURE_ORDINARY"},
    })
}

/// A penalty of 汉滨区's enforcement about a licence of its bureau, not public: bureau and regulator get it.
pub(crate) fn penalty(key: &str, licence: &str) -> Value {
    json!({
        "organisation": ENFORCEMENT, "businessKey": key, "decidedAt": "2026-03-06T09:30:00+08:00",
        "items": [{"family": "ITEM_FAMILY_SUPERVISION", "code": "13101600100001"}],
        "subject": {"type": "SUBJECT_TYPE_LEGAL_PERSON", "name": "汉滨示例餐饮有限公司",
            "identifiers": [{"type": "IDENTIFIER_TYPE_USCC", "number": "91610902MA70T3X14T"}]},
        "licences": [{"type": "食品经营许可证", "number": licence, "decidedBy": BUREAU}],
        "publicity": {"level": "PUBLICITY_LEVEL_NOT_PUBLIC", "reason": "涉及商业秘密"},
        "penaltyDecision": {"event": "PENALTY_EVENT_DECIDED", "caseNo": key, "documentNo": key,
            "violationType": "超范围经营", "facts": "超出许可项目经营", "legalBasis": "食品安全法第一百二十二条",
            "violationDivision": "610902001"},
    })
}

/// The files of an adapter folder.
pub(crate) type Files = Vec<(&'static str, String)>;

/// The adapter of an endpoint that sends canonical messages for these organisations.
pub(crate) fn sends(endpoint: &str, organisations: &[&str]) -> Files {
    let adapter = format!(
        r#"
endpoint = "{endpoint}"
name = "{endpoint}"
organisations = {organisations:?}
[inbound]
http = {{}}
codec = {{ format = "json" }}
mappings = {{ "approval.result" = "in.toml" }}
"#
    );
    vec![("adapter.toml", adapter), ("in.toml", IN.to_owned())]
}

/// The adapter of an endpoint that receives for an organisation at an address. `more` is TOML: keys of
/// `[outbound]` first, then sections.
pub(crate) fn receives(endpoint: &str, organisation: &str, address: &str, more: &str) -> Files {
    let adapter = format!(
        r#"
endpoint = "{endpoint}"
name = "{endpoint}"
organisations = ["{organisation}"]
[outbound]
http.url = "http://{address}/receive"
codec = {{ format = "json" }}
success = "status == 200 and answer.code == 0"
delivery_id = "header:X-Delivery-Id"
mappings = {{ "*" = "out.toml" }}
{more}
"#
    );
    vec![("adapter.toml", adapter), ("out.toml", OUT.to_owned())]
}

/// The adapter of an endpoint that takes its deliveries for an organisation out of a mailbox. `more` is TOML: keys
/// of `[outbound]` first, then sections.
pub(crate) fn takes_out(endpoint: &str, organisation: &str, more: &str) -> Files {
    let adapter = format!(
        r#"
endpoint = "{endpoint}"
name = "{endpoint}"
organisations = ["{organisation}"]
[outbound]
mailbox = {{}}
codec = {{ format = "json" }}
mappings = {{ "*" = "out.toml" }}
{more}
"#
    );
    vec![("adapter.toml", adapter), ("out.toml", OUT.to_owned())]
}

/// Lets an adapter also send canonical messages for its organisation.
pub(crate) fn and_sends(mut files: Files) -> Files {
    let inbound = r#"
[inbound]
http = {}
codec = { format = "json" }
mappings = { "approval.result" = "in.toml" }
"#;
    files[0].1.push_str(inbound);
    files.push(("in.toml", IN.to_owned()));
    files
}

/// How an adapter asks the department that listens at `address`.
pub(crate) fn asks(address: &str) -> String {
    format!(
        r#"
on_unknown = "ask"
[outbound.ask]
url = "http://{address}/ask"
query = {{ delivery = "delivery.id" }}
delivered = "status == 200 and answer.found"
absent = "status == 200 and not answer.found"
"#
    )
}

/// The folder of the adapters of these endpoints, by name.
pub(crate) fn hub_of(adapters: &[(&str, Files)]) -> Hub {
    let files: Vec<Vec<(&str, &str)>> = adapters
        .iter()
        .map(|(_, files)| files.iter().map(|(name, text)| (*name, text.as_str())).collect())
        .collect();
    let folders: Vec<(&str, &[(&str, &str)])> =
        adapters.iter().zip(&files).map(|((name, _), files)| (*name, files.as_slice())).collect();
    let mut hub = Hub::configure(&folders);
    hub.set("retry.min_ms", 10);
    hub.set("retry.first_ms", 50);
    hub
}

const IN: &str = r#"
name = "in"
[fields]
"businessKey" = "record.no"
"#;

const OUT: &str = r#"
name = "out"
[fields]
"key" = "record.businessKey"
"kind" = "kind"
"sequence" = "delivery.lane_sequence"
"licence" = "record.licences[0].number"
"#;
