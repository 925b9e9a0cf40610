//! What people do is evidence like the rest: each operation stands in the trail with who did it, under which account, and
//! why, and is sealed.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{
    books::Books,
    department::{Department, status},
    hub::Hub,
    sender::{BUREAU, ENFORCEMENT, REGULATOR, Sender, hub_of, receives, result, sends},
};

const BY: [&str; 4] = ["--by", "张三", "--reason", "核实后处理，电话13991512345"];

fn entries(hub: &Hub, event: &str) -> Vec<Value> {
    let sql = format!("SELECT body FROM trail WHERE event = '{event}' ORDER BY number");
    Books::of(hub).bodies(&sql).into_iter().map(|entry| entry["data"].clone()).collect()
}

/// Who and why, as the trail must say it; the account is that of whoever runs the tests.
#[track_caller]
fn answered_for(data: &Value) {
    assert_eq!(
        (&data["by"], &data["reason"]),
        (&json!("张三"), &json!("核实后处理，电话***********")),
        "{data}"
    );
    assert!(data["operator"].as_str().unwrap().starts_with("local-commands"), "{data}");
    assert!(!data["account"].as_str().unwrap().is_empty(), "{data}");
}

async fn stuck() -> (Hub, Sender, Department) {
    let target = Department::anywhere().await;
    target.behave(|_| status(500));
    let regulator = receives(REGULATOR, REGULATOR, &target.address(), "");
    let mut hub = hub_of(&[(BUREAU, sends(BUREAU, &[BUREAU])), (REGULATOR, regulator)]);
    hub.set("retry.first_ms", 600_000);
    hub.set("retry.min_ms", 600_000);
    hub.set("retry.max_ms", 600_000);
    hub.start();
    let bureau = Sender::at(&hub, BUREAU);
    (hub, bureau, target)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_on_a_delivery_says_who_under_which_account_and_why() {
    let (mut hub, bureau, _target) = stuck().await;
    for (number, operation) in ["retry", "park", "withdraw", "offline"].into_iter().enumerate() {
        let key = format!("K-{number}");
        let delivery = bureau.accepted(&result(&key, &key)).await.delivery_to(REGULATOR);
        hub.until(&delivery, "scheduled").await;
        let document: &[&str] =
            if operation == "offline" { &["--document", "安审〔2026〕7号"] } else { &[] };
        hub.ask(&[&["deliveries", operation, &delivery], &BY[..], document].concat());
        if operation == "park" {
            // On a stopped hub's store it is the same.
            assert_eq!(hub.stop(), Some(0));
            hub.ask(&[&["deliveries", "skip", &delivery], &BY[..]].concat());
            hub.start();
        }
    }
    let done = entries(&hub, "delivery.operated");
    done.iter().for_each(answered_for);
    let said: Vec<_> = done.iter().map(|data| data["operation"].clone()).collect();
    let offline = json!({ "serve_offline": "安审〔2026〕7号" });
    assert_eq!(said, [json!("retry"), json!("park"), json!("skip"), json!("withdraw"), offline]);
    assert_eq!(hub.stop(), Some(0));
    assert_eq!(Books::of(&hub).number("SELECT count(*) FROM trail_unsealed"), 0, "sealed like the rest");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_is_confirmed_by_somebody_for_a_reason() {
    const CITY: &str = "610900-scjgj";
    let target = Department::anywhere().await;
    let mut hub = hub_of(&[
        (BUREAU, sends(BUREAU, &[BUREAU])),
        (REGULATOR, receives(REGULATOR, REGULATOR, &target.address(), "")),
        (CITY, receives(CITY, CITY, &target.address(), "")),
    ]);
    hub.start();
    let mut message = result("K", "L");
    message["items"][0]["code"] = json!("000172012000");
    let accepted = Sender::at(&hub, BUREAU).accepted(&message).await;
    hub.until(&accepted.delivery_to(REGULATOR), "delivered").await;
    let second = accepted.delivery_to(CITY);
    hub.until(&second, "held").await;
    hub.ask(&[&["deliveries", "confirm", &second], &BY[..]].concat());
    let done = entries(&hub, "delivery.operated");
    let confirmed: Vec<_> = done.iter().filter(|data| data["operation"] == "confirm_relay").collect();
    assert_eq!(confirmed.len(), 1, "{done:?}");
    answered_for(confirmed[0]);
    hub.until(&second, "delivered").await;
    assert_eq!(hub.stop(), Some(0));
    assert_eq!(Books::of(&hub).number("SELECT count(*) FROM trail_unsealed"), 0, "sealed like the rest");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_changed_by_somebody_for_a_reason() {
    let mut hub = hub_of(&[(BUREAU, sends(BUREAU, &[BUREAU]))]);
    hub.start();
    let made = hub.ask(&["key", "new"]);
    hub.ask(&[&["key", "rotate", "--apply"], &BY[..]].concat());
    let rotated = entries(&hub, "key.rotated");
    assert_eq!(rotated.len(), 1, "{rotated:?}");
    answered_for(&rotated[0]);
    assert_eq!(rotated[0]["key"], made["key"], "{rotated:?}");
    assert_eq!(hub.stop(), Some(0));
    assert_eq!(Books::of(&hub).number("SELECT count(*) FROM trail_unsealed"), 0, "sealed like the rest");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_takes_up_other_adapters_or_another_calendar_says_what_changed() {
    let mut hub =
        hub_of(&[(BUREAU, sends(BUREAU, &[BUREAU])), (ENFORCEMENT, sends(ENFORCEMENT, &[ENFORCEMENT]))]);
    let calendar = hub.home().join("holidays.csv");
    let shipped = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config/calendar/holidays.csv");
    fs::copy(&shipped, &calendar).unwrap();
    hub.set("paths.calendar", calendar.display());
    for _ in 0..2 {
        hub.start();
        assert_eq!(hub.stop(), Some(0));
    }
    for event in ["adapters.changed", "calendar.changed"] {
        assert!(entries(&hub, event).is_empty(), "nothing has changed");
    }
    let days = fs::read_to_string(&shipped).unwrap();
    let (kept, last) = days.trim_end().rsplit_once('\n').unwrap();
    fs::write(&calendar, format!("{kept}\n")).unwrap();
    hub.take_away(ENFORCEMENT);
    hub.start_with(&["--by", "张三", "--reason", "换系统"]);
    assert_eq!(hub.stop(), Some(0));
    let adapters = entries(&hub, "adapters.changed").remove(0);
    let files = adapters["difference"]["files"].as_array().unwrap();
    assert!(!files.is_empty(), "{adapters}");
    assert!(files.iter().all(|file| file.as_str().unwrap().starts_with(ENFORCEMENT)), "{adapters}");
    assert_ne!(adapters["before"]["digest"], adapters["after"]["digest"]);
    let calendar = entries(&hub, "calendar.changed").remove(0);
    let gone = last.split(',').next().unwrap();
    assert_eq!(
        calendar["difference"]["removed"]["names"],
        json!([format!("holidays.csv {gone}")]),
        "{calendar}"
    );
    for said in [&adapters, &calendar] {
        assert_eq!((&said["by"], &said["reason"]), (&json!("张三"), &json!("换系统")), "{said}");
    }
    hub.ask(&["seal", "verify"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_made_and_revoked_by_somebody_for_a_reason() {
    let mut hub = hub_of(&[(BUREAU, sends(BUREAU, &[BUREAU]))]);
    hub.start();
    let made = hub.ask(&[&["token", "new", "zhangsan"], &BY[..]].concat());
    hub.ask(&[&["token", "revoke", "zhangsan"], &BY[..]].concat());
    for event in ["token.added", "token.revoked"] {
        let entries = entries(&hub, event);
        let data = entries.iter().find(|data| data["name"] == "zhangsan").unwrap();
        answered_for(data);
    }
    let whole = format!("{:?}", entries(&hub, "token.added"));
    assert!(!whole.contains(made["token"].as_str().unwrap()), "no token stands in the trail");
    assert_eq!(hub.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_of_his_own_token_is_named_by_it_whatever_he_says() {
    let (mut hub, bureau, _target) = stuck().await;
    let made = hub.ask(&["token", "new", "lisi"]);
    let delivery = bureau.accepted(&result("K", "L")).await.delivery_to(REGULATOR);
    hub.until(&delivery, "scheduled").await;
    let client = reqwest::Client::new();
    let path = format!("http://{}/v1/deliveries/{delivery}/park", hub.http);
    let request = client.post(path).bearer_auth(made["token"].as_str().unwrap());
    let request = request.header("liandong-by", "%E7%8E%8B%E4%BA%94").body(r#"{"reason":"停"}"#);
    assert_eq!(request.send().await.unwrap().status(), 200);
    let data = entries(&hub, "delivery.operated").remove(0);
    assert_eq!((&data["operator"], &data["by"]), (&json!("lisi"), &json!("王五")), "{data}");
    assert!(data["account"].is_null(), "{data}");
    assert_eq!(hub.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_takes_up_other_rules_or_another_registry_says_what_changed() {
    let mut hub = hub_of(&[(BUREAU, sends(BUREAU, &[BUREAU]))]);
    let (registry, rules) = (hub.home().join("registry"), hub.home().join("rules"));
    for (name, folder) in [("registry", &registry), ("rules", &rules)] {
        fs::create_dir_all(folder).unwrap();
        let from = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name);
        for file in fs::read_dir(from).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), folder.join(file.file_name())).unwrap();
        }
        hub.set(&format!("paths.{name}"), folder.display());
    }
    hub.start();
    assert_eq!(hub.stop(), Some(0));
    hub.start();
    assert_eq!(hub.stop(), Some(0));
    assert!(entries(&hub, "rules.changed").is_empty(), "nothing has changed");

    let approval = fs::read_to_string(rules.join("approval.toml")).unwrap();
    assert!(approval.contains("within_working_days = 2,"));
    fs::write(
        rules.join("approval.toml"),
        approval.replacen("within_working_days = 2,", "within_working_days = 3,", 1),
    )
    .unwrap();
    let walk = fs::read_to_string(registry.join("cross_walk.csv")).unwrap();
    let (kept, last) = walk.trim_end().rsplit_once('\n').unwrap();
    fs::write(registry.join("cross_walk.csv"), format!("{kept}\n")).unwrap();
    hub.start_with(&["--by", "张三", "--reason", "核查期限调整"]);
    assert_eq!(hub.stop(), Some(0));
    let rules = entries(&hub, "rules.changed").remove(0);
    assert_eq!(
        rules["difference"]["changed"]["names"],
        json!(["approval.toml result.supervisors"]),
        "{rules}"
    );
    assert_eq!((&rules["by"], &rules["reason"]), (&json!("张三"), &json!("核查期限调整")));
    assert_ne!(rules["before"]["digest"], rules["after"]["digest"]);
    assert_eq!((&rules["before"]["version"], &rules["after"]["version"]), (&json!(1), &json!(2)));
    let registry = entries(&hub, "registry.changed").remove(0);
    let gone = last.split(',').take(2).collect::<Vec<_>>().join(" ");
    assert_eq!(
        registry["difference"]["removed"]["names"],
        json!([format!("cross_walk.csv {gone}")]),
        "{registry}"
    );
    hub.ask(&["seal", "verify"]);
}
