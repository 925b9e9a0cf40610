//! `token`: with a hub and without one.

use super::{hub, on};

#[test]
fn tokens_are_made_listed_and_revoked_whether_or_not_the_hub_runs() {
    let mut hub = hub();
    hub.start();
    on(&hub, &["token", "new", "a", "--endpoint", "ankang-spj"]).says(&[
        "令牌“a”",
        "ankang-spj",
        "ld_",
        "只显示这一次",
    ]);
    on(&hub, &["token", "new", "a"]).fails(1, &["名称已被占用", "“a”"]);
    on(&hub, &["token", "new", "b", "--endpoint", "nowhere", "--lang", "en"])
        .fails(1, &["not_found", "'nowhere' is not configured"]);
    on(&hub, &["token", "new", " "]).fails(2, &["不能空白"]);
    assert_eq!(hub.stop(), Some(0));

    on(&hub, &["token", "new", "张三"]).says(&["令牌“张三”", "运维人员"]);
    on(&hub, &["token", "new", "b", "--endpoint", "nowhere"]).fails(1, &["接入系统“nowhere”未配置"]);
    on(&hub, &["token", "new", "n", "--worker", "north"]).says(&["令牌“n”", "适配进程 north"]);
    on(&hub, &["token", "new", "m", "--worker", "north", "--endpoint", "ankang-spj"])
        .fails(2, &["--endpoint"]);
    on(&hub, &["token", "list", "--lang", "en"]).says(&["worker north"]);
    on(&hub, &["token", "list"]).says(&["张三", "运维人员", "ankang-spj", "北京时间"]);
    on(&hub, &["token", "list", "--lang", "en"]).says(&["operator", "(+08:00)"]);

    hub.start();
    on(&hub, &["token", "revoke", "张三"]).says(&["已吊销令牌“张三”"]);
    on(&hub, &["token", "revoke", "张三"]).fails(1, &["没有名为“张三”的有效令牌"]);
    assert_eq!(hub.ask(&["token", "revoke", "a"])["revoked"], "a");
    let tokens = hub.ask(&["token", "list"]);
    let revoked = tokens.as_array().unwrap().iter().filter(|token| !token["revoked_at"].is_null()).count();
    assert!(revoked >= 2, "{tokens}");
}
