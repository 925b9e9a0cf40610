//! A time-stamping authority over HTTP (RFC 3161, section 3.4).

use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Client, Url, header::CONTENT_TYPE, redirect};

use crate::port::authority::{Silent, TimeAuthority};

/// Asks by POST.
#[derive(Debug)]
pub struct HttpAuthority {
    client: Client,
    url: Url,
    max_answer_bytes: usize,
}

impl HttpAuthority {
    /// Of this address, which answers within the time-out. The process needs a TLS provider installed before.
    pub fn new(url: &str, timeout: Duration, max_answer_bytes: usize) -> Result<Self, Silent> {
        let url = Url::parse(url).map_err(|error| Silent(error.to_string()))?;
        let client = Client::builder().timeout(timeout).redirect(redirect::Policy::none()).build();
        Ok(Self { client: client.map_err(|error| silent(&error))?, url, max_answer_bytes })
    }
}

#[async_trait]
impl TimeAuthority for HttpAuthority {
    async fn ask(&self, question: Vec<u8>) -> Result<Vec<u8>, Silent> {
        let request = self.client.post(self.url.clone()).header(CONTENT_TYPE, "application/timestamp-query");
        let mut response = request.body(question).send().await.map_err(|error| silent(&error))?;
        let status = response.status();
        if !status.is_success() {
            return Err(Silent(format!("status {status}")));
        }
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| silent(&error))? {
            if answer.len() + chunk.len() > self.max_answer_bytes {
                return Err(Silent(format!("its answer has more than {} bytes", self.max_answer_bytes)));
            }
            answer.extend_from_slice(&chunk);
        }
        Ok(answer)
    }
}

/// With what caused it, and without the address, which may hold a credential.
fn silent(error: &reqwest::Error) -> Silent {
    let mut text = if error.is_timeout() { "no answer in time" } else { "it cannot be reached" }.to_owned();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    Silent(text)
}
