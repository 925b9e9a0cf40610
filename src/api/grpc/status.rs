//! Errors as gRPC statuses with google.rpc details: one exhaustive map from refusals to codes.
//!
//! `ErrorInfo.reason` is the refusal's own code in capitals, `BadRequest` has each fault with its place,
//! `RetryInfo` says when the same may be sent again.

use std::{collections::HashMap, time::Duration};

use serde::Deserialize;
use serde_json::json;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};

use crate::port::intake::{self, Fault, Refusal};

/// After what time the same may be sent again.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(2);

/// `ErrorInfo.domain`.
const DOMAIN: &str = "liandong";

/// The code of a refusal.
fn code(code: intake::Code) -> Code {
    match code {
        intake::Code::Malformed
        | intake::Code::Invalid
        | intake::Code::Classified
        | intake::Code::Unmapped => Code::InvalidArgument,
        intake::Code::TooLarge => Code::OutOfRange,
        intake::Code::Unauthenticated => Code::Unauthenticated,
        intake::Code::Forbidden => Code::PermissionDenied,
        intake::Code::Conflict => Code::AlreadyExists,
        intake::Code::Unstorable => Code::Internal,
        intake::Code::Stale | intake::Code::Erased => Code::FailedPrecondition,
        intake::Code::Overloaded => Code::ResourceExhausted,
        intake::Code::Unavailable => Code::Unavailable,
    }
}

/// A refusal as a status.
pub(super) fn refused(refusal: Refusal) -> Status {
    with_details(code(refusal.code), refusal.code.as_str(), refusal.detail, refusal.faults)
}

/// A refusal of this code without fields.
pub(super) fn refuse(code: intake::Code, detail: impl Into<String>) -> Status {
    refused(Refusal::new(code, detail))
}

/// What streams are told that are open when the hub stops.
pub(super) fn stopping() -> Status {
    refuse(intake::Code::Unavailable, "the hub is stopping; send again what was not answered")
}

/// What problem details hold that a status needs.
#[derive(Deserialize)]
struct Problem {
    code: String,
    detail: String,
    #[serde(default)]
    faults: Vec<Fault>,
}

/// The answer of the counter to what it does not do.
pub(super) fn problem(status: u16, body: &[u8]) -> Status {
    let Ok(problem) = serde_json::from_slice::<Problem>(body) else {
        return Status::internal(format!("the counter answered {status} without saying why"));
    };
    let refusal = serde_json::from_value::<intake::Code>(json!(problem.code)).ok();
    let code = match (refusal, problem.code.as_str()) {
        (Some(refusal), _) => code(refusal),
        (None, "not_found") => Code::NotFound,
        (None, "unsealed") => Code::Unavailable,
        (None, "evidence_too_large") => Code::OutOfRange,
        (None, "unsound") => Code::DataLoss,
        (None, "name_taken") => Code::AlreadyExists,
        (None, "no_reason") => Code::InvalidArgument,
        (None, "not_allowed") => Code::Unimplemented,
        (None, _) => Code::FailedPrecondition,
    };
    with_details(code, &problem.code, problem.detail, problem.faults)
}

fn with_details(code: Code, reason: &str, detail: String, faults: Vec<Fault>) -> Status {
    let mut details = ErrorDetails::new();
    details.set_error_info(reason.to_ascii_uppercase(), DOMAIN, HashMap::new());
    if !faults.is_empty() {
        let violation = |fault: Fault| FieldViolation::new(fault.path, fault.text);
        details.set_bad_request(faults.into_iter().map(violation).collect::<Vec<_>>());
    }
    if matches!(code, Code::ResourceExhausted | Code::Unavailable) {
        details.set_retry_info(Some(RETRY_AFTER));
    }
    Status::with_error_details(code, detail, details)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_keeps_its_code_its_fields_and_when_to_try_again() {
        let refusal = Refusal {
            faults: vec![Fault::new("subject.name", "is empty")],
            ..Refusal::new(intake::Code::Invalid, "fields are wrong")
        };
        let status = refused(refusal);
        assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "fields are wrong"));
        let details = status.get_error_details();
        assert_eq!(details.error_info().unwrap().reason, "INVALID");
        assert_eq!(details.bad_request().unwrap().field_violations[0].field, "subject.name");
        assert!(details.retry_info().is_none());
        let busy = refuse(intake::Code::Overloaded, "busy");
        assert!(busy.get_error_details().retry_info().is_some());
    }

    #[test]
    fn what_the_counter_does_not_do_has_the_code_of_its_reason() {
        let body = |code: &str| json!({ "code": code, "detail": "d" }).to_string();
        for (word, code) in [
            ("not_found", Code::NotFound),
            ("forbidden", Code::PermissionDenied),
            ("not_possible", Code::FailedPrecondition),
            ("malformed", Code::InvalidArgument),
        ] {
            assert_eq!(problem(400, body(word).as_bytes()).code(), code, "{word}");
        }
        assert_eq!(problem(500, b"").code(), Code::Internal);
    }
}
