//! Outbound HTTP(S): one parcel, one request, one answer (RFC 9110).
//!
//! Promises: a redirect is an answer, never followed, so that a delivery goes nowhere but to the
//! configured address; nothing is sent twice under one call; `NotSent` is said only while the body is
//! untouched (see `witness`); the answer is cut at its limit; no credential stands in an error.
//! Each endpoint has a client, and so a pool, of its own. Left to others: what an answer means.

mod witness;

use std::{fmt::Write as _, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use reqwest::{
    Client, Method, Response, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER},
    redirect, retry,
};
use tokio::time::{Instant, timeout_at};

use self::witness::{Witness, watch};
use crate::{
    config::secret::Secret,
    port::{
        clock::Clock,
        connector::{Answer, Connector, Error, Parcel},
    },
};

/// What a client needs to know of its target.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Absolute URL.
    pub url: String,
    /// How the parcel travels.
    pub verb: Verb,
    /// Fixed headers.
    pub headers: Vec<(String, String)>,
    /// Header that carries the delivery id.
    pub delivery_header: Option<String>,
    /// What authenticates the hub.
    pub credential: Option<Credential>,
    /// PEM certificates of authorities that count besides the system's.
    pub ca_pem: Option<Vec<u8>>,
    /// Longest a connection may take to open, TLS included.
    pub connect_timeout_ms: u64,
    /// How long an unused connection is kept; 0 keeps none.
    pub idle_ms: u64,
    /// Beginning of the answer that is read.
    pub max_answer_bytes: usize,
}

/// How the parcel travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// As the body of a POST.
    Post,
    /// As the body of a PUT.
    Put,
    /// As the query of a GET.
    Get,
}

/// What authenticates the hub at the target.
#[derive(Clone, Debug)]
pub enum Credential {
    /// `Authorization: Bearer`.
    Bearer(Secret),
    /// A header of the target's own.
    Header {
        /// Its name.
        name: String,
        /// Its value.
        secret: Secret,
    },
}

impl Credential {
    /// The secret in it.
    pub fn secret(&self) -> &Secret {
        match self {
            Self::Bearer(secret) | Self::Header { secret, .. } => secret,
        }
    }
}

/// Why a client cannot be made from its settings.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Not an address.
    #[error("url is not an absolute http or https address")]
    Url,
    /// A header that HTTP cannot carry; the value is not shown.
    #[error("header '{0}' has a name or a value that http cannot carry")]
    Header(String),
    /// The certificate file holds none.
    #[error("certificate authorities cannot be read")]
    Authorities(#[source] reqwest::Error),
    /// The client library refused.
    #[error("http client cannot be made")]
    Client(#[source] reqwest::Error),
}

/// A client of one target.
#[derive(Debug)]
pub struct HttpClient {
    client: Client,
    url: Url,
    verb: Verb,
    headers: HeaderMap,
    delivery_header: Option<HeaderName>,
    max_answer_bytes: usize,
    clock: Arc<dyn Clock>,
}

impl HttpClient {
    /// Makes the client; opens no connection.
    ///
    /// The process needs a TLS provider installed before (`main` installs `ring`).
    pub fn new(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self, BuildError> {
        let url = Url::parse(&settings.url).map_err(|_| BuildError::Url)?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(BuildError::Url);
        }
        Ok(Self {
            client: client(settings)?,
            url,
            verb: settings.verb,
            headers: headers(settings)?,
            delivery_header: settings.delivery_header.as_deref().map(header_name).transpose()?,
            max_answer_bytes: settings.max_answer_bytes,
            clock,
        })
    }

    fn request(&self, parcel: &Parcel) -> Result<(reqwest::Request, Witness), Error> {
        let (method, url, body) = match self.verb {
            Verb::Post => (Method::POST, self.url.clone(), parcel.body.clone()),
            Verb::Put => (Method::PUT, self.url.clone(), parcel.body.clone()),
            Verb::Get => (Method::GET, with_query(&self.url, &parcel.body)?, Bytes::new()),
        };
        let mut request = reqwest::Request::new(method, url);
        let headers = request.headers_mut();
        headers.extend(self.headers.clone());
        if let Some(name) = &self.delivery_header {
            headers.insert(name.clone(), plain_value(&parcel.delivery.to_string())?);
        }
        if self.verb != Verb::Get {
            headers.insert(CONTENT_TYPE, plain_value(&parcel.content_type)?);
        }
        let (body, witness) = watch(body);
        *request.body_mut() = Some(reqwest::Body::wrap(body));
        Ok((request, witness))
    }

    fn deadline(&self, not_after: Timestamp) -> Result<(Instant, u128), Error> {
        let left = Duration::try_from(not_after.duration_since(self.clock.now())).unwrap_or_default();
        if left.is_zero() {
            return Err(Error::NotSent("no time was left to send it".to_owned()));
        }
        Ok((Instant::now() + left, left.as_millis()))
    }

    async fn read(&self, response: Response, deadline: Instant) -> Result<Answer, Error> {
        let status = response.status();
        let retry_after_ms = retry_after_ms(response.headers(), self.clock.now());
        let content_type = text_header(response.headers(), &CONTENT_TYPE);
        let mut body = BytesMut::new();
        let end = timeout_at(deadline, fill(response, &mut body, self.max_answer_bytes)).await;
        let broken = match end {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(chain(&error.without_url())),
            Err(_) => Some("it did not end in time".to_owned()),
        };
        match broken {
            // A refusal is a refusal, however much of its text came through; what a success means may
            // stand in the part that is missing.
            Some(why) if status.is_success() => {
                Err(Error::Unknown(format!("answer {} broke off: {why}", status.as_u16())))
            }
            _ => Ok(Answer {
                status: Some(status.as_u16()),
                retry_after_ms,
                body: body.freeze(),
                content_type,
                verdict: None,
            }),
        }
    }
}

#[async_trait]
impl Connector for HttpClient {
    async fn send(&self, parcel: Parcel) -> Result<Answer, Error> {
        let (deadline, left_ms) = self.deadline(parcel.not_after)?;
        let (request, witness) = self.request(&parcel)?;
        match timeout_at(deadline, self.client.execute(request)).await {
            Ok(Ok(response)) => self.read(response, deadline).await,
            Ok(Err(error)) => Err(unanswered(&witness, error.is_connect(), chain(&error.without_url()))),
            Err(_) => Err(unanswered(&witness, false, format!("no answer within {left_ms} ms"))),
        }
    }

    fn peer(&self) -> String {
        let mut url = self.url.clone();
        url.set_query(None);
        url.set_fragment(None);
        url.into()
    }
}

fn unanswered(witness: &Witness, never_connected: bool, why: String) -> Error {
    if never_connected || !witness.touched() { Error::NotSent(why) } else { Error::Unknown(why) }
}

fn client(settings: &Settings) -> Result<Client, BuildError> {
    let mut builder = Client::builder()
        .no_proxy()
        .referer(false)
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .user_agent(concat!("liandong/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_millis(settings.connect_timeout_ms));
    builder = match settings.idle_ms {
        0 => builder.pool_max_idle_per_host(0),
        idle_ms => builder.pool_idle_timeout(Duration::from_millis(idle_ms)),
    };
    if let Some(pem) = &settings.ca_pem {
        let authorities = reqwest::Certificate::from_pem_bundle(pem).map_err(BuildError::Authorities)?;
        builder = builder.tls_certs_merge(authorities);
    }
    builder.build().map_err(BuildError::Client)
}

fn headers(settings: &Settings) -> Result<HeaderMap, BuildError> {
    let mut headers = HeaderMap::new();
    for (name, value) in &settings.headers {
        headers.insert(header_name(name)?, header_value(name, value)?);
    }
    let (name, text) = match &settings.credential {
        None => return Ok(headers),
        Some(Credential::Bearer(secret)) => (AUTHORIZATION, format!("Bearer {}", secret.expose())),
        Some(Credential::Header { name, secret }) => (header_name(name)?, secret.expose().to_owned()),
    };
    let mut value = header_value(name.as_str(), &text)?;
    value.set_sensitive(true);
    headers.insert(name, value);
    Ok(headers)
}

fn header_name(name: &str) -> Result<HeaderName, BuildError> {
    HeaderName::try_from(name).map_err(|_| BuildError::Header(name.to_owned()))
}

fn header_value(name: &str, value: &str) -> Result<HeaderValue, BuildError> {
    HeaderValue::try_from(value).map_err(|_| BuildError::Header(name.to_owned()))
}

fn plain_value(text: &str) -> Result<HeaderValue, Error> {
    HeaderValue::try_from(text).map_err(|_| Error::NotSent(format!("header value '{text}' is not ascii")))
}

fn with_query(url: &Url, query: &[u8]) -> Result<Url, Error> {
    let query = std::str::from_utf8(query)
        .map_err(|_| Error::NotSent("the query is not percent-encoded text".to_owned()))?;
    let mut url = url.clone();
    url.set_query((!query.is_empty()).then_some(query));
    Ok(url)
}

async fn fill(mut response: Response, body: &mut BytesMut, limit_bytes: usize) -> reqwest::Result<()> {
    while body.len() < limit_bytes
        && let Some(chunk) = response.chunk().await?
    {
        let room = limit_bytes - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
    }
    Ok(())
}

fn text_header(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(ToOwned::to_owned)
}

/// `Retry-After` in either form of RFC 9110, section 10.2.3.
fn retry_after_ms(headers: &HeaderMap, now: Timestamp) -> Option<u64> {
    let text = text_header(headers, &RETRY_AFTER)?;
    if let Ok(seconds) = text.trim().parse::<u64>() {
        return Some(seconds.saturating_mul(1_000));
    }
    let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text.trim()).ok()?;
    Some(u64::try_from(at.duration_since(now).as_millis()).unwrap_or(0))
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a string cannot fail.
        write!(text, ": {error}").ok();
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
