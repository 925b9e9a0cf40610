//! What routing decides for one message: deliveries, obligations, and why (DESIGN section 6).
//!
//! A decision is data: it is stored with the message, printed by `route explain`, and kept as evidence.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    division::Level,
    id::{EndpointId, Line, OrderKey, OrganisationId, RuleId},
    obligation::PlannedObligation,
};

/// The routing of one message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Version of the registry that decided.
    pub registry_version: u64,
    /// Version of the rules that decided.
    pub rules_version: u64,
    /// Level that decided: a delivery leaves it only by a rule that says so (DESIGN promise 4).
    pub level: Level,
    /// Order key of every delivery.
    pub order_key: OrderKey,
    /// Deliveries, first hops before the hops that wait for them.
    pub deliveries: Vec<PlannedDelivery>,
    /// What recipients owe.
    pub obligations: Vec<PlannedObligation>,
    /// Rule by rule: audiences, what they expanded to, and what came to nothing.
    pub why: Vec<Reason>,
    /// What is doubtful about the message but does not stop it.
    pub warnings: Vec<Warning>,
}

/// Something doubtful: told to the sender and kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// Path of the field.
    pub field: Box<str>,
    /// What is doubtful.
    pub detail: Box<str>,
}

/// One planned delivery: one message for one organisation at one endpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedDelivery {
    /// Who receives; none for an audience that came to nothing.
    pub organisation: Option<OrganisationId>,
    /// Where; none when the organisation has no endpoint or there is no organisation.
    pub endpoint: Option<EndpointId>,
    /// 牵头, 配合, or informed.
    pub part: Part,
    /// 职责分工 or condition, in the item's words.
    pub share: Option<Box<str>>,
    /// In whose name it is sent when that is not the source (second hop, 属地转办, entrusted).
    pub on_behalf_of: Option<OrganisationId>,
    /// What is taken out for this recipient.
    pub redaction: Redaction,
    /// How it starts.
    pub start: Start,
    /// Rule that sends it.
    pub rule: RuleId,
}

/// What is taken out of a message for one recipient.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Redaction {
    /// Nothing.
    #[default]
    None,
    /// Numbers of natural persons, and attachments not marked public: public audiences never see them.
    PersonalNumbers,
}

/// Part of a recipient in the matter, strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// 牵头: takes up supervision.
    Lead,
    /// 配合.
    Assist,
    /// 知悉: told, owes nothing by that alone.
    Informed,
}

impl Part {
    /// The word in data.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lead => "lead",
            Self::Assist => "assist",
            Self::Informed => "informed",
        }
    }

    /// The word on a screen.
    pub fn chinese(self) -> &'static str {
        match self {
            Self::Lead => "牵头",
            Self::Assist => "配合",
            Self::Informed => "知悉",
        }
    }
}

/// How a planned delivery starts its life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "start", rename_all = "snake_case")]
pub enum Start {
    /// Ready as soon as its lane is free.
    Now,
    /// Second hop: held until the first hop's operative moment and, by mode, a person's word.
    Held {
        /// Index of the first hop among the deliveries.
        after: usize,
        /// How the relay is authorised.
        relay: Relay,
    },
    /// Parked at once, with a reason a person can act on.
    Parked {
        /// Why.
        reason: ParkReason,
        /// In words: what to do.
        detail: Box<str>,
    },
}

/// How a second hop (由同级行业监管部门负责推送至上级) is authorised (plan task 6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case")]
pub enum Relay {
    /// The supervisor relays in a system of its own: the hub only records that it did.
    OwnSystem,
    /// The supervisor confirms each one here.
    Confirm,
    /// 代推授权: a standing authorisation by document.
    StandingAuthorisation {
        /// Its number.
        document: Box<str>,
    },
}

/// Why a delivery is parked (待人工处理).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParkReason {
    /// The item names no supervisor and no default exists at the level.
    NoSupervisor,
    /// No approver is found for the item at the place.
    NoApprover,
    /// A supervision item without a cross-walk to an approval item.
    NoCrossWalk,
    /// The audience of a rule is empty for another cause.
    EmptyAudience,
    /// The organisation has no endpoint.
    NoEndpoint,
    /// Neither item nor division says who is responsible: to the coordinator for 分办.
    Distribution,
    /// The recipient returned it (退回).
    Returned,
    /// Attempts used up.
    AttemptsExhausted,
    /// Too old, or past its statutory deadline.
    TooOld,
    /// The target refused it for good.
    Refused,
    /// Mapping or configuration of ours failed.
    Ours,
    /// The outcome is unknown and the adapter says `park`.
    OutcomeUnknown,
    /// A person parked it.
    ByOperator,
}

impl ParkReason {
    /// The word in data.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoSupervisor => "no_supervisor",
            Self::NoApprover => "no_approver",
            Self::NoCrossWalk => "no_cross_walk",
            Self::EmptyAudience => "empty_audience",
            Self::NoEndpoint => "no_endpoint",
            Self::Distribution => "distribution",
            Self::Returned => "returned",
            Self::AttemptsExhausted => "attempts_exhausted",
            Self::TooOld => "too_old",
            Self::Refused => "refused",
            Self::Ours => "ours",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::ByOperator => "by_operator",
        }
    }

    /// The word on a screen.
    pub fn chinese(self) -> &'static str {
        match self {
            Self::NoSupervisor => "事项未明确监管部门",
            Self::NoApprover => "未找到审批部门",
            Self::NoCrossWalk => "无审管事项对应关系",
            Self::EmptyAudience => "无接收对象",
            Self::NoEndpoint => "接收机构未接入",
            Self::Distribution => "待分办",
            Self::Returned => "已退回",
            Self::AttemptsExhausted => "重试次数用尽",
            Self::TooOld => "超过期限",
            Self::Refused => "对方系统拒收",
            Self::Ours => "映射或配置错误",
            Self::OutcomeUnknown => "结果未知",
            Self::ByOperator => "人工挂起",
        }
    }
}

impl fmt::Display for ParkReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why one rule sent or did not send.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// The rule.
    pub rule: RuleId,
    /// Its basis: a task of the plan or another instrument.
    pub basis: Box<str>,
    /// What became of it.
    pub verdict: Verdict,
}

/// What became of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// Its conditions do not hold for this message.
    NotConcerned {
        /// Which condition.
        because: Box<str>,
    },
    /// Its audience expanded to these organisations.
    Sent {
        /// Each with the step that found it.
        to: Vec<Found>,
    },
    /// Its audience came to nothing.
    Nothing {
        /// Why.
        because: Box<str>,
        /// Whether that parks a delivery.
        parked: Option<ParkReason>,
    },
}

/// One organisation that an audience expanded to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The organisation.
    pub organisation: OrganisationId,
    /// The line, when it was found by one.
    pub line: Option<Line>,
    /// How it was found, in words for people.
    pub by: Box<str>,
}
