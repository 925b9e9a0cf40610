//! Faults that the demo gives to a party's system, and what each does to one request.
//!
//! Pure: which request suffers is decided by its number alone, so that a run is the same as the one before.

use serde::Deserialize;

/// One fault of a party's system.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// The system is down from the start: connections are refused.
    Down {
        /// For how long, from the first message of the demo.
        for_ms: u64,
    },
    /// Answers 200, with a failure in the body.
    Busy {
        /// Requests from the first that it does this to.
        requests: u32,
    },
    /// Refuses some records for good.
    Refuse {
        /// Which, as an expression over the record.
        when: String,
    },
    /// Takes its time.
    Slow {
        /// For each request.
        by_ms: u64,
    },
    /// Takes the request, then breaks the connection instead of answering.
    Cut {
        /// One request in this many.
        every: u32,
    },
}

/// How one request is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// Taken and answered.
    Take,
    /// Not taken: 200, the body says that it did not work.
    Busy,
    /// Not taken, and never will be.
    Refuse,
    /// Taken, and the connection broken.
    TakeAndCut,
}

/// Treats the request with this number, from 1. `refused` says whether a [`Fault::Refuse`] holds for it.
pub fn treat(faults: &[Fault], number: u32, refused: Refused) -> Treatment {
    for fault in faults {
        match fault {
            Fault::Busy { requests } if number <= *requests => return Treatment::Busy,
            Fault::Refuse { .. } if refused == Refused::Yes => return Treatment::Refuse,
            Fault::Cut { every } if number.is_multiple_of(*every) => return Treatment::TakeAndCut,
            _ => {}
        }
    }
    Treatment::Take
}

/// Whether the party refuses a record for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It does.
    Yes,
    /// It does not.
    No,
}

/// How long the party's system takes for each request.
pub fn delay_ms(faults: &[Fault]) -> u64 {
    faults.iter().map(|fault| if let Fault::Slow { by_ms } = fault { *by_ms } else { 0 }).sum()
}

/// How long the party's system is down from the start.
pub fn down_ms(faults: &[Fault]) -> Option<u64> {
    faults.iter().find_map(|fault| if let Fault::Down { for_ms } = fault { Some(*for_ms) } else { None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_system_recovers_after_its_number_of_requests() {
        let faults = [Fault::Busy { requests: 2 }];
        let treated: Vec<_> = (1..=3).map(|number| treat(&faults, number, Refused::No)).collect();
        assert_eq!(treated, [Treatment::Busy, Treatment::Busy, Treatment::Take]);
    }

    #[test]
    fn a_connection_is_cut_at_every_nth_request_alone() {
        let faults = [Fault::Cut { every: 3 }];
        let cut = (1..=9).filter(|number| treat(&faults, *number, Refused::No) == Treatment::TakeAndCut);
        assert_eq!(cut.collect::<Vec<_>>(), [3, 6, 9]);
    }

    #[test]
    fn a_record_is_refused_each_time_it_comes() {
        let faults = [Fault::Slow { by_ms: 5 }, Fault::Refuse { when: "true".into() }];
        assert_eq!(treat(&faults, 7, Refused::Yes), Treatment::Refuse);
        assert_eq!(treat(&faults, 7, Refused::No), Treatment::Take);
        assert_eq!(delay_ms(&faults), 5);
        assert_eq!(down_ms(&faults), None);
    }
}
