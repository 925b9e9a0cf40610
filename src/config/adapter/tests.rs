//! What `adapter.toml` may say, and how its faults read.

use std::fs;

use super::*;

const GOOD: &str = r#"
endpoint = "demo"
name = "演示系统"
organisations = ["xzspj"]

[inbound]
http = {}
codec = { format = "json" }
mappings = { "approval.result" = "in.toml" }

[outbound]
http = { url = "http://10.0.0.1/receive", credential = { type = "bearer", secret = "env:TOKEN" } }
codec = { format = "json" }
success = "status == 200 and answer.code == 0"
on_unknown = "resend"
delivery_id = "header:X-Delivery-Id"
mappings = { "*" = "out.toml" }
"#;

fn parse_in_folder(text: &str) -> Result<Adapter, Faults> {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("demo");
    fs::create_dir(&folder).unwrap();
    for file in ["in.toml", "out.toml"] {
        fs::write(folder.join(file), "").unwrap();
    }
    parse(&folder, text)
}

fn fault_of(text: &str) -> String {
    parse_in_folder(text).expect_err("it has a fault").to_string()
}

#[test]
fn a_whole_adapter_is_read_with_its_defaults() {
    let adapter = parse_in_folder(GOOD).unwrap();
    assert_eq!(adapter.receives_for, adapter.organisations);
    assert_eq!(adapter.limits.timeout_ms, 30_000);
    let outbound = adapter.outbound.unwrap();
    assert_eq!(outbound.delivery_id, DeliveryIdAt::Header("X-Delivery-Id".into()));
    assert_eq!(outbound.mappings.other, Some("out.toml".into()));
    assert_eq!(outbound.answer_codec, outbound.codec);
}

#[test]
fn resend_needs_a_declared_place_of_the_delivery_id_or_an_idempotent_effect() {
    let text = GOOD.replace("delivery_id = \"header:X-Delivery-Id\"", "");
    assert!(fault_of(&text).contains("on_unknown: is 'resend'"), "{}", fault_of(&text));
    parse_in_folder(&text.replace("on_unknown =", "effect = \"idempotent\"\non_unknown =")).unwrap();
}

#[test]
fn ask_needs_a_way_to_ask() {
    assert!(fault_of(&GOOD.replace("\"resend\"", "\"ask\"")).contains("[outbound.ask]"));
}

#[test]
fn an_http_target_must_say_how_success_reads() {
    let text = GOOD.replace("success =", "permanent =");
    assert!(fault_of(&text).contains("'success'"));
}

#[test]
fn unknown_keys_are_refused_with_their_line() {
    let text = GOOD.replace("on_unknown = \"resend\"", "on_unknwon = \"resend\"");
    let fault = fault_of(&text);
    assert!(fault.contains("adapter.toml:15: ") && fault.contains("on_unknwon"), "{fault}");
}

#[test]
fn all_faults_of_a_file_come_at_once() {
    let text = GOOD
        .replace("\"demo\"", "\"Demo\"")
        .replace("in.toml", "missing.toml")
        .replace("approval.result", "approval.results")
        .replace("http://10.0.0.1", "http://user:word@10.0.0.1")
        .replace("env:TOKEN", "plain-secret");
    let text = format!("{text}\n[limits]\nwindow = 0\ntimeout_ms = 1\n");
    let faults = parse_in_folder(&text).unwrap_err();
    let all = faults.to_string();
    for part in
        ["endpoint", "no such file", "unknown kind", "credential", "limits.window", "limits.timeout_ms"]
    {
        assert!(all.contains(part), "{part} is not in\n{all}");
    }
    assert!(!all.contains("plain-secret"), "{all}");
    assert!(faults.0.iter().all(|fault| fault.line.is_some()), "{all}");
}

#[test]
fn two_connectors_in_one_direction_are_refused() {
    let text = GOOD.replace("http = {}", "http = {}\nfile = { folder = \"/tmp/x\" }");
    assert!(fault_of(&text).contains("exactly one connector"));
}

#[test]
fn several_mappings_in_need_a_selector() {
    let text = GOOD.replace(
        "{ \"approval.result\" = \"in.toml\" }",
        "{ \"approval.result\" = \"in.toml\", \"approval.progress\" = \"in.toml\" }",
    );
    assert!(fault_of(&text).contains("'select'"));
}

#[test]
fn a_file_target_carries_the_delivery_id_in_its_name_and_may_resend() {
    let text = GOOD
        .replace(
            "http = { url = \"http://10.0.0.1/receive\", credential = { type = \"bearer\", secret = \"env:TOKEN\" } }",
            "file = { folder = \"out\" }",
        )
        .replace("delivery_id = \"header:X-Delivery-Id\"\n", "");
    assert_eq!(parse_in_folder(&text).unwrap().outbound.unwrap().delivery_id, DeliveryIdAt::FileName);
}

#[test]
fn a_mailbox_carries_the_delivery_id_beside_the_body_and_its_system_says_what_an_answer_means() {
    let text = GOOD
        .replace(
            "http = { url = \"http://10.0.0.1/receive\", credential = { type = \"bearer\", secret = \"env:TOKEN\" } }",
            "mailbox = {}",
        )
        .replace("delivery_id = \"header:X-Delivery-Id\"\n", "");
    assert!(fault_of(&text).contains("says itself what its answer means"));
    let lines = text.lines().filter(|line| !line.starts_with("success") && !line.starts_with("on_unknown"));
    let outbound = parse_in_folder(&lines.collect::<Vec<_>>().join("\n")).unwrap().outbound.unwrap();
    assert!(matches!(outbound.connector, OutboundConnector::Mailbox));
    assert_eq!((outbound.delivery_id, outbound.on_unknown), (DeliveryIdAt::Envelope, OnUnknown::Resend));
}

#[test]
fn a_tree_of_adapters_loads_in_order_and_reports_every_bad_one() {
    let root = tempfile::tempdir().unwrap();
    for name in ["b", "a", "notes"] {
        fs::create_dir(root.path().join(name)).unwrap();
    }
    for name in ["a", "b"] {
        fs::write(root.path().join(name).join("in.toml"), "").unwrap();
        let text = GOOD.split("[outbound]").next().unwrap().replace("\"demo\"", &format!("\"{name}\""));
        fs::write(root.path().join(name).join(FILE), text).unwrap();
    }
    let names: Vec<_> = load_all(root.path()).unwrap().into_iter().map(|a| a.endpoint.to_string()).collect();
    assert_eq!(names, ["a", "b"]);
    for name in ["a", "b"] {
        fs::write(root.path().join(name).join(FILE), "endpoint = 1").unwrap();
    }
    assert_eq!(load_all(root.path()).unwrap_err().0.len(), 2);
}
