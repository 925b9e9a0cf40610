//! `submit`, `route explain`, `trail`: messages that are good and bad, and finding what became of them.

use serde_json::Value;

use super::{delivery_for, file, hub, liandong, on, result, submit, token_file, until};

#[test]
fn a_message_that_is_no_json_is_told_by_its_line() {
    let hub = hub();
    let bad = file(&hub, "bad.json", "{\n \"a\": 1,\n oops\n}");
    on(&hub, &["route", "explain", &bad]).fails(1, &["bad.json 第 3 行第 2 列不是 JSON"]);
    on(&hub, &["submit", &bad, "--token-file", &bad, "--lang", "en"]).fails(1, &["line 3 column 2"]);
    on(&hub, &["route", "explain", "nowhere.json"]).fails(1, &["无法读取 nowhere.json", "不存在"]);
    on(&hub, &["submit", "nowhere.json", "--token-file", "x.token"]).fails(1, &["无法读取 x.token"]);
    let empty = file(&hub, "empty.json", "{}");
    on(&hub, &["submit", &empty, "--token-file", &empty]).fails(1, &["approvalResult"]);
}

#[test]
fn routing_is_explained_in_either_language_without_a_hub() {
    let example = "docs/examples/approval-result.json";
    liandong(&["route", "explain", example]).says(&[
        "安康市市场监督管理局（610900-scjgj）",
        "牵头",
        "待人工处理：接收机构未接入",
        "签收",
        "不涉及：规则未启用",
        "任务6、13、20、21",
    ]);
    liandong(&["--lang", "en", "route", "explain", example]).says(&[
        "lead",
        "no_endpoint",
        "not_concerned",
        "Why",
    ]);
    let decision = liandong(&["route", "explain", example, "--json"]).json();
    assert_eq!(decision["deliveries"][0]["organisation"], "610900-scjgj");
}

#[test]
fn a_message_that_would_be_refused_names_every_fault() {
    let hub = hub();
    let mut message = result("K-1", 1);
    message["decidedAt"] = "yesterday".into();
    message["publicity"]["level"] = "SECRET".into();
    let bad = file(&hub, "bad.json", &message.to_string());
    let said = on(&hub, &["route", "explain", &bad]);
    said.fails(1, &["会被拒收"]);
    let mut message = result("K-1", 1);
    message["items"][0]["code"] = "999".into();
    message["organisation"] = "nobody".into();
    let bad = file(&hub, "bad.json", &message.to_string());
    on(&hub, &["route", "explain", &bad]).fails(1, &["nobody", "会被拒收"]);
}

#[test]
fn without_a_hub_a_message_cannot_be_handed_in() {
    let hub = hub();
    let message = file(&hub, "message.json", &result("K-1", 1).to_string());
    let token = file(&hub, "x.token", "ld_x");
    let arguments = ["submit", &message, "--token-file", &token];
    on(&hub, &arguments).fails(1, &["没有枢纽在运行", "liandong serve"]);
    on(&hub, &[&arguments[..], &["--lang", "en"]].concat()).fails(1, &["no hub runs on"]);
}

#[tokio::test]
async fn a_message_is_found_by_every_name_that_people_hold() {
    let mut hub = hub();
    hub.start();
    let token = token_file(&hub);
    let wrong = file(&hub, "wrong.token", "ld_wrong");
    let message = file(&hub, "message.json", &result("安审批〔2026〕1号", 1).to_string());
    on(&hub, &["submit", &message, "--token-file", &wrong]).fails(1, &["未通过身份鉴别", "令牌无效"]);
    let said = on(&hub, &["submit", &message, "--token-file", &token]);
    said.says(&["已接收", "安康市市场监督管理局（610900-scjgj）", "待推送"]);

    let statement = submit(&hub, &token, "安审批〔2026〕1号", 2);
    let (id, delivery) = (statement["id"].as_str().unwrap(), delivery_for(&statement, "610900-scjgj"));
    // The first revision heads the lane and is given up; its correction then takes its place.
    on(&hub, &["trail", id]).says(&["审批结果", "安审批〔2026〕1号", "接收消息", "签收", "北京时间"]);
    on(&hub, &["trail", id, "--lang", "en"]).says(&["approval.result", "message.accepted", "(+08:00)"]);
    on(&hub, &["trail", &delivery]).says(&[id, "推送"]);
    let by_delivery = hub.ask(&["trail", &delivery]);
    assert_eq!(by_delivery["delivery"]["id"], delivery.as_str());
    assert_eq!(by_delivery["message"]["id"], id);

    on(&hub, &["trail", "安审批〔2026〕1号"]).says(&[id, "另有版本：1"]);
    let first = hub.ask(&["trail", "安审批〔2026〕1号", "--revision", "1"]);
    assert_eq!(first["message"]["revision"], 1);
    let named = ["--organisation", "安康市行政审批服务局", "--kind", "审批结果"];
    on(&hub, &[&["trail", "安审批〔2026〕1号"][..], &named].concat()).says(&[id]);
    on(&hub, &["trail", "安审批〔2026〕1号", "--kind", "receipt"]).fails(1, &["没有这样的消息"]);
    on(&hub, &["trail", "nobody's key"]).fails(1, &["没有这样的消息", "nobody's key"]);
    let unknown = "0192f0a4-7c1e-7d3a-9b56-1f2e3d4c5b6a";
    on(&hub, &["trail", unknown]).fails(1, &["没有编号为", unknown]);
    assert_eq!(hub.stop(), Some(0));
    on(&hub, &["trail", "安审批〔2026〕1号"]).says(&[id]);
}

#[tokio::test]
async fn a_business_key_that_several_use_lists_them() {
    let mut hub = hub();
    hub.start();
    let token = token_file(&hub);
    submit(&hub, &token, "K-1", 1);
    let mut progress = result("K-1", 1);
    let object = progress.as_object_mut().unwrap();
    object.remove("approvalResult");
    object.insert("approvalProgress".into(), serde_json::json!({"caseNo": "K-1", "stage": "STAGE_ACCEPTED"}));
    let message = file(&hub, "progress.json", &progress.to_string());
    let said = on(&hub, &["submit", &message, "--token-file", &token]);
    assert_eq!(said.code, Some(0), "{said:?}");
    on(&hub, &["trail", "K-1"])
        .fails(1, &["请指明其一", "--kind approval.progress", "--kind approval.result"]);
    on(&hub, &["trail", "K-1", "--kind", "approval.progress"]).says(&["审批信息"]);
}

#[tokio::test]
async fn a_refusal_of_the_hub_is_told_with_its_faults() {
    let mut hub = hub();
    hub.start();
    let token = token_file(&hub);
    let mut message = result("K-1", 1);
    message["decidedAt"] = "yesterday".into();
    let bad = file(&hub, "bad.json", &message.to_string());
    on(&hub, &["submit", &bad, "--token-file", &token]).fails(1, &["报文内容有误", "decidedAt: "]);
    let said = on(&hub, &["submit", &bad, "--token-file", &token, "--json"]);
    let error: Value = serde_json::from_str(&said.err).unwrap();
    assert_eq!(error["problem"]["code"], "invalid");
    assert_eq!(error["problem"]["faults"][0]["path"], "decidedAt");
    let statement = submit(&hub, &token, "K-1", 1);
    let delivery = delivery_for(&statement, "610900-scjgj");
    until(&hub, &delivery, "parked").await;
    on(&hub, &["trail", &delivery]).says(&[
        "历次推送",
        "暂时失败",
        "http://127.0.0.1:1/receive",
        "重试次数用尽",
    ]);
}
