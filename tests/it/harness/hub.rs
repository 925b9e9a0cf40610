//! A hub as its user runs it: the binary, its own data directory, free ports; ended by the test.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

/// A configured hub that may be started, killed and started again.
#[derive(Debug)]
pub(crate) struct Hub {
    home: tempfile::TempDir,
    child: Option<Child>,
    pub(crate) http: String,
}

impl Hub {
    /// Configures a hub with these adapter folders: endpoint and its files.
    pub(crate) fn configure(adapters: &[(&str, &[(&str, &str)])]) -> Self {
        let home = tempfile::tempdir().unwrap();
        for (endpoint, files) in adapters {
            let folder = home.path().join("adapters").join(endpoint);
            fs::create_dir_all(&folder).unwrap();
            for (name, text) in *files {
                fs::write(folder.join(name), text).unwrap();
            }
        }
        let (http, admin) = (free_address(), free_address());
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
        let text = format!(
            "[paths]\ndata = \"{data}\"\nadapters = \"{adapters}\"\nregistry = \"{registry}\"\nrules = \"{rules}\"\n\
             calendar = \"{calendar}\"\n[http]\nlisten = {http:?}\n[admin]\nlisten = {admin:?}\n\
             [dispatch]\nlease_margin_ms = 500\nidle_scan_ms = 200\n[seal]\nevery_ms = 500\n[log]\nfilter = \"warn\"\n",
            data = home.path().join("data").display(),
            adapters = home.path().join("adapters").display(),
            registry = root.join("registry").display(),
            rules = root.join("rules").display(),
            calendar = root.join("calendar/holidays.csv").display(),
        );
        fs::write(home.path().join("hub.toml"), text).unwrap();
        Self { home, child: None, http }
    }

    /// Starts it and waits until it says that it runs.
    pub(crate) fn start(&mut self) {
        let mut child = self.command(&["serve"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("http://"), "the hub did not start: {line:?}");
        self.child = Some(child);
    }

    /// kill -9.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Stops it by SIGTERM and gives its exit code.
    pub(crate) fn stop(&mut self) -> Option<i32> {
        let mut child = self.child.take().unwrap();
        let pid = child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        child.wait().unwrap().code()
    }

    /// Runs a command against it; its JSON output.
    pub(crate) fn ask(&self, arguments: &[&str]) -> Value {
        let output = self.command(arguments).arg("--json").output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// A new token for an endpoint.
    pub(crate) fn token(&self, endpoint: &str) -> String {
        self.ask(&["token", "new", endpoint, "--endpoint", endpoint])["token"].as_str().unwrap().to_owned()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_liandong"));
        command.arg("--config").arg(self.configuration()).args(arguments);
        command
    }

    fn configuration(&self) -> PathBuf {
        self.home.path().join("hub.toml")
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// An address nobody listens on now.
pub(crate) fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// Waits until `holds`, at most `limit`; false when it never did.
pub(crate) async fn wait_until(limit: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    while Instant::now() < end {
        if holds() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    holds()
}
