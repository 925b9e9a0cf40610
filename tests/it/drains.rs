//! Promise 12, `drains`: SIGTERM stops intake, finishes what is under way, seals, closes, and answers probes to
//! the end, inside a grace period; after `kill -9` nothing needs a person.

use std::{
    collections::{BTreeSet, HashSet},
    time::{Duration, Instant},
};

use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::harness::{
    books::Books,
    department::{Behaviour, Department},
    hub::{Hub, eventually},
    sender::{BUREAU, REGULATOR, Sender, hub_of, receives, result, sends},
};

/// Requests that are sent at once.
const SENDERS: usize = 4;
/// How long the target takes for each delivery.
const SLOWLY: Duration = Duration::from_millis(600);
/// What ending a process takes beside what it does in its grace period.
const MARGIN: Duration = Duration::from_secs(3);

fn hub_with(target: &Department, more: &str) -> Hub {
    let regulator = receives(REGULATOR, REGULATOR, &target.address(), more);
    hub_of(&[(BUREAU, sends(BUREAU, &[BUREAU])), (REGULATOR, regulator)])
}

/// What became of the requests of one sender until nobody answered any more.
#[derive(Debug, Default)]
struct Sent {
    accepted: Vec<String>,
    told_to_wait: usize,
}

/// Sends message after message, each about a licence of its own, until nobody answers.
async fn send_until_gone(bureau: &Sender, sender: usize) -> Sent {
    let mut sent = Sent::default();
    for number in 0.. {
        let key = format!("{sender}-{number}");
        let message = result(&key, &key).to_string();
        match bureau.try_send_text("approval.result", &message).await {
            Some(answer) if answer.status == 201 => sent.accepted.push(answer.delivery_to(REGULATOR)),
            Some(answer) if answer.status == 503 => sent.told_to_wait += 1,
            Some(answer) => panic!("neither accepted nor told to wait: {} {}", answer.status, answer.json()),
            None => break,
        }
    }
    sent
}

/// The deliveries to the regulator that are in a state, by id.
fn in_state(books: &Books, state: &str) -> BTreeSet<String> {
    books.deliveries_to(REGULATOR, state).into_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_told_to_stop_under_load_finishes_what_is_under_way() {
    let target = Department::anywhere().await;
    target.behave(|_| Behaviour::TakeAfter(SLOWLY));
    let mut hub = hub_with(&target, "[limits]\nwindow = 8\n");
    hub.start();
    let bureau = Sender::at(&hub, BUREAU);

    let loads = futures::future::join_all((0..SENDERS).map(|sender| send_until_gone(&bureau, sender)));
    let (sent, probes) = tokio::join!(loads, async {
        eventually("deliveries are under way", || target.arrivals() > 8).await;
        hub.terminate();
        hub.probes().await
    });
    assert_eq!(hub.ended().await, 0);

    let ready = probes.iter().take_while(|(ready, _)| *ready == 200).count();
    assert!(
        probes[ready..].iter().all(|(ready, _)| *ready == 503),
        "once not ready, never again: {probes:?}"
    );
    assert!(probes.len() > ready, "probes answered after intake was closed");
    assert!(probes.iter().all(|(_, live)| *live == 200), "{probes:?}");

    let accepted: BTreeSet<String> = sent.into_iter().flat_map(|sent| sent.accepted).collect();
    let books = Books::of(&hub);
    let kept: BTreeSet<String> = target.look(|ledger| ledger.kept.iter().cloned().collect());
    assert_eq!(in_state(&books, "delivered"), kept, "what the target took is settled");
    assert_eq!(in_state(&books, "leased"), BTreeSet::new());
    let rest: BTreeSet<String> = accepted.difference(&kept).cloned().collect();
    assert_eq!(in_state(&books, "ready"), rest, "what had not been begun waits");
    assert_eq!(hub.ask(&["seal", "verify"])["report"]["unsealed"], 0);
    drop(books);

    target.behave(|_| Behaviour::Take);
    hub.start();
    eventually("the rest is delivered", || target.kept() == accepted.len()).await;
    assert!(target.look(|ledger| ledger.times.values().all(|times| *times == 1)), "none came twice");
    assert_eq!(hub.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_kill_nine_in_the_middle_of_work_or_of_stopping_nothing_needs_a_person() {
    let target = Department::anywhere().await;
    target.behave(|_| Behaviour::TakeAfter(SLOWLY));
    let mut hub = hub_with(&target, "on_unknown = \"resend\"\n[limits]\nwindow = 8\ntimeout_ms = 1000\n");
    hub.start();
    let bureau = Sender::at(&hub, BUREAU);
    let mut accepted = HashSet::new();
    for round in 0..2 {
        for number in 0..12 {
            let key = format!("{round}-{number}");
            accepted.insert(bureau.accepted(&result(&key, &key)).await.delivery_to(REGULATOR));
        }
        let before = target.arrivals();
        eventually("deliveries are under way", || target.arrivals() > before).await;
        if round == 1 {
            hub.terminate();
        }
        hub.kill();
        hub.start();
    }
    eventually("all is delivered", || target.look(|ledger| accepted.is_subset(&ledger.kept))).await;
    let books = Books::of(&hub);
    eventually("all is settled", || in_state(&books, "delivered").len() == accepted.len()).await;
    drop(books);
    assert_eq!(hub.stop(), Some(0));
    assert_eq!(hub.run(&["seal", "verify"]).status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_never_answers_does_not_hold_the_stop_beyond_the_grace_period() {
    let target = Department::anywhere().await;
    target.behave(|_| Behaviour::Hang);
    let mut hub = hub_with(&target, "on_unknown = \"resend\"\n[limits]\ntimeout_ms = 3000\n");
    hub.set("shutdown.grace_ms", 1_000);
    hub.start();
    let delivery = Sender::at(&hub, BUREAU).accepted(&result("K", "L")).await.delivery_to(REGULATOR);
    eventually("the delivery is under way", || target.arrivals() == 1).await;

    let begun = Instant::now();
    hub.terminate();
    assert_eq!(hub.ended().await, 0);
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(1) + MARGIN, "it took {took:?}");
    assert_eq!(hub.ask(&["seal", "verify"])["report"]["unsealed"], 0, "it sealed and closed all the same");

    target.behave(|_| Behaviour::Take);
    hub.start();
    hub.until(&delivery, "delivered").await;
    let attempts = hub.delivery(&delivery).await["attempts_made"].clone();
    assert_eq!(
        attempts[0]["outcome"], "unknown",
        "what became of the first is said to be unknown: {attempts}"
    );
    assert_eq!(hub.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_never_ends_its_request_leaves_time_for_the_deliveries_under_way() {
    let target = Department::anywhere().await;
    target.behave(|_| Behaviour::TakeAfter(Duration::from_millis(1_800)));
    let mut hub = hub_with(&target, "");
    hub.set("shutdown.grace_ms", 3_000);
    hub.start();
    let bureau = Sender::at(&hub, BUREAU);
    let mut endless = TcpStream::connect(&hub.http).await.unwrap();
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: hub\r\nauthorization: Bearer {}\r\ncontent-length: 100\r\n\r\n{{",
        hub.ask(&["token", "new", "endless", "--endpoint", BUREAU])["token"].as_str().unwrap()
    );
    endless.write_all(head.as_bytes()).await.unwrap();
    let delivery = bureau.accepted(&result("K", "L")).await.delivery_to(REGULATOR);
    eventually("the delivery is under way", || target.arrivals() == 1).await;

    let begun = Instant::now();
    hub.terminate();
    assert_eq!(hub.ended().await, 0);
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(3) + MARGIN, "it took {took:?}");
    assert_eq!(in_state(&Books::of(&hub), "delivered"), BTreeSet::from([delivery]));
}

#[test]
fn a_hub_told_to_stop_the_moment_it_runs_stops_in_order() {
    let mut hub = hub_of(&[(BUREAU, sends(BUREAU, &[BUREAU]))]);
    for _ in 0..8 {
        hub.start();
        assert_eq!(hub.stop(), Some(0));
    }
    assert_eq!(hub.ask(&["seal", "verify"])["report"]["unsealed"], 0);
}
