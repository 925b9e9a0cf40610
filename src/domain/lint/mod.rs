//! Lint: whether rules and registry fit together on a day, before a message finds out.
//!
//! A registry and a set of rules are each sound by construction; what is found here is a gap between them,
//! which routing would park or pass over. It is for `registry lint` and `check`, and blocks nothing.

mod coverage;
mod fit;

use jiff::civil::Date;

use super::{
    id::{DivisionCode, ItemCode, Line, RuleId},
    kind::Kind,
    organisation::Role,
    registry::Registry,
    rule::Rules,
};

/// One gap.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// No rule in use routes the kind: each such message reaches nobody.
    #[error("kind {0} has no rule in use; its messages reach nobody")]
    KindWithoutRule(Kind),
    /// A rule looks for a role that nobody holds.
    #[error("rule '{rule}' looks for role {role:?}, which no organisation holds; it can never match")]
    RoleWithoutOrganisation {
        /// The rule.
        rule: RuleId,
        /// The role.
        role: Role,
    },
    /// A rule asks for an item that does not exist.
    #[error("rule '{rule}' asks for {condition}, which no item has; it can never match")]
    ConditionWithoutItem {
        /// The rule.
        rule: RuleId,
        /// The condition.
        condition: &'static str,
    },
    /// A line of items that no department works on anywhere.
    #[error("line '{0}' has items but no department anywhere; their messages are parked")]
    LineWithoutDepartment(Line),
    /// An item that comes to no supervisor where it is decided.
    #[error("item '{item}' comes to no supervisor when decided in {}", join(divisions))]
    ItemWithoutSupervisor {
        /// The item.
        item: ItemCode,
        /// Divisions.
        divisions: Vec<DivisionCode>,
    },
    /// An item that nobody decides where its level exercises it.
    #[error("item '{item}' has no approver in {}", join(divisions))]
    ItemWithoutApprover {
        /// The item.
        item: ItemCode,
        /// Divisions.
        divisions: Vec<DivisionCode>,
    },
    /// A supervision item that no department of a level supervises.
    #[error("supervision item '{item}' has no department in {}", join(divisions))]
    SupervisionWithoutDepartment {
        /// The item.
        item: ItemCode,
        /// Divisions.
        divisions: Vec<DivisionCode>,
    },
    /// A supervision item that the cross-walk does not know.
    #[error("supervision item '{0}' has no cross-walk; penalties under it are parked")]
    WithoutCrossWalk(ItemCode),
}

impl Finding {
    /// The same for a screen.
    pub fn chinese(&self) -> String {
        match self {
            Self::KindWithoutRule(kind) => {
                format!("“{}”（{kind}）没有启用的规则，这类消息不会送达任何机构", kind.row().chinese)
            }
            Self::RoleWithoutOrganisation { rule, role } => {
                format!("规则 {rule} 要找角色“{}”，但没有机构具有该角色，规则永远不会生效", role.chinese())
            }
            Self::ConditionWithoutItem { rule, condition } => {
                format!("规则 {rule} 要求 {condition}，但没有这样的事项，规则永远不会生效")
            }
            Self::LineWithoutDepartment(line) => {
                format!("条线“{line}”有事项，但各地均无主管部门，相关消息将转待人工处理")
            }
            Self::ItemWithoutSupervisor { item, divisions } => {
                format!("事项 {item} 在以下区划作出时找不到监管部门：{}", join(divisions))
            }
            Self::ItemWithoutApprover { item, divisions } => {
                format!("事项 {item} 在以下区划没有审批部门：{}", join(divisions))
            }
            Self::SupervisionWithoutDepartment { item, divisions } => {
                format!("监管事项 {item} 在以下区划没有主管部门：{}", join(divisions))
            }
            Self::WithoutCrossWalk(item) => {
                format!("监管事项 {item} 没有审管事项对应关系，其处罚将转待人工处理")
            }
        }
    }
}

fn join(divisions: &[DivisionCode]) -> String {
    divisions.iter().map(DivisionCode::as_str).collect::<Vec<_>>().join(", ")
}

/// Every gap between a registry and rules on `day`.
pub fn lint(registry: &Registry, rules: &Rules, day: Date) -> Vec<Finding> {
    let mut findings = fit::findings(registry, rules, day);
    findings.extend(coverage::findings(registry, day));
    findings
}
