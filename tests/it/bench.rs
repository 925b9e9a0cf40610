//! `liandong bench` measures everything it promises, with counts small enough for a test.

use std::process::{Command, Output};

use serde_json::Value;

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
    assert_eq!(wanted, [vec![0.5, 0.6, 0.5, 0.6, 2.0], memory].concat());
    for goal in goals {
        positive(goal, "/ratio");
        assert!(goal["reached"].is_boolean());
    }
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert!(left.is_empty(), "the run left files behind: {left:?}");
}

#[test]
fn people_get_tables_with_the_ratio_to_each_goal() {
    let folder = tempfile::tempdir().unwrap();
    let output = bench(folder.path(), &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    for line in ["rows straight: acceptance", "HTTP posts straight", "ratio", "one-row commit", "backlog"] {
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
