//! `liandong bench` measures everything it promises, with counts small enough for a test.

use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::{contract::backend::Postgres, harness::broker::Broker};

fn bench(folder: &std::path::Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_liandong"));
    command.args(["--lang", "en", "bench", "--dir"]).arg(folder);
    command.args(
        "--rounds 1 --messages 260 --singles 20 --backlog 40 --rate 20 --seconds 1 --lone 3".split(' '),
    );
    command.args(more).output().unwrap()
}

fn positive(value: &Value, path: &str) {
    let found = value.pointer(path).and_then(Value::as_f64);
    assert!(found.is_some_and(|number| number > 0.0), "{path} is {found:?} in {value:#}");
}

#[test]
fn a_small_run_measures_every_figure() {
    let folder = tempfile::tempdir().unwrap();
    let output = bench(folder.path(), &["--json"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("lone sender"), "progress is shown: {said}");
    let figures: Value = serde_json::from_slice(&output.stdout).unwrap();

    for (index, fan_out) in [1, 4].into_iter().enumerate() {
        let of = &figures["fan_outs"][index];
        assert_eq!(of["fan_out"], fan_out);
        let round = &of["rounds"][0];
        for path in [
            "/rows_per_second",
            "/claims_per_second",
            "/settles_per_second",
            "/posts_per_second",
            "/delivered_limit_per_second",
            "/accepted_in_batches/per_second",
            "/accepted_singly/per_second",
            "/delivered_from_batches/per_second",
            "/delivered_from_batches/saturated/p99_ms",
            "/delivered_from_singles/per_second",
            "/sealing/paused_per_second",
            "/sealing/sealed_per_second",
            "/sealing/ratio",
        ] {
            positive(round, path);
        }
        let limit = round["delivered_limit_per_second"].as_f64().unwrap();
        for stage in ["claims_per_second", "settles_per_second", "posts_per_second"] {
            assert!(limit < round[stage].as_f64().unwrap(), "{stage} is slower than all stages: {round:#}");
        }
        positive(&figures, &format!("/steady/{index}/latency/p50_ms"));
    }
    for path in ["/lone/one_row_commit/p50_ms", "/lone/paced/p50_ms", "/lone/pressing/p50_ms"] {
        positive(&figures, path);
    }
    assert_eq!(figures["backlog"]["deliveries"], 40);
    assert_eq!(figures["backlog"]["drained"], 40);
    let goals = figures["goals"].as_array().unwrap();
    let wanted: Vec<_> = goals.iter().map(|goal| goal["goal"].as_f64().unwrap()).collect();
    let memory = if cfg!(target_os = "linux") { vec![1.0] } else { Vec::new() };
    assert_eq!(wanted, [vec![0.5, 0.6, 0.8, 0.5, 0.6, 0.8, 2.0], memory].concat());
    for goal in goals {
        positive(goal, "/ratio");
        assert!(goal["reached"].is_boolean());
    }
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert!(left.is_empty(), "the run left files behind: {left:?}");
}

/// The same on PostgreSQL and RabbitMQ; its process, by which it names its database.
fn on_servers(folder: &std::path::Path, database: &str, broker: &str, more: &[&str]) -> (u32, Output) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_liandong"));
    command.args(["--lang", "en", "bench", "--dir"]).arg(folder);
    command.args("--rounds 1 --messages 520 --seconds 1 --store postgres --bus amqp".split(' '));
    command.env("LIANDONG_POSTGRES_URL", database).env("LIANDONG_AMQP_URL", broker);
    let child = command.args(more).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    (child.id(), child.wait_with_output().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shape_of_production_is_measured_with_every_stage_and_leaves_the_servers_as_they_were() {
    let (broker, place, folder) = (Broker::new().await, Postgres::new(), tempfile::tempdir().unwrap());
    let url = place.database().await.url();
    let (process, output) = on_servers(folder.path(), &url, broker.url(), &["--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let figures: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&figures["store"], &figures["bus"]), (&Value::from("postgres"), &Value::from("amqp")));
    for index in 0..2 {
        let round = &figures["fan_outs"][index]["rounds"][0];
        let limit = round["delivered_limit_per_second"].as_f64().unwrap();
        for stage in [
            "/claims_per_second",
            "/settles_per_second",
            "/posts_per_second",
            "/broker/published_per_second",
            "/broker/consumed_per_second",
        ] {
            positive(round, stage);
            let alone = round.pointer(stage).and_then(Value::as_f64).unwrap();
            assert!(limit < alone, "{stage} is slower than all stages: {round:#}");
        }
        for path in
            ["/delivered/ratio", "/delivered_over_http/ratio", "/broker/ratio_to_pair", "/sealing/ratio"]
        {
            positive(round, path);
        }
        let over_http = round.pointer("/delivered_over_http/limit_per_second").and_then(Value::as_f64);
        assert!(Some(limit) < over_http, "the broker is crossed twice: {round:#}");
        let streamed = round.pointer("/streamed/limit_per_second").and_then(Value::as_f64).unwrap();
        let each = [1.0, 4.0][index];
        for (stage, each) in
            [("/streamed/streams_per_second", each), ("/claims_per_second", 1.0), ("/posts_per_second", 1.0)]
        {
            let alone = round.pointer(stage).and_then(Value::as_f64).unwrap() * each;
            assert!(streamed < alone, "{stage} is slower than all stages: {round:#}");
        }
        positive(round, "/streamed/ratio");
        positive(round, "/streamed/saturated/p99_ms");
        positive(&figures, &format!("/half_load/{index}/latency/p99_ms"));
    }
    assert_eq!(figures["intake"], "amqp");
    assert_eq!(figures["goals"].as_array().unwrap().len(), 10);
    let sql = format!("SELECT datname FROM pg_database WHERE datname = 'bench_liandong_{process}'");
    assert!(place.database().await.run(&sql).await.is_empty(), "the run's own database is left");
    let queues = broker.ctl(&["list_queues", "--vhost", broker.host(), "name"]).await;
    assert_eq!(queues.trim(), "", "queues are left on the broker");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_told_how_the_messages_came_in_and_what_the_broker_alone_carries() {
    let (broker, place, folder) = (Broker::new().await, Postgres::new(), tempfile::tempdir().unwrap());
    let url = place.database().await.url();
    let (_, output) = on_servers(folder.path(), &url, broker.url(), &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    for line in [
        "over AMQP",
        "handed in over HTTP",
        "gRPC streams alone",
        "streamed in over gRPC",
        "ack every 50",
        "stages in a row",
        "half load",
        "publish and consume x4",
    ] {
        assert!(text.contains(line), "no line with '{line}' in:\n{text}");
    }
}

#[test]
fn a_broker_without_the_shared_store_is_refused_with_a_reason() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_liandong"));
    let output = command.args(["--lang", "en", "bench", "--bus", "amqp"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--store postgres"));
}

#[test]
fn people_get_tables_with_the_ratio_to_each_goal() {
    let folder = tempfile::tempdir().unwrap();
    let output = bench(folder.path(), &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    for line in [
        "rows straight: acceptance",
        "HTTP posts straight",
        "all sealed",
        "ratio",
        "one-row commit",
        "backlog",
    ] {
        assert!(text.contains(line), "no line with '{line}' in:\n{text}");
    }
}

#[test]
fn the_help_has_examples_and_nonsense_is_refused() {
    let run = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_liandong")).arg("bench").args(arguments).output().unwrap()
    };
    let help = run(&["--help"]);
    assert!(help.status.success());
    assert!(String::from_utf8(help.stdout).unwrap().contains("liandong bench --backlog 1000000"));
    assert_eq!(run(&["--rounds", "0"]).status.code(), Some(2));
}
