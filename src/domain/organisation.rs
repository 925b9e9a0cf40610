//! Organisations (机构): who they are, what they may do, for whom they act and to whom they answer.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::id::{DivisionCode, Line, OrganisationId};

/// What an organisation is to the linkage; several at once (DESIGN section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// 审批部门: any body holding a power to approve.
    Approver,
    /// 行业监管部门.
    Supervisor,
    /// 综合执法部门.
    Enforcement,
    /// 乡镇、街道 that holds delegated penalty powers.
    Township,
    /// 审改办.
    ReformOffice,
    /// 信用信息共享平台.
    CreditPlatform,
    /// 行业信用信息系统.
    IndustryCredit,
    /// "互联网+监管" 系统.
    SupervisionPlatform,
    /// 政务服务网 linkage module.
    Portal,
    /// 政府门户网站.
    Website,
    /// 专家库.
    ExpertPool,
    /// The office that distributes what nobody is named for (分办).
    Coordinator,
}

impl Role {
    /// Whether who plays it publishes what it gets. 行业信用信息系统 publish too, as 国家企业信用信息公示系统
    /// does.
    pub fn publishes(self) -> bool {
        matches!(self, Self::CreditPlatform | Self::IndustryCredit | Self::Website)
    }

    /// The word on a screen.
    pub fn chinese(self) -> &'static str {
        match self {
            Self::Approver => "审批部门",
            Self::Supervisor => "行业监管部门",
            Self::Enforcement => "综合执法部门",
            Self::Township => "乡镇（街道）",
            Self::ReformOffice => "审改办",
            Self::CreditPlatform => "信用信息共享平台",
            Self::IndustryCredit => "行业信用信息系统",
            Self::SupervisionPlatform => "互联网+监管系统",
            Self::Portal => "政务服务网",
            Self::Website => "门户网站",
            Self::ExpertPool => "专家库",
            Self::Coordinator => "分办机构",
        }
    }
}

/// Form (机构形式).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// 政府部门.
    Department,
    /// 垂直管理.
    Vertical,
    /// 派出机构.
    Branch,
    /// 管委会.
    ZoneCommittee,
    /// 乡镇、街道.
    Township,
    /// A platform or system that stands as a party of its own.
    Platform,
}

/// A superior on one line (条线), at any level.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Superior {
    /// The line.
    pub line: Line,
    /// The organisation above.
    pub organisation: OrganisationId,
}

/// Divisions an organisation serves on its lines, beside its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// The line served.
    pub line: Line,
    /// Divisions served.
    pub divisions: Vec<DivisionCode>,
}

/// One organisation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Organisation {
    /// Our id.
    pub id: OrganisationId,
    /// Full name.
    pub name: Box<str>,
    /// 统一社会信用代码, when it has one; not unique.
    pub uscc: Option<Box<str>>,
    /// Seat: the division whose level is the organisation's level.
    pub division: DivisionCode,
    /// Form.
    pub form: Form,
    /// Roles.
    pub roles: Vec<Role>,
    /// Lines it works on.
    pub lines: Vec<Line>,
    /// In whose name and under whose seal it acts (a 分局 for its bureau).
    pub acts_for: Option<OrganisationId>,
    /// Divisions served beside its own.
    pub serves: Vec<Service>,
    /// Superiors, per line.
    pub superiors: Vec<Superior>,
    /// What it came from.
    pub predecessor: Option<OrganisationId>,
    /// What it became.
    pub successor: Option<OrganisationId>,
    /// First day it exists.
    pub from: Option<Date>,
    /// Last day it exists.
    pub to: Option<Date>,
}

impl Organisation {
    /// Whether it plays `role`.
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// Whether it works on `line`.
    pub fn works_on(&self, line: &Line) -> bool {
        self.lines.contains(line)
    }

    /// Whether it publishes what it gets, so that it takes 公开 only, and natural persons without their
    /// numbers.
    pub fn is_public_audience(&self) -> bool {
        self.roles.iter().any(|role| role.publishes())
    }

    /// Whether it exists on `day`.
    pub fn exists_on(&self, day: Date) -> bool {
        self.from.is_none_or(|from| from <= day) && self.to.is_none_or(|to| day <= to)
    }
}
