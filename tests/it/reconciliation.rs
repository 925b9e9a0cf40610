//! Reconciliation (对账) by the binary and over HTTP: the same figures both times, a counterpart's list held against them,
//! what is missing sent again under the same id; and nobody sees the pairs of others. On both backends.

use std::{fs, process::Output};

use liandong::port::clock::{Clock as _, SystemClock};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    contract::backend::Postgres,
    harness::{
        department::{Behaviour, Department, status},
        hub::{Hub, PATIENCE, eventually, wait_until_told},
        sender::{BUREAU, ENFORCEMENT, REGULATOR, Sender, hub_of, receives, result, sends},
    },
};

fn today() -> String {
    jiff::tz::offset(8).to_datetime(SystemClock.now()).date().to_string()
}

fn cells(csv: &str) -> Vec<Vec<String>> {
    csv.lines().map(|line| line.trim_end().split(',').map(str::to_owned).collect()).collect()
}

/// A hub between a bureau, an enforcement and a regulator that refuses one of the messages.
async fn opened(place: Option<&Postgres>) -> (Hub, Department) {
    let target = Department::anywhere().await;
    target.behave(|arrival| if arrival.text("key") == "K-2" { status(400) } else { Behaviour::Take });
    let regulator = receives(REGULATOR, REGULATOR, &target.address(), "");
    let mut hub = hub_of(&[
        (BUREAU, sends(BUREAU, &[BUREAU])),
        (ENFORCEMENT, sends(ENFORCEMENT, &[ENFORCEMENT])),
        (REGULATOR, regulator),
    ]);
    if let Some(place) = place {
        hub.set("store.backend", "postgres");
        hub.variable("LIANDONG_POSTGRES_URL", &place.database().await.url());
    }
    hub.start();
    (hub, target)
}

/// A delivery that nobody sent.
const STRANGER: &str = "0192f0a4-7c1e-7d3a-9b56-1f2e3d4c5b6a";

/// A day on which two deliveries were taken and one was refused, and what the counterpart says of it.
struct Stage {
    hub: Hub,
    target: Department,
    bureau: Sender,
    deliveries: Vec<String>,
    day: String,
    pair: String,
}

impl Stage {
    async fn new(place: Option<&Postgres>) -> Self {
        let (hub, target) = opened(place).await;
        let bureau = Sender::at(&hub, BUREAU);
        let mut deliveries = Vec::new();
        for key in ["K-0", "K-1", "K-2"] {
            let delivery = bureau.accepted(&result(key, key)).await.delivery_to(REGULATOR);
            hub.until(&delivery, if key == "K-2" { "parked" } else { "delivered" }).await;
            deliveries.push(delivery);
        }
        Self { hub, target, bureau, deliveries, day: today(), pair: format!("{BUREAU}:{REGULATOR}") }
    }

    fn reconcile(&self, more: &[&str]) -> Output {
        let common = ["reconcile", "--day", &self.day, "--pair", &self.pair];
        self.hub.command(&[&common, more].concat()).output().unwrap()
    }

    fn sums(&self) -> Vec<Vec<String>> {
        cells(&String::from_utf8(self.reconcile(&[]).stdout).unwrap())
    }

    fn file(&self, name: &str) -> String {
        self.hub.home().join(name).to_str().unwrap().to_owned()
    }

    /// The lines that digests are over.
    fn hashed(list: &str) -> String {
        let mut lines: Vec<_> =
            cells(list)[1..].iter().map(|row| format!("{} {}\n", row[6], row[9])).collect();
        lines.sort();
        lines.concat()
    }

    /// What the hub lists, held against what was done and what others see; the list.
    async fn lists(&self) -> String {
        let rows = self.sums();
        assert_eq!(rows[0], ["day", "sender", "recipient", "kind", "deliveries", "handed_over", "digest"]);
        assert_eq!(rows[1][1..6], [BUREAU, REGULATOR, "approval.result", "3", "2"].map(str::to_owned));
        let written = self.reconcile(&["--lines", "--bom", "--to", &self.file("day.csv")]);
        assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
        let list = fs::read_to_string(self.file("day.csv")).unwrap();
        assert!(list.starts_with('\u{feff}'), "a spreadsheet program reads it as UTF-8");
        let by_hand = format!("sha256:{}", hex::encode(Sha256::digest(Self::hashed(&list))));
        assert_eq!(rows[1][6], by_hand);
        let arrived = self.target.look(|ledger| ledger.arrivals[0].body.clone());
        assert_eq!(cells(&list)[1][10], hex::encode(Sha256::digest(arrived)), "what the target got");

        // The sender sees the same, one who has nothing to do with it nothing, and nobody without a token.
        let path = format!("/v1/exchanges?day={}&recipient={REGULATOR}", self.day);
        let seen = self.bureau.get(&path).await.json();
        assert_eq!(seen["sums"][0]["digest"], by_hand, "{seen}");
        assert_eq!(Sender::at(&self.hub, ENFORCEMENT).get(&path).await.json()["sums"], json!([]));
        assert_eq!(self.bureau.with_token("nobody").get(&path).await.status, 401);
        assert_eq!(self.bureau.get("/v1/exchanges?day=yesterday").await.status, 400);
        list
    }

    /// The counterpart lacks two, one that it took and one that it refused; it has one changed, and one that nobody sent.
    fn theirs(&self, ours: &str) -> String {
        let stranger =
            format!("{},{BUREAU},{REGULATOR},approval.result,K-7,1,{STRANGER},delivered,,,", self.day);
        let [taken, changed, refused] = [0, 1, 2].map(|place| &self.deliveries[place]);
        let theirs: Vec<String> = ours
            .lines()
            .filter(|line| !line.contains(refused) && !line.contains(taken))
            .map(|line| if line.contains(changed) { line.replace("K-1", "K-9") } else { line.to_owned() })
            .chain([stranger])
            .collect();
        let list = self.file("theirs.csv");
        fs::write(&list, theirs.join("\n")).unwrap();
        list
    }

    /// Each difference is found, and what is to be done about it said; nothing is done.
    async fn compares(&self, list: &str, ours: &str) {
        let found = self.reconcile(&["--compare", list, "--json"]);
        let found: Value = serde_json::from_slice(&found.stdout).unwrap();
        let [taken, changed, refused] = [0, 1, 2].map(|place| self.deliveries[place].as_str());
        assert_eq!(found["same"], json!(0), "{found}");
        assert_eq!(
            told(&found),
            [
                (taken, "missing_there", "delivered", "resend"),
                (refused, "missing_there", "parked", "retry"),
                (changed, "different", "delivered", "person"),
                (STRANGER, "missing_here", "", "person"),
            ]
        );
        assert_eq!(found["rows"][2]["columns"], json!(["business_key"]));
        assert_eq!(found["theirs"]["file_sha256"], hex::encode(Sha256::digest(fs::read(list).unwrap())));
        assert_eq!(found["ours"]["sha256"], hex::encode(Sha256::digest(Self::hashed(ours))));
        self.hub.until(refused, "parked").await;
        assert_eq!(self.target.arrivals(), 3, "nothing is sent by a comparison");
    }

    /// Writes the plan; its digest.
    fn plan(&self, list: &str) -> String {
        let written = self.reconcile(&["--compare", list, "--plan", &self.file("plan.json")]);
        assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
        hex::encode(Sha256::digest(fs::read(self.file("plan.json")).unwrap()))
    }

    /// Carries the plan out, or tries it out; the exit code and what is said.
    fn apply(&self, more: &[&str]) -> (Option<i32>, Value) {
        let plan = self.file("plan.json");
        let arguments = [&["reconcile", "--json", "--apply", &plan], more].concat();
        let output = self.hub.command(&arguments).output().unwrap();
        let said = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
        (output.status.code(), said)
    }

    /// What moved meanwhile makes all of it void, and it is said which and why.
    async fn refuses_what_has_moved(&self, list: &str) {
        let refused = &self.deliveries[2];
        self.plan(list);
        self.hub.order(refused, "skip").await;
        let (code, void) = self.apply(&CARRY_OUT);
        assert_eq!(
            (code, &void["done"], &void["refused"][0]["delivery"]),
            (Some(1), &json!(false), &json!(refused))
        );
        assert!(void["refused"][0]["because_zh"].as_str().unwrap().contains("现为“已跳过”"), "{void}");
        let body = json!({
            "plan": "00".repeat(32), "reason": "x",
            "steps": [{ "delivery": refused, "state": "parked", "do": "retry" }],
        });
        let path = "/v1/exchanges/replay";
        let (status, problem) = self.hub.operate(Method::POST, path, Some(body.clone())).await;
        assert_eq!((status, &problem["faults"][0]["path"]), (409, &json!(refused)), "{problem}");
        let sender = self.bureau.post(path, "application/json", body.to_string()).await;
        assert_eq!(sender.status, 403, "only operators send again");
        assert_eq!(self.target.arrivals(), 3, "nothing half done");
    }

    /// What was delivered comes again under its id, and stays delivered since the first time.
    async fn sends_again(&self, list: &str) {
        let delivery = &self.deliveries[0];
        self.target.behave(|_| Behaviour::Take);
        let before = self.hub.delivery(delivery).await;
        let digest = self.plan(list);
        let (_, rehearsed) = self.apply(&["--dry-run"]);
        assert_eq!((&rehearsed["done"], &rehearsed["refused"]), (&json!(false), &json!([])), "{rehearsed}");
        assert_eq!(self.target.arrivals(), 3, "nothing is sent by a rehearsal");
        let (_, done) = self.apply(&CARRY_OUT);
        let steps = json!([{ "delivery": delivery, "state": "delivered", "do": "resend" }]);
        assert_eq!((&done["steps"], &done["done"]), (&steps, &json!(true)), "{done}");
        eventually("it comes again", || self.target.arrivals() == 4).await;
        let arrived = |place: usize| {
            self.target.look(|ledger| {
                let arrival = &ledger.arrivals[place];
                (arrival.delivery.clone(), arrival.body.clone())
            })
        };
        assert_eq!(arrived(3), arrived(0), "the same id, the same bytes");
        let recorded = wait_until_told(PATIENCE, async || {
            self.hub.delivery(delivery).await["attempts_made"].as_array().unwrap().len() == 2
        });
        assert!(recorded.await, "the attempt is recorded");
        let mut after = self.hub.delivery(delivery).await;
        after["attempts_made"] = before["attempts_made"].clone();
        assert_eq!(after, before, "its state and its moment are those of the first time");
        let trail = self.hub.get(&format!("/v1/deliveries/{delivery}/trail")).await;
        let mut operated = trail.as_array().unwrap().iter().filter(|it| it["event"] == "delivery.operated");
        let data = &operated.next().unwrap()["data"];
        assert_eq!((&data["operation"], &data["by"]), (&json!("resend"), &json!("张三")), "{data}");
        assert_eq!(data["plan"], format!("sha256:{digest}"), "the trail leads to the file");
        assert_eq!(data["reason"], "对方停机，电话***********核实");
        proves_the_first_time(&self.hub, &before);
    }
}

const CARRY_OUT: [&str; 4] = ["--reason", "对方停机，电话13991512345核实", "--by", "张三"];

async fn two_sides_reconcile(place: Option<Postgres>) {
    let mut stage = Stage::new(place.as_ref()).await;
    let ours = stage.lists().await;
    let sums = stage.sums();
    let list = stage.theirs(&ours);
    stage.compares(&list, &ours).await;
    stage.refuses_what_has_moved(&list).await;
    stage.sends_again(&list).await;
    assert_eq!(stage.hub.stop(), Some(0));
    assert_eq!(stage.sums()[1][6], sums[1][6], "a stopped hub's store says the same");
    let verified = stage.hub.run(&["seal", "verify"]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
}

/// What a plan says, row by row: delivery, finding, state, what is done.
fn told(plan: &Value) -> Vec<(&str, &str, &str, &str)> {
    let text = |row: &Value, name: &str| row[name].as_str().map(str::to_owned).unwrap_or_default();
    let rows = plan["rows"].as_array().unwrap_or_else(|| panic!("{plan}"));
    assert!(rows.iter().all(|row| !text(row, "why").is_empty() && !text(row, "why_zh").is_empty()), "{plan}");
    rows.iter()
        .map(|row| {
            let cell = |name: &str| row[name].as_str().unwrap_or_default();
            (cell("delivery"), cell("finding"), cell("state"), cell("do"))
        })
        .collect()
}

/// The evidence of a delivery that was sent twice names the first success as its moment.
fn proves_the_first_time(hub: &Hub, delivery: &Value) {
    let file = hub.home().join("evidence.json");
    let id = delivery["id"].as_str().unwrap();
    let exported = hub.run(&["evidence", "export", id, "--wait", "--out", file.to_str().unwrap()]);
    assert!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));
    let file: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let statements = file["statements"].as_array().unwrap().iter().map(|one| {
        let signed: Value = serde_json::from_str(one.as_str().unwrap()).unwrap();
        signed["statement"].clone()
    });
    let moments: Vec<_> =
        statements.filter_map(|one| one["operative"]["at"].as_str().map(str::to_owned)).collect();
    assert!(!moments.is_empty(), "{file}");
    let first: jiff::Timestamp = delivery["handed_over_at"].as_str().unwrap().parse().unwrap();
    for moment in moments {
        let moment: jiff::Timestamp = moment.parse().unwrap();
        assert_eq!(moment.as_microsecond(), first.as_microsecond());
    }
}

/// Two results about one licence, both delivered; a list of the counterpart without those named.
async fn older_facts_do_not_come_last(place: Option<Postgres>) {
    let (mut hub, target) = opened(place.as_ref()).await;
    let bureau = Sender::at(&hub, BUREAU);
    let mut deliveries = Vec::new();
    for key in ["K-0", "K-1"] {
        let delivery = bureau.accepted(&result(key, "L-1")).await.delivery_to(REGULATOR);
        hub.until(&delivery, "delivered").await;
        deliveries.push(delivery);
    }
    let (day, pair) = (today(), format!("{BUREAU}:{REGULATOR}"));
    let list = hub.home().join("theirs.csv");
    let plan = hub.home().join("plan.json");
    let compare = |lines: &[&str]| -> Value {
        fs::write(&list, [&["delivery"], lines].concat().join("\n")).unwrap();
        let files = [list.to_str().unwrap(), plan.to_str().unwrap()];
        let arguments = [
            "reconcile",
            "--day",
            &day,
            "--pair",
            &pair,
            "--json",
            "--compare",
            files[0],
            "--plan",
            files[1],
        ];
        serde_json::from_slice(&hub.command(&arguments).output().unwrap().stdout).unwrap()
    };
    let alone = compare(&[&deliveries[1]]);
    assert_eq!(told(&alone), [(deliveries[0].as_str(), "missing_there", "delivered", "person")], "{alone}");
    let both = compare(&[]);
    assert!(told(&both).iter().all(|row| row.3 == "resend"), "{both}");
    let done = hub.ask(&["reconcile", "--apply", plan.to_str().unwrap(), "--reason", "对方丢失"]);
    assert_eq!(done["done"], true, "{done}");
    eventually("both come again", || target.arrivals() == 4).await;
    let ids = target.look(|ledger| ledger.arrivals.iter().map(|it| it.delivery.clone()).collect::<Vec<_>>());
    assert_eq!(ids[2..], deliveries, "in the order they were accepted");
    assert_eq!(hub.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_again_keeps_its_order_on_an_embedded_store() {
    older_facts_do_not_come_last(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_again_keeps_its_order_on_postgresql() {
    older_facts_do_not_come_last(Some(Postgres::new())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_sides_reconcile_on_an_embedded_store() {
    two_sides_reconcile(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_sides_reconcile_on_postgresql() {
    two_sides_reconcile(Some(Postgres::new())).await;
}
