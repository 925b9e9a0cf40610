//! `seal verify`: beside a running hub, after it, and on a trail that somebody changed.

use std::fs;

use super::{file, home, hub, on, submit, token_file};

#[tokio::test]
async fn a_trail_is_verified_while_the_hub_runs_and_afterwards() {
    let mut hub = hub();
    hub.start();
    let token = token_file(&hub);
    submit(&hub, &token, "K-1", 1);
    on(&hub, &["seal", "verify"]).says(&["已核验留痕", "完好"]);
    on(&hub, &["seal", "verify", "--lang", "en"]).says(&["entries", "intact"]);
    assert_eq!(hub.stop(), Some(0));
    let report = hub.ask(&["seal", "verify"])["report"].clone();
    assert_eq!(report["unsealed"], 0);
    assert!(report["entries"].as_u64().unwrap() > 3, "{report}");
    let said = on(&hub, &["seal", "verify"]);
    said.says(&["完好"]);
    assert_eq!(said.err, "", "progress is for terminals");
}

#[tokio::test]
async fn keys_that_cannot_be_used_and_keys_of_another_are_said() {
    let mut hub = hub();
    hub.start();
    assert_eq!(hub.stop(), Some(0));
    on(&hub, &["seal", "verify", "--key", "nowhere.pem"]).fails(1, &["无法读取 nowhere.pem"]);
    let none = file(&hub, "none.pem", "hello");
    on(&hub, &["seal", "verify", "--key", &none]).fails(1, &["none.pem 中没有可用的公钥"]);
    let mut other = super::hub();
    other.start();
    assert_eq!(other.stop(), Some(0));
    let key = "data/keys/signing.pem";
    fs::copy(home(&other).join(key), home(&hub).join(key)).unwrap();
    let said = on(&hub, &["seal", "verify"]);
    said.fails(1, &["封存的留痕已不完好"]);
    said.has(&said.out, &["不是可信密钥所签"]);
}
