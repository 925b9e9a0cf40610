//! Who is who, and what counts: endpoints that are not a worker's own, and outcomes of work it was not given.

use liandong::proto::v1::{OutcomeFate, OutcomeSettled};
use serde_json::{Value, json};
use tonic::Code;

use super::{On, REGULATED, Stage};
use crate::harness::{
    apart::{By, Worker},
    rpc::{reason, submit},
    sender::result,
    stream::{WorkerStream, delivered},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_is_refused_an_endpoint_that_is_not_its_own_in_clear_words() {
    let stage = Stage::open(On::Local).await;
    let token = stage.token("north");
    let asked = [(REGULATED, 1), ("hanbin-spj", 1)];
    let refused = WorkerStream::attach(&stage.channel(), &token, &asked).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused)), (Code::PermissionDenied, "FORBIDDEN".to_owned()));
    let text = "worker 'north' may not work for 'hanbin-spj': bus.workers of this hub does not list it there";
    assert_eq!(refused.message(), text);

    // The same as a process: it says why, and does not try on.
    let stranger = stage.token("stranger");
    let hubs = format!("http://{}", stage.address);
    let output = Worker::refused(&stage.hub, By { hubs: &hubs, token: &stranger });
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(64), "{said}");
    assert!(said.contains("worker 'stranger' may not work for 'hanbin-scjg'"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_workers_credential_attaches_and_it_does_nothing_else() {
    let stage = Stage::open(On::Local).await;
    let attach = async |token: &str| {
        WorkerStream::attach(&stage.channel(), token, &[(REGULATED, 1)]).await.unwrap_err().code()
    };
    assert_eq!(attach("nonsense").await, Code::Unauthenticated);
    assert_eq!(attach(&stage.hub.token(REGULATED)).await, Code::PermissionDenied, "an endpoint's own token");
    let operator = stage.hub.ask(&["token", "new", "zhang"])["token"].as_str().unwrap().to_owned();
    assert_eq!(attach(&operator).await, Code::PermissionDenied, "an operator's");

    let north = stage.token("north");
    let sent = submit(&stage.channel(), &north, &result("A", "L")).await.unwrap_err();
    assert_eq!(reason(&sent), "FORBIDDEN");
    let over_http = stage.bureau.with_token(&north).send(&result("A", "L")).await;
    assert_eq!(over_http.status, 403, "{}", over_http.json());
    let delivery = stage.results("B", 1).await.remove(0);
    let looked = stage.bureau.with_token(&north).get(&format!("/v1/deliveries/{delivery}")).await;
    assert_eq!(looked.status, 404, "{}", looked.json());

    // Revoked, it attaches no more.
    stage.hub.ask(&["token", "revoke", "north"]);
    assert_eq!(attach(&north).await, Code::Unauthenticated);
}

fn fate(settled: &OutcomeSettled) -> (OutcomeFate, &str) {
    (settled.fate(), settled.reason.as_str())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_outcome_is_refused_and_kept_in_the_trail() {
    const NOT_GIVEN: (OutcomeFate, &str) =
        (OutcomeFate::Refused, "the hub did not give this work under this lease to this worker");

    let mut stage = Stage::with(On::Local, "[limits]\ntimeout_ms = 30000\n", 500).await;
    let mut north = stage.stream(&stage.token("north"), 8).await;
    let deliveries = stage.results("A", 1).await;
    let piece = north.piece().await;
    let mut south = stage.stream(&stage.token("south"), 8).await;

    let other_lease = {
        let mut told = delivered(&piece);
        told.lease += 1;
        told
    };
    let mut no_slip = delivered(&piece);
    no_slip.slip = bytes::Bytes::new();
    let changed = |from: &str, to: &str| {
        let mut told = delivered(&piece);
        let slip = piece.slip.to_vec();
        let record = String::from_utf8(slip[32..].to_vec()).unwrap();
        assert!(record.contains(from), "{record}");
        told.slip = [&slip[..32], record.replace(from, to).as_bytes()].concat().into();
        told
    };
    let other_endpoint = changed(REGULATED, "hanbin-spj");
    let other_organisation = changed("610902-scjgj", "610902-xzspj");
    for told in [other_lease, no_slip, other_endpoint, other_organisation] {
        assert_eq!(fate(&north.report(vec![told]).await[0]), NOT_GIVEN);
    }
    // South may work for the endpoint too, but this was given to north.
    assert_eq!(fate(&south.report(vec![delivered(&piece)]).await[0]), NOT_GIVEN);

    let row = stage.hub.delivery(&deliveries[0]).await;
    assert_eq!((&row["state"], &row["attempts"]), (&json!("leased"), &json!(0)), "{row}");
    stage.hub.until_metric("liandong_bus_refused_total{reason=\"forged\"}", 5).await;

    // In one message with another's, the honest one counts.
    let mut forged = delivered(&piece);
    forged.lease = 77;
    let settled = north.report(vec![forged, delivered(&piece)]).await;
    let kept = settled.iter().find(|one| one.lease == piece.lease).unwrap();
    assert_eq!(fate(kept), (OutcomeFate::Kept, ""));
    let row = stage.hub.until(&deliveries[0], "delivered").await;
    assert_eq!(row["attempts"], json!(1), "{row}");

    drop((north, south));
    assert_eq!(stage.hub.stop(), Some(0));
    let entries = stage.hub.sealed().await;
    let refused: Vec<&Value> = entries.iter().filter(|entry| entry["event"] == "outcome.refused").collect();
    let by: Vec<_> = refused.iter().map(|entry| entry["data"]["worker"].as_str().unwrap()).collect();
    assert_eq!(by, ["north", "north", "north", "north", "south", "north"]);
    assert!(
        refused.iter().all(|entry| entry["data"]["outcomes"][0]["delivery"] == deliveries[0]),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_token_is_revoked_while_it_is_attached_reports_nothing_more() {
    let stage = Stage::with(On::Local, "[limits]\ntimeout_ms = 30000\n", 500).await;
    let mut north = stage.stream(&stage.token("north"), 8).await;
    let deliveries = stage.results("A", 1).await;
    let piece = north.piece().await;
    stage.hub.ask(&["token", "revoke", "north"]);
    let refused = north.try_report(vec![delivered(&piece)]).await.unwrap_err();
    assert_eq!((refused.code(), refused.message()), (Code::Unauthenticated, "the token was revoked"));
    let row = stage.hub.delivery(&deliveries[0]).await;
    assert_eq!((&row["state"], &row["attempts"]), (&json!("leased"), &json!(0)), "{row}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_recorded_of_an_attempt_is_bounded_and_without_numbers_of_persons() {
    let stage = Stage::open(On::Local).await;
    let mut north = stage.stream(&stage.token("north"), 8).await;
    let deliveries = stage.results("A", 2).await;
    let (first, second) = (north.piece().await, north.piece().await);
    let mut told = delivered(&first);
    let attempt = told.attempt.as_mut().unwrap();
    attempt.detail = format!("11010519491231002X {}", "长".repeat(10_000));
    assert_eq!(fate(&north.report(vec![told]).await[0]).0, OutcomeFate::Kept);
    let row = stage.hub.until(&first.delivery, "delivered").await;
    let detail = row["attempts_made"][0]["detail"].as_str().unwrap();
    assert!(!detail.contains("110105") && detail.chars().count() <= 512, "{detail}");

    let mut told = delivered(&second);
    told.attempt.as_mut().unwrap().started_at = "yesterday".to_owned();
    let malformed = (OutcomeFate::Refused, "what is said of the attempt cannot be read");
    assert_eq!(fate(&north.report(vec![told]).await[0]), malformed);
    assert!(deliveries.contains(&second.delivery));
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_attach_only_where_the_hub_listens_and_not_to_a_mailbox() {
    let mut stage = Stage::open(On::Local).await;
    assert_eq!(stage.hub.stop(), Some(0));
    stage.hub.set("grpc.listen", "");
    let output = stage.hub.run(&["serve"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(64), "{said}");
    assert!(said.contains("bus.workers: needs grpc.listen"), "{said}");
}
