//! Connections: how they are made, and what a server must be like.
//!
//! Time-outs are the server's own, given at the start of each session: a time-out of the client alone leaves the
//! statement running. Sessions are never changed afterwards, since the next borrower would inherit it.

use std::{fs, io, path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use tokio_postgres::{
    Config, NoTls,
    config::{Host, SslMode, TargetSessionAttrs},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{
    Options,
    error::Failure,
    runner::{Job, Runner},
    session::Session,
    value::Columns as _,
};
use crate::port::store::Error;

/// The oldest server, in its own form.
const OLDEST: i64 = 150_000;
/// What a setting must be, and what it means when it is not.
const NEEDS: [(&str, &[&str], &str); 5] = [
    ("transaction_read_only", &["off"], "it is a standby or read-only; the hub writes to the primary alone"),
    ("fsync", &["on"], "it would lose what it has confirmed when the machine stops"),
    ("full_page_writes", &["on"], "it could be torn when the machine stops"),
    (
        "synchronous_commit",
        &["on", "remote_apply", "remote_write", "local"],
        "it would confirm what it has not kept",
    ),
    ("server_encoding", &["UTF8"], "it could not hold every name; make the database with ENCODING 'UTF8'"),
];

/// Every statement of the hub goes by an index and takes a few rows. Plans are kept, and one made while a table was small
/// would read all of it, longer with each message, until the server counts its rows anew.
const PLANS: &str =
    "-c enable_seqscan=off -c enable_bitmapscan=off -c enable_hashjoin=off -c enable_mergejoin=off";

/// Why an address cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Address(String);

fn refused(why: impl Into<String>) -> Error {
    let why = why.into();
    Error::Backend { message: why.as_str().into(), source: Arc::new(Address(why)) }
}

/// The pool of connections; none is made yet.
pub(super) fn pool(options: &Options) -> Result<Pool, Error> {
    let config = config(options)?;
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = if config.get_ssl_mode() == SslMode::Disable {
        Manager::from_config(config, NoTls, recycling)
    } else {
        Manager::from_config(config, tls(options.authority.as_deref())?, recycling)
    };
    Pool::builder(manager)
        .max_size(options.connections.max(2))
        .wait_timeout(Some(options.wait_timeout))
        .create_timeout(Some(options.connect_timeout * 2))
        .recycle_timeout(Some(options.connect_timeout))
        .runtime(Runtime::Tokio1)
        .build()
        .map_err(|error| refused(error.to_string()))
}

fn config(options: &Options) -> Result<Config, Error> {
    // The parser's own words do not repeat what it was given.
    let mut config: Config = options.url.expose().parse().map_err(|error: tokio_postgres::Error| {
        let why = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        refused(format!("the address of the database is not postgres://USER@HOST:PORT/DATABASE: {why}"))
    })?;
    if config.get_hosts().is_empty() {
        return Err(refused("the address of the database names no host"));
    }
    match config.get_ssl_mode() {
        SslMode::Require => {}
        _ if config.get_hosts().iter().all(is_here) => drop(config.ssl_mode(SslMode::Disable)),
        _ => return Err(refused("the database is on another machine: its address must say sslmode=require")),
    }
    let millis = |time: Duration| time.as_millis();
    let own = format!(
        "-c statement_timeout={} -c lock_timeout={} -c idle_in_transaction_session_timeout={} -c jit=off {PLANS} {}",
        millis(options.statement_timeout),
        millis(options.lock_timeout),
        millis(options.idle_timeout),
        config.get_options().unwrap_or_default(),
    );
    config
        .options(own)
        .application_name("liandong")
        .connect_timeout(options.connect_timeout)
        .tcp_user_timeout(options.statement_timeout + options.connect_timeout)
        .keepalives_idle(Duration::from_secs(30))
        .target_session_attrs(TargetSessionAttrs::ReadWrite);
    Ok(config)
}

fn is_here(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        }
    }
}

/// TLS that checks the server's certificate and its name.
fn tls(authority: Option<&Path>) -> Result<MakeRustlsConnect, Error> {
    let Some(path) = authority else {
        return MakeRustlsConnect::with_native_certs().map(|(tls, _)| tls).map_err(|_| {
            refused("this machine has no certificates of authorities; name one for the database")
        });
    };
    let unreadable = |why: String| refused(format!("{}: {why}", path.display()));
    let text = fs::read(path).map_err(|error: io::Error| unreadable(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|error| unreadable(error.to_string()))?;
        roots.add(certificate).map_err(|error| unreadable(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(unreadable("no certificate in it".to_owned()));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| refused(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

/// Whether the server keeps what it confirms.
pub(super) async fn check(runner: &Runner) -> Result<(), Error> {
    runner.read(Check).await
}

struct Check;

#[async_trait]
impl Job for Check {
    type Output = ();

    async fn run(&self, session: &Session<'_>) -> Result<(), Failure> {
        let row = session.row(include_str!("sql/server.sql"), &[]).await?;
        let mut wrong = Vec::new();
        if row.value::<i64>("version_number")? < OLDEST {
            let version: String = row.value("version")?;
            wrong.push(format!("it is PostgreSQL {version}; 15 or later is needed"));
        }
        for (setting, right, otherwise) in NEEDS {
            let found: &str = row.value(setting)?;
            if !right.contains(&found) {
                wrong.push(format!("{setting} is {found}: {otherwise}"));
            }
        }
        if wrong.is_empty() {
            return Ok(());
        }
        Err(refused(format!("the database server cannot be used: {}", wrong.join("; "))).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::secret::Secret;

    fn of(url: &str) -> Result<Config, Error> {
        config(&Options::new(Secret::new(url)))
    }

    #[test]
    fn another_machine_is_spoken_to_by_tls_alone() {
        for url in ["postgres://h@db.example/l", "postgres://h@db.example/l?sslmode=prefer"] {
            let refused = of(url).unwrap_err().to_string();
            assert!(refused.contains("sslmode=require"), "{refused}");
        }
        assert_eq!(of("postgres://h@db.example/l?sslmode=require").unwrap().get_ssl_mode(), SslMode::Require);
        for here in ["postgres://h@127.0.0.1/l", "postgres://h@localhost/l", "host=/run/postgresql user=h"] {
            assert_eq!(of(here).unwrap().get_ssl_mode(), SslMode::Disable);
        }
    }

    #[test]
    fn every_session_has_time_outs_and_may_write() {
        let config = of("postgres://h@127.0.0.1/l?options=-c%20geqo%3Doff").unwrap();
        let options = config.get_options().unwrap();
        for part in [
            "statement_timeout=30000",
            "lock_timeout=10000",
            "idle_in_transaction_session_timeout=60000",
            "geqo=off",
        ] {
            assert!(options.contains(part), "{options}");
        }
        assert_eq!(config.get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
    }

    #[test]
    fn an_address_that_is_none_is_refused_without_repeating_it() {
        for url in ["hunter2", "postgres://h:hunter2@127.0.0.1:port/l", "postgres:///l"] {
            let refused = of(url).unwrap_err();
            assert!(!format!("{refused} {refused:?}").contains("hunter2"), "{refused:?}");
        }
    }

    #[test]
    fn an_authority_must_be_a_certificate() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        fs::write(&path, "nothing").unwrap();
        let empty = tls(Some(&path)).err().unwrap().to_string();
        assert!(empty.contains("no certificate in it"), "{empty}");
        assert!(tls(Some(&folder.path().join("none.pem"))).is_err());
    }
}
