//! Routing rules (路由规则): when a message of a kind concerns an audience, what that audience owes, and
//! on what basis.
//!
//! A rule is a plain table. [`Rules`] is an immutable set with version and digest; it cannot hold a rule
//! that could never match. Whether the set fits a registry is the business of [`super::lint`].

mod check;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

pub use check::{Fault, Problem};

use super::{
    decision::Part,
    id::RuleId,
    item::{ExerciseMode, Nature, Place},
    kind::Kind,
    message::{ApprovalOutcome, Feedback, Handling, PenaltyEvent, Procedure, PublicityLevel, SubjectKind},
    obligation::{Duty, Term},
    organisation::Role,
};

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// Id.
    pub id: RuleId,
    /// Kind it routes.
    pub kind: Kind,
    /// Task of the plan, or another instrument, it rests on.
    pub basis: Box<str>,
    /// On, or kept but off.
    pub standing: Standing,
    /// Conditions; all must hold.
    pub when: When,
    /// Who is told.
    pub audience: Audience,
    /// Part of the audience; none takes it from the item's 监管分工.
    pub part: Option<Part>,
    /// 职责分工 said to each recipient that has no share of its own.
    pub share: Option<Box<str>>,
    /// What the audience owes.
    pub owes: Vec<Owed>,
    /// Grounds on which a delivery of this rule may leave the level that decided (DESIGN promise 4).
    pub may_cross: Vec<Crossing>,
    /// What an audience that comes to nothing means.
    pub if_empty: IfEmpty,
}

/// Whether a rule is in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// In use.
    #[default]
    On,
    /// Kept for whoever turns it on.
    Off,
}

/// What an audience that comes to nothing means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IfEmpty {
    /// A parked delivery, for a person.
    #[default]
    Park,
    /// Such an audience need not exist: only `why` says so.
    Pass,
}

/// Conditions of a rule: each names the values that concern it; an absent one concerns all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct When {
    /// 准予, 不予.
    pub outcome: Option<Vec<ApprovalOutcome>>,
    /// 一般程序, 告知承诺.
    pub procedure: Option<Vec<Procedure>>,
    /// 办理类型.
    pub handling: Option<Vec<Handling>>,
    /// Nature of an approval item on the decision date; the rule then concerns those items only.
    pub nature: Option<Vec<Nature>>,
    /// 本级, 下放, 委托; the rule then concerns those items only.
    pub exercise: Option<Vec<ExerciseMode>>,
    /// 公开属性.
    pub publicity: Option<Vec<PublicityLevel>>,
    /// Event of a penalty.
    pub penalty_event: Option<Vec<PenaltyEvent>>,
    /// What a feedback is about.
    pub feedback: Option<Vec<Feedback>>,
    /// Kind of subject.
    pub subject_kind: Option<Vec<SubjectKind>>,
    /// Role of who decided: one of these.
    pub decided_by: Option<Vec<Role>>,
    /// Whether the message names a licence.
    pub licence: Option<Presence>,
}

/// Whether something is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// There is one.
    Present,
    /// There is none.
    Absent,
}

/// Who is told (DESIGN section 6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Audience {
    /// Supervisors of each item: those it names, else its line's department at the same level.
    Supervisors,
    /// Approver of what is answered, else of the item at the level that speaks, at the first of these places
    /// that the message carries.
    Approver {
        /// Places in order.
        places: Vec<Place>,
    },
    /// Issuer of each licence, in any division; of an unknown one, the approver of the cross-walked item.
    LicenceIssuers {
        /// Places for the cross-walked item, in order.
        places: Vec<Place>,
    },
    /// Approver of the cross-walked item at the place.
    CrossWalkedApprover {
        /// Places in order.
        places: Vec<Place>,
    },
    /// Second hop: superiors of the lead supervisors of items with `report_up`, in their name.
    Superiors,
    /// 属地转办: departments below the lead supervisors of items with `pass_down`, in their name.
    Below,
    /// The unit responsible for a warning: level of the supervision item, first of these places.
    Responsible {
        /// Places in order.
        places: Vec<Place>,
    },
    /// The nearest organisation in a role, going up from who decided.
    Nearest {
        /// Role.
        role: Role,
    },
    /// The nearest organisation in a role that works on the items' line.
    NearestOnLine {
        /// Role.
        role: Role,
    },
    /// Source of what is answered.
    Originator,
    /// Recipients of what is answered.
    Participants,
    /// Who subscribed to the subject.
    Subscribers,
}

impl Audience {
    /// Whether it waits for deliveries of other rules.
    pub fn is_hop(&self) -> bool {
        matches!(self, Self::Superiors | Self::Below)
    }
}

/// On what ground a delivery may leave the level that decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Crossing {
    /// The item's 监管分工 or level of exercise names another level.
    ItemNames,
    /// It answers a message from there.
    Answers,
    /// A township decided: the departments of its county are concerned.
    AboveTownship,
    /// The licence was issued there.
    Licence,
    /// The item is exercised there for the place.
    Place,
    /// Second hop up, in the same-level supervisor's name (plan task 6).
    SecondHop,
    /// 属地转办, in the upper supervisor's name.
    PassDown,
    /// A platform that serves several levels.
    Platform,
    /// 分办 by the coordinator.
    Distribution,
    /// It subscribed.
    Subscription,
}

/// What an audience owes, and by when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Owed {
    /// What.
    pub duty: Duty,
    /// Working days from acceptance; the day itself does not count.
    pub within_working_days: u16,
    /// Stated by the basis, or assumed.
    pub term: Term,
    /// Only recipients in these parts owe it; empty means all.
    #[serde(default)]
    pub parts: Vec<Part>,
    /// Who owes it.
    #[serde(default)]
    pub debtor: Debtor,
}

/// Who owes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Debtor {
    /// Each recipient; for a relay, whoever passes it on.
    #[default]
    Recipient,
    /// Who decided.
    Decider,
}

/// An immutable set of rules.
#[derive(Clone, Debug)]
pub struct Rules {
    version: u64,
    digest: [u8; 32],
    by_kind: HashMap<Kind, Vec<Rule>>,
}

impl Rules {
    /// Checks every rule and builds the set; rules of a kind keep their order.
    ///
    /// # Errors
    /// Every fault: a duplicate id, a rule that could never match, an audience its kind cannot have, a hop
    /// that nobody owes.
    pub fn build(rules: Vec<Rule>, version: u64) -> Result<Self, Vec<Fault>> {
        let faults = check::faults(&rules);
        if !faults.is_empty() {
            return Err(faults);
        }
        let canonical =
            serde_json::to_vec(&rules).expect("every part of a rule serialises without a failure");
        let mut by_kind: HashMap<Kind, Vec<Rule>> = HashMap::new();
        for rule in rules {
            by_kind.entry(rule.kind).or_default().push(rule);
        }
        Ok(Self { version, digest: Sha256::digest(canonical).into(), by_kind })
    }

    /// Version of the set.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// SHA-256 over the rules in order.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// Rules of a kind, in order.
    pub fn of(&self, kind: Kind) -> &[Rule] {
        self.by_kind.get(&kind).map_or(&[], Vec::as_slice)
    }

    /// Every rule, kind by kind.
    pub fn all(&self) -> impl Iterator<Item = &Rule> {
        Kind::all().flat_map(|kind| self.of(kind))
    }
}
