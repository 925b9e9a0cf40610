//! When checkpoints are made: by the clock, or as soon as many entries wait.

use crate::harness::{
    books::Books,
    hub::eventually,
    sender::{BUREAU, Sender, hub_of, result, sends},
};

#[tokio::test(flavor = "multi_thread")]
async fn entries_that_pile_up_are_sealed_before_their_time() {
    let mut hub = hub_of(&[(BUREAU, sends(BUREAU, &[BUREAU]))]);
    hub.set("seal.every_ms", 3_600_000);
    hub.set("seal.backlog_entries", 6);
    hub.start();
    let books = Books::of(&hub);
    let bureau = Sender::at(&hub, BUREAU);
    assert_eq!(books.number("SELECT count(*) FROM checkpoint"), 0, "its time has not come");
    for number in 0..6 {
        bureau.accepted(&result(&format!("K-{number}"), "L")).await;
    }
    eventually("it is sealed", || books.number("SELECT count(*) FROM trail_unsealed") < 6).await;
    assert!(books.number("SELECT count(*) FROM checkpoint") > 0);
    assert_eq!(hub.stop(), Some(0));
}
