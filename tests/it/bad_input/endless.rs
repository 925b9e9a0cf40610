//! Mappings that would run for ever: they end, are told by name and line, and harm nobody else.

use std::time::Duration;

use serde_json::json;

use super::{Form, own, record};
use crate::harness::{
    books::Books,
    department::Department,
    drop_box::DropBox,
    sender::{BUREAU, REGULATOR, Sender, hub_of, receives, result, sends},
};

/// A mapping that does not end by itself takes no more of the processor.
const SOON: Duration = Duration::from_secs(5);

/// A thousand million times a thousand million.
const ENDLESS: &str = "range(100000)|map('string')|join('-')|length";

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_in_that_runs_for_ever_ends_and_is_told_by_name_and_line() {
    let mut files = own("own-json", Form::Json);
    files[1].1 += &["\"approvalResult.content\" = \"", ENDLESS, "\"\n"].concat();
    let line = files[1].1.lines().count();
    let folder = DropBox::new();
    let mut dropped = folder.adapter("drop-json", &[BUREAU], Form::Json.codec(), "");
    dropped[1].1 = files[1].1.clone();
    let mut hub = hub_of(&[
        ("own-json", files),
        ("drop-json", dropped),
        (BUREAU, sends(BUREAU, &[BUREAU])),
        DropBox::tables(),
    ]);
    hub.start();
    let books = Books::of(&hub);
    let before = books.counts();
    let words = ["approvalResult.content", "ran out of fuel", &format!("result line {line}")];

    let idle = hub.cpu();
    let text = Form::Json.write(&record(&[]));
    let answer =
        Sender::at(&hub, "own-json").post("/v1/adapters/own-json", "application/json", text.clone()).await;
    let took = hub.cpu().saturating_sub(idle);
    assert!(took < SOON, "{took:?}");
    assert_eq!((answer.status, answer.code().as_str()), (422, "unmapped"), "{}", answer.json());
    folder.put("a.json", text);
    crate::harness::hub::eventually("the file is taken", || folder.is_gone("a.json")).await;
    for said in [answer.json().to_string(), folder.explanation("a.json")] {
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
    }
    assert_eq!(books.counts(), before);
    let refusals = books.refusals();
    assert_eq!(refusals.len(), 2, "{refusals:?}");
    assert!(refusals.iter().all(|refusal| refusal["code"] == "unmapped"), "{refusals:?}");
    Sender::at(&hub, BUREAU).accepted(&result("K", "L")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_selector_that_runs_for_ever_ends_too() {
    let mut files = own("own-json", Form::Json);
    files[0].1 = files[0].1.replace(
        "mappings =",
        &format!("select = \"'approval.result' if ({ENDLESS}) > 0 else ''\"\nmappings ="),
    );
    let mut hub = hub_of(&[("own-json", files), DropBox::tables()]);
    hub.start();
    let idle = hub.cpu();
    let text = Form::Json.write(&record(&[]));
    let answer = Sender::at(&hub, "own-json").post("/v1/adapters/own-json", "application/json", text).await;
    let took = hub.cpu().saturating_sub(idle);
    assert!(took < SOON, "{took:?}");
    assert_eq!(answer.code(), "unmapped", "{}", answer.json());
    assert!(answer.json().to_string().contains("'select'"), "{}", answer.json());
    assert_eq!(Books::of(&hub).refusals().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_out_that_runs_for_ever_parks_its_own_delivery_and_no_other() {
    let target = Department::anywhere().await;
    let portal = Department::anywhere().await;
    let mut to_regulator = receives(REGULATOR, REGULATOR, &target.address(), "");
    to_regulator[1].1 += &["\"endless\" = \"", ENDLESS, "\"\n"].concat();
    let line = to_regulator[1].1.lines().count();
    let to_portal = receives("610900-zwfw", "610900-zwfw", &portal.address(), "");
    let mut hub =
        hub_of(&[(BUREAU, sends(BUREAU, &[BUREAU])), (REGULATOR, to_regulator), ("610900-zwfw", to_portal)]);
    hub.start();
    let accepted = Sender::at(&hub, BUREAU).accepted(&result("K", "L")).await;
    let parked = hub.until(&accepted.delivery_to(REGULATOR), "parked").await;
    assert_eq!(parked["park_reason"], "ours", "{parked}");
    let detail = parked["detail"].as_str().unwrap();
    for word in ["endless", "ran out of fuel", &format!("out line {line}")] {
        assert!(detail.contains(word), "{detail}");
    }
    hub.until(&accepted.delivery_to("610900-zwfw"), "delivered").await;
    assert_eq!(target.arrivals(), 0, "nothing was sent");
    assert_eq!(json!(portal.kept()), json!(1));
    assert_eq!(hub.stop(), Some(0));
}
