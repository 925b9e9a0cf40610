//! The working-day calendar: which days the State Council made rest days or working days, and the
//! deadlines counted over them.
//!
//! Deadlines count working days without statutory holidays (行政许可法 art. 82), the day of the event is
//! not counted (当日不计), and a term without days that falls on a rest day moves to the next working day
//! (民法典 art. 203). A year that is not announced yet counts Monday to Friday, and whatever was counted
//! over such days says [`Basis::Assumed`], to be counted again when the year's notice is loaded.

use jiff::civil::{Date, Weekday};
use jiff::tz::Offset;
use jiff::{Timestamp, ToSpan};
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// China has one time zone and no summer time.
pub const CHINA: Offset = Offset::constant(8);

/// The last day of December that the notice of the next year leaves alone. Later days were made rest
/// days (2007, 2018, 2022) and working days (2006, 2011, 2018) by the notice of the year after.
const SETTLED_UNTIL_DECEMBER: i8 = 25;

/// What a notice makes of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DayKind {
    /// 放假: a rest day, statutory or moved.
    Holiday,
    /// 调休上班: a Saturday or Sunday that is worked.
    MakeupWorkday,
}

/// One day of a holiday notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Day {
    /// The day.
    pub date: Date,
    /// What it is made.
    pub kind: DayKind,
}

/// What a date was counted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Basis {
    /// Every day counted over is settled by published notices.
    Published,
    /// Some day is not: Monday to Friday was assumed to be worked.
    Assumed,
}

/// A deadline day and what it was counted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Due {
    /// The last day of the term.
    pub date: Date,
    /// Whether the notices were out for all of it.
    pub basis: Basis,
}

/// A number of working days and what it was counted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WorkingDays {
    /// Working days counted.
    pub days: u32,
    /// Whether the notices were out for all of them.
    pub basis: Basis,
}

/// What keeps a list of days from being a calendar, or a date from being counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Fault {
    /// A day is listed twice.
    #[error("{date} is listed twice")]
    Twice {
        /// The day.
        date: Date,
    },
    /// A make-up workday that would have been worked anyway: a slip in the list.
    #[error("{date} is listed as make-up workday, but is no saturday or sunday")]
    MakeupOnWeekday {
        /// The day.
        date: Date,
    },
    /// A year is listed without one of the two holidays that every notice contains.
    #[error("year {year} is listed without the holiday of {missing}, load the whole notice of the year")]
    PartOfYear {
        /// The year.
        year: i16,
        /// The day that every notice of that year contains.
        missing: Date,
    },
    /// A term runs beyond the year 9999.
    #[error("{days} working days from {from} run beyond the year 9999")]
    BeyondCalendar {
        /// The day of the event.
        from: Date,
        /// The term.
        days: u32,
    },
}

/// The days that notices made rest days or working days, and the years whose notice is in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Calendar {
    days: BTreeMap<Date, DayKind>,
    announced: BTreeSet<i16>,
}

impl Calendar {
    /// Builds a calendar from the days of whole notices, in any order.
    ///
    /// A year counts as announced when days of it up to 25 December are listed; later ones may belong to
    /// the next year's notice. Its list must then be whole: 1 January and 1 October are in every notice.
    /// `Calendar::default()` is the one in which no year is announced.
    ///
    /// # Errors
    ///
    /// All faults of the list, in order of date.
    pub fn from_days(days: impl IntoIterator<Item = Day>) -> Result<Self, Vec<Fault>> {
        let mut calendar = Self::default();
        let mut faults = Vec::new();
        for Day { date, kind } in days {
            if kind == DayKind::MakeupWorkday && !is_weekend(date) {
                faults.push(Fault::MakeupOnWeekday { date });
            }
            if calendar.days.insert(date, kind).is_some() {
                faults.push(Fault::Twice { date });
            }
            if !is_claimed_by_next_year(date) {
                calendar.announced.insert(date.year());
            }
        }
        faults.extend(calendar.parts_of_years());
        if faults.is_empty() { Ok(calendar) } else { Err(faults) }
    }

    /// The years whose notice is in.
    pub fn announced_years(&self) -> impl Iterator<Item = i16> + '_ {
        self.announced.iter().copied()
    }

    /// Whether notices settle this day. The last days of December need the next year's notice too.
    pub fn is_settled(&self, date: Date) -> bool {
        let announced = |year: i16| self.announced.contains(&year);
        announced(date.year()) && (!is_claimed_by_next_year(date) || announced(date.year() + 1))
    }

    /// Whether the day is worked: by notice, else Monday to Friday.
    pub fn is_working_day(&self, date: Date) -> bool {
        match self.days.get(&date) {
            Some(DayKind::Holiday) => false,
            Some(DayKind::MakeupWorkday) => true,
            None => !is_weekend(date),
        }
    }

    /// The first working day after `date`.
    pub fn next_working_day(&self, date: Date) -> Result<Due, Fault> {
        self.add_working_days(date, 1)
    }

    /// The `days`-th working day after `from`, which itself is not counted (当日不计).
    ///
    /// No days at all mean the day itself, or the next working day if it is a rest day.
    pub fn add_working_days(&self, from: Date, days: u32) -> Result<Due, Fault> {
        let beyond = || Fault::BeyondCalendar { from, days };
        let mut date = from;
        let mut basis = if days == 0 { self.basis(date) } else { Basis::Published };
        let mut left = if days == 0 && !self.is_working_day(from) { 1 } else { days };
        while left > 0 {
            date = date.tomorrow().map_err(|_| beyond())?;
            basis = basis.max(self.basis(date));
            left -= u32::from(self.is_working_day(date));
        }
        Ok(Due { date, basis })
    }

    /// The working days after `from` up to and including `to`; none if `to` is not after `from`.
    ///
    /// The inverse of [`Calendar::add_working_days`]. Its cost does not grow with the distance.
    pub fn working_days_between(&self, from: Date, to: Date) -> WorkingDays {
        let Ok(first) = from.tomorrow() else {
            return WorkingDays { days: 0, basis: Basis::Published };
        };
        if first > to {
            return WorkingDays { days: 0, basis: Basis::Published };
        }
        let (mut gained, mut lost) = (0, 0);
        for (date, kind) in self.days.range(first..=to) {
            match kind {
                DayKind::MakeupWorkday => gained += 1,
                DayKind::Holiday => lost += u32::from(!is_weekend(*date)),
            }
        }
        WorkingDays { days: weekdays(first, to) + gained - lost, basis: self.basis_of_all(first, to) }
    }

    fn basis(&self, date: Date) -> Basis {
        if self.is_settled(date) { Basis::Published } else { Basis::Assumed }
    }

    /// Settled days come in whole years but for the last days of December, so the years and the last day tell.
    fn basis_of_all(&self, first: Date, last: Date) -> Basis {
        let years = first.year()..=last.year();
        let whole = self.announced.range(years.clone()).count() == years.count();
        if whole { self.basis(last) } else { Basis::Assumed }
    }

    fn parts_of_years(&self) -> Vec<Fault> {
        let whole = self.announced.iter().flat_map(|year| {
            [(1, 1), (10, 1)].into_iter().filter_map(|(month, day)| Date::new(*year, month, day).ok())
        });
        whole
            .filter(|day| self.days.get(day) != Some(&DayKind::Holiday))
            .map(|missing| Fault::PartOfYear { year: missing.year(), missing })
            .collect()
    }
}

/// The day in China at this instant.
pub fn china_date(instant: Timestamp) -> Date {
    CHINA.to_datetime(instant).date()
}

/// The instant at which this day ends in China: the first one that is no longer part of it.
///
/// For the last day of the year 9999 it is the last instant there is.
pub fn end_of_china_day(date: Date) -> Timestamp {
    date.checked_add(1.day())
        .and_then(|next| CHINA.to_timestamp(next.at(0, 0, 0, 0)))
        .unwrap_or(Timestamp::MAX)
}

fn is_weekend(date: Date) -> bool {
    matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday)
}

fn is_claimed_by_next_year(date: Date) -> bool {
    date.month() == 12 && date.day() > SETTLED_UNTIL_DECEMBER
}

/// Mondays to Fridays from `first` to `last`, both included; `first` is not after `last`.
fn weekdays(first: Date, last: Date) -> u32 {
    let total = u32::try_from(last.duration_since(first).as_hours() / 24 + 1).unwrap_or_default();
    let offset = u32::from(first.weekday().to_monday_zero_offset().unsigned_abs());
    let rest = (0..total % 7).filter(|day| (offset + day) % 7 < 5).count();
    total / 7 * 5 + u32::try_from(rest).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use proptest::prelude::*;

    fn list(kind: DayKind, spans: &[(i16, i8, i8, i8, i8)]) -> Vec<Day> {
        let span = |&(year, month, day, last_month, last_day): &(i16, i8, i8, i8, i8)| {
            let last = date(year, last_month, last_day);
            date(year, month, day)
                .series(1.day())
                .take_while(move |d| *d <= last)
                .map(move |date| Day { date, kind })
        };
        spans.iter().flat_map(span).collect()
    }

    fn notices_of_2025_and_2026() -> Vec<Day> {
        let mut days = list(
            DayKind::Holiday,
            &[
                (2025, 1, 1, 1, 1),
                (2025, 1, 28, 2, 4),
                (2025, 4, 4, 4, 6),
                (2025, 5, 1, 5, 5),
                (2025, 5, 31, 6, 2),
                (2025, 10, 1, 10, 8),
                (2026, 1, 1, 1, 3),
                (2026, 2, 15, 2, 23),
                (2026, 4, 4, 4, 6),
                (2026, 5, 1, 5, 5),
                (2026, 6, 19, 6, 21),
                (2026, 9, 25, 9, 27),
                (2026, 10, 1, 10, 7),
            ],
        );
        let makeup = [
            (2025, 1, 26),
            (2025, 2, 8),
            (2025, 4, 27),
            (2025, 9, 28),
            (2025, 10, 11),
            (2026, 1, 4),
            (2026, 2, 14),
            (2026, 2, 28),
            (2026, 5, 9),
            (2026, 9, 20),
            (2026, 10, 10),
        ];
        days.extend(makeup.map(|(y, m, d)| Day { date: date(y, m, d), kind: DayKind::MakeupWorkday }));
        days
    }

    fn calendar() -> Calendar {
        Calendar::from_days(notices_of_2025_and_2026()).expect("whole notices")
    }

    #[test]
    fn deadlines_skip_holidays_and_count_makeup_days() {
        for (from, days, due) in [
            (date(2026, 2, 13), 1, date(2026, 2, 14)),
            (date(2026, 2, 13), 5, date(2026, 2, 27)),
            (date(2026, 9, 30), 1, date(2026, 10, 8)),
            (date(2026, 9, 30), 5, date(2026, 10, 13)),
            (date(2026, 4, 30), 3, date(2026, 5, 8)),
            (date(2026, 1, 1), 1, date(2026, 1, 4)),
            (date(2026, 9, 18), 1, date(2026, 9, 20)),
            (date(2026, 9, 24), 5, date(2026, 10, 9)),
            (date(2025, 9, 30), 1, date(2025, 10, 9)),
            (date(2025, 9, 30), 5, date(2025, 10, 14)),
            (date(2025, 1, 27), 7, date(2025, 2, 12)),
        ] {
            let counted = calendar().add_working_days(from, days).expect("far from the year 9999");
            assert_eq!(counted, Due { date: due, basis: Basis::Published }, "{from} + {days}");
        }
    }

    #[test]
    fn no_days_at_all_mean_today_or_the_next_working_day() {
        let due = |from| calendar().add_working_days(from, 0).expect("far from the year 9999").date;
        assert_eq!(due(date(2026, 9, 30)), date(2026, 9, 30));
        assert_eq!(due(date(2026, 10, 1)), date(2026, 10, 8));
        assert_eq!(due(date(2026, 9, 20)), date(2026, 9, 20));
    }

    #[test]
    fn a_year_not_announced_counts_monday_to_friday_and_says_so() {
        let due = calendar().add_working_days(date(2027, 9, 30), 1).expect("far from the year 9999");
        assert_eq!(due, Due { date: date(2027, 10, 1), basis: Basis::Assumed });
        let across = calendar().add_working_days(date(2026, 12, 31), 3).expect("far from the year 9999");
        assert_eq!(across, Due { date: date(2027, 1, 5), basis: Basis::Assumed });
        let without = Calendar::default().next_working_day(date(2026, 9, 18)).expect("far from 9999");
        assert_eq!(without, Due { date: date(2026, 9, 21), basis: Basis::Assumed });
    }

    #[test]
    fn the_last_days_of_december_wait_for_the_next_years_notice() {
        let calendar = calendar();
        assert!(calendar.is_settled(date(2025, 12, 31)));
        assert!(calendar.is_settled(date(2026, 12, 25)));
        assert!(!calendar.is_settled(date(2026, 12, 26)));
        let due = calendar.add_working_days(date(2026, 12, 25), 1).expect("far from the year 9999");
        assert_eq!(due, Due { date: date(2026, 12, 28), basis: Basis::Assumed });
    }

    #[test]
    fn a_december_day_of_the_next_notice_does_not_announce_its_own_year() {
        let mut days =
            list(DayKind::Holiday, &[(2018, 12, 30, 12, 31), (2019, 1, 1, 1, 1), (2019, 10, 1, 10, 7)]);
        days.push(Day { date: date(2018, 12, 29), kind: DayKind::MakeupWorkday });
        let calendar = Calendar::from_days(days).expect("2018 only lends three days to the notice of 2019");
        assert_eq!(calendar.announced_years().collect::<Vec<_>>(), [2019]);
        assert!(!calendar.is_settled(date(2018, 12, 29)));
        assert!(calendar.is_working_day(date(2018, 12, 29)));
        assert!(!calendar.is_working_day(date(2018, 12, 31)));
    }

    #[test]
    fn a_deadline_moves_when_the_notice_is_loaded() {
        let event = date(2026, 9, 30);
        let before = Calendar::default().add_working_days(event, 5).expect("far from the year 9999");
        let after = calendar().add_working_days(event, 5).expect("far from the year 9999");
        assert_eq!((before.date, before.basis), (date(2026, 10, 7), Basis::Assumed));
        assert_eq!((after.date, after.basis), (date(2026, 10, 13), Basis::Published));
    }

    #[test]
    fn a_list_with_slips_is_refused_with_all_of_them() {
        let mut days = list(DayKind::Holiday, &[(2027, 1, 1, 1, 3), (2027, 1, 1, 1, 1)]);
        days.push(Day { date: date(2027, 2, 1), kind: DayKind::MakeupWorkday });
        let faults = Calendar::from_days(days).expect_err("three slips");
        assert_eq!(
            faults,
            [
                Fault::Twice { date: date(2027, 1, 1) },
                Fault::MakeupOnWeekday { date: date(2027, 2, 1) },
                Fault::PartOfYear { year: 2027, missing: date(2027, 10, 1) },
            ]
        );
    }

    #[test]
    fn the_end_of_time_is_a_fault_and_not_a_crash() {
        let fault = calendar().add_working_days(Date::MAX, 1).expect_err("no day after the last");
        assert_eq!(fault, Fault::BeyondCalendar { from: Date::MAX, days: 1 });
        assert_eq!(calendar().working_days_between(Date::MAX, Date::MAX).days, 0);
        assert_eq!(china_date(Timestamp::MAX), Date::MAX);
        assert_eq!(end_of_china_day(Date::MAX), Timestamp::MAX);
        assert!(calendar().working_days_between(Date::MIN, Date::MAX).days > 5_000_000);
    }

    #[test]
    fn the_day_in_china_begins_eight_hours_before_greenwich() {
        let at = |text: &str| text.parse::<Timestamp>().expect("a timestamp");
        assert_eq!(china_date(at("2026-09-30T15:59:59.999Z")), date(2026, 9, 30));
        assert_eq!(china_date(at("2026-09-30T16:00:00Z")), date(2026, 10, 1));
        assert_eq!(end_of_china_day(date(2026, 9, 30)), at("2026-09-30T16:00:00Z"));
    }

    #[test]
    fn no_working_days_pass_on_the_day_itself_or_backwards() {
        assert_eq!(calendar().working_days_between(date(2026, 9, 30), date(2026, 9, 30)).days, 0);
        assert_eq!(calendar().working_days_between(date(2026, 9, 30), date(2026, 9, 1)).days, 0);
        assert_eq!(calendar().working_days_between(date(2026, 9, 30), date(2026, 10, 13)).days, 5);
        assert_eq!(calendar().working_days_between(date(2026, 9, 30), date(2026, 10, 7)).days, 0);
    }

    fn any_day() -> impl Strategy<Value = Date> {
        (0..1460_i64).prop_map(|days| date(2024, 6, 1) + days.days())
    }

    proptest! {
        #[test]
        fn a_deadline_is_a_working_day_and_counting_back_gives_the_term(from in any_day(), days in 1..300_u32) {
            let calendar = calendar();
            let due = calendar.add_working_days(from, days).expect("far from the year 9999");
            prop_assert!(due.date > from && calendar.is_working_day(due.date));
            prop_assert_eq!(calendar.working_days_between(from, due.date), WorkingDays { days, basis: due.basis });
        }

        #[test]
        fn counting_at_once_equals_counting_day_by_day(from in any_day(), length in 0..900_i64) {
            let calendar = calendar();
            let days: Vec<Date> = (1..=length).map(|n| from + n.days()).collect();
            let counted = calendar.working_days_between(from, from + length.days());
            let worked = days.iter().filter(|day| calendar.is_working_day(**day)).count();
            prop_assert_eq!(counted.days as usize, worked);
            let settled = days.iter().all(|day| calendar.is_settled(*day));
            prop_assert_eq!(counted.basis == Basis::Published, settled);
        }

        #[test]
        fn a_later_event_or_a_longer_term_is_never_due_earlier(from in any_day(), days in 0..200_u32) {
            let calendar = calendar();
            let due = |from, days| calendar.add_working_days(from, days).expect("far from 9999").date;
            prop_assert!(due(from, days) <= due(from, days + 1));
            prop_assert!(due(from, days) <= due(from + 1.day(), days));
        }
    }
}
