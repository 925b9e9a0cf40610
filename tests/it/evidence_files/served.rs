//! Evidence files over HTTP and gRPC, by a running hub on each store: the bytes that the command writes, for those who may see
//! the trail of the delivery, and for nobody else.

use std::fs;

use liandong::{
    api::http::EVIDENCE_MEDIA,
    proto::v1::{GetDeliveryEvidenceRequest, query_client::QueryClient},
};
use serde_json::Value;
use tonic::{Code, Status, transport::Channel};

use super::stage::{adapters, exported};
use crate::{
    contract::backend::Postgres,
    harness::{
        department::Department,
        hub::{Hub, client, free_address},
        rpc::{channel, reason, with_token},
        sender::{BUREAU, ENFORCEMENT, REGULATOR, Sender, hub_of, result, sends},
    },
};

/// A running hub that handed one message over; the delivery, where gRPC is, and the sender's token.
async fn served(place: Option<&Postgres>) -> (Hub, String, String, String) {
    let (regulator, bureau) = (Department::anywhere().await, Department::anywhere().await);
    let [sender, recipient] = adapters(&regulator, &bureau);
    let mut hub = hub_of(&[sender, recipient, (ENFORCEMENT, sends(ENFORCEMENT, &[ENFORCEMENT]))]);
    if let Some(place) = place {
        hub.set("store.backend", "postgres");
        hub.variable("LIANDONG_POSTGRES_URL", &place.database().await.url());
    }
    let grpc = free_address();
    hub.set("grpc.listen", &grpc);
    hub.set("seal.every_ms", 100);
    hub.start();
    let token = hub.token(BUREAU);
    let accepted = Sender::with(&hub, &token).accepted(&result("K-1", "JY1")).await;
    let delivery = accepted.delivery_to(REGULATOR);
    hub.until(&delivery, "delivered").await;
    (hub, delivery, grpc, token)
}

async fn over_grpc(
    channel: &Channel,
    token: &str,
    request: GetDeliveryEvidenceRequest,
) -> Result<Vec<u8>, Status> {
    let mut query = QueryClient::new(channel.clone());
    let mut parts = query.get_delivery_evidence(with_token(token, request)).await?.into_inner();
    let mut bytes = Vec::new();
    while let Some(part) = parts.message().await? {
        bytes.extend(part.content);
    }
    Ok(bytes)
}

async fn is_what_the_command_writes(place: Option<Postgres>) {
    let (mut hub, delivery, grpc, own) = served(place.as_ref()).await;
    let page = hub.home().join("page.html");
    let file = exported(&hub, &delivery, &["--wait", "--html", page.to_str().unwrap()]);
    let page = fs::read(page).unwrap();
    let redacted = exported(&hub, &delivery, &["--redact"]);
    let operator = hub.ask(&["token", "new", "o"])["token"].as_str().unwrap().to_owned();
    let tokens = [own, hub.token(REGULATOR), operator];
    let path = format!("/v1/deliveries/{delivery}/evidence");
    let channel = channel(&grpc);
    let asked = |page, redact| GetDeliveryEvidenceRequest { id: delivery.clone(), page, redact };
    for token in &tokens {
        let asker = Sender::with(&hub, token);
        for path in [path.clone(), format!("{path}.json")] {
            let answer = asker.get(&path).await;
            assert_eq!(answer.status, 200, "{}", answer.json());
            assert!(answer.body == file, "the bytes that the command writes");
        }
        assert!(asker.get(&format!("{path}.html")).await.body == page);
        assert!(asker.get(&format!("{path}?redact=true")).await.body == redacted);
        assert!(over_grpc(&channel, token, asked(false, false)).await.unwrap() == file);
        assert!(over_grpc(&channel, token, asked(true, false)).await.unwrap() == page);
        assert!(over_grpc(&channel, token, asked(false, true)).await.unwrap() == redacted);
    }

    let browser = client().get(format!("http://{}{path}", hub.http)).bearer_auth(&tokens[0]);
    let answer = browser.header("accept", "text/html,application/json;q=0.9").send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert!(answer.bytes().await.unwrap() == page);
    let program = client().get(format!("http://{}{path}", hub.http)).bearer_auth(&tokens[0]);
    let answer = program.send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], EVIDENCE_MEDIA);
    assert!(answer.headers()["content-disposition"].to_str().unwrap().contains(&delivery));

    let token = hub.token(ENFORCEMENT);
    let stranger = Sender::with(&hub, &token);
    let refused = stranger.get(&path).await;
    assert_eq!((refused.status, refused.code()), (404, "not_found".to_owned()), "as its trail");
    assert_eq!(stranger.with_token("nobody").get(&path).await.status, 401);
    let known = Sender::with(&hub, &tokens[0]);
    assert_eq!(known.get("/v1/deliveries/0192f0a4-7c1e-7d3a-9b56-1f2e3d4c5b6a/evidence").await.status, 404);
    assert_eq!(known.get("/v1/deliveries/x/evidence").await.status, 400);
    assert_eq!(known.get(&format!("{path}?redacted=1")).await.status, 400);
    let refused = over_grpc(&channel, &token, asked(false, false)).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused)), (Code::NotFound, "NOT_FOUND".to_owned()));
    assert_eq!(hub.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_over_interfaces_is_what_the_command_writes_on_an_embedded_store() {
    is_what_the_command_writes(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_over_interfaces_is_what_the_command_writes_on_postgresql() {
    is_what_the_command_writes(Some(Postgres::new())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_sealed_yet_is_told_to_come_again() {
    let target = Department::anywhere().await;
    let mut hub = hub_of(&adapters(&target, &target));
    hub.set("seal.every_ms", 3_600_000);
    hub.set("seal.backlog_entries", 100_000);
    hub.start();
    let bureau = Sender::at(&hub, BUREAU);
    let delivery = bureau.accepted(&result("K-1", "JY1")).await.delivery_to(REGULATOR);
    hub.until(&delivery, "delivered").await;
    let path = format!("/v1/deliveries/{delivery}/evidence");
    let refused = bureau.get(&path).await;
    assert_eq!((refused.status, refused.code()), (503, "unsealed".to_owned()), "{}", refused.json());
    assert!(refused.json()["title"].as_str().is_some_and(|title| title.contains("封存")));
    assert_eq!(hub.stop(), Some(0));
    hub.set("seal.every_ms", 100);
    hub.start();
    let again = hub.ask(&["token", "new", "again", "--endpoint", BUREAU]);
    let bureau = Sender::with(&hub, again["token"].as_str().unwrap());
    let answer = bureau.get(&path).await;
    assert_eq!(answer.status, 200, "what was left is sealed when a hub stops: {}", answer.json());
    let file: Value = answer.json();
    assert_eq!(file["format"], "liandong/evidence/v1");
    assert_eq!(hub.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_was_changed_gives_no_file_and_says_nothing_of_it() {
    let (mut hub, delivery, ..) = served(None).await;
    let path = format!("/v1/deliveries/{delivery}/evidence");
    exported(&hub, &delivery, &["--wait"]);
    let books = crate::harness::books::Books::of(&hub);
    assert_eq!(hub.stop(), Some(0));
    books.tamper("UPDATE attempt SET detail = 'other' WHERE outcome = 'delivered'");
    hub.start();
    let operator = hub.ask(&["token", "new", "o"])["token"].as_str().unwrap().to_owned();
    let answer = Sender::with(&hub, &operator).get(&path).await;
    assert_eq!((answer.status, answer.code()), (500, "unsound".to_owned()), "{}", answer.json());
    assert_eq!(hub.stop(), Some(0));
}
