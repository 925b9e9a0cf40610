//! What is kept of an answer or an error, in words: bounded, legible, without secrets and without persons.
//!
//! Targets like to quote what they were sent. The digest of the whole answer is the evidence; these words
//! are for people who look at a parked delivery, and stand where anybody on duty reads them.

use serde_json::Value;

use super::redact;
use crate::{config::secret::Secret, domain::personal};

/// Characters that are kept.
const CHARACTERS: usize = 512;

/// What stands where a person's name or number stood.
const HIDDEN: &str = "***";

/// The beginning of `said` about a `message`.
pub fn of(said: &str, secrets: &[Secret], message: &Value) -> Box<str> {
    let scrubbed = secrets.iter().fold(unescaped(said), |text, secret| secret.scrub(&text));
    let persons = redact::personal_values(message);
    let impersonal = persons.iter().fold(scrubbed, |text, value| text.replace(value, HIDDEN));
    let legible = |c: char| if c.is_control() { ' ' } else { c };
    let numberless = personal::without_numbers(&impersonal);
    numberless.chars().take(CHARACTERS).map(legible).collect::<String>().into()
}

/// The text with `\u` escapes of JSON written out: many systems answer Chinese so, and nobody reads it so.
fn unescaped(text: &str) -> String {
    let mut parts = text.split("\\u");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part.get(..4).and_then(|digits| u32::from_str_radix(digits, 16).ok());
        if let Some(character) = code.and_then(char::from_u32) {
            plain.push(character);
            plain.push_str(&part[4..]);
        } else {
            plain.push_str("\\u");
            plain.push_str(part);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn detail(said: &str) -> String {
        let message = json!({"subject": {
            "type": "SUBJECT_TYPE_NATURAL_PERSON", "name": "王小明", "phone": "0915-3212345",
            "identifiers": [{"type": "IDENTIFIER_TYPE_OTHER", "number": "E12345678"}]}});
        of(said, &[Secret::new("hunter2")], &message).into()
    }

    #[test]
    fn persons_and_secrets_that_an_answer_quotes_are_hidden() {
        assert_eq!(
            detail("王小明（E12345678，0915-3212345，61090219900307001X，13991512345）令牌hunter2无效"),
            "***（***，***，******************，***********）令牌***无效"
        );
    }

    #[test]
    fn chinese_in_escapes_is_written_out_and_hidden_too() {
        assert_eq!(detail(r#"{"msg":"\u738b\u5c0f\u660e\u91cd\u590d"}"#), r#"{"msg":"***重复"}"#);
        assert_eq!(detail(r"C:\users \u12 \ud83d"), r"C:\users \u12 \ud83d");
    }

    #[test]
    fn it_is_bounded_and_legible() {
        assert_eq!(detail(&"长".repeat(600)).chars().count(), CHARACTERS);
        assert_eq!(detail("a\u{1b}[31mb\nc"), "a [31mb c");
    }

    #[test]
    fn it_is_cut_after_it_is_cleaned() {
        let said = format!("{}61090219900307001X", "x ".repeat(253));
        assert!(!detail(&said).contains("6109"));
    }
}
