//! A worker of its own, as its user runs it: attached by RabbitMQ, without a store; ended by the test.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use super::hub::{Hub, free_address};

/// A running worker.
#[derive(Debug)]
pub(crate) struct Worker(Child);

impl Worker {
    /// Starts one beside a hub, with the hub's adapters and no store.
    pub(crate) fn start(hub: &Hub) -> Self {
        let mut command = hub.command(&["worker", "--attach", "amqp"]);
        command.env("LIANDONG__ADMIN__LISTEN", free_address());
        command.env("LIANDONG__PATHS__DATA", "/nonexistent");
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("hanbin-scjg"), "the worker did not start: {line:?}");
        Self(child)
    }

    /// kill -9.
    pub(crate) fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Stops it by SIGTERM and gives its exit code.
    pub(crate) fn stop(self) -> Option<i32> {
        self.terminate();
        self.ended()
    }

    /// Sends it SIGTERM and does not wait.
    pub(crate) fn terminate(&self) {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    }

    /// Waits for its end; its exit code.
    pub(crate) fn ended(mut self) -> Option<i32> {
        self.0.wait().unwrap().code()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
