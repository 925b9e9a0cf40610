//! Promise 9, `bounded`: every queue, payload, batch, concurrency and wait has a limit; overload answers "try
//! later", a full disk too, and memory does not grow with what waits.

use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use liandong::{
    port::{
        intake::{Code, ReceiptOf, Refusal},
        store::{DeliveryFilter, Store},
    },
    store::sqlite::{Options, SqliteStore},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::harness::{
    books::{Books, Counts},
    department::{Behaviour, Department},
    drop_box::{DropBox, RESULT},
    front::Front,
    hub::{Hub, PATIENCE, client, eventually},
    sample::entry,
    sender::{BUREAU, ENFORCEMENT, Files, REGULATOR, Sender, hub_of, penalty, receives, result, sends},
    steps::ALL,
};

const NOTHING: Counts = Counts { messages: 0, deliveries: 0, obligations: 0 };

const BATCH: &str = "application/cloudevents-batch+json";
const STRUCTURED: &str = "application/cloudevents+json";

/// Requests of the whole program at once, each of them refused with this and nothing changed.
fn refused_whole(answer: &crate::harness::sender::Answer) {
    assert_eq!((answer.status, answer.code().as_str()), (413, "too_large"), "{}", answer.json());
    assert!(answer.json()["detail"].as_str().unwrap().contains("limit"), "{}", answer.json());
}

fn event(message: &Value) -> Value {
    json!({ "specversion": "1.0", "id": "1", "source": "test", "type": "liandong.approval.result", "data": message })
}

/// A result whose text has so many bytes more.
fn long(key: &str, bytes: usize) -> Value {
    let mut message = result(key, key);
    message["approvalResult"]["content"] = json!("x".repeat(bytes));
    message
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_larger_than_its_limit_is_refused_and_changes_nothing() {
    let mut adapter = sends(BUREAU, &[BUREAU]);
    adapter[0].1.push_str("[limits]\nmax_body_bytes = 1024\nmax_records = 2\n");
    adapter[1].1 = RESULT.to_owned();
    let mut hub = hub_of(&[(BUREAU, adapter), DropBox::tables()]);
    hub.set("http.body_limit_bytes", 4_096);
    hub.set("http.batch_limit_bytes", 20_000);
    hub.set("http.batch_limit_events", 3);
    hub.start();
    let bureau = Sender::at(&hub, BUREAU);
    let books = Books::of(&hub);

    refused_whole(&bureau.send(&long("binary", 5_000)).await);
    refused_whole(&bureau.post("/v1/messages", STRUCTURED, event(&long("one", 5_000)).to_string()).await);
    for bytes in [21_000, 70_000, 3_000_000] {
        refused_whole(&bureau.post("/v1/messages", BATCH, vec![b' '; bytes]).await);
    }
    let four: Vec<_> = (0..4).map(|number| event(&result(&format!("batch {number}"), "L"))).collect();
    refused_whole(&bureau.post("/v1/messages", BATCH, Value::Array(four).to_string()).await);
    let own = format!("/v1/adapters/{BUREAU}");
    refused_whole(&bureau.post(&own, "application/json", vec![b' '; 1_025]).await);
    refused_whole(&bureau.post(&own, "application/json", "[{},{},{}]").await);
    assert_eq!(books.counts(), NOTHING);
    let refusals = books.refusals();
    assert_eq!(refusals.len(), 8, "each is in the trail of its sender: {refusals:?}");
    assert!(refusals.iter().all(|it| it["code"] == "too_large" && it["endpoint"] == BUREAU), "{refusals:?}");

    let answers = bureau.send_all(&[result("small", "L"), long("large", 5_000), result("other", "L")]).await;
    let statuses: Vec<_> = answers.iter().map(|answer| answer["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [201, 413, 201], "an event beyond the limit does not harm its neighbours");
    assert_eq!(hub.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_beyond_its_limit_is_moved_to_failed_with_the_reason() {
    let folder = DropBox::new();
    let limits = "[limits]\nmax_body_bytes = 1024\n";
    let adapter = folder.adapter(BUREAU, &[BUREAU], r#"{ format = "json" }"#, limits);
    let mut hub = hub_of(&[(BUREAU, adapter), DropBox::tables()]);
    hub.start();
    let large = vec![b' '; 1_025];
    folder.put("large.json", &large);
    eventually("the file is taken", || folder.is_gone("large.json")).await;
    assert_eq!(fs::read(folder.path("failed/large.json")).unwrap(), large, "it is kept as it came");
    let explanation = folder.explanation("large.json");
    assert!(explanation.contains("1025 bytes, the limit is 1024"), "{explanation}");
    let books = Books::of(&hub);
    assert_eq!(books.counts(), NOTHING);
    let refusals = books.refusals();
    assert_eq!((refusals.len(), &refusals[0]["code"]), (1, &json!("too_large")), "{refusals:?}");
    assert_eq!(refusals[0]["commitment"], Value::Null, "no digest of what nobody read");
    assert_eq!(hub.stop(), Some(0));
}

/// A request that announces more than it sends.
async fn hold_a_request(hub: &Hub, token: &str, message: &Value) -> TcpStream {
    let body = message.to_string();
    let mut stream = TcpStream::connect(&hub.http).await.unwrap();
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: hub\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
         ce-specversion: 1.0\r\nce-id: 1\r\nce-source: test\r\nce-type: liandong.approval.result\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&body.as_bytes()[..10]).await.unwrap();
    stream
}

async fn finish(mut stream: TcpStream, message: &Value) -> String {
    stream.write_all(&message.to_string().as_bytes()[10..]).await.unwrap();
    let mut answer = vec![0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

/// Posts until it is told to try later; its `Retry-After`. What takes longer than a moment was let in.
async fn until_refused(hub: &Hub, token: &str) -> String {
    let (client, end) = (client(), Instant::now() + PATIENCE);
    let mut number = 0;
    loop {
        number += 1;
        assert!(Instant::now() < end, "never told to try later");
        let body = event(&result(&format!("probe {number}"), "P")).to_string();
        let request = client.post(format!("http://{}/v1/messages", hub.http)).bearer_auth(token);
        let request = request.header("content-type", STRUCTURED).body(body);
        match request.timeout(Duration::from_millis(200)).send().await {
            Ok(answer) if answer.status() == 429 => {
                return answer.headers()["retry-after"].to_str().unwrap().to_owned();
            }
            Ok(_) | Err(_) => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_requests_at_once_than_allowed_are_told_to_try_later() {
    let mut hub = hub_of(&[(BUREAU, sends(BUREAU, &[BUREAU]))]);
    hub.set("http.concurrency", 1);
    hub.set("http.request_timeout_ms", 1_000);
    hub.start();
    let token = hub.token(BUREAU);

    let held = hold_a_request(&hub, &token, &result("held", "H")).await;
    assert_eq!(until_refused(&hub, &token).await, "2");
    assert_eq!(hub.get("/v1/deliveries").await, json!([]), "look-ups have places of their own");
    assert_eq!(finish(held, &result("held", "H")).await, "HTTP/1.1 201");

    let mut never = hold_a_request(&hub, &token, &result("never", "N")).await;
    let mut answer = Vec::new();
    never.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after: 2"), "{answer}");
    assert_eq!(hub.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_disk_fills_the_queue_and_senders_are_told_to_try_later() {
    let mut hub = hub_of(&[(BUREAU, sends(BUREAU, &[BUREAU]))]);
    hub.set("intake.queue_limit", 1);
    hub.set("intake.batch_limit", 1);
    hub.start();
    let bureau = Sender::at(&hub, BUREAU);
    let token =
        hub.ask(&["token", "new", "second", "--endpoint", BUREAU])["token"].as_str().unwrap().to_owned();
    let message = |number: usize| result(&format!("queued {number}"), &format!("Q{number}"));
    let messages: Vec<_> = (0..20).map(message).collect();

    let books = Books::of(&hub);
    books.stall();
    let ((), answers) = tokio::join!(
        async {
            assert_eq!(until_refused(&hub, &token).await, "2");
            books.release();
        },
        bureau.send_all(&messages)
    );
    let with = |status: u64| answers.iter().filter(|answer| answer["status"] == status).count();
    assert_eq!(with(201) + with(429), 20, "{answers:?}");
    assert!(with(201) > 0 && with(429) > 0, "{answers:?}");
    let again = bureau.send_all(&messages[..3]).await;
    assert!(again.iter().all(|answer| answer["status"] != 409), "what was refused left nothing: {again:?}");
    assert_eq!(hub.stop(), Some(0));
}

fn store(folder: &tempfile::TempDir, size_limit_bytes: Option<u64>) -> Arc<SqliteStore> {
    let options = Options { size_limit_bytes, ..Options::new(folder.path()) };
    Arc::new(SqliteStore::open(&options).unwrap())
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_what_was_queued_is_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let (front, committer) = Front::new(store(&folder, None), 2);
    let [first, second, third] = ["1", "2", "3"].map(|key| front.submit(result(key, "L")));
    let mut queued = Box::pin(futures::future::join(first, second));
    assert!(futures::poll!(&mut queued).is_pending());
    let refused = third.await.unwrap_err();
    assert_eq!(refused.code, Code::Overloaded, "{refused}");
    Front::commit(committer);
    let (first, second) = queued.await;
    assert!(first.is_ok() && second.is_ok(), "{first:?} {second:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_write_queue_is_told_at_once_and_nothing_is_accepted_by_halves() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { queue_limit: 1, ..Options::new(folder.path()) };
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&options).unwrap());
    let (front, committer) = Front::new(Arc::clone(&store), 10);
    Front::commit(committer);
    let books = Books::at(folder.path());
    books.stall();
    // Writes that wait for room keep the queue full for as long as the writer stands.
    let mut writes: Vec<_> = (0..50).map(|_| store.append(vec![entry("hub.started")])).collect();
    for write in &mut writes {
        assert!(futures::poll!(write).is_pending());
    }
    let refused = front.submit(result("K", "L")).await.unwrap_err();
    assert_eq!(refused.code, Code::Unavailable, "{refused}");
    books.release();
    for written in futures::future::join_all(writes).await {
        written.unwrap();
    }
    assert_eq!(books.counts(), NOTHING);
    assert_eq!(front.submit(result("K", "L")).await.unwrap().receipt_of, ReceiptOf::First);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_answers_unavailable_and_tears_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let full = store(&folder, Some(1_500_000));
    let (front, committer) = Front::new(Arc::clone(&full) as Arc<dyn Store>, 10);
    Front::commit(committer);
    let message = |number: usize| long(&format!("K-{number}"), 30_000);
    let mut accepted = Vec::new();
    let refused: Refusal = loop {
        match front.submit(message(accepted.len())).await {
            Ok(receipt) => accepted.push(receipt),
            Err(refusal) => break refusal,
        }
    };
    assert!(refused.code == Code::Unavailable && refused.code.retryable(), "{refused}");
    assert!(accepted.len() > 3, "{}", accepted.len());

    drop(front);
    full.close().await.unwrap();
    drop(full);
    let (front, committer) = Front::new(store(&folder, None), 10);
    Front::commit(committer);
    for (number, first) in accepted.iter().enumerate() {
        let again = front.submit(message(number)).await.unwrap();
        assert_eq!(
            again.receipt, first.receipt,
            "what was accepted before the disk was full is there, whole"
        );
    }
    let books = front.store();
    let before = books.deliveries(DeliveryFilter::default(), ALL).await.unwrap().len();
    let now = front.submit(message(accepted.len())).await.unwrap();
    assert_eq!(now.receipt_of, ReceiptOf::First, "the one refused had left nothing");
    let after = books.deliveries(DeliveryFilter::default(), ALL).await.unwrap().len();
    assert_eq!(before / accepted.len(), after - before, "each has its deliveries and no others");
}

/// Deliveries of one penalty: to every organisation that a public one concerns here.
const FAN_OUT: usize = 5;
const FEW: usize = 2_000 / FAN_OUT;
const MANY: usize = 20_000 / FAN_OUT;
/// What ten times the backlog may cost, KiB: the pages of the store that were looked into, and nothing else.
const GROWTH_KIB: u64 = 8 * 1024;
/// Memory of a hub whatever waits, KiB.
const MOST_KIB: u64 = 300 * 1024;

/// One system for everybody, so that all deliveries wait for it.
fn everybody(address: &str) -> Files {
    let concerned = [BUREAU, REGULATOR, "610900-xypt", "610000-qyxy", "610000-hlwjg"];
    let more = "on_unknown = \"park\"\n[limits]\nwindow = 8\ntimeout_ms = 60000\n";
    let mut files = receives("everybody", "610902-cgj", address, more);
    let own = r#"organisations = ["610902-cgj"]"#;
    files[0].1 = files[0].1.replace(own, &format!("{own}\nreceives_for = {concerned:?}"));
    files
}

async fn pile_up(sender: &Sender, numbers: std::ops::Range<usize>) {
    let penalties: Vec<_> = numbers
        .map(|number| {
            let mut message = penalty(&format!("CF-{number}"), &format!("JY{number}"));
            message["publicity"] = json!({ "level": "PUBLICITY_LEVEL_PUBLIC" });
            message
        })
        .collect();
    for batch in penalties.chunks(500) {
        let answers = sender.send_all(batch).await;
        assert!(answers.iter().all(|answer| answer["status"] == 201), "{answers:?}");
    }
}

fn resident_kib(hub: &Hub) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", hub.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Starts the hub again over what waits, so that no page read for acceptance counts, until its window is full.
async fn working_set_kib(hub: &mut Hub, target: &Department) -> u64 {
    hub.kill();
    let before = target.arrivals();
    hub.start();
    eventually("the window is full", || target.arrivals() >= before + 8).await;
    resident_kib(hub)
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_does_not_grow_with_the_backlog_of_a_hanging_endpoint() {
    let target = Department::anywhere().await;
    target.behave(|_| Behaviour::Hang);
    let adapters =
        [(ENFORCEMENT, sends(ENFORCEMENT, &[ENFORCEMENT])), ("everybody", everybody(&target.address()))];
    let mut hub = hub_of(&adapters);
    hub.start();
    let sender = Sender::at(&hub, ENFORCEMENT);
    pile_up(&sender, 0..FEW).await;
    let waiting =
        Books::of(&hub).number("SELECT count(*) FROM open_delivery WHERE state IN ('ready', 'leased')");
    assert_eq!(waiting, (FEW * FAN_OUT) as u64);
    let few = working_set_kib(&mut hub, &target).await;

    pile_up(&sender, FEW..MANY).await;
    let loaded = resident_kib(&hub);
    assert!(loaded < MOST_KIB, "{loaded} KiB with {} deliveries waiting", MANY * FAN_OUT);
    let many = working_set_kib(&mut hub, &target).await;
    assert!(many < few + GROWTH_KIB, "{many} KiB with ten times of what took {few} KiB");
}
