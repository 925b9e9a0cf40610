//! Chinese or English, by what is asked for and by the locale; errors of usage end with 2.

use super::{bare, liandong, run};

const ID: &str = "0192f0a4-7c1e-7d3a-9b56-1f2e3d4c5b6a";

#[test]
fn help_is_in_the_language_asked_for() {
    liandong(&["--help"]).says(&["用法：liandong", "查看一条消息的全程留痕", "示例："]);
    liandong(&["--lang", "en", "--help"]).says(&[
        "Usage: liandong",
        "Show what happened to a message",
        "Examples:",
    ]);
    liandong(&["deliveries", "list", "--help"]).says(&["--state <状态>", "默认：100", "待人工处理"]);
    liandong(&["deliveries", "list", "--lang=en", "-h"]).says(&["--state <STATE>", "[default: 100]"]);
}

#[test]
fn help_is_in_the_language_of_the_locale() {
    for (variable, locale, says) in [
        ("LANG", "zh_CN.UTF-8", "用法："),
        ("LANG", "en_US.UTF-8", "Usage:"),
        ("LC_ALL", "C", "Usage:"),
        ("LC_MESSAGES", "zh_CN.GB18030", "用法："),
    ] {
        let mut command = bare(&["trail", "--help"]);
        for unset in ["LC_ALL", "LC_MESSAGES", "LANG"] {
            command.env_remove(unset);
        }
        let said = super::Said::of(&command.env(variable, locale).output().unwrap());
        said.says(&[says]);
    }
}

#[test]
fn a_line_that_is_not_understood_ends_with_2_and_says_what_would_do() {
    liandong(&["trial"]).fails(2, &["没有“trial”这个命令", "trail"]);
    liandong(&["--lang", "en", "trial"]).fails(2, &["unrecognized subcommand 'trial'", "'trail'"]);
    liandong(&["deliveries", "list", "--state", "lost"]).fails(2, &["不能是“lost”", "parked"]);
    liandong(&["deliveries", "retry", "17"]).fails(2, &["“17”不是推送编号", "deliveries list"]);
    liandong(&["--lang", "en", "deliveries", "retry", "17"]).fails(2, &["'17' is no delivery id"]);
    liandong(&["deliveries", "list", "--limit", "0"]).fails(2, &["1 到"]);
    liandong(&["route", "explain", "x.json", "--at", "yesterday"]).fails(2, &["2026-03-05T09:30:00+08:00"]);
    liandong(&["--lang", "fr", "check"]).fails(2, &["zh"]);
}

#[test]
fn operations_ask_for_what_they_need_before_anything_is_opened() {
    for operation in ["park", "skip", "withdraw"] {
        liandong(&["deliveries", operation, ID]).fails(2, &["缺少：--reason <原因>"]);
        liandong(&["deliveries", operation, ID, "--reason", "  "]).fails(2, &["不能空白"]);
    }
    liandong(&["deliveries", "offline", ID]).fails(2, &["缺少：--document <文号>"]);
    liandong(&["--lang", "en", "deliveries", "park", ID]).fails(2, &["--reason <REASON>"]);
}

#[test]
fn without_a_command_the_help_is_shown_and_it_ends_with_2() {
    liandong(&[]).fails(2, &["用法：liandong [选项] <命令>"]);
    liandong(&["deliveries"]).fails(2, &["list", "withdraw"]);
}

#[test]
fn the_version_is_that_of_the_package() {
    liandong(&["--version"]).says(&[env!("CARGO_PKG_VERSION")]);
}

#[test]
fn errors_for_programs_are_json() {
    let said = run(bare(&["--json", "check", "--config", "nowhere.toml"]));
    said.fails(64, &["nowhere.toml"]);
    let error: serde_json::Value = serde_json::from_str(&said.err).unwrap();
    assert_eq!(error["exit_code"], 64);
}
