//! What people do is evidence like the rest: each operation stands in the trail with who did it, under which account, and
//! why, and is sealed.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{
    books::Books,
    department::{Department, status},
    hub::Hub,
    sender::{BUREAU, REGULATOR, Sender, hub_of, receives, result, sends},
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
