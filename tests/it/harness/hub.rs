//! A hub as its user runs it: the binary, its own data directory, free ports; ended by the test.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    time::{Duration, Instant},
};

use liandong::{
    port::store::Trail as _,
    store::sqlite::{Options, SqliteStore},
};
use reqwest::Method;
use serde_json::{Value, json};

/// How long anything is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);
/// Between two looks at what is waited for.
pub(crate) const STEP: Duration = Duration::from_millis(20);

/// Ports that tests give to hubs.
const FIRST_PORT: u16 = 20_000;
const PORTS: u16 = 12_000;

/// A configured hub that may be started, killed and started again.
#[derive(Debug)]
pub(crate) struct Hub {
    home: tempfile::TempDir,
    child: Option<Child>,
    environment: Vec<(String, String)>,
    pub(crate) http: String,
    admin: String,
    client: reqwest::Client,
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
        Self { home, child: None, environment: Vec::new(), http, admin, client: client() }
    }

    /// Sets a key of the configuration, as `retry.min_ms`, for what is run from now on.
    pub(crate) fn set(&mut self, key: &str, value: impl std::fmt::Display) {
        let name = format!("LIANDONG__{}", key.to_uppercase().replace('.', "__"));
        self.environment.push((name, value.to_string()));
    }

    /// Sets a variable of the environment, for what is run from now on.
    pub(crate) fn variable(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Starts it and waits until it says that it runs.
    pub(crate) fn start(&mut self) {
        self.launch(&[], Stdio::inherit());
    }

    /// The same with more arguments.
    pub(crate) fn start_with(&mut self, arguments: &[&str]) {
        self.launch(arguments, Stdio::inherit());
    }

    /// Starts it with its log going into a file, see [`Hub::log`].
    pub(crate) fn start_logged(&mut self) {
        let file =
            fs::OpenOptions::new().create(true).append(true).open(self.home().join("hub.log")).unwrap();
        self.launch(&[], file.into());
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.home().join("hub.log")).unwrap()
    }

    fn launch(&mut self, arguments: &[&str], log: Stdio) {
        let mut child = self
            .command(&[&["serve"], arguments].concat())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
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
        self.terminate();
        self.child.take().unwrap().wait().unwrap().code()
    }

    /// Sends it SIGTERM and does not wait.
    pub(crate) fn terminate(&self) {
        assert!(Command::new("kill").args(["-TERM", &self.pid().to_string()]).status().unwrap().success());
    }

    /// Waits for its end; its exit code.
    pub(crate) async fn ended(&mut self) -> i32 {
        let child = self.child.as_mut().unwrap();
        let mut status = None;
        eventually("the process has ended", || {
            status = child.try_wait().unwrap();
            status.is_some()
        })
        .await;
        status.unwrap().code().unwrap()
    }

    /// Processor time it has used so far: what it did, whatever else the machine had to do meanwhile.
    pub(crate) fn cpu(&self) -> Duration {
        /// The kernel's clock ticks, of which every Linux has a hundred a second.
        const TICK: Duration = Duration::from_millis(10);
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        // The second field is the program's name in brackets, which may hold blanks.
        let (_, rest) = stat.rsplit_once(')').unwrap();
        let fields: Vec<_> = rest.split_whitespace().collect();
        TICK * (fields[11].parse::<u32>().unwrap() + fields[12].parse::<u32>().unwrap())
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// Runs a command; what came of it.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).arg("--json").output().unwrap()
    }

    /// Runs a command against it; its JSON output.
    pub(crate) fn ask(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// A new token for an endpoint.
    pub(crate) fn token(&self, endpoint: &str) -> String {
        self.ask(&["token", "new", endpoint, "--endpoint", endpoint])["token"].as_str().unwrap().to_owned()
    }

    /// Looks something up as an operator.
    pub(crate) async fn get(&self, path: &str) -> Value {
        let (status, answer) = self.operate(Method::GET, path, None).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    /// Asks for something as an operator; status and answer.
    pub(crate) async fn operate(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let note = fs::read_to_string(self.data().join("hub.json")).unwrap();
        let note: Value = serde_json::from_str(&note).unwrap();
        let mut request = self.client.request(method, format!("http://{}{path}", self.http));
        request = request.bearer_auth(note["token"].as_str().unwrap());
        if let Some(body) = body {
            request = request.body(body.to_string());
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
    }

    /// Does something to a delivery as an operator; it must be possible.
    pub(crate) async fn order(&self, delivery: &str, operation: &str) -> Value {
        let path = format!("/v1/deliveries/{delivery}/{operation}");
        let body = json!({ "reason": "ordered by a test" });
        let (status, answer) = self.operate(Method::POST, &path, Some(body)).await;
        assert_eq!(status, 200, "{operation}: {answer}");
        answer
    }

    /// Parks a delivery, where its state allows it; the status.
    pub(crate) async fn park(&self, delivery: &str) -> u16 {
        let path = format!("/v1/deliveries/{delivery}/park");
        self.operate(Method::POST, &path, Some(json!({ "reason": "ordered by a test" }))).await.0
    }

    /// A delivery with its attempts.
    pub(crate) async fn delivery(&self, id: &str) -> Value {
        self.get(&format!("/v1/deliveries/{id}")).await
    }

    /// Waits until a delivery is in a state; the delivery.
    pub(crate) async fn until(&self, id: &str, state: &str) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            let delivery = self.delivery(id).await;
            if delivery["state"] == state {
                return delivery;
            }
            assert!(Instant::now() < end, "{id} is not {state}: {delivery}");
            tokio::time::sleep(STEP).await;
        }
    }

    /// How many deliveries are in each state.
    pub(crate) async fn counts(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for row in self.get("/v1/counts").await.as_array().unwrap() {
            let state = row["state"].as_str().unwrap().to_owned();
            *counts.entry(state).or_default() += row["deliveries"].as_u64().unwrap();
        }
        counts
    }

    /// Waits until a metric has a value.
    pub(crate) async fn until_metric(&self, name: &str, value: u64) {
        let end = Instant::now() + PATIENCE;
        loop {
            let found = self.metric(name).await;
            if found == value {
                return;
            }
            assert!(Instant::now() < end, "{name} is {found}, not {value}");
            tokio::time::sleep(STEP).await;
        }
    }

    /// The trail of a message, as far as it is written.
    pub(crate) async fn trail(&self, message: &str) -> Vec<Value> {
        self.get(&format!("/v1/messages/{message}/trail")).await.as_array().unwrap().clone()
    }

    /// A metric that counts, its labels included in the name as they are written; 0 when it is not there.
    pub(crate) async fn metric(&self, name: &str) -> u64 {
        let answer = self.client.get(format!("http://{}/metrics", self.admin)).send().await.unwrap();
        let text = answer.text().await.unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0, |value| value.parse().unwrap())
    }

    /// Every sealed entry of a hub that was stopped, in order.
    pub(crate) async fn sealed(&self) -> Vec<Value> {
        let store = SqliteStore::open(&Options::new(self.data())).unwrap();
        assert_eq!(store.unsealed_count().await.unwrap().0, 0, "a stopped hub has sealed all");
        let entries = store.sealed(0, 1_000_000).await.unwrap();
        let bodies = entries.iter().map(|entry| serde_json::from_slice(&entry.body).unwrap()).collect();
        store.close().await.unwrap();
        bodies
    }

    /// Takes the adapter of an endpoint away, for what is run from now on.
    pub(crate) fn take_away(&self, endpoint: &str) {
        fs::rename(self.adapter(endpoint), self.home.path().join(endpoint)).unwrap();
    }

    /// Puts it back.
    pub(crate) fn put_back(&self, endpoint: &str) {
        fs::rename(self.home.path().join(endpoint), self.adapter(endpoint)).unwrap();
    }

    fn adapter(&self, endpoint: &str) -> PathBuf {
        self.home.path().join("adapters").join(endpoint)
    }

    /// Asks a path of its admin port; none when nobody answers there.
    pub(crate) async fn probe(&self, path: &str) -> Option<(u16, String)> {
        let answer = self.client.get(format!("http://{}{path}", self.admin)).send().await.ok()?;
        Some((answer.status().as_u16(), answer.text().await.ok()?))
    }

    /// What its probes say, readiness and life, again and again until nobody answers.
    pub(crate) async fn probes(&self) -> Vec<(u16, u16)> {
        let (mut seen, end) = (Vec::new(), Instant::now() + PATIENCE);
        while let (Some((ready, _)), Some((live, _))) =
            (self.probe("/readyz").await, self.probe("/livez").await)
        {
            seen.push((ready, live));
            assert!(Instant::now() < end, "it never stopped");
            tokio::time::sleep(STEP).await;
        }
        seen
    }

    /// The folder that holds its configuration, its adapters and its data.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// Its data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// The binary with this hub's configuration.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_liandong"));
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.arg("--config").arg(self.configuration()).args(arguments);
        command
    }

    /// Its configuration file; data and adapters lie beside it.
    pub(crate) fn configuration(&self) -> PathBuf {
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

/// A client as a department's system has one.
pub(crate) fn client() -> reqwest::Client {
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::new()
}

/// An address nobody listens on now. It lies below the ports that the system gives to connections of its
/// own accord, so that it is still free when a hub comes back to it.
pub(crate) fn free_address() -> String {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % u32::from(PORTS)).unwrap();
    loop {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        assert!(step < PORTS, "no port is free");
        let address = format!("127.0.0.1:{}", FIRST_PORT + (start + step) % PORTS);
        if TcpListener::bind(&address).is_ok() {
            return address;
        }
    }
}

/// Waits until `holds`, at most `limit`; false when it never did.
pub(crate) async fn wait_until(limit: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    while Instant::now() < end {
        if holds() {
            return true;
        }
        tokio::time::sleep(STEP).await;
    }
    holds()
}

/// The same with something that has to be asked for.
pub(crate) async fn wait_until_told(limit: Duration, mut holds: impl AsyncFnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    while Instant::now() < end {
        if holds().await {
            return true;
        }
        tokio::time::sleep(STEP).await;
    }
    holds().await
}

/// Waits until `holds`; fails with `what` was waited for.
pub(crate) async fn eventually(what: &str, holds: impl FnMut() -> bool) {
    assert!(wait_until(PATIENCE, holds).await, "waited in vain: {what}");
}
