//! Bad input: each gets a clear error with its field path, or file and line, changes nothing, and is in the trail
//! when it concerns a known sender. Through every interface that can receive it.
//!
//! One hub a test, with an endpoint an interface; [`Hall::refused`] holds the promise for one piece of input.

mod bombs;
mod configuration;
mod contents;
mod encodings;
mod endless;
mod malformed;
mod strangers;

use std::collections::{BTreeMap, HashMap};

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{
    books::Books,
    drop_box::{DropBox, RESULT},
    hub::{Hub, eventually},
    sender::{BUREAU, ENFORCEMENT, Files, Sender, hub_of, sends},
};

/// The supervision platform of the province: above the city.
const PROVINCE: &str = "610000-hlwjg";

/// How input reaches the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// A `CloudEvent` whose `data` it is.
    Structured,
    /// The body of a request with `ce-` headers.
    Binary,
    /// One event of a batch.
    Batch,
    /// The body of a request to an adapter of this format.
    Own(Form),
    /// A file in the folder of an adapter of this format.
    Drop(Form),
}

/// A format in an encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Json,
    Xml,
    XmlGb18030,
    Csv,
    CsvGb18030,
    Pairs,
}

impl Form {
    const ALL: [Self; 6] =
        [Self::Json, Self::Xml, Self::XmlGb18030, Self::Csv, Self::CsvGb18030, Self::Pairs];

    fn codec(self) -> &'static str {
        match self {
            Self::Json => r#"{ format = "json" }"#,
            Self::Xml => r#"{ format = "xml", xml = { record = "rows/row" } }"#,
            Self::XmlGb18030 => r#"{ format = "xml", encoding = "gb18030", xml = { record = "rows/row" } }"#,
            Self::Csv => r#"{ format = "csv" }"#,
            Self::CsvGb18030 => r#"{ format = "csv", encoding = "gb18030" }"#,
            Self::Pairs => r#"{ format = "form" }"#,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Xml => "xml",
            Self::XmlGb18030 => "xml-gb",
            Self::Csv => "csv",
            Self::CsvGb18030 => "csv-gb",
            Self::Pairs => "form",
        }
    }

    /// A record of these fields, as text.
    fn write(self, fields: &[(&str, &str)]) -> String {
        match self {
            Self::Json => json!(fields.iter().copied().collect::<BTreeMap<_, _>>()).to_string(),
            Self::Xml | Self::XmlGb18030 => {
                let elements = fields.iter().map(|(name, value)| format!("<{name}>{value}</{name}>"));
                format!("<rows>\n<row>{}</row>\n</rows>", elements.collect::<String>())
            }
            Self::Csv | Self::CsvGb18030 => {
                let (names, values): (Vec<_>, Vec<_>) = fields.iter().copied().unzip();
                format!("{}\n{}\n", names.join(","), values.join(","))
            }
            Self::Pairs => {
                let escaped =
                    |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat();
                let pairs = fields.iter().map(|(name, value)| format!("{name}={}", escaped(value)));
                pairs.collect::<Vec<_>>().join("&")
            }
        }
    }
}

/// A good record of a department's own, but for what is `changed`.
fn record(changed: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    let good = [
        ("no", "A-1"),
        ("time", "2026-03-05"),
        ("item", "000131016000"),
        ("name", "汉滨示例餐饮有限公司"),
        ("code", "91610902MA70T3X14T"),
        ("outcome", "准予"),
    ];
    let value = |(name, value)| {
        let other = changed.iter().find(|(changed, _)| *changed == name);
        (name, other.map_or(value, |(_, other)| *other))
    };
    good.map(value).into()
}

/// How input was refused.
#[derive(Debug)]
struct Refused {
    code: String,
    /// Detail and faults, as the sender reads them.
    text: String,
}

impl Refused {
    fn of(problem: &Value) -> Self {
        let faults = problem["faults"].as_array().into_iter().flatten();
        let faults = faults.map(|fault| format!("{}: {}", fault["path"].as_str().unwrap(), fault["text"]));
        let detail = problem["detail"].as_str().unwrap_or_else(|| panic!("no problem: {problem}"));
        let lines: Vec<_> = [detail.to_owned()].into_iter().chain(faults).collect();
        Self { code: problem["code"].as_str().unwrap().to_owned(), text: lines.join("\n") }
    }
}

/// A hub with everybody who may come in.
struct Hall {
    hub: Hub,
    books: Books,
    boxes: Vec<(Form, DropBox)>,
    senders: HashMap<String, Sender>,
    files: usize,
}

impl Hall {
    /// Opens; `change` may set keys of the configuration before.
    fn open(change: impl FnOnce(&mut Hub)) -> Self {
        let boxes: Vec<_> = Form::ALL.into_iter().map(|form| (form, DropBox::new())).collect();
        let dropped = boxes.iter().map(|(form, folder)| {
            let endpoint = format!("drop-{}", form.name());
            let files = folder.adapter(&endpoint, &[BUREAU], form.codec(), "");
            (endpoint, files)
        });
        let own = Form::ALL.into_iter().map(|form| {
            let endpoint = format!("own-{}", form.name());
            let files = own(&endpoint, form);
            (endpoint, files)
        });
        let canonical = [BUREAU, ENFORCEMENT, PROVINCE].map(|id| (id.to_owned(), sends(id, &[id])));
        let adapters: Vec<_> = dropped.chain(own).chain(canonical).collect();
        let mut all: Vec<_> = adapters.iter().map(|(name, files)| (name.as_str(), files.clone())).collect();
        all.push(DropBox::tables());
        let mut hub = hub_of(&all);
        change(&mut hub);
        hub.start();
        let books = Books::of(&hub);
        Self { hub, books, boxes, senders: HashMap::new(), files: 0 }
    }

    /// Hands it in and holds that it is refused with `code`, that the error says each of `words`, that nothing
    /// has changed, and that the trail has it.
    async fn refused(&mut self, way: Way, bytes: &[u8], code: &str, words: &[&str]) {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(300)]).into_owned();
        let (before, noted) = (self.books.counts(), self.books.refusals().len());
        let refused = self.hand_in(way, bytes).await;
        assert_eq!(refused.code, code, "{way:?} {shown}: {}", refused.text);
        for word in words {
            assert!(refused.text.contains(word), "{way:?} {shown}: {word:?} is not in: {}", refused.text);
        }
        assert_eq!(self.books.counts(), before, "{way:?} {shown} changed something");
        let refusals = self.books.refusals();
        assert_eq!(refusals.len(), noted + 1, "{way:?} {shown}: {refusals:?}");
        let last = refusals.last().unwrap();
        assert_eq!((&last["code"], &last["endpoint"]), (&json!(code), &json!(Self::endpoint(way))));
    }

    fn endpoint(way: Way) -> String {
        match way {
            Way::Structured | Way::Binary | Way::Batch => BUREAU.to_owned(),
            Way::Own(form) => format!("own-{}", form.name()),
            Way::Drop(form) => format!("drop-{}", form.name()),
        }
    }

    async fn hand_in(&mut self, way: Way, bytes: &[u8]) -> Refused {
        let endpoint = Self::endpoint(way);
        let sender = match way {
            Way::Drop(form) => return self.drop_file(form, bytes).await,
            _ => self.sender(&endpoint).await,
        };
        let event = |data: &[u8]| {
            let head =
                r#"{"specversion":"1.0","id":"1","source":"test","type":"liandong.approval.result","data":"#;
            [head.as_bytes(), data, b"}"].concat()
        };
        let answer = match way {
            Way::Binary => sender.try_send_bytes("approval.result", bytes).await.unwrap(),
            Way::Structured => {
                sender.post("/v1/messages", "application/cloudevents+json", event(bytes)).await
            }
            Way::Batch => {
                let batch = [b"[".as_slice(), &event(bytes), b"]"].concat();
                sender.post("/v1/messages", "application/cloudevents-batch+json", batch).await
            }
            Way::Own(_) | Way::Drop(_) => {
                sender.post(&format!("/v1/adapters/{endpoint}"), "application/octet-stream", bytes).await
            }
        };
        let body = answer.json();
        if answer.status == 200 { Refused::of(&body[0]["problem"]) } else { Refused::of(&body) }
    }

    async fn drop_file(&mut self, form: Form, bytes: &[u8]) -> Refused {
        self.files += 1;
        let name = format!("file-{}", self.files);
        let (_, folder) = self.boxes.iter().find(|(other, _)| *other == form).unwrap();
        folder.put(&name, bytes);
        eventually("the file is taken", || folder.is_gone(&name)).await;
        assert_eq!(
            std::fs::read(folder.path(format!("failed/{name}"))).unwrap(),
            bytes,
            "it is kept as it was"
        );
        let text = folder.explanation(&name);
        let code = text.split_once('[').and_then(|(_, rest)| rest.split_once(']')).unwrap().0;
        Refused { code: code.to_owned(), text }
    }

    /// The system at an endpoint.
    async fn sender(&mut self, endpoint: &str) -> Sender {
        if let Some(sender) = self.senders.get(endpoint) {
            return sender.clone();
        }
        let wanted = json!({ "name": endpoint, "endpoint": endpoint });
        let (status, made) = self.hub.operate(Method::POST, "/v1/tokens", Some(wanted)).await;
        assert_eq!(status, 201, "{made}");
        let sender = Sender::with(&self.hub, made["token"].as_str().unwrap());
        self.senders.insert(endpoint.to_owned(), sender.clone());
        sender
    }
}

/// The adapter of an endpoint that posts records of a format.
fn own(endpoint: &str, form: Form) -> Files {
    let mut files = sends(endpoint, &[BUREAU]);
    files[0].1 = files[0].1.replace(r#"{ format = "json" }"#, form.codec());
    RESULT.clone_into(&mut files[1].1);
    files
}

/// The ways in which canonical messages come.
const CANONICAL: [Way; 3] = [Way::Structured, Way::Binary, Way::Batch];

/// The ways in which records of a format come.
fn ways(form: Form) -> [Way; 2] {
    [Way::Own(form), Way::Drop(form)]
}
