//! TLS to the database: an encrypted connection to a server that proves who it is, or none and a sentence why.

use std::{fs, path::Path, sync::Arc};

use liandong::{
    config::secret::Secret,
    port::{clock::SystemClock, store::Trail as _},
    store::postgres::{DatabaseClock, Options, PostgresStore},
};
use tempfile::TempDir;

use super::hub_at;
use crate::harness::{
    authority::Authority,
    database::{Server, options, run},
    department::Department,
    sample::entry,
    sender::{BUREAU, REGULATOR, Sender, result},
};

/// A server, and how stores speak to it.
struct Place {
    server: Server,
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { server: Server::start(), folder: tempfile::tempdir().unwrap() }
    }

    fn file(&self, name: &str, text: &str) -> std::path::PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn url(&self) -> String {
        format!("{}?sslmode=require", self.server.url())
    }

    async fn open(&self, authority: &Path) -> Result<PostgresStore, String> {
        let options = Options {
            url: Secret::new(&*self.url()),
            authority: Some(authority.to_owned()),
            ..options(&self.server.url())
        };
        let clock = DatabaseClock::new(Arc::new(SystemClock));
        PostgresStore::open(&options, clock).await.map_err(|error| error.to_string())
    }

    /// How many connections of stores are encrypted, and how many there are.
    async fn encrypted(&self) -> (i64, i64) {
        let sql = "SELECT count(*) FILTER (WHERE ssl), count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                   WHERE application_name = 'liandong'";
        let row = run(&self.server.url(), sql).await.remove(0);
        (row.get(0), row.get(1))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_is_spoken_to_by_tls_with_the_right_certificate_alone() {
    let (place, office, stranger) = (Place::new(), Authority::new(), Authority::new());
    let trusted = place.file("office.pem", &office.certificate);
    let without = place.open(&trusted).await.unwrap_err();
    assert!(without.contains("no trusted connection") && without.contains("ssl = on"), "{without}");

    let signed = office.signs("127.0.0.1");
    place.server.speak_tls(&signed.certificate, &signed.key).await;
    let store = place.open(&trusted).await.unwrap();
    store.append(vec![entry("hub.started")]).await.unwrap();
    let (encrypted, all) = place.encrypted().await;
    assert!(encrypted > 0 && encrypted == all, "{encrypted} of {all}");
    store.close().await.unwrap();

    let other = place.open(&place.file("stranger.pem", &stranger.certificate)).await.unwrap_err();
    assert!(
        other.contains("postgres.authority signed") && other.contains("invalid peer certificate"),
        "{other}"
    );

    let elsewhere = office.signs("db.example");
    place.server.speak_tls(&elsewhere.certificate, &elsewhere.key).await;
    let named = place.open(&trusted).await.unwrap_err();
    assert!(named.contains("for the name in postgres.url") && named.contains("not valid"), "{named}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_works_over_tls_and_does_not_start_beside_a_stranger() {
    let (place, office, target) = (Place::new(), Authority::new(), Department::anywhere().await);
    let signed = office.signs("127.0.0.1");
    place.server.speak_tls(&signed.certificate, &signed.key).await;
    let mut hub = hub_at(&place.url(), &target);
    let stranger = place.file("stranger.pem", &Authority::new().certificate);
    hub.set("postgres.authority", stranger.display());
    let refused = hub.run(&["serve"]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("no trusted connection"), "{said}");

    hub.set("postgres.authority", place.file("office.pem", &office.certificate).display());
    hub.start();
    let accepted = Sender::at(&hub, BUREAU).accepted(&result("JY1-0", "JY1")).await;
    hub.until(&accepted.delivery_to(REGULATOR), "delivered").await;
    let (encrypted, all) = place.encrypted().await;
    assert!(encrypted > 0 && encrypted == all, "{encrypted} of {all}");
    assert_eq!(hub.stop(), Some(0));
}
