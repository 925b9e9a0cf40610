//! A worker that attaches over gRPC, as its user runs it: the binary beside a hub, with the hub's adapters, no store
//! and no broker.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Output, Stdio},
};

use super::hub::{Hub, free_address};

/// How a worker attaches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct By<'w> {
    /// Addresses of hubs, as `worker.hubs`.
    pub(crate) hubs: &'w str,
    /// The token itself; empty for who comes with a certificate.
    pub(crate) token: &'w str,
}

/// A running worker.
#[derive(Debug)]
pub(crate) struct Worker(Child);

impl Worker {
    /// Starts one and waits until it says that it works for `endpoint`.
    pub(crate) fn start(hub: &Hub, by: By<'_>, endpoint: &str) -> Self {
        Self::launch(command(hub, by), endpoint)
    }

    /// The same with more variables of the environment.
    pub(crate) fn with(hub: &Hub, by: By<'_>, variables: &[(&str, &str)], endpoint: &str) -> Self {
        let mut command = command(hub, by);
        command.envs(variables.iter().copied());
        Self::launch(command, endpoint)
    }

    /// Runs one that does not come to work; what came of it.
    pub(crate) fn refused(hub: &Hub, by: By<'_>) -> Output {
        Self::refused_with(hub, by, &[])
    }

    /// The same with more variables of the environment.
    pub(crate) fn refused_with(hub: &Hub, by: By<'_>, variables: &[(&str, &str)]) -> Output {
        command(hub, by).envs(variables.iter().copied()).output().unwrap()
    }

    fn launch(mut command: Command, endpoint: &str) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains(endpoint), "the worker did not start: {line:?}");
        Self(child)
    }

    /// kill -9.
    pub(crate) fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Sends it a signal: `TERM`, or `STOP` and `CONT` for one that hangs.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    /// Waits for its end; its exit code.
    pub(crate) fn ended(mut self) -> Option<i32> {
        self.0.wait().unwrap().code()
    }

    /// Stops it by SIGTERM and gives its exit code.
    pub(crate) fn stop(self) -> Option<i32> {
        self.signal("TERM");
        self.ended()
    }
}

fn command(hub: &Hub, By { hubs, token }: By<'_>) -> Command {
    let mut command = hub.command(&["worker", "--attach", "grpc"]);
    command.env("LIANDONG__WORKER__HUBS", hubs);
    if !token.is_empty() {
        let file = hub.home().join(format!("{}.token", free_address()));
        fs::write(&file, token).unwrap();
        command.env("LIANDONG__WORKER__TOKEN", format!("file:{}", file.display()));
    }
    // It has no way to the broker, whatever the hub has.
    command.env_remove("LIANDONG_AMQP_URL");
    command.env("LIANDONG__BUS__BACKEND", "local").env("LIANDONG__BUS__WORKERS", "[]");
    command.env("LIANDONG__ADMIN__LISTEN", free_address());
    command.env("LIANDONG__PATHS__DATA", "/nonexistent");
    command
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
