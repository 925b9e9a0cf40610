//! `adapter check` and `adapter test`: cases pass, fail with a readable difference, or are missing.

use std::fs;

use super::{home, hub, liandong, on, run};
use crate::harness::hub::Hub;

/// Writes a mapping test of an adapter.
fn case(hub: &Hub, endpoint: &str, name: &str, text: &str) {
    let folder = home(hub).join("adapters").join(endpoint).join("tests");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(name), text).unwrap();
}

const OUT: &str =
    r#"{"delivery": {"id": "0192f0a4-7c1e-7d3a-9b56-1f2e3d4c5b6a"}, "record": {"businessKey": "K-1"}}"#;

/// A hub whose mappings each have a test that passes.
fn tested() -> Hub {
    let hub = hub();
    case(&hub, "ankang-spj", "in-approval.result.json", r#"{"businessKey": "K-1"}"#);
    case(&hub, "ankang-spj", "in-approval.result.expected.json", r#"{"key": "K-1"}"#);
    case(&hub, "ankang-scjg", "out-risk.warning.json", OUT);
    case(&hub, "ankang-scjg", "out-risk.warning.expected.json", r#"{ "key" : "K-1" }"#);
    hub
}

#[test]
fn mappings_that_do_what_their_tests_say_pass() {
    let hub = tested();
    on(&hub, &["adapter", "test"]).says(&[
        "✓ in-approval.result",
        "✓ out-risk.warning",
        "2 个映射用例全部通过",
    ]);
    on(&hub, &["adapter", "test", "ankang-spj", "--lang", "en"]).says(&["All 1 mapping tests passed"]);
    let result = hub.ask(&["adapter", "test"]);
    assert_eq!((&result["passed"], &result["wrong"]), (&2.into(), &0.into()));
}

#[test]
fn a_mapping_that_does_something_else_is_told_field_by_field() {
    let hub = tested();
    case(&hub, "ankang-spj", "in-approval.result.expected.json", r#"{"key": 1, "more": true}"#);
    let said = on(&hub, &["adapter", "test"]);
    said.fails(1, &["1 个映射用例通过，1 处有问题"]);
    said.has(
        &said.out,
        &["✗ in-approval.result", "key：预期 1，实际 \"K-1\"", "more：预期 true，实际 （无）"],
    );
    let said = on(&hub, &["adapter", "test", "--lang", "en"]);
    said.has(&said.out, &["key: expected 1, got \"K-1\"", "more: expected true, got (nothing)"]);
    let said = on(&hub, &["adapter", "test", "--json"]);
    assert_eq!(said.code, Some(1));
    let adapters = said.json()["adapters"].clone();
    let spj = adapters.as_array().unwrap().iter().find(|one| one["endpoint"] == "ankang-spj").unwrap();
    assert_eq!(spj["cases"][0]["failure"]["differences"][0]["path"], "key");
}

#[test]
fn a_mapping_without_a_test_and_a_file_of_no_test_are_said() {
    let hub = tested();
    fs::remove_file(home(&hub).join("adapters/ankang-scjg/tests/out-risk.warning.json")).unwrap();
    case(&hub, "ankang-spj", "in-aproval.result.json", "{}");
    let said = on(&hub, &["adapter", "test"]);
    said.fails(1, &["3 处有问题"]);
    said.has(
        &said.out,
        &["✗ out-*  没有用例", "in-aproval.result.json", "out-risk.warning.expected.json", "不属于任何用例"],
    );
}

#[test]
fn files_of_a_test_that_cannot_be_used_are_named() {
    let hub = tested();
    case(&hub, "ankang-spj", "in-approval.result.json", "{");
    case(&hub, "ankang-scjg", "out-risk.warning.expected.json", "{\n  oops");
    let said = on(&hub, &["adapter", "test"]);
    said.fails(1, &["2 处有问题"]);
    said.has(&said.out, &["报文被拒收", "out-risk.warning.expected.json 内容有误"]);
}

#[test]
fn an_unknown_endpoint_is_told_the_nearest() {
    let hub = hub();
    for what in ["check", "test"] {
        on(&hub, &["adapter", what, "ankang-sjpg"])
            .fails(1, &["没有名为“ankang-sjpg”的接入系统", "“ankang-s"]);
    }
    on(&hub, &["adapter", "test", "x", "--lang", "en"]).fails(1, &["there is no endpoint 'x'"]);
}

#[test]
fn adapters_are_listed_with_their_ways() {
    let hub = hub();
    on(&hub, &["adapter", "check"]).says(&["ankang-spj", "安康市行政审批平台", "http"]);
    let facts = hub.ask(&["adapter", "check", "ankang-spj"]);
    assert_eq!((&facts[0]["in"], &facts[0]["mappings"]), (&"http".into(), &1.into()));
}

#[test]
fn a_folder_without_adapters_is_said() {
    let mut command = super::bare(&["adapter", "test"]);
    command.env("LIANDONG__PATHS__ADAPTERS", "config/rules");
    run(command).fails(1, &["config/rules 下没有适配器目录"]);
}

#[test]
fn the_demos_adapters_pass_by_the_example_of_the_help() {
    let mut command = super::bare(&["adapter", "test"]);
    command.env("LIANDONG__PATHS__ADAPTERS", "config/demo/adapters");
    run(command).says(&["全部通过"]);
    liandong(&["adapter", "test", "--help"]).says(&["LIANDONG__PATHS__ADAPTERS=config/demo/adapters"]);
}
