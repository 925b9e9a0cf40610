//! A worker is known by its certificate as well as by a token.

use std::{fs, path::PathBuf};

use super::{REGULATED, Stage};
use crate::harness::{
    apart::{By, Worker},
    authority::Authority,
    department::Department,
    hub::Hub,
    rpc::hub_with_grpc,
    sender::{BUREAU, REGULATOR, Sender, receives, sends},
};

/// Writes a file beside the hub's configuration; where it is.
fn put(hub: &Hub, name: &str, text: &str) -> String {
    let path: PathBuf = hub.home().join(name);
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// A hub with certificates, the authority of its workers, and where it listens by the name it shows.
async fn stage() -> (Stage, Authority, String) {
    let regulator = Department::anywhere().await;
    let (mut hub, address) = hub_with_grpc(&[
        ("hanbin-spj", sends("hanbin-spj", &[BUREAU])),
        (REGULATED, receives(REGULATED, REGULATOR, &regulator.address(), "")),
    ]);
    let (servers, workers) = (Authority::new(), Authority::new());
    let shown = servers.signs("127.0.0.1");
    for (key, file, text) in [
        ("grpc.certificate", "hub.pem", &shown.certificate),
        ("grpc.key", "hub.key", &shown.key),
        ("grpc.client_authority", "workers.pem", &workers.certificate),
        ("worker.authority", "hubs.pem", &servers.certificate),
    ] {
        let path = put(&hub, file, text);
        hub.set(key, path);
    }
    hub.set("bus.workers", r#"["north: hanbin-scjg"]"#);
    hub.start();
    let bureau = Sender::at(&hub, "hanbin-spj");
    let hubs = format!("https://{address}");
    (Stage { hub, address, bureau, regulator, _broker: None }, workers, hubs)
}

fn certified(hub: &Hub, signed: &crate::harness::authority::Signed) -> [(&'static str, String); 2] {
    [
        ("LIANDONG__WORKER__CERTIFICATE", put(hub, "worker.pem", &signed.certificate)),
        ("LIANDONG__WORKER__KEY", put(hub, "worker.key", &signed.key)),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_is_known_by_its_certificate_and_one_of_another_is_refused() {
    let (stage, authority, hubs) = stage().await;
    let by = By { hubs: &hubs, token: "" };
    let own = certified(&stage.hub, &authority.vouches("liandong:worker:north"));
    let variables = own.each_ref().map(|(name, value)| (*name, value.as_str()));
    let worker = Worker::with(&stage.hub, by, &variables, REGULATED);
    stage.until_delivered(&stage.results("A", 3).await).await;
    assert_eq!(worker.stop(), Some(0));

    for (name, said) in [
        ("liandong:worker:south", "worker 'south' may not work for 'hanbin-scjg'"),
        ("liandong:endpoint:hanbin-scjg", "only a worker attaches"),
        ("liandong:other", "send metadata 'authorization"),
    ] {
        let alien = certified(&stage.hub, &authority.vouches(name));
        let variables = alien.each_ref().map(|(name, value)| (*name, value.as_str()));
        let output = Worker::refused_with(&stage.hub, by, &variables);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{text}");
        assert!(text.contains(said), "{name}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_with_a_token_checks_the_certificate_of_its_hub() {
    let (stage, _, hubs) = stage().await;
    let token = stage.token("north");
    let by = By { hubs: &hubs, token: &token };
    let worker = Worker::start(&stage.hub, by, REGULATED);
    stage.until_delivered(&stage.results("A", 1).await).await;
    assert_eq!(worker.stop(), Some(0));

    let stranger = put(&stage.hub, "stranger.pem", &Authority::new().certificate);
    let variables =
        [("LIANDONG__WORKER__AUTHORITY", stranger.as_str()), ("LIANDONG__WORKER__START_WAIT_MS", "100")];
    let output = Worker::refused_with(&stage.hub, by, &variables);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(!text.contains(&token), "{text}");
}
