//! Promise 13, `secrets_and_persons_stay_in`: no secret, name, number or payload in logs, metrics, errors, the
//! trail or listings; public audiences get no numbers of persons; 涉密 content is never stored.
//!
//! One hub logs everything it can while messages about a person are accepted, refused, failed and asked about.

use std::{fs, path::Path};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    harness::{
        books::Books,
        department::{Arrival, Behaviour, Department, say},
        drop_box::{DropBox, RESULT},
        hub::{Hub, PATIENCE, client, eventually, wait_until_told},
        sender::{Answer, BUREAU, Files, REGULATOR, Sender, hub_of, receives, result, sends},
    },
    source::walk,
};

const NAME: &str = "王小明";
const ID: &str = "61090219900307001X";
const PASSPORT: &str = "E58213377";
const PHONE: &str = "13991512345";
const LANDLINE: &str = "0915-3219876";
const REPRESENTATIVE: &str = "李建国";
const HOME: &str = "江北街道兴安路某小区三栋";
const CREDENTIAL: &str = "hunter2-of-the-regulator";
const PERSONAL: [&str; 8] = [NAME, ID, PASSPORT, PHONE, LANDLINE, REPRESENTATIVE, HOME, CREDENTIAL];

const CREDIT: &str = "610900-xypt";
const DROP: &str = "drop-box";

/// Everything of the message, so that targets have it to quote.
const OUT: &str = r#"
name = "out"
[fields]
"record" = "record"
"#;

fn about_a_person(key: &str) -> Value {
    let mut message = result(key, key);
    message["subject"] = json!({
        "type": "SUBJECT_TYPE_NATURAL_PERSON", "name": NAME, "representative": REPRESENTATIVE, "phone": LANDLINE,
        "identifiers": [{"type": "IDENTIFIER_TYPE_RESIDENT_ID", "number": ID},
            {"type": "IDENTIFIER_TYPE_OTHER", "number": PASSPORT}],
        "addresses": [{"role": "ADDRESS_ROLE_OPERATING", "division": "610902", "text": HOME}],
    });
    message["publicity"] = json!({ "level": "PUBLICITY_LEVEL_PUBLIC" });
    message["approvalResult"]["content"] = json!(format!("准予{NAME}（{ID}，电话{PHONE}）经营"));
    message["attachments"] = json!([
        {"name": "决定书.pdf", "digest": format!("sha256:{}", "a".repeat(64)), "visibility": "PUBLICITY_LEVEL_PUBLIC"},
        {"name": format!("{NAME}身份证.jpg"), "digest": format!("sha256:{}", "b".repeat(64))},
    ]);
    message
}

/// A target that quotes all it was sent, and what it was sent with.
fn quoting(arrival: &Arrival) -> String {
    let body = String::from_utf8_lossy(&arrival.body);
    json!({ "code": 4001, "msg": format!("{NAME} {ID} {} {body}", arrival.authorization) }).to_string()
}

fn hub_around(regulator: &Department, credit: &Department, folder: &DropBox) -> Hub {
    let ask = format!(
        "on_unknown = \"ask\"\n[outbound.ask]\nurl = \"http://{}/ask\"\n\
         query = {{ delivery = \"delivery.id\", id = \"record.subject.identifiers[0].number\" }}\n\
         delivered = \"status == 200 and answer.found\"\n",
        regulator.address()
    );
    let secret = "http.credential = { type = \"bearer\", secret = \"env:REGULATOR_TOKEN\" }\n";
    let mut to_regulator = receives(REGULATOR, REGULATOR, &regulator.address(), &format!("{secret}{ask}"));
    let mut to_credit = receives(CREDIT, CREDIT, &credit.address(), "");
    for files in [&mut to_regulator, &mut to_credit] {
        OUT.clone_into(&mut files[1].1);
    }
    let mut own: Files = sends(BUREAU, &[BUREAU]);
    RESULT.clone_into(&mut own[1].1);
    let dropped = folder.adapter(DROP, &[BUREAU], r#"{ format = "json" }"#, "");
    let mut hub = hub_of(&[
        (BUREAU, own),
        (DROP, dropped),
        (REGULATOR, to_regulator),
        (CREDIT, to_credit),
        DropBox::tables(),
    ]);
    hub.set("log.filter", "trace");
    hub.variable("REGULATOR_TOKEN", CREDENTIAL);
    hub
}

/// What the hub said somewhere, by name of the place.
#[derive(Default)]
struct Said(Vec<(String, String)>);

impl Said {
    fn note(&mut self, place: impl Into<String>, text: impl Into<String>) {
        self.0.push((place.into(), text.into()));
    }

    fn answer(&mut self, what: &str, answer: &Answer, status: u16) {
        let text = String::from_utf8(answer.body.clone()).unwrap();
        assert_eq!(answer.status, status, "{what}: {text}");
        self.note(format!("the answer to {what}"), text);
    }

    fn command(&mut self, hub: &Hub, arguments: &[&str]) {
        let output = hub.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        self.note(arguments.join(" "), String::from_utf8(output.stdout).unwrap());
    }

    /// None of these stands anywhere, plain or in the escapes of JSON.
    fn holds_none_of(&self, values: &[String]) {
        for (place, text) in &self.0 {
            assert!(!text.is_empty(), "{place} says nothing");
            for value in values {
                let at = text.find(value.as_str());
                let around = at.map(|at| text[..at].chars().rev().take(200).collect::<Vec<_>>());
                let around = around.map(|before| before.into_iter().rev().collect::<String>());
                assert!(at.is_none(), "{place} says {value} after: {}", around.unwrap_or_default());
            }
        }
    }
}

/// What senders get wrong about persons, each in another place.
async fn refusals(bureau: &Sender, said: &mut Said) {
    let broken = |change: &dyn Fn(&mut Value)| {
        let mut message = about_a_person("refused");
        change(&mut message);
        message
    };
    let cases: [(&str, Value); 9] = [
        (
            "a wrong check character",
            broken(&|it| it["subject"]["identifiers"][0]["number"] = json!("610902199003070011")),
        ),
        ("a number for a date", broken(&|it| it["decidedAt"] = json!(ID))),
        ("a name for a date", broken(&|it| it["approvalResult"]["validTo"] = json!(NAME))),
        ("a name for a word", broken(&|it| it["subject"]["type"] = json!(NAME))),
        ("a number for a revision", broken(&|it| it["revision"] = json!(ID))),
        ("a telephone for a revision", broken(&|it| it["revision"] = json!(13_991_512_345_u64))),
        ("a number for an item", broken(&|it| it["items"][0]["code"] = json!(ID))),
        ("a name for a division", broken(&|it| it["subject"]["addresses"][0]["division"] = json!(NAME))),
        ("a name for a body", broken(&|it| it["entrustedBody"] = json!(NAME))),
    ];
    for (what, message) in &cases {
        said.answer(what, &bureau.send(message).await, 422);
    }
    let foreign = broken(&|it| it["organisation"] = json!(ID));
    said.answer("a number for an organisation", &bureau.send(&foreign).await, 403);
    let text = about_a_person("refused").to_string();
    said.answer(
        "a body cut in the middle",
        &bureau.send_text("approval.result", &text[..text.len() - 40]).await,
        400,
    );
    said.answer("a name for a kind", &bureau.send_text("x", &text).await, 422);
    let other = broken(&|it| it["businessKey"] = json!("accepted"));
    said.answer("other content", &bureau.send(&other).await, 409);
    let own = format!("/v1/adapters/{BUREAU}");
    let record = json!({ "no": "A-1", "time": ID, "item": PHONE, "name": NAME, "code": ID, "outcome": NAME });
    said.answer("an own record", &bureau.post(&own, "application/json", record.to_string()).await, 422);
    let record =
        json!({ "no": "A-1", "time": "2026-03-05", "item": ID, "name": NAME, "code": ID, "outcome": "准予" });
    let answer = bureau.post(&own, "application/json", record.to_string()).await;
    said.answer("an own record that is mapped", &answer, 200);
    assert_eq!(answer.json()[0]["status"], 422);
}

async fn look_ups(hub: &Hub, said: &mut Said) {
    let note: Value = serde_json::from_slice(&fs::read(hub.data().join("hub.json")).unwrap()).unwrap();
    for (path, token) in [
        (format!("/v1/messages/{ID}"), note["token"].as_str().unwrap()),
        (format!("/v1/deliveries?state={PHONE}"), note["token"].as_str().unwrap()),
        (format!("/v1/deliveries?message={ID}"), note["token"].as_str().unwrap()),
        (format!("/v1/deliveries?name={ID}"), note["token"].as_str().unwrap()),
        ("/v1/counts".to_owned(), ID),
    ] {
        let request = client().get(format!("http://{}{path}", hub.http)).bearer_auth(token);
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_client_error(), "{path}: {}", answer.status());
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        assert_eq!(kind, "application/problem+json", "{path}");
        said.note(path.replace(ID, "…").replace(PHONE, "…"), answer.text().await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_person_and_no_secret_stands_where_people_look() {
    let (regulator, credit) = (Department::anywhere().await, Department::anywhere().await);
    regulator.behave(|arrival| match arrival.times {
        1 => say(500, &quoting(arrival)),
        // Whether it has it is asked then, with the number in the query.
        _ => Behaviour::Cut,
    });
    credit.behave(|arrival| say(400, &quoting(arrival)));
    let folder = DropBox::new();
    let mut hub = hub_around(&regulator, &credit, &folder);
    hub.start_logged();
    let tokens = [
        hub.token(BUREAU),
        serde_json::from_slice::<Value>(&fs::read(hub.data().join("hub.json")).unwrap()).unwrap()["token"]
            .as_str()
            .unwrap()
            .to_owned(),
    ];
    let bureau = Sender::with(&hub, &tokens[0]);
    let mut said = Said::default();

    let accepted = bureau.accepted(&about_a_person("accepted")).await;
    said.answer("the first", &accepted, 201);
    said.answer("the same again", &bureau.send(&about_a_person("accepted")).await, 200);
    let refused = accepted.delivery_to(CREDIT);
    hub.until(&refused, "parked").await;
    hub.until(&accepted.delivery_to(REGULATOR), "delivered").await;
    refusals(&bureau, &mut said).await;
    look_ups(&hub, &mut said).await;
    folder.put(
        "a.json",
        json!({ "no": "F-1", "time": NAME, "item": ID, "name": NAME, "code": ID, "outcome": PHONE })
            .to_string(),
    );
    folder.put(
        "b.json",
        json!({ "no": "F-2", "time": "2026-03-05", "item": ID, "name": NAME, "code": ID, "outcome": "准予" })
            .to_string(),
    );
    folder.put("c.json", format!("{{\"name\": \"{NAME}\", \"id\": {ID}}}"));
    eventually("the files are taken", || {
        ["a.json", "b.json", "c.json"].iter().all(|name| folder.is_gone(name))
    })
    .await;
    for name in ["a.json", "b.json", "c.json"] {
        said.note(format!("what is wrong with {name}"), folder.explanation(name));
    }

    let why = format!("已与当事人{ID}电话{PHONE}核实");
    for (path, body) in [
        (format!("/v1/deliveries/{refused}/skip"), json!({ "reason": why })),
        ("/v1/tokens".to_owned(), json!({ "name": "second", "endpoint": BUREAU, "reason": why })),
    ] {
        let (status, answer) = hub.operate(reqwest::Method::POST, &path, Some(body)).await;
        assert!(matches!(status, 200 | 201), "{path}: {answer}");
    }
    said.note("the metrics", hub.probe("/metrics").await.unwrap().1);
    let message = accepted.message();
    for arguments in [&["trail", &message][..], &["deliveries", "list"], &["token", "list"]] {
        said.command(&hub, arguments);
    }
    for delivery in [&refused, &accepted.delivery_to(REGULATOR)] {
        said.note("a delivery with its attempts", hub.delivery(delivery).await.to_string());
    }
    assert_eq!(hub.stop(), Some(0));
    let bodies = Books::of(&hub).bodies("SELECT body FROM trail");
    assert!(bodies.len() > 20, "{}", bodies.len());
    said.note("the trail", Value::Array(bodies).to_string());
    let log = hub.log();
    assert!(log.contains("TRACE") && log.contains("stopping"), "it logs all it can: {log}");
    said.note("the log", log);

    let values = PERSONAL.iter().map(|value| (*value).to_owned()).chain(tokens);
    said.holds_none_of(&values.collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn public_audiences_get_neither_numbers_of_persons_nor_what_is_not_public() {
    let (regulator, credit) = (Department::anywhere().await, Department::anywhere().await);
    let folder = DropBox::new();
    let mut hub = hub_around(&regulator, &credit, &folder);
    hub.set("log.filter", "warn");
    hub.start();
    let bureau = Sender::at(&hub, BUREAU);
    let accepted = bureau.accepted(&about_a_person("K")).await;
    eventually("both have it", || regulator.kept() + credit.kept() == 2).await;
    let record = |department: &Department| {
        let body: Value = department.look(|ledger| serde_json::from_slice(&ledger.arrivals[0].body).unwrap());
        body["record"].clone()
    };
    let whole = record(&regulator).to_string();
    assert!([ID, PHONE, PASSPORT, LANDLINE].iter().all(|number| whole.contains(number)), "{whole}");
    let public = record(&credit);
    for number in [ID, PHONE, PASSPORT, LANDLINE] {
        assert!(!public.to_string().contains(number), "{public}");
    }
    assert_eq!(public["subject"]["name"], NAME, "names are published");
    assert_eq!(public["attachments"].as_array().unwrap().len(), 1, "{public}");

    // Nor by way of the evidence about it.
    hub.until(&accepted.delivery_to(CREDIT), "delivered").await;
    let path = format!("/v1/deliveries/{}/evidence", accepted.delivery_to(CREDIT));
    let platform = Sender::at(&hub, CREDIT);
    let made = wait_until_told(PATIENCE, async || platform.get(&path).await.status == 200);
    assert!(made.await, "it is sealed soon");
    let (theirs, own) = (platform.get(&path).await.json(), bureau.get(&path).await.json());
    assert!(theirs["messages"][0]["opening"].is_null(), "{theirs}");
    assert_eq!(theirs["entries"], own["entries"], "the rest is proven all the same");
    assert!(own["messages"][0]["opening"]["content"].as_str().unwrap().contains(ID), "its sender may");
    assert_eq!(hub.stop(), Some(0));
}

/// Files below a folder that hold these bytes.
fn files_with(folder: &Path, bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    walk(folder, &mut |path| {
        let content = fs::read(path).unwrap();
        if content.windows(bytes.len()).any(|window| window == bytes) {
            found.push(path.display().to_string());
        }
    });
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn classified_content_leaves_nothing_behind() {
    const MARK: &str = "MARK-7731-CLASSIFIED";
    const HARMLESS: &str = "MARK-4242-HARMLESS";
    let target = Department::anywhere().await;
    let folder = DropBox::new();
    let mut hub = hub_around(&target, &target, &folder);
    hub.start_logged();
    let bureau = Sender::at(&hub, BUREAU);
    let with = |key: &str, content: &str| {
        let mut message = result(key, key);
        message["approvalResult"]["content"] = json!(content);
        message
    };
    let mut marked = with("marked", MARK);
    marked["classified"] = json!(true);
    let mut item = with("item", MARK);
    item["items"][0]["code"] = json!("000155001000");
    let mut broken = item.clone();
    broken["decidedAt"] = json!("yesterday");
    broken["unknownField"] = json!(MARK);
    let texts: Vec<_> = [&marked, &item, &broken].map(ToString::to_string).into();
    for text in &texts {
        let answer = bureau.send_text("approval.result", text).await;
        assert_eq!((answer.status, answer.code().as_str()), (422, "classified"), "{}", answer.json());
    }
    let answers = bureau.send_all(&[marked, with("harmless", HARMLESS), item]).await;
    let statuses: Vec<_> = answers.iter().map(|answer| answer["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [422, 201, 422]);
    let record = json!({ "no": MARK, "time": "2026-03-05", "item": "000131016000", "name": "某单位",
        "code": "91610902MA70T3X14T", "outcome": "准予", "secret": "1" });
    let own = bureau.post(&format!("/v1/adapters/{BUREAU}"), "application/json", record.to_string()).await;
    assert_eq!(own.json()[0]["problem"]["code"], "classified", "{}", own.json());
    folder.put("secret.json", record.to_string());
    eventually("the file is taken", || folder.is_gone("secret.json")).await;
    assert!(folder.explanation("secret.json").contains("[classified]"));

    assert_eq!(hub.stop(), Some(0));
    let books = Books::of(&hub);
    assert_eq!(books.counts().messages, 1, "the harmless one");
    let refused = books.refusals();
    assert_eq!(refused.len(), 7, "{refused:?}");
    assert!(refused.iter().all(|it| it["code"] == "classified" && it["commitment"].is_null()), "{refused:?}");
    drop(books);
    assert!(!files_with(&hub.data(), HARMLESS.as_bytes()).is_empty(), "what is stored would be found");
    assert_eq!(files_with(&hub.data(), MARK.as_bytes()), Vec::<String>::new());
    for text in &texts {
        let digest = Sha256::digest(text);
        assert_eq!(files_with(&hub.data(), &digest), Vec::<String>::new());
        assert_eq!(files_with(&hub.data(), hex::encode(digest).as_bytes()), Vec::<String>::new());
    }
    assert!(!hub.log().contains(MARK));
}
