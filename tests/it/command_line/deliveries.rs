//! `deliveries`: filters and pages, operations with reasons, rehearsals, with a hub and without one.

use super::{delivery_for, hub, on, submit, token_file, until};
use crate::harness::hub::Hub;

const UNKNOWN: &str = "0192f0a4-7c1e-7d3a-9b56-1f2e3d4c5b6a";

#[test]
fn without_a_store_nothing_is_made_and_it_is_said() {
    let hub = hub();
    for command in [
        &["deliveries", "list"][..],
        &["deliveries", "retry", UNKNOWN],
        &["trail", UNKNOWN],
        &["token", "new", "x"],
        &["seal", "verify"],
    ] {
        on(&hub, command).fails(1, &["还没有数据", "liandong serve", "--config"]);
        on(&hub, &[command, &["--lang", "en"]].concat()).fails(1, &["there is no store in"]);
    }
    assert!(!super::home(&hub).join("data").exists());
}

#[tokio::test]
async fn deliveries_are_listed_by_filter_and_page() {
    let mut hub = hub();
    hub.start();
    let token = token_file(&hub);
    let statement = submit(&hub, &token, "K-1", 1);
    let delivery = delivery_for(&statement, "610900-scjgj");
    until(&hub, &delivery, "parked").await;
    let list = |hub: &Hub, more: &[&str]| on(hub, &[&["deliveries", "list"][..], more].concat());

    list(&hub, &[]).says(&["推送编号", "审批结果", "安康市市场监督管理局（610900-scjgj）", "重试次数用尽"]);
    list(&hub, &["--lang", "en"]).says(&["delivery", "approval.result", "attempts_exhausted"]);
    list(&hub, &["--state", "待人工处理", "--endpoint", "ankang-scjg"]).says(&[&delivery]);
    list(&hub, &["--organisation", "安康市市场监督管理局"]).says(&[&delivery]);
    let all = hub.ask(&["deliveries", "list"]);
    assert_eq!(all.as_array().unwrap().len(), 3, "{all}");
    assert_eq!(hub.ask(&["deliveries", "list", "--endpoint", "ankang-scjg"]).as_array().unwrap().len(), 1);

    let first = list(&hub, &["--limit", "2"]);
    first.says(&[&delivery]);
    first.has(&first.err, &["只列出了 2 条", "--offset 2"]);
    let rest = list(&hub, &["--limit", "2", "--offset", "2"]);
    rest.says(&["推送编号"]);
    assert_eq!((rest.err.as_str(), rest.out.lines().count()), ("", 3), "{rest:?}");
    let english = list(&hub, &["--limit", "2", "--lang", "en", "--json"]);
    english.has(&english.err, &["there are more"]);
    assert_eq!(english.json().as_array().unwrap().len(), 2);

    list(&hub, &["--state", "delivered"]).says(&["没有符合条件的推送"]);
    list(&hub, &["--endpoint", "ankang-spj"]).says(&["没有符合条件的推送"]);
    list(&hub, &["--endpoint", "ankang-scj"]).fails(1, &["没有名为“ankang-scj”的接入系统", "ankang-scjg"]);
    list(&hub, &["--message", UNKNOWN]).says(&["没有符合条件的推送"]);
    assert_eq!(hub.stop(), Some(0));
    list(&hub, &["--state", "parked", "--endpoint", "ankang-scjg"]).says(&[&delivery]);
}

#[tokio::test]
async fn operations_are_rehearsed_and_done_on_a_running_hub() {
    let mut hub = hub();
    hub.start();
    let token = token_file(&hub);
    let statement = submit(&hub, &token, "K-1", 1);
    let delivery = delivery_for(&statement, "610900-scjgj");
    until(&hub, &delivery, "parked").await;
    let operate = |more: &[&str]| on(&hub, &[&["deliveries"][..], more].concat());

    operate(&["skip", &delivery, "--reason", "另行送达", "--dry-run"]).says(&[
        "试运行，未作任何改动",
        "“待人工处理”变为“已跳过”",
        "限时办理事项解除",
    ]);
    operate(&["withdraw", &delivery, "--reason", "wrong", "--dry-run", "--lang", "en"]).says(&[
        "nothing was changed",
        "from parked to withdrawn",
        "released",
    ]);
    operate(&["offline", &delivery, "--document", "安送〔2026〕7号", "--dry-run"])
        .says(&["变为“线下送达”", "限时办理事项办结"]);
    operate(&["park", &delivery, "--reason", "x", "--dry-run"])
        .fails(1, &["当前状态不允许该操作", "“待人工处理”", "须为“待推送”"]);
    until(&hub, &delivery, "parked").await;
    let trail = hub.ask(&["trail", &delivery])["trail"].clone();
    assert!(!trail.to_string().contains("delivery.operated"), "a rehearsal leaves no entry: {trail}");

    operate(&["offline", &delivery, "--document", "安送〔2026〕7号"]).says(&["待人工处理 → 线下送达"]);
    operate(&["withdraw", &delivery, "--reason", "x"]).fails(1, &["“线下送达”"]);
    operate(&["withdraw", &delivery, "--reason", "x", "--lang", "en"])
        .fails(1, &["not_possible", "is served_offline", "held, ready, scheduled or parked"]);
    operate(&["retry", UNKNOWN]).fails(1, &["没有编号为", UNKNOWN]);
    let unreached = delivery_for(&statement, "610900-xypt");
    operate(&["retry", &unreached]).fails(1, &["没有接入系统可送"]);
    operate(&["confirm", &unreached]).fails(1, &["“待转报”"]);
    let done = hub.ask(&["deliveries", "skip", &unreached, "--reason", "x"]);
    assert_eq!((&done["from"], &done["to"]), (&"parked".into(), &"skipped".into()));
    on(&hub, &["trail", &delivery]).says(&["人工操作", "线下送达 安送〔2026〕7号", "local-commands"]);
}

#[tokio::test]
async fn operations_on_a_killed_hubs_store_are_done_and_sealed() {
    let mut hub = hub();
    hub.start();
    let token = token_file(&hub);
    let statement = submit(&hub, &token, "K-1", 1);
    let delivery = delivery_for(&statement, "610900-scjgj");
    until(&hub, &delivery, "parked").await;
    hub.kill();

    on(&hub, &["deliveries", "skip", &delivery, "--reason", "另行送达", "--dry-run"]).says(&["试运行"]);
    on(&hub, &["deliveries", "skip", &delivery, "--reason", "另行送达"]).says(&["待人工处理 → 已跳过"]);
    on(&hub, &["deliveries", "list", "--state", "skipped"]).says(&[&delivery, "已跳过"]);
    on(&hub, &["trail", &delivery]).says(&["人工操作", "另行送达"]);
    let report = hub.ask(&["seal", "verify"]);
    assert_eq!(
        (&report["report"]["unsealed"], &report["report"]["mismatch"]),
        (&0.into(), &serde_json::Value::Null)
    );
    hub.start();
    let rows = hub.ask(&["deliveries", "list", "--state", "skipped"]);
    assert_eq!(rows[0]["id"], delivery.as_str());
}

#[test]
fn a_directory_held_by_a_process_that_cannot_be_asked_is_said() {
    let mut hub = hub();
    hub.start();
    assert_eq!(hub.stop(), Some(0));
    let lock = std::fs::File::open(super::home(&hub).join("data/liandong.lock")).unwrap();
    lock.lock().unwrap();
    for command in [&["deliveries", "list"][..], &["token", "list"], &["deliveries", "retry", UNKNOWN]] {
        on(&hub, command).fails(1, &["另一个 liandong 进程正在使用", "请稍后再试"]);
        on(&hub, &[command, &["--lang", "en"]].concat()).fails(1, &["another liandong process works on"]);
    }
    on(&hub, &["seal", "verify"]).says(&["完好"]);
}
