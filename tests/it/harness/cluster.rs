//! A RabbitMQ cluster of three nodes on this machine, of one test's own, which may lose a node.

use std::{fs, path::Path, process::Command};

use tempfile::TempDir;

/// A cluster.
#[derive(Debug)]
pub(crate) struct Cluster {
    folder: TempDir,
}

impl Cluster {
    /// Starts one.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/services/rabbitmq-cluster");
        let started = Command::new(script).arg(folder.path().join("cluster")).status().unwrap();
        assert!(started.success(), "no cluster could be started");
        Self { folder }
    }

    /// The addresses of its nodes, of the first one first.
    pub(crate) fn url(&self) -> String {
        fs::read_to_string(self.folder.path().join("cluster/url")).unwrap().trim().to_owned()
    }

    /// What a node calls itself.
    pub(crate) fn name(&self, node: usize) -> String {
        let url = self.url();
        let (_, place) = url.split(' ').nth(node - 1).unwrap().rsplit_once(':').unwrap();
        format!("liandong-{}@localhost", place.split('/').next().unwrap())
    }

    /// Starts or kills one of its nodes, the first of which is 1; or asks it something.
    pub(crate) fn control(&self, node: usize, what: &[&str]) -> String {
        let output = self.command().arg(node.to_string()).args(what).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{what:?} of node {node}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn command(&self) -> Command {
        Command::new(self.folder.path().join("cluster/ctl"))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.command().arg("end").output());
    }
}
