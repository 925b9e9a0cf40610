//! The kind table: one row a kind, with who may send it, what it owes and where it comes from.
//!
//! A new kind is a row here, a payload in `proto/`, a variant of [`super::message::Payload`] and its
//! rules in `config/rules/`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{organisation::Role, personal::shown};

/// A kind (类型) of message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kind {
    /// 审批信息.
    #[serde(rename = "approval.progress")]
    ApprovalProgress,
    /// 审批结果.
    #[serde(rename = "approval.result")]
    ApprovalResult,
    /// 监管信息反馈.
    #[serde(rename = "supervision.feedback")]
    SupervisionFeedback,
    /// 行政处罚.
    #[serde(rename = "penalty.decision")]
    PenaltyDecision,
    /// 风险预警.
    #[serde(rename = "risk.warning")]
    RiskWarning,
    /// 预警处置反馈.
    #[serde(rename = "risk.disposal")]
    RiskDisposal,
    /// 签收（认领）、退回.
    #[serde(rename = "receipt")]
    Receipt,
}

/// Which entity keeps the deliveries of a kind in order (DESIGN promise 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderBy {
    /// The licence if there is one, else subject and item, else the matter.
    BusinessEntity,
    /// The matter alone.
    Matter,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The kind.
    pub kind: Kind,
    /// Its id on the wire, a CloudEvents `type` after the prefix `liandong.`.
    pub id: &'static str,
    /// Its Chinese name.
    pub chinese: &'static str,
    /// The field of the message's `payload` oneof in canonical JSON.
    pub payload_field: &'static str,
    /// Roles that may send it; empty means any organisation that received what it speaks of.
    pub senders: &'static [Role],
    /// What keeps its deliveries in order.
    pub order: OrderBy,
    /// The task of the plan, or another instrument, it rests on.
    pub basis: &'static str,
}

const TABLE: [Row; 7] = [
    Row {
        kind: Kind::ApprovalProgress,
        id: "approval.progress",
        chinese: "审批信息",
        payload_field: "approvalProgress",
        senders: &[Role::Approver],
        order: OrderBy::BusinessEntity,
        basis: "任务21",
    },
    Row {
        kind: Kind::ApprovalResult,
        id: "approval.result",
        chinese: "审批结果",
        payload_field: "approvalResult",
        senders: &[Role::Approver, Role::Supervisor],
        order: OrderBy::BusinessEntity,
        basis: "任务4、6、13、20、21",
    },
    Row {
        kind: Kind::SupervisionFeedback,
        id: "supervision.feedback",
        chinese: "监管信息反馈",
        payload_field: "supervisionFeedback",
        senders: &[Role::Supervisor],
        order: OrderBy::BusinessEntity,
        basis: "任务16、21",
    },
    Row {
        kind: Kind::PenaltyDecision,
        id: "penalty.decision",
        chinese: "行政处罚",
        payload_field: "penaltyDecision",
        senders: &[Role::Supervisor, Role::Enforcement, Role::Township],
        order: OrderBy::BusinessEntity,
        basis: "任务17、18、22、24",
    },
    Row {
        kind: Kind::RiskWarning,
        id: "risk.warning",
        chinese: "风险预警",
        payload_field: "riskWarning",
        senders: &[Role::SupervisionPlatform],
        order: OrderBy::BusinessEntity,
        basis: "任务18",
    },
    Row {
        kind: Kind::RiskDisposal,
        id: "risk.disposal",
        chinese: "预警处置反馈",
        payload_field: "riskDisposal",
        senders: &[Role::Supervisor, Role::Enforcement, Role::Approver, Role::Township],
        order: OrderBy::BusinessEntity,
        basis: "任务18",
    },
    Row {
        kind: Kind::Receipt,
        id: "receipt",
        chinese: "签收（认领）、退回",
        payload_field: "receipt",
        senders: &[],
        order: OrderBy::Matter,
        basis: "任务13、21",
    },
];

impl Kind {
    /// Every kind, in the order of the table.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.kind)
    }

    /// The kind's row.
    pub fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }

    /// The id on the wire.
    pub fn as_str(self) -> &'static str {
        self.row().id
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// No kind has this id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown kind '{text}', known are: {known}", text = shown(&self.0), known = known())]
pub struct UnknownKind(pub String);

fn known() -> String {
    TABLE.iter().map(|row| row.id).collect::<Vec<_>>().join(", ")
}

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        TABLE
            .iter()
            .find(|row| row.id == text)
            .map(|row| row.kind)
            .ok_or_else(|| UnknownKind(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_finds_its_own_row() {
        for kind in Kind::all() {
            assert_eq!(kind.row().kind, kind);
            assert_eq!(kind.as_str().parse::<Kind>(), Ok(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }

    #[test]
    fn an_unknown_kind_is_told_what_is_known() {
        let error = "approval.results".parse::<Kind>().unwrap_err().to_string();
        assert!(error.contains("'approval.results'") && error.contains("approval.result,"), "{error}");
    }
}
