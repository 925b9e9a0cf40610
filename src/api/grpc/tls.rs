//! Certificates: the hub's own, and the authority of those who come with one. Read again when a file changes;
//! a set that does not fit together is said so, and the one before stays.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use metrics::counter;
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};
use tokio_util::sync::CancellationToken;
use x509_cert::{
    Certificate,
    der::Decode as _,
    ext::pkix::{SubjectAltName, name::GeneralName},
};

use crate::{port::store::Scope, task::metrics::CERTIFICATE_RELOADS};

/// What a name of ours begins with among the alternative names (URI) of a certificate.
const OURS: &str = "liandong:";
/// The name of an endpoint after that, and of a worker.
const ENDPOINT: &str = "endpoint:";
const WORKER: &str = "worker:";

/// HTTP/2, as gRPC needs it.
const PROTOCOL: &[u8] = b"h2";

/// PEM files.
#[derive(Clone, Debug)]
pub struct Files {
    /// The hub's certificate with its chain.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Authority that signs the certificates of endpoints; none takes no certificates.
    pub client_authority: Option<PathBuf>,
}

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read, or is not PEM of what it should be.
    #[error("{path}: {text}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        text: String,
    },
    /// They do not fit together.
    #[error("the certificate, its key and the authority do not fit: {0}")]
    Unfit(String),
}

/// The certificates in use.
#[derive(Debug)]
pub struct Certificates {
    files: Files,
    current: RwLock<Arc<ServerConfig>>,
}

/// When each file was last written, and its length.
type Stamps = Vec<Option<(SystemTime, u64)>>;

impl Certificates {
    /// Reads them.
    pub fn load(files: Files) -> Result<Self, Error> {
        let current = RwLock::new(Arc::new(files.read()?));
        Ok(Self { files, current })
    }

    /// Those for the next handshake.
    pub(super) fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks at the files again and again until told to end.
    pub(super) async fn watch(self: Arc<Self>, every: Duration, token: CancellationToken) {
        let mut seen = self.files.stamps();
        loop {
            tokio::select! {
                () = token.cancelled() => return,
                () = tokio::time::sleep(every) => {}
            }
            let now = self.files.stamps();
            if now != seen {
                self.reload();
                seen = now;
            }
        }
    }

    fn reload(&self) {
        let result = match self.files.read() {
            Ok(config) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
                tracing::info!("certificates read again");
                "taken"
            }
            Err(error) => {
                tracing::error!(%error, "new certificates cannot be used, those before stay");
                "refused"
            }
        };
        counter!(CERTIFICATE_RELOADS, "result" => result).increment(1);
    }
}

impl Files {
    fn stamps(&self) -> Stamps {
        let stamp = |path: &Path| {
            let about = fs::metadata(path).ok()?;
            Some((about.modified().ok()?, about.len()))
        };
        let files = [Some(&self.certificate), Some(&self.key), self.client_authority.as_ref()];
        files.into_iter().flatten().map(|path| stamp(path)).collect()
    }

    fn read(&self) -> Result<ServerConfig, Error> {
        let chain = certificates(&self.certificate)?;
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|error| unreadable(&self.key, &error))?;
        let unfit = |error: &dyn std::fmt::Display| Error::Unfit(error.to_string());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| unfit(&error))?;
        let builder = match &self.client_authority {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let mut roots = RootCertStore::empty();
                for authority in certificates(path)? {
                    roots.add(authority).map_err(|error| unfit(&error))?;
                }
                // Who has a token comes without.
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                    .allow_unauthenticated()
                    .build()
                    .map_err(|error| unfit(&error))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder.with_single_cert(chain, key).map_err(|error| unfit(&error))?;
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        // A session is resumed with the certificates it began with; without, each handshake is by those of now.
        config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(config)
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let read = CertificateDer::pem_file_iter(path).map_err(|error| unreadable(path, &error))?;
    let all: Vec<_> = read.collect::<Result<_, _>>().map_err(|error| unreadable(path, &error))?;
    if all.is_empty() {
        return Err(unreadable(path, &io::Error::other("holds no certificate")));
    }
    Ok(all)
}

fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::File { path: path.to_owned(), text: error.to_string() }
}

/// The endpoint or the worker that a verified certificate names; none where it names none, or several.
pub(super) fn holder(chain: &[CertificateDer<'_>]) -> Option<Scope> {
    let certificate = Certificate::from_der(chain.first()?).ok()?;
    let (_, names) = certificate.tbs_certificate.get::<SubjectAltName>().ok()??;
    let mut ours = names.0.iter().filter_map(|name| match name {
        GeneralName::UniformResourceIdentifier(uri) => uri.as_str().strip_prefix(OURS),
        _ => None,
    });
    let only = ours.next()?;
    if ours.next().is_some() {
        return None;
    }
    let named = |kind| only.strip_prefix(kind).filter(|name| !name.is_empty());
    let endpoint = || named(ENDPOINT).map(|name| Scope::Endpoint(name.into()));
    endpoint().or_else(|| named(WORKER).map(|name| Scope::Worker(name.into())))
}
