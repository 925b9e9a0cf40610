//! Configuration, registry, start: what is not in order is said with its place, and nothing is begun.

use std::{fs, net::TcpListener, path::Path};

use super::{Said, bare, home, hub, liandong, on, run};
use crate::harness::authority::Authority;

/// Checks the sample of production where its files really are, with these variables.
fn check_production(folder: &Path, variables: &[(&str, &str)]) -> Said {
    let mut command = bare(&["--config", "config/production.toml", "--lang", "en", "check"]);
    command
        .env("LIANDONG__PATHS__REGISTRY", "config/registry")
        .env("LIANDONG__PATHS__RULES", "config/rules")
        .env("LIANDONG__PATHS__CALENDAR", "config/calendar/holidays.csv")
        .env("LIANDONG__PATHS__ADAPTERS", "config/demo/adapters")
        .env("LIANDONG__POSTGRES__AUTHORITY", folder.join("ca.pem"))
        .env("LIANDONG__BUS__AUTHORITY", folder.join("ca.pem"))
        .env_remove("LIANDONG_POSTGRES_URL")
        .env_remove("LIANDONG_AMQP_URL")
        .envs(variables.iter().copied());
    run(command)
}

#[test]
fn the_sample_of_production_is_in_order_with_the_variables_and_files_it_names() {
    let folder = tempfile::tempdir().unwrap();
    let database = ("LIANDONG_POSTGRES_URL", "postgres://liandong:p@db1,db2/liandong?sslmode=require");
    let broker =
        ("LIANDONG_AMQP_URL", "amqps://liandong:p@mq1:5671/liandong amqps://liandong:p@mq2:5671/liandong");
    check_production(folder.path(), &[database, broker]).fails(64, &["bus.authority"]);
    fs::write(folder.path().join("ca.pem"), Authority::new().certificate).unwrap();
    check_production(folder.path(), &[broker]).fails(64, &["postgres.url", "LIANDONG_POSTGRES_URL"]);
    check_production(folder.path(), &[database]).fails(64, &["bus.url", "LIANDONG_AMQP_URL"]);
    let stranger = ("LIANDONG__BUS__WORKERS", "[\"city: nobody\"]");
    check_production(folder.path(), &[database, broker, stranger]).fails(64, &["bus.workers", "nobody"]);
    check_production(folder.path(), &[database, broker]).says(&["in order"]);
}

fn replace(hub: &crate::harness::hub::Hub, from: &str, to: &str) {
    let path = hub.configuration();
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(&path, text.replace(from, to)).unwrap();
}

#[test]
fn what_is_in_order_is_counted() {
    let hub = hub();
    on(&hub, &["check"]).says(&["均无误", "机构", "适配器"]);
    on(&hub, &["check", "--lang", "en"]).says(&["in order", "organisations", "adapters"]);
    let facts = hub.ask(&["check"]);
    assert_eq!(facts["adapters"], 2);
    assert!(facts["organisations"].as_u64().unwrap() > 50, "{facts}");
    assert!(!home(&hub).join("data").exists(), "checking makes nothing");
}

#[test]
fn an_unknown_key_is_a_configuration_error_with_its_line() {
    let hub = hub();
    replace(&hub, "listen =", "listne =");
    for command in ["check", "serve"] {
        on(&hub, &[command]).fails(64, &["配置有误", "hub.toml:", "http.listne", "http.listen"]);
    }
    on(&hub, &["check", "--lang", "en"]).fails(64, &["http.listne: unknown key"]);
}

#[test]
fn a_configuration_that_is_not_there_is_named() {
    liandong(&["--config", "nowhere.toml", "check"]).fails(64, &["nowhere.toml", "文件或目录不存在"]);
    liandong(&["--config", "nowhere.toml", "--lang", "en", "serve"]).fails(64, &["nowhere.toml"]);
}

#[test]
fn a_faulty_adapter_is_a_configuration_error_with_file_and_line() {
    let hub = hub();
    let path = home(&hub).join("adapters/ankang-scjg/adapter.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("success =", "sucess =")).unwrap();
    for command in [&["check"][..], &["serve"], &["adapter", "check"], &["registry", "lint"]] {
        on(&hub, command).fails(64, &["ankang-scjg/adapter.toml:", "sucess"]);
    }
    on(&hub, &["adapter", "check", "ankang-spj"]).says(&["ankang-spj"]);
}

#[test]
fn gaps_between_registry_and_rules_are_found_in_either_language() {
    let registry = liandong(&["registry", "lint"]);
    registry.fails(1, &["缺口"]);
    assert!(registry.out.contains("主管部门"), "{registry:?}");
    let english = liandong(&["--lang", "en", "registry", "lint"]);
    english.fails(1, &["gaps between registry and rules"]);
    let findings = liandong(&["registry", "lint", "--json"]).json();
    assert_eq!(findings.as_array().unwrap().len(), english.out.lines().count());
}

#[test]
fn a_port_in_use_and_a_directory_in_use_are_told_apart() {
    let mut hub = hub();
    let taken = TcpListener::bind(&hub.http).unwrap();
    on(&hub, &["serve"]).fails(1, &["无法监听", &hub.http, "地址已被占用"]);
    on(&hub, &["serve", "--lang", "en"]).fails(1, &["cannot listen on", &hub.http]);
    drop(taken);
    hub.start();
    on(&hub, &["serve"]).fails(1, &["正被另一个 liandong 进程使用", "data"]);
    on(&hub, &["serve", "--lang", "en"]).fails(1, &["in use by another liandong process"]);
    assert_eq!(hub.stop(), Some(0));
}
