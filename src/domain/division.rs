//! Divisions (行政区划): the tree, and the zones that overlay it.
//!
//! The level is a field, never read from the digits of a code: 旬阳市 is a city by name and a county by
//! level. A zone (管委会) has no GB/T 2260 code; it carries a level of its own and governs townships and
//! villages for dated periods, in which it wins over their parent.

use std::{collections::HashMap, fmt};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{id::DivisionCode, period::Period};

/// Level (行政层级), highest first: a greater one lies deeper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// 省级.
    Province,
    /// 市级.
    City,
    /// 县（区、市）级, and zones of that rank.
    County,
    /// 乡镇（街道）.
    Township,
    /// 村（社区）.
    Village,
}

impl Level {
    /// Every level, highest first.
    pub const ALL: [Self; 5] = [Self::Province, Self::City, Self::County, Self::Township, Self::Village];

    /// The word in data.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Province => "province",
            Self::City => "city",
            Self::County => "county",
            Self::Township => "township",
            Self::Village => "village",
        }
    }

    /// The word on a screen.
    pub fn chinese(self) -> &'static str {
        match self {
            Self::Province => "省级",
            Self::City => "市级",
            Self::County => "县级",
            Self::Township => "乡镇（街道）",
            Self::Village => "村（社区）",
        }
    }

    /// The level at which the departments stand that answer to this one: townships and villages have none
    /// of their own, those of their county serve them.
    pub fn of_departments(self) -> Self {
        self.min(Self::County)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of levels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LevelSet(u8);

impl LevelSet {
    /// Adds a level.
    pub fn insert(&mut self, level: Level) {
        self.0 |= 1 << level as u8;
    }

    /// Whether it holds `level`.
    pub fn contains(self, level: Level) -> bool {
        self.0 & (1 << level as u8) != 0
    }
}

impl FromIterator<Level> for LevelSet {
    fn from_iter<I: IntoIterator<Item = Level>>(levels: I) -> Self {
        let mut set = Self::default();
        levels.into_iter().for_each(|level| set.insert(level));
        set
    }
}

/// Whether a division belongs to the tree of GB/T 2260 or overlays it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DivisionKind {
    /// 建制区划.
    Tree,
    /// 功能区: a zone with a local code.
    Zone,
}

/// One division.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Division {
    /// Code.
    pub code: DivisionCode,
    /// Name.
    pub name: Box<str>,
    /// What it lies in; none for the top.
    pub parent: Option<DivisionCode>,
    /// Level.
    pub level: Level,
    /// Tree or zone.
    pub kind: DivisionKind,
}

/// For a period, a zone governs a township or village (托管).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Governs {
    /// The zone.
    pub zone: DivisionCode,
    /// The township or village.
    pub division: DivisionCode,
    /// When.
    pub period: Period,
}

/// The divisions of one registry.
#[derive(Clone, Debug, Default)]
pub struct Divisions {
    table: HashMap<DivisionCode, Division>,
    governed: HashMap<DivisionCode, Vec<(DivisionCode, Period)>>,
}

impl Divisions {
    /// No chain of parents is longer; it also ends a walk over an unchecked cycle.
    const DEPTH_MAX: usize = 8;

    /// Indexes divisions and overlays. Whether they refer to each other properly is the registry's check.
    pub fn new(divisions: Vec<Division>, overlays: Vec<Governs>) -> Self {
        let table = divisions.into_iter().map(|division| (division.code.clone(), division)).collect();
        let mut governed: HashMap<DivisionCode, Vec<(DivisionCode, Period)>> = HashMap::new();
        for Governs { zone, division, period } in overlays {
            governed.entry(division).or_default().push((zone, period));
        }
        Self { table, governed }
    }

    /// One division.
    pub fn get(&self, code: &DivisionCode) -> Option<&Division> {
        self.table.get(code)
    }

    /// Every division, in no order.
    pub fn all(&self) -> impl Iterator<Item = &Division> {
        self.table.values()
    }

    /// The zone that governs a township or village on `day`.
    pub fn zone_of(&self, code: &DivisionCode, day: Date) -> Option<&Division> {
        let (zone, _) = self.governed.get(code)?.iter().find(|(_, period)| period.covers(day))?;
        self.table.get(zone)
    }

    /// The division itself, then what it lies in on `day`, up to the top: a zone before the parent.
    pub fn chain(&self, code: &DivisionCode, day: Date) -> impl Iterator<Item = &Division> {
        std::iter::successors(self.get(code), move |division| {
            self.zone_of(&division.code, day).or_else(|| self.get(division.parent.as_ref()?))
        })
        .take(Self::DEPTH_MAX)
    }

    /// What `code` is or lies in at `level` on `day`; none when it lies above that level.
    pub fn at_level(&self, code: &DivisionCode, level: Level, day: Date) -> Option<&Division> {
        self.chain(code, day).find(|division| division.level == level)
    }

    /// Whether `inner` is `outer` or lies in it on `day`.
    pub fn lies_in(&self, inner: &DivisionCode, outer: &DivisionCode, day: Date) -> bool {
        self.chain(inner, day).any(|division| division.code == *outer)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn division(code: &str, parent: Option<&str>, level: Level, kind: DivisionKind) -> Division {
        Division { code: code.into(), name: code.into(), parent: parent.map(Into::into), level, kind }
    }

    fn ankang() -> Divisions {
        use DivisionKind::{Tree, Zone};
        let divisions = vec![
            division("610000", None, Level::Province, Tree),
            division("610900", Some("610000"), Level::City, Tree),
            division("610902", Some("610900"), Level::County, Tree),
            division("610902107", Some("610902"), Level::Township, Tree),
            division("610981", Some("610900"), Level::County, Tree),
            division("hengkou", Some("610902"), Level::County, Zone),
        ];
        let period = Period { from: Some(date(2020, 1, 1)), to: None };
        let governs = Governs { zone: "hengkou".into(), division: "610902107".into(), period };
        Divisions::new(divisions, vec![governs])
    }

    #[test]
    fn a_zone_wins_over_the_parent_from_its_first_day() {
        let divisions = ankang();
        let county = |day| divisions.at_level(&"610902107".into(), Level::County, day).unwrap().code.clone();
        assert_eq!(county(date(2019, 12, 31)), "610902".into());
        assert_eq!(county(date(2020, 1, 1)), "hengkou".into());
    }

    #[test]
    fn a_city_by_name_is_a_county_by_level() {
        let divisions = ankang();
        let day = date(2026, 1, 1);
        assert_eq!(divisions.get(&"610981".into()).unwrap().level, Level::County);
        assert_eq!(divisions.at_level(&"610981".into(), Level::City, day).unwrap().code, "610900".into());
    }

    #[test]
    fn nothing_is_found_below_a_division() {
        let divisions = ankang();
        assert!(divisions.at_level(&"610900".into(), Level::County, date(2026, 1, 1)).is_none());
        assert!(divisions.lies_in(&"610902107".into(), &"610902".into(), date(2026, 1, 1)));
        assert!(!divisions.lies_in(&"610902".into(), &"610902107".into(), date(2026, 1, 1)));
    }

    #[test]
    fn a_cycle_ends() {
        let round = vec![
            division("a", Some("b"), Level::County, DivisionKind::Tree),
            division("b", Some("a"), Level::County, DivisionKind::Tree),
        ];
        let divisions = Divisions::new(round, vec![]);
        assert!(divisions.at_level(&"a".into(), Level::City, date(2026, 1, 1)).is_none());
    }
}
