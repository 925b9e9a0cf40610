//! A period (有效期): from a day to a day, both inclusive, either end open.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// First and last day of something dated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Period {
    /// First day; none means always before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Date>,
    /// Last day; none means for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Date>,
}

impl Period {
    /// Whether `day` lies in it.
    pub fn covers(&self, day: Date) -> bool {
        self.from.is_none_or(|from| from <= day) && self.to.is_none_or(|to| day <= to)
    }

    /// Whether its last day comes before its first.
    pub fn is_reversed(&self) -> bool {
        matches!((self.from, self.to), (Some(from), Some(to)) if to < from)
    }

    /// Whether some day lies in both.
    pub fn overlaps(&self, other: &Self) -> bool {
        let starts_in_time = |from: Option<Date>, to: Option<Date>| match (from, to) {
            (Some(from), Some(to)) => from <= to,
            _ => true,
        };
        starts_in_time(self.from, other.to) && starts_in_time(other.from, self.to)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn period(from: Option<Date>, to: Option<Date>) -> Period {
        Period { from, to }
    }

    #[test]
    fn both_ends_belong_to_the_period() {
        let year = period(Some(date(2024, 1, 1)), Some(date(2024, 12, 31)));
        assert!(year.covers(date(2024, 1, 1)) && year.covers(date(2024, 12, 31)));
        assert!(!year.covers(date(2023, 12, 31)) && !year.covers(date(2025, 1, 1)));
        assert!(Period::default().covers(date(1949, 10, 1)));
    }

    #[test]
    fn periods_that_share_one_day_overlap() {
        let old = period(None, Some(date(2024, 6, 30)));
        assert!(!old.overlaps(&period(Some(date(2024, 7, 1)), None)));
        assert!(old.overlaps(&period(Some(date(2024, 6, 30)), None)));
        assert!(period(Some(date(2024, 2, 1)), Some(date(2024, 1, 1))).is_reversed());
    }
}
