//! A message (消息): one immutable fact, of one kind, from one organisation, after parsing.
//!
//! Everything here has been checked for shape; whether the sender may say it and whom it reaches is
//! decided by [`super::route`] against a registry. Personal values stay inside [`Subject`] and
//! [`Payload`]; nothing here prints them.

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{
    id::{DeliveryId, DivisionCode, ItemCode, MatterId, MessageId, OrderKey, OrganisationId},
    kind::{Kind, OrderBy},
};

/// What makes a message the same message: unique for ever (DESIGN promise 2).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MessageKey {
    /// Source organisation.
    pub organisation: OrganisationId,
    /// Kind.
    pub kind: Kind,
    /// The sender's own key of the fact.
    pub business_key: Box<str>,
}

/// One message.
#[derive(Clone, Debug)]
pub struct Message {
    /// Source organisation, kind and business key.
    pub key: MessageKey,
    /// 1 for the first, more for a correction (更正).
    pub revision: u32,
    /// Who decided; the source organisation unless it says otherwise.
    pub decided_by: OrganisationId,
    /// 委托机关, when the power was entrusted (plan task 16).
    pub entrusted_body: Option<OrganisationId>,
    /// When it was decided or happened.
    pub decided_at: Timestamp,
    /// Items of either family.
    pub items: Vec<ItemRef>,
    /// 行政相对人.
    pub subject: Option<Subject>,
    /// 许可证照 concerned.
    pub licences: Vec<LicenceRef>,
    /// 联动件.
    pub matter: MatterId,
    /// Whether and how long it is public.
    pub publicity: Publicity,
    /// Attachments by reference.
    pub attachments: Vec<Attachment>,
    /// What the kind says of its own.
    pub payload: Payload,
}

/// An item the message names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemRef {
    /// 审批事项 or 监管事项.
    pub family: ItemFamily,
    /// Opaque code.
    pub code: ItemCode,
}

/// The two item tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemFamily {
    /// 审批事项.
    Approval,
    /// 监管事项.
    Supervision,
}

/// 行政相对人.
#[derive(Clone)]
pub struct Subject {
    /// 自然人 and so on.
    pub kind: SubjectKind,
    /// Name. Personal for a natural person.
    pub name: Box<str>,
    /// Identifiers, checked by intake.
    pub identifiers: Vec<SubjectIdentifier>,
    /// Registered, operating, project address.
    pub addresses: Vec<Address>,
}

impl std::fmt::Debug for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subject")
            .field("kind", &self.kind)
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}

/// Kind of subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubjectKind {
    /// 自然人.
    NaturalPerson,
    /// 法人.
    LegalPerson,
    /// 非法人组织.
    Unincorporated,
    /// 个体工商户.
    IndividualBusiness,
}

/// One identifier of a subject. Its number is personal data and is not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct SubjectIdentifier {
    /// Which numbering.
    pub scheme: IdentifierScheme,
    /// The number as written.
    pub number: Box<str>,
}

impl std::fmt::Debug for SubjectIdentifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SubjectIdentifier").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

/// The numberings of subjects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentifierScheme {
    /// 统一社会信用代码 (GB 32100).
    Uscc,
    /// 组织机构代码 (GB 11714).
    OrganisationCode,
    /// 居民身份证号 (GB 11643).
    ResidentId,
    /// 工商注册号.
    RegistrationNumber,
    /// Any other paper; not checked.
    Other,
}

/// An address with its division.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Which address.
    pub role: AddressRole,
    /// Division as deep as known.
    pub division: DivisionCode,
}

/// Which address of a subject or fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AddressRole {
    /// 注册地址.
    Registered,
    /// 经营地址.
    Operating,
    /// 项目地址.
    Project,
    /// 违法行为发生地.
    Violation,
}

/// A licence the message concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LicenceRef {
    /// Type, in the sender's words.
    pub kind: Box<str>,
    /// Number.
    pub number: Box<str>,
    /// Issuing organisation, when the message says it.
    pub decided_by: Option<OrganisationId>,
}

impl LicenceRef {
    /// What names a licence wherever it is spoken of: type and number.
    pub fn key(&self) -> LicenceKey {
        LicenceKey { kind: self.kind.clone(), number: self.number.clone() }
    }
}

/// Type and number of a licence.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LicenceKey {
    /// Type.
    pub kind: Box<str>,
    /// Number.
    pub number: Box<str>,
}

/// Publicity (公开属性).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publicity {
    /// 公开, 依申请公开, 不予公开.
    pub level: PublicityLevel,
    /// 公示截止期.
    pub until: Option<Date>,
}

/// How public a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PublicityLevel {
    /// 公开.
    Public,
    /// 依申请公开.
    OnRequest,
    /// 不予公开.
    NotPublic,
}

/// An attachment by reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// File name.
    pub name: Box<str>,
    /// Size in bytes, at most 64 MiB.
    pub size_bytes: u64,
    /// `sha256:<hex>`.
    pub digest: Box<str>,
}

/// What a kind says of its own: only what routing, obligations and history read. The whole text travels
/// as canonical JSON.
#[derive(Clone, Debug)]
pub enum Payload {
    /// approval.progress.
    ApprovalProgress,
    /// approval.result.
    ApprovalResult(ApprovalResult),
    /// supervision.feedback: the message it answers.
    SupervisionFeedback(SupervisionFeedback),
    /// penalty.decision.
    PenaltyDecision(PenaltyDecision),
    /// risk.warning.
    RiskWarning(RiskWarning),
    /// risk.disposal.
    RiskDisposal(RiskDisposal),
    /// receipt.
    Receipt(Receipt),
}

/// 审批结果.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApprovalResult {
    /// 办理类型.
    pub handling: Handling,
    /// 准予 or 不予.
    pub outcome: ApprovalOutcome,
    /// 一般程序 or 告知承诺.
    pub procedure: Procedure,
    /// 告知承诺: the date by which the promise is verified, when the decision names one.
    pub verify_by: Option<Date>,
}

/// 办理类型.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Handling {
    /// 新办.
    New,
    /// 变更.
    Change,
    /// 延续.
    Renewal,
    /// 补换证.
    Replacement,
    /// 撤销.
    Annulment,
    /// 撤回.
    LawfulRevocation,
    /// 注销.
    Deregistration,
    /// 备案.
    Filing,
}

/// 准予 or 不予.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalOutcome {
    /// 准予.
    Granted,
    /// 不予.
    Refused,
}

/// 一般程序 or 告知承诺.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Procedure {
    /// 一般程序.
    Ordinary,
    /// 告知承诺.
    Commitment,
}

/// 监管信息反馈.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SupervisionFeedback {
    /// The message answered, when the sender knows the hub's name of it.
    pub answers: Option<MessageId>,
    /// 告知承诺核查 and others.
    pub feedback: Feedback,
}

/// What a feedback is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Feedback {
    /// 日常监管.
    Routine,
    /// 告知承诺核查.
    CommitmentVerification,
    /// 备案核查.
    FilingVerification,
}

/// 行政处罚.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PenaltyDecision {
    /// 作出, 变更 and so on.
    pub event: PenaltyEvent,
    /// 违法行为发生地.
    pub violation_division: Option<DivisionCode>,
}

/// What happened to a penalty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PenaltyEvent {
    /// 作出.
    Decided,
    /// 变更.
    Changed,
    /// 撤销.
    Annulled,
    /// 复议诉讼.
    Contested,
    /// 执行完毕.
    Executed,
    /// 信用修复.
    CreditRepaired,
}

/// 风险预警.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RiskWarning {
    /// The region its task names.
    pub region: Option<DivisionCode>,
}

/// 预警处置反馈.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RiskDisposal {
    /// 风险预警ID.
    pub warning_no: Box<str>,
    /// The warning, when the sender knows the hub's name of it.
    pub answers: Option<MessageId>,
}

/// 签收（认领）、退回.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The one delivery it is about.
    pub delivery: DeliveryId,
    /// Signed, returned, or a relay confirmed.
    pub action: ReceiptAction,
}

/// What a receipt does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReceiptAction {
    /// 签收（认领）.
    Signed,
    /// 退回.
    Returned,
    /// 转报确认: the supervisor lets a held second hop go (plan task 6).
    RelayConfirmed,
}

impl Message {
    /// The kind.
    pub fn kind(&self) -> Kind {
        self.key.kind
    }

    /// The items of one family.
    pub fn items_of(&self, family: ItemFamily) -> impl Iterator<Item = &ItemCode> {
        self.items.iter().filter(move |item| item.family == family).map(|item| &item.code)
    }

    /// The division of one of the subject's addresses.
    pub fn division(&self, role: AddressRole) -> Option<&DivisionCode> {
        self.subject
            .as_ref()?
            .addresses
            .iter()
            .find(|address| address.role == role)
            .map(|address| &address.division)
    }

    /// The business entity whose deliveries stay in order, shared by all kinds: the licence if there is
    /// one, else subject and 基本编码, else the matter (DESIGN promise 5).
    ///
    /// `base_code` is the 基本编码 of the first item, from the registry. The key is a digest, since a
    /// subject may be named by a personal number.
    pub fn order_key(&self, base_code: Option<&str>) -> OrderKey {
        if self.kind().row().order == OrderBy::BusinessEntity {
            if let Some(licence) = self.licences.first() {
                return order_key(["licence", &licence.kind, &licence.number]);
            }
            if let (Some(subject), Some(code)) = (self.subject_number(), base_code) {
                return order_key(["subject", subject, code]);
            }
        }
        order_key(["matter", self.matter.as_str(), ""])
    }

    fn subject_number(&self) -> Option<&str> {
        self.subject.as_ref()?.identifiers.first().map(|identifier| &*identifier.number)
    }
}

fn order_key(parts: [&str; 3]) -> OrderKey {
    let digest = Sha256::digest(parts.join("\u{1f}"));
    hex::encode(&digest[..16]).into()
}
