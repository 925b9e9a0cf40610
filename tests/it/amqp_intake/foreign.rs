//! A client that is not ours: the broker's own for Erlang, which comes with the broker.

use std::{fs, path::Path, process::Command};

use serde_json::Value;

use super::{ENDPOINT, GUEST, Stage};
use crate::harness::sender::{Sender, event, result};

/// Where the distribution keeps the broker with its client.
const SERVERS: &str = "/usr/lib/rabbitmq/lib";

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_another_make_is_taken_in_and_answered() {
    let stage = Stage::open(GUEST).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("event.json");
    let message = result("N-1", "N");
    fs::write(&file, event(&message).to_string()).unwrap();
    let server = fs::read_dir(SERVERS).unwrap().next().unwrap().unwrap().path();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/amqp_intake/client.escript");
    let mut command = Command::new("escript");
    command.arg(script).args([stage.broker.url(), ENDPOINT]).arg(&file);
    command.env("ERL_LIBS", server.join("plugins")).env("HOME", folder.path());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let mut lines = said.lines();
    assert_eq!((lines.next(), lines.next()), (Some("from-erlang"), Some("application/json")), "{said}");
    let receipt: Value = serde_json::from_str(lines.next().unwrap()).unwrap();
    assert_eq!(receipt["statement"]["business_key"], "N-1");
    let over_http = Sender::at(&stage.hub, ENDPOINT).send(&message).await;
    assert_eq!((over_http.status, over_http.json()), (200, receipt), "the same receipt");
}
