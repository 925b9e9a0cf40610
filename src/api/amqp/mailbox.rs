//! Answers of recipients that fetch their deliveries from queues: each names the copy by its ticket, from an account
//! that the broker vouches for, and is settled by whichever hub is brought it.
//!
//! An answer is acknowledged when it is settled. The recipient hears whether it counts, where it asks for that.

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use metrics::counter;
use serde::Deserialize;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{Accounts, JSON, refused};
use crate::{
    domain::{delivery::Outcome, id::EndpointId, personal::shown},
    port::{
        bus::CopyKey,
        inbox::{Inbox, Letter, Reply},
        intake::{Code, Refusal},
        mailbox::{Acknowledgement, Acknowledgements, Counted, Tickets},
    },
    task::{
        Failure,
        metrics::{AMQP_REPLIES, OUTCOMES_REFUSED},
    },
};

/// Longest reason of a refusal that is kept.
const REASON_BYTES: usize = 4 << 10;

/// Reads answers and has them settled.
#[derive(Debug)]
pub struct Counter {
    /// Knows what was handed out.
    pub tickets: Arc<dyn Tickets>,
    /// Settles answers.
    pub acknowledgements: Arc<dyn Acknowledgements>,
    /// Who may answer, for every endpoint.
    pub recipients: Arc<Accounts>,
}

/// What a recipient says of a delivery; nothing at all is that it has it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    outcome: Word,
    #[serde(default)]
    reason: String,
    retry_after_ms: Option<u64>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Delivered,
    Permanent,
    Transient,
    Throttled,
}

/// Settles what comes to `inbox`, at most `batch` answers together, until told to end.
pub async fn run(
    counter: Counter,
    mut inbox: Box<dyn Inbox>,
    batch: usize,
    token: CancellationToken,
) -> Result<(), Failure> {
    let mut answers = inbox.answers();
    let settled = loop {
        let letters = tokio::select! {
            () = token.cancelled() => break Ok(()),
            letters = inbox.next(batch) => letters,
        };
        let count = letters.len();
        // What is not settled when the hub stops is brought to another.
        let replies = tokio::select! {
            () = token.cancelled() => break Ok(()),
            replies = counter.settle(letters) => replies,
        };
        match replies {
            Ok(replies) => answers.done(count, replies).await,
            Err(error) => break Err(error),
        }
    };
    inbox.close().await;
    settled
}

impl Counter {
    async fn settle(&self, letters: Vec<Letter>) -> Result<Vec<Reply>, Failure> {
        let (mut readable, mut places) = (Vec::new(), Vec::with_capacity(letters.len()));
        for letter in letters {
            let read = self.read(&letter).map(|acknowledgement| {
                let of = (acknowledgement.delivery, acknowledgement.lease);
                readable.push(acknowledgement);
                of
            });
            places.push((letter.reply_to, read));
        }
        let mut counted = self.acknowledgements.settle(readable).await?.into_iter();
        let mut replies = Vec::new();
        for (reply_to, read) in places {
            let (media, body) = match read {
                Ok(of) => (JSON, settled(of, counted.next().unwrap_or(Counted::Stale))),
                Err(refusal) => refused(refusal),
            };
            match reply_to {
                Some(to) => replies.push(Reply { to, media, body }),
                None => counter!(AMQP_REPLIES, "result" => "not_asked").increment(1),
            }
        }
        Ok(replies)
    }

    /// The answer in a letter, if its account may give it.
    fn read(&self, letter: &Letter) -> Result<Acknowledgement, Refusal> {
        let endpoint = EndpointId::from(&*letter.key);
        let read = self.admit(letter, &endpoint).and_then(|()| self.readable(letter, &endpoint));
        if let Err(refusal) = &read {
            let reason = if refusal.code == Code::Malformed { "unreadable" } else { "not_theirs" };
            counter!(OUTCOMES_REFUSED, "reason" => reason).increment(1);
            tracing::warn!(%endpoint, %refusal, "answer of a recipient refused");
        }
        read
    }

    fn admit(&self, letter: &Letter, endpoint: &EndpointId) -> Result<(), Refusal> {
        let Some(account) = letter.account.as_deref() else {
            let detail = "user_id is required, with the account that answers";
            return Err(Refusal::new(Code::Unauthenticated, detail));
        };
        let accounts = self.recipients.get(endpoint);
        if accounts.is_some_and(|accounts: &BTreeSet<Box<str>>| accounts.contains(account)) {
            return Ok(());
        }
        let endpoint = shown(endpoint.as_str());
        let detail = format!("account '{}' does not answer for endpoint '{endpoint}'", shown(account));
        Err(Refusal::new(Code::Forbidden, detail))
    }

    fn readable(&self, letter: &Letter, endpoint: &EndpointId) -> Result<Acknowledgement, Refusal> {
        let malformed = |detail: &str| Refusal::new(Code::Malformed, detail);
        let ticket = letter.correlation.as_deref().unwrap_or_default();
        let copied = self.tickets.read(endpoint, ticket);
        let copied = copied
            .ok_or_else(|| malformed("correlation_id must be that of the delivery that is answered"))?;
        let (outcome, reason) = outcome(&letter.body)?;
        Ok(Acknowledgement {
            endpoint: endpoint.clone(),
            delivery: copied.delivery,
            lease: copied.lease,
            outcome,
            said: reason.into(),
            peer: self.tickets.peer(endpoint).into(),
            handed: Some(copied.handed),
        })
    }
}

/// What the body says, and why.
fn outcome(body: &[u8]) -> Result<(Outcome, String), Refusal> {
    if body.is_empty() {
        return Ok((Outcome::Delivered, String::new()));
    }
    let Said { outcome, mut reason, retry_after_ms } = serde_json::from_slice(body).map_err(|_| {
        let detail = "the body is empty, or JSON with outcome (delivered, permanent, transient, throttled), \
                      reason and retry_after_ms";
        Refusal::new(Code::Malformed, detail)
    })?;
    reason.truncate(reason.floor_char_boundary(REASON_BYTES));
    let outcome = match outcome {
        Word::Delivered => Outcome::Delivered,
        Word::Permanent => Outcome::Permanent,
        Word::Transient => Outcome::Transient,
        Word::Throttled => Outcome::Throttled { wait_ms: retry_after_ms },
    };
    Ok((outcome, reason))
}

fn settled((delivery, lease): CopyKey, counted: Counted) -> Bytes {
    let word = match counted {
        Counted::Yes => "counted",
        Counted::Stale => "stale",
    };
    json!({ "delivery": delivery, "lease": lease, "count": word }).to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_is_an_acknowledgement_and_every_other_is_read_or_refused() {
        let read = |body: &str| outcome(body.as_bytes()).map_err(|refusal| refusal.code);
        assert_eq!(read(""), Ok((Outcome::Delivered, String::new())));
        assert_eq!(read(r#"{"outcome":"delivered"}"#), Ok((Outcome::Delivered, String::new())));
        let refused = r#"{"outcome":"permanent","reason":"查无此证"}"#;
        assert_eq!(read(refused), Ok((Outcome::Permanent, "查无此证".to_owned())));
        let wait = r#"{"outcome":"throttled","retry_after_ms":500}"#;
        assert_eq!(read(wait), Ok((Outcome::Throttled { wait_ms: Some(500) }, String::new())));
        for nonsense in ["ok", "{}", r#"{"outcome":"yes"}"#, r#"{"outcome":"delivered","to":"me"}"#] {
            assert_eq!(read(nonsense), Err(Code::Malformed), "{nonsense}");
        }
    }
}
