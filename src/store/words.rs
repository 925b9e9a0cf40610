//! Words of the domain's closed sets as the stores write them; they are read through serde.

use crate::domain::{
    decision::{Part, Redaction, Relay},
    obligation::{CalendarBasis, ObligationState, Term},
};

/// The word of a redaction.
pub(in crate::store) fn redaction(redaction: Redaction) -> &'static str {
    match redaction {
        Redaction::None => "none",
        Redaction::PersonalNumbers => "personal_numbers",
    }
}

/// The word of a part.
pub(in crate::store) fn part(part: Part) -> &'static str {
    match part {
        Part::Lead => "lead",
        Part::Assist => "assist",
        Part::Informed => "informed",
    }
}

/// The word of a relay's mode.
pub(in crate::store) fn relay(relay: &Relay) -> &'static str {
    match relay {
        Relay::OwnSystem => "own_system",
        Relay::Confirm => "confirm",
        Relay::StandingAuthorisation { .. } => "standing_authorisation",
    }
}

/// The word of a calendar's basis.
pub(in crate::store) fn calendar(basis: CalendarBasis) -> &'static str {
    match basis {
        CalendarBasis::Published => "published",
        CalendarBasis::Assumed => "assumed",
    }
}

/// The word of a term's basis.
pub(in crate::store) fn term(term: Term) -> &'static str {
    match term {
        Term::Stated => "stated",
        Term::Assumed => "assumed",
    }
}

/// The word of an obligation's state.
pub(in crate::store) fn obligation_state(state: ObligationState) -> &'static str {
    match state {
        ObligationState::Open => "open",
        ObligationState::Met => "met",
        ObligationState::Released => "released",
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use serde::{Serialize, de::DeserializeOwned};

    use super::*;
    use crate::store::change::Mode;

    fn same_as_serde<T: Serialize + DeserializeOwned + PartialEq + Debug + Copy>(value: T, word: &str) {
        assert_eq!(serde_json::to_value(value).unwrap(), word);
        assert_eq!(serde_json::from_value::<T>(word.into()).unwrap(), value);
    }

    #[test]
    fn the_words_written_are_the_words_read() {
        for value in [Redaction::None, Redaction::PersonalNumbers] {
            same_as_serde(value, redaction(value));
        }
        for value in [Part::Lead, Part::Assist, Part::Informed] {
            same_as_serde(value, part(value));
        }
        for value in [CalendarBasis::Published, CalendarBasis::Assumed] {
            same_as_serde(value, calendar(value));
        }
        for value in [Term::Stated, Term::Assumed] {
            same_as_serde(value, term(value));
        }
        for value in [ObligationState::Open, ObligationState::Met, ObligationState::Released] {
            same_as_serde(value, obligation_state(value));
        }
    }

    #[test]
    fn the_mode_of_a_relay_is_read_as_it_was_written() {
        let document = "1".into();
        for (value, mode) in [
            (Relay::OwnSystem, Mode::OwnSystem),
            (Relay::Confirm, Mode::Confirm),
            (Relay::StandingAuthorisation { document }, Mode::StandingAuthorisation),
        ] {
            assert_eq!(serde_json::from_value::<Mode>(relay(&value).into()).unwrap(), mode);
        }
    }
}
