//! The examples of `docs/examples`, run as they stand there: clients that are not ours, in Python, over AMQP and gRPC.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use liandong::config::environment::Environment;
use serde_json::Value;

use crate::{
    harness::{
        authority::Authority,
        broker::Broker,
        hub::Hub,
        rpc::hub_with_grpc,
        sender::{BUREAU, REGULATOR, Sender, hub_of, result, sends, takes_out},
    },
    source::root,
};

/// The endpoint that sends, and the one that has a mailbox.
const SENDING: &str = "hanbin-spj";
const FETCHING: &str = "scjgj";

fn example(name: &str) -> PathBuf {
    root().join("docs/examples").join(name)
}

/// A folder in which the examples run, with two messages to send: one that is right, and one that lacks its key.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut message = result("E-1", "E");
    fs::write(folder.path().join("right.json"), message.to_string()).unwrap();
    message["decidedAt"] = "yesterday".into();
    fs::write(folder.path().join("wrong.json"), message.to_string()).unwrap();
    fs::create_dir(folder.path().join("kept")).unwrap();
    folder
}

/// A script of the examples with these arguments, in a folder.
fn python(folder: &Path, script: &str, arguments: &[&str]) -> Command {
    let environment = Environment::of_process();
    let name =
        environment.get("LIANDONG_TEST_PYTHON").expect("deploy/services/run names the Python with clients");
    let mut command = Command::new(name);
    command.arg(example(script)).args(arguments).current_dir(folder);
    command.env("PYTHONPATH", folder).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// Runs a command to its end.
async fn run(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn said(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8(text).unwrap()
}

/// What the examples keep of a receipt is what HTTP gives; the delivery to the regulator that it names.
async fn delivery_of(system: &Sender, folder: &Path) -> String {
    let kept = fs::read(folder.join("receipt.json")).unwrap();
    let answer = system.send(&result("E-1", "E")).await;
    assert_eq!((answer.status, &answer.body), (200, &kept), "the same receipt, byte for byte");
    answer.delivery_to(REGULATOR)
}

/// The delivery that an example took out and acknowledged is delivered, and was kept.
async fn is_kept(hub: &Hub, folder: &Path, delivery: &str) {
    hub.until(delivery, "delivered").await;
    let kept = fs::read(folder.join("kept").join(delivery)).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&kept).unwrap()["key"], "E-1");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_for_amqp_publish_are_refused_and_fetch() {
    let broker = Broker::new().await;
    let mut hub =
        hub_of(&[(SENDING, sends(SENDING, &[BUREAU])), (FETCHING, takes_out(FETCHING, REGULATOR, ""))]);
    hub.set("bus.backend", "rabbitmq");
    hub.set("bus.senders", format!(r#"["guest: {SENDING}"]"#));
    hub.set("bus.mailboxes", format!(r#"["guest: {FETCHING}"]"#));
    hub.variable("LIANDONG_AMQP_URL", broker.url());
    hub.start();

    let folder = folder();
    let publish = |file| {
        let arguments = [broker.url(), SENDING, "approval.result", file];
        run(python(folder.path(), "publish.py", &arguments))
    };
    let refused = publish("wrong.json").await;
    assert_eq!(refused.status.code(), Some(65), "{}", said(&refused));
    assert!(said(&refused).contains("decidedAt"), "{}", said(&refused));
    let accepted = publish("right.json").await;
    assert_eq!(accepted.status.code(), Some(0), "{}", said(&accepted));
    let delivery = delivery_of(&Sender::at(&hub, SENDING), folder.path()).await;

    let fetched = run(python(folder.path(), "fetch.py", &[broker.url(), FETCHING, "kept", "1"])).await;
    assert_eq!(fetched.status.code(), Some(0), "{}", said(&fetched));
    assert_eq!(said(&fetched), format!("{delivery} approval.result\n"));
    is_kept(&hub, folder.path(), &delivery).await;
}

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Makes stubs of the schema in a folder, by the command of `docs/grpc.md`.
async fn stubs(folder: &Path) {
    let steps = "exec protoc -I proto --plugin=protoc-gen-grpc_python=$(command -v grpc_python_plugin) \
                 --python_out=\"$1\" --grpc_python_out=\"$1\" proto/liandong/v1/*.proto";
    let mut command = Command::new("sh");
    command.args(["-c", steps, "sh"]).arg(folder).current_dir(root());
    let output = run(command).await;
    assert!(output.status.success(), "{}", said(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_for_grpc_submit_are_refused_and_take_out() {
    let (mut hub, address) = hub_with_grpc(&[
        (SENDING, sends(SENDING, &[BUREAU])),
        (FETCHING, takes_out(FETCHING, REGULATOR, "")),
    ]);
    let folder = folder();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (hubs, another) = (Authority::new(), Authority::new());
    let signed = hubs.signs("localhost");
    for (name, text) in [
        ("hub.pem", &signed.certificate),
        ("hub.key", &signed.key),
        ("authority.pem", &hubs.certificate),
        ("another.pem", &another.certificate),
    ] {
        fs::write(at(name), text).unwrap();
    }
    hub.set("grpc.certificate", at("hub.pem"));
    hub.set("grpc.key", at("hub.key"));
    hub.start();
    let address = address.replace("127.0.0.1", "localhost");
    stubs(folder.path()).await;

    let token = hub.token(SENDING);
    let submit = |file, authority| {
        let mut command = python(folder.path(), "grpc_submit.py", &[&address, file, authority]);
        command.env("LIANDONG_TOKEN", &token);
        run(command)
    };
    let stranger = submit("right.json", "another.pem").await;
    assert_eq!(stranger.status.code(), Some(75), "a hub that proves nothing: {}", said(&stranger));
    assert!(said(&stranger).contains("UNAVAILABLE\n"), "{}", said(&stranger));
    let refused = submit("wrong.json", "authority.pem").await;
    assert_eq!(refused.status.code(), Some(65), "{}", said(&refused));
    assert!(said(&refused).contains("INVALID_ARGUMENT\n"), "{}", said(&refused));
    let accepted = submit("right.json", "authority.pem").await;
    assert_eq!(accepted.status.code(), Some(0), "{}", said(&accepted));
    let delivery = delivery_of(&Sender::with(&hub, &token), folder.path()).await;

    let mut command = python(folder.path(), "grpc_mailbox.py", &[&address, "kept", "authority.pem"]);
    command.env("LIANDONG_TOKEN", hub.token(FETCHING)).stdout(Stdio::null());
    let running = Running(command.spawn().unwrap());
    is_kept(&hub, folder.path(), &delivery).await;
    drop(running);
}
