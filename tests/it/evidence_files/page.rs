//! The page for people.

use std::fs;

use serde_json::json;

use super::stage::{Case, adapters};
use crate::harness::{
    department::Department,
    sender::{hub_of, result},
};

#[tokio::test(flavor = "multi_thread")]
async fn the_page_says_it_in_chinese_and_takes_no_markup_from_outside() {
    let (regulator, bureau) = (Department::anywhere().await, Department::anywhere().await);
    let hub = hub_of(&adapters(&regulator, &bureau));
    let mut message = result("K-\"><img src=x>", "JY1");
    message["subject"]["name"] = json!("<script>alert('甲')</script>&amp;公司");
    message["publicity"]["reason"] = json!("\" onload=\"alert(1)");
    let case = Case::played(hub, &regulator, message).await;
    let path = case.hub.home().join("page.html");
    let place = path.display().to_string();
    case.file(&case.message, &["--html", &place]);
    let page = fs::read_to_string(&path).unwrap();
    for wrong in ["<script", "<img", "url(", "@import", "<link"] {
        assert!(!page.contains(wrong), "{wrong}");
    }
    for tag in page.split('<').skip(1).filter_map(|rest| rest.split('>').next()) {
        assert!(![" src=", " href=", " onload="].iter().any(|name| tag.contains(name)), "{tag}");
    }
    for expected in [
        "&lt;script&gt;alert(&#39;甲&#39;)&lt;/script&gt;&amp;amp;公司",
        "&lt;img src=x&gt;",
        "联动证据包",
        "审管界点：",
        "送达系统",
        "签收",
        "如何核验",
        "暂时失败",
        "市场监督管理局",
        "default-src 'none'",
        "size: A4",
    ] {
        assert!(page.contains(expected), "{expected}");
    }

    // Made of a checked file it is the same page.
    let file = case.hub.home().join("evidence.json");
    fs::write(&file, case.file(&case.message, &[])).unwrap();
    let (file, key) = (file.display().to_string(), case.public_key().display().to_string());
    let again = case.hub.home().join("again.html");
    let again_at = again.display().to_string();
    case.hub.ask(&["evidence", "verify", &file, "--key", &key, "--html", &again_at]);
    assert_eq!(fs::read_to_string(&again).unwrap(), page);
}
