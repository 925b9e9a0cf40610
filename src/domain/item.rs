//! Items (事项): approval items, supervision items, and the cross-walk between them (审管事项对应表).
//!
//! Codes are opaque. Everything is dated: whether an item may be decided, by which level, and who
//! supervises it are questions about a day.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{
    decision::{Part, Relay},
    division::Level,
    id::{DivisionCode, ItemCode, Line, OrganisationId},
    message::{Handling, SubjectKind},
    period::Period,
};

/// Nature (事项性质).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Nature {
    /// 许可.
    Licence,
    /// 备案.
    Filing,
    /// 取消: no longer approved, still supervised (plan task 16).
    Cancelled,
}

/// Who exercises the power, at which level (行使层级).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case", deny_unknown_fields)]
pub enum Exercise {
    /// 本级: each of these levels exercises its own power.
    OwnLevel {
        /// Levels.
        levels: Vec<Level>,
    },
    /// 下放: moved down on a day; supervision moves with it (plan task 16).
    Devolved {
        /// Level before.
        from: Level,
        /// Level since.
        to: Level,
        /// First day of the new level.
        effective: Date,
    },
    /// 委托: exercised for the body that entrusted it (plan task 16).
    Entrusted {
        /// Level that exercises it.
        level: Level,
        /// 委托机关.
        by: OrganisationId,
        /// 委托书 or document.
        instrument: Box<str>,
        /// 委托期限.
        #[serde(default)]
        term: Period,
    },
}

/// The three ways of exercise, as a condition names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExerciseMode {
    /// 本级.
    OwnLevel,
    /// 下放.
    Devolved,
    /// 委托.
    Entrusted,
}

impl Exercise {
    /// Its way.
    pub fn mode(&self) -> ExerciseMode {
        match self {
            Self::OwnLevel { .. } => ExerciseMode::OwnLevel,
            Self::Devolved { .. } => ExerciseMode::Devolved,
            Self::Entrusted { .. } => ExerciseMode::Entrusted,
        }
    }

    /// Levels that exercise it on `day`.
    pub fn levels_on(&self, day: Date) -> &[Level] {
        match self {
            Self::OwnLevel { levels } => levels,
            Self::Devolved { from, effective, .. } if day < *effective => std::slice::from_ref(from),
            Self::Devolved { to, .. } => std::slice::from_ref(to),
            Self::Entrusted { level, .. } => std::slice::from_ref(level),
        }
    }
}

/// Who decides an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Approvers {
    /// The approvers that work on this line: 行政审批 for what moved to the bureaus (划转), else the
    /// trade's own.
    Line(Line),
    /// These, by name.
    Named(Vec<OrganisationId>),
}

/// Which place of a message an audience looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// Seat of who decided.
    Sender,
    /// 注册地址.
    Registered,
    /// 经营地址.
    Operating,
    /// 项目地址.
    Project,
    /// 违法行为发生地.
    Violation,
    /// The region a risk warning's task names.
    Region,
}

impl Place {
    /// The word on a screen.
    pub fn chinese(self) -> &'static str {
        match self {
            Self::Sender => "作出决定机关所在地",
            Self::Registered => "注册地",
            Self::Operating => "经营地",
            Self::Project => "项目所在地",
            Self::Violation => "违法行为发生地",
            Self::Region => "任务指定区域",
        }
    }
}

/// Whom an entry of 监管分工 names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Named {
    /// An organisation.
    Organisation(OrganisationId),
    /// The department of a line at a level and place.
    AtPlace {
        /// Line.
        line: Line,
        /// Level; none means the level that decided.
        #[serde(default)]
        level: Option<Level>,
        /// Places in order: the first that the message carries counts.
        places: Vec<Place>,
    },
}

/// One entry of an item's 监管分工.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SupervisorEntry {
    /// Who.
    pub named: Named,
    /// 牵头 or 配合.
    pub part: Part,
    /// 职责分工.
    pub share: Option<Box<str>>,
    /// Condition in words, for the recipient to read.
    pub condition: Option<Box<str>>,
    /// Only for these 办理类型; empty means all.
    pub handling: Vec<Handling>,
    /// Only for these subjects; empty means all.
    pub subject_kinds: Vec<SubjectKind>,
    /// Only for results decided in these divisions, where they replace the general entries; empty means all.
    pub divisions: Vec<DivisionCode>,
    /// When it holds.
    pub period: Period,
}

/// The item is to be pushed up by the same-level supervisor (plan task 6), at most to `up_to`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportUp {
    /// Line whose superiors receive it.
    pub line: Line,
    /// Highest level it goes to.
    pub up_to: Level,
    /// Instrument that requires it.
    pub basis: Box<str>,
    /// How each hop is authorised; a person's word unless it says otherwise.
    #[serde(default = "confirm")]
    pub relay: Relay,
}

/// The upper supervisor passes the item down to its line's department at the place (属地转办).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PassDown {
    /// Level that receives it.
    pub level: Level,
    /// Places in order: the first that the message carries counts.
    pub places: Vec<Place>,
    /// Instrument that provides for it.
    pub basis: Box<str>,
    /// How it is authorised; a person's word unless it says otherwise.
    #[serde(default = "confirm")]
    pub relay: Relay,
}

fn confirm() -> Relay {
    Relay::Confirm
}

/// Whether the item may be decided on a promise (告知承诺).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Commitment {
    /// It may.
    Allowed,
    /// It may not.
    NotAllowed,
}

/// Whether the item is 涉密: then it never enters the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Secrecy {
    /// Not classified.
    Open,
    /// 涉密.
    Classified,
}

/// One approval item (审批事项).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ApprovalItem {
    /// Our code.
    pub code: ItemCode,
    /// 基本编码.
    pub base_code: Box<str>,
    /// 实施编码 under which single bodies know it.
    pub implementations: Vec<ItemCode>,
    /// Name.
    pub name: Box<str>,
    /// 许可 or 备案; cancellation is a date.
    pub nature: Nature,
    /// Line of the trade: its department at the same level supervises unless entries say otherwise.
    pub line: Line,
    /// At which level, in whose name.
    pub exercise: Exercise,
    /// Who decides.
    pub approvers: Approvers,
    /// When it may be decided.
    pub period: Period,
    /// First day on which it is cancelled.
    pub cancelled_on: Option<Date>,
    /// 监管分工.
    pub supervisors: Vec<SupervisorEntry>,
    /// Second hop up.
    pub report_up: Option<ReportUp>,
    /// Hop down to the place.
    pub pass_down: Option<PassDown>,
    /// 告知承诺.
    pub commitment: Commitment,
    /// 涉密.
    pub secrecy: Secrecy,
}

impl ApprovalItem {
    /// Its nature on `day`.
    pub fn nature_on(&self, day: Date) -> Nature {
        match self.cancelled_on {
            Some(cancelled) if cancelled <= day => Nature::Cancelled,
            _ => self.nature,
        }
    }
}

/// One supervision item (监管事项).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SupervisionItem {
    /// 监管事项目录编码, 14 digits.
    pub code: ItemCode,
    /// 检查实施清单编码 under which single bodies know it.
    pub implementations: Vec<ItemCode>,
    /// Name.
    pub name: Box<str>,
    /// Line that supervises.
    pub line: Line,
    /// 监管层级.
    pub levels: Vec<Level>,
    /// When it holds.
    pub period: Period,
    /// Second hop up of what is decided under it.
    pub report_up: Option<ReportUp>,
}

/// One link of the cross-walk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Link {
    /// Approval item.
    pub approval: ItemCode,
    /// Supervision item.
    pub supervision: ItemCode,
    /// When it holds.
    pub period: Period,
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_devolved_item_changes_level_on_its_day() {
        let exercise =
            Exercise::Devolved { from: Level::City, to: Level::County, effective: date(2025, 7, 1) };
        assert_eq!(exercise.levels_on(date(2025, 6, 30)), [Level::City]);
        assert_eq!(exercise.levels_on(date(2025, 7, 1)), [Level::County]);
    }

    #[test]
    fn unknown_words_in_an_exercise_are_refused() {
        let text = r#"{"mode":"own_level","levels":["county"],"effective":"2025-07-01"}"#;
        assert!(serde_json::from_str::<Exercise>(text).is_err());
        let text = r#"{"mode":"devolved","from":"city","to":"county","effective":"2025-07-01"}"#;
        assert_eq!(serde_json::from_str::<Exercise>(text).unwrap().mode(), ExerciseMode::Devolved);
    }
}
