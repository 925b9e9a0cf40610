//! What an answer means (DESIGN section 6, outcome classes).
//!
//! A 200 whose body says failure is a failure: `success` alone makes a delivery delivered. A condition
//! that cannot be evaluated, because the answer has another form, does not hold; where that leaves a 2xx
//! answer without meaning, the outcome is unknown and said so.

use serde_json::{Map, Value, json};

use super::adapter::Compiler;
use crate::{
    config::adapter::Conditions,
    domain::delivery::Outcome,
    mapping::{
        codec::Codec,
        condition::{Condition, Holds},
    },
    port::connector::Answer,
};

/// What conditions over an answer read.
pub(super) const VARIABLES: [&str; 3] = ["status", "answer", "text"];

/// The compiled conditions.
#[derive(Debug)]
pub(super) struct Judge {
    codec: Codec,
    success: Option<Condition>,
    transient: Option<Condition>,
    throttled: Option<Condition>,
    permanent: Option<Condition>,
    unknown: Option<Condition>,
}

impl Judge {
    pub(super) fn compile(conditions: &Conditions, codec: Codec, compiler: &mut Compiler<'_>) -> Self {
        let mut question = |key: &str, source: &Option<String>| {
            source
                .as_ref()
                .and_then(|source| compiler.condition(&format!("outbound.{key}"), source, &VARIABLES))
        };
        Self {
            success: question("success", &conditions.success),
            transient: question("transient", &conditions.transient),
            throttled: question("throttled", &conditions.throttled),
            permanent: question("permanent", &conditions.permanent),
            unknown: question("unknown", &conditions.unknown),
            codec,
        }
    }

    /// The outcome that an answer means.
    pub(super) fn outcome(&self, answer: &Answer) -> Outcome {
        let names = self.names(answer);
        let holds = |question: &Option<Condition>| {
            question.as_ref().is_some_and(|condition| condition.holds(&names) == Holds::Yes)
        };
        let throttled = Outcome::Throttled { wait_ms: answer.retry_after_ms };
        let success = self.success.as_ref().map(|condition| condition.holds(&names));
        match success {
            Some(Holds::Yes) => Outcome::Delivered,
            _ if holds(&self.unknown) => Outcome::Unknown,
            _ if holds(&self.throttled) => throttled,
            _ if holds(&self.transient) => Outcome::Transient,
            _ if holds(&self.permanent) => Outcome::Permanent,
            _ => by_status(answer, success),
        }
    }

    /// What conditions read: `answer` is there only when the body could be read.
    pub(super) fn names(&self, answer: &Answer) -> Map<String, Value> {
        let mut names = Map::new();
        names.insert("status".to_owned(), json!(answer.status));
        names.insert("text".to_owned(), json!(String::from_utf8_lossy(&answer.body)));
        if let Some(record) =
            self.codec.decode(&answer.body).ok().and_then(|records| records.into_iter().next())
        {
            names.insert("answer".to_owned(), record.value);
        }
        names
    }
}

/// 408, 425 and 5xx may pass; 429, and 503 that names a time, ask to wait. A gateway that gave up waiting
/// (504) does not know what became of it, and neither does a 2xx answer that cannot be read.
fn by_status(answer: &Answer, success: Option<Holds>) -> Outcome {
    match answer.status {
        None if success.is_none() => Outcome::Delivered,
        Some(429) => Outcome::Throttled { wait_ms: answer.retry_after_ms },
        Some(503) if answer.retry_after_ms.is_some() => Outcome::Throttled { wait_ms: answer.retry_after_ms },
        Some(504) => Outcome::Unknown,
        Some(408 | 425 | 500..) => Outcome::Transient,
        None | Some(200..300) if success == Some(Holds::CannotTell) => Outcome::Unknown,
        _ => Outcome::Permanent,
    }
}
