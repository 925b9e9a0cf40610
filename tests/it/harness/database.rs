//! Databases on the PostgreSQL of the tests, each a copy of one that was migrated once.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use liandong::{
    config::{environment::Environment, secret::Secret},
    port::clock::SystemClock,
    store::postgres::{DatabaseClock, Options, PostgresStore},
};
use tempfile::TempDir;
use tokio::sync::OnceCell;
use tokio_postgres::{NoTls, Row};

use super::hub::{PATIENCE, STEP};

/// Migrated once in the process, copied for each test.
static TEMPLATE: OnceCell<String> = OnceCell::const_new();

/// A database of one test.
#[derive(Debug)]
pub(crate) struct Database {
    name: String,
    made: OnceCell<()>,
}

/// Where the tests' server is.
pub(crate) fn server() -> String {
    let environment = Environment::of_process();
    let Some(url) = environment.get("LIANDONG_TEST_POSTGRES_URL") else {
        panic!(
            "LIANDONG_TEST_POSTGRES_URL is not set: run the tests by `make test`, or one of them by \
             `deploy/services/run cargo test --locked NAME`; both start a PostgreSQL of their own"
        );
    };
    url.to_owned()
}

/// The address of one database on a server.
pub(crate) fn url_of(server: &str, database: &str) -> String {
    let (address, options) = server.split_once('?').map_or((server, None), |(a, o)| (a, Some(o)));
    let (host, _) = address.rsplit_once('/').expect("an address that ends with a database");
    options.map_or_else(|| format!("{host}/{database}"), |options| format!("{host}/{database}?{options}"))
}

/// Runs statements on a connection of their own; the rows of the last one.
pub(crate) async fn run(url: &str, sql: &str) -> Vec<Row> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    let work = async {
        let (before, last) = sql.rsplit_once(';').unwrap_or(("", sql));
        client.batch_execute(before).await?;
        client.query(last, &[]).await
    };
    tokio::select! {
        rows = work => rows.unwrap(),
        ended = connection => panic!("the connection ended: {ended:?}"),
    }
}

impl Database {
    /// Not made yet.
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self { name: format!("liandong_test_{}_{number}", std::process::id()), made: OnceCell::new() }
    }

    /// Makes it, if it is not there yet.
    pub(crate) async fn made(&self) {
        self.made
            .get_or_init(|| async {
                let template = if is_own() { TEMPLATE.get_or_init(template).await } else { "template0" };
                let sql = format!("CREATE DATABASE {} ENCODING 'UTF8' TEMPLATE {template}", self.name);
                run(&server(), &sql).await;
            })
            .await;
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        url_of(&server(), &self.name)
    }

    /// How a store is opened on it.
    pub(crate) fn options(&self) -> Options {
        options(&self.url())
    }

    /// Runs statements in it; the rows of the last one.
    pub(crate) async fn run(&self, sql: &str) -> Vec<Row> {
        run(&self.url(), sql).await
    }

    /// Ends every session in it, and waits until they are gone.
    pub(crate) async fn end_sessions(&self) {
        let sql = format!(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{}'",
            self.name
        );
        run(&server(), &sql).await;
    }
}

/// Waits until a session of a database waits for a lock.
pub(crate) async fn until_blocked(database: &Database) {
    let waiting = "SELECT count(*) FROM pg_stat_activity \
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let end = Instant::now() + PATIENCE;
    while database.run(waiting).await[0].get::<_, i64>(0) == 0 {
        assert!(Instant::now() < end, "nobody waits for a lock");
        tokio::time::sleep(STEP).await;
    }
}

/// A server of one test's own, which may be killed.
#[derive(Debug)]
pub(crate) struct Server {
    folder: TempDir,
}

impl Server {
    /// Starts one.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // The server runs under an account of its own where the tests are root's.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/services/postgres");
        let started = Command::new(script).arg(folder.path().join("postgres")).status().unwrap();
        assert!(started.success(), "no PostgreSQL could be started");
        Self { folder }
    }

    /// The address of its first database.
    pub(crate) fn url(&self) -> String {
        fs::read_to_string(self.folder.path().join("postgres/url")).unwrap().trim().to_owned()
    }

    /// Makes a database; its address.
    pub(crate) async fn database(&self, name: &str, more: &str) -> String {
        run(&self.url(), &format!("CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0 {more}")).await;
        url_of(&self.url(), name)
    }

    /// Has it speak TLS, with this certificate and key, for connections from now on.
    pub(crate) async fn speak_tls(&self, certificate: &str, key: &str) {
        for (name, text) in [("server.crt", certificate), ("server.key", key)] {
            // Written by the server, since they must be its own account's and nobody else's.
            let lines = text.lines().collect::<Vec<_>>().join("','");
            let write = format!(
                "COPY (SELECT unnest(ARRAY['{lines}'])) TO PROGRAM 'umask 077 && cat > {name}.new && mv {name}.new {name}'"
            );
            run(&self.url(), &write).await;
        }
        let loaded =
            async || run(&self.url(), "SELECT pg_conf_load_time()::text").await[0].get::<_, String>(0);
        let before = loaded().await;
        run(&self.url(), "ALTER SYSTEM SET ssl = on; SELECT pg_reload_conf()").await;
        let end = Instant::now() + PATIENCE;
        while loaded().await == before {
            assert!(Instant::now() < end, "the server does not read its configuration again");
            tokio::time::sleep(STEP).await;
        }
    }

    /// The account that it runs under, which is another than the tests' where those are root's.
    pub(crate) fn account(&self) -> u32 {
        fs::metadata(self.folder.path().join("postgres/data")).unwrap().uid()
    }

    /// Operates it: start, stop, kill.
    pub(crate) fn control(&self, what: &str) {
        let done = Command::new(self.folder.path().join("postgres/ctl")).arg(what).status().unwrap();
        assert!(done.success(), "{what} failed");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that was killed is not there to be stopped.
        drop(Command::new(self.folder.path().join("postgres/ctl")).arg("stop").output());
    }
}

/// The usual options with few connections.
pub(crate) fn options(url: &str) -> Options {
    Options { connections: 4, wait_timeout: Duration::from_secs(30), ..Options::new(Secret::new(url)) }
}

/// Whether the server was started for the tests alone.
fn is_own() -> bool {
    let environment = Environment::of_process();
    let folder = environment.get("LIANDONG_TEST_SERVICES");
    folder.is_some_and(|folder| Path::new(folder).join("postgres/ctl").exists())
}

async fn template() -> String {
    let name = format!("liandong_test_{}_template", std::process::id());
    run(&server(), &format!("CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0")).await;
    let options = options(&url_of(&server(), &name));
    let store = PostgresStore::open(&options, DatabaseClock::new(Arc::new(SystemClock))).await.unwrap();
    store.close().await.unwrap();
    name
}

impl Drop for Database {
    /// A server of the tests' own goes away as a whole; one that was given is left as it was.
    fn drop(&mut self) {
        if is_own() || !self.made.initialized() {
            return;
        }
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(run(&server(), &sql));
        });
        let gone = dropped.join().is_ok() || std::thread::panicking();
        assert!(gone, "database {} could not be dropped", self.name);
    }
}

#[test]
fn the_address_of_a_database_keeps_what_belongs_to_the_server() {
    assert_eq!(url_of("postgres://a@b:1/postgres", "x"), "postgres://a@b:1/x");
    assert_eq!(
        url_of("postgres://a@b:1/postgres?sslmode=require", "x"),
        "postgres://a@b:1/x?sslmode=require"
    );
}
