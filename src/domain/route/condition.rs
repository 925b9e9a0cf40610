//! Whether a rule concerns a message, and with which of its items.

use std::borrow::Cow;

use super::facts::Facts;
use crate::domain::{
    item::{ApprovalItem, SupervisionItem},
    message::Payload,
    rule::{Presence, When},
};

/// The items of a message that one rule concerns.
pub(super) struct Scope<'f, 'a> {
    pub(super) approvals: Cow<'f, [&'a ApprovalItem]>,
    pub(super) supervisions: &'f [&'a SupervisionItem],
}

/// The items a rule concerns, or the condition that does not hold.
pub(super) fn scope<'f, 'a>(when: &When, facts: &'f Facts<'a>) -> Result<Scope<'f, 'a>, &'static str> {
    payload(when, &facts.message.payload)?;
    parties(when, facts)?;
    if when.nature.is_none() && when.exercise.is_none() {
        let approvals = Cow::Borrowed(facts.approvals.as_slice());
        return Ok(Scope { approvals, supervisions: &facts.supervisions });
    }
    let day = facts.decided_on;
    let concerned = |item: &&&ApprovalItem| {
        allows(when.nature.as_ref(), item.nature_on(day))
            && allows(when.exercise.as_ref(), item.exercise.mode())
    };
    let approvals: Vec<_> = facts.approvals.iter().filter(concerned).copied().collect();
    if approvals.is_empty() {
        return Err("没有符合事项性质或行使方式条件的事项");
    }
    Ok(Scope { approvals: Cow::Owned(approvals), supervisions: &[] })
}

fn payload(when: &When, payload: &Payload) -> Result<(), &'static str> {
    match payload {
        Payload::ApprovalResult(result) => {
            hold(allows(when.outcome.as_ref(), result.outcome), "办理结果不符合条件")?;
            hold(allows(when.procedure.as_ref(), result.procedure), "办理程序不符合条件")?;
            hold(allows(when.handling.as_ref(), result.handling), "办理类型不符合条件")
        }
        Payload::PenaltyDecision(penalty) => {
            hold(allows(when.penalty_event.as_ref(), penalty.event), "处罚事件不符合条件")
        }
        Payload::SupervisionFeedback(feedback) => {
            hold(allows(when.feedback.as_ref(), feedback.feedback), "反馈类型不符合条件")
        }
        _ => Ok(()),
    }
}

fn parties(when: &When, facts: &Facts<'_>) -> Result<(), &'static str> {
    let message = facts.message;
    let licence = if message.licences.is_empty() { Presence::Absent } else { Presence::Present };
    hold(when.licence.is_none_or(|wanted| wanted == licence), "是否涉及许可证照不符合条件")?;
    hold(allows(when.publicity.as_ref(), message.publicity.level), "公开属性不符合条件")?;
    let subject = message.subject.as_ref().map(|subject| subject.kind);
    let of_kind =
        when.subject_kind.as_ref().is_none_or(|kinds| subject.is_some_and(|kind| kinds.contains(&kind)));
    hold(of_kind, "行政相对人类别不符合条件")?;
    let in_role = |roles: &Vec<_>| roles.iter().any(|&role| facts.decider.has(role));
    hold(when.decided_by.as_ref().is_none_or(in_role), "作出机关的角色不符合条件")
}

fn allows<T: PartialEq>(values: Option<&Vec<T>>, value: T) -> bool {
    values.is_none_or(|values| values.contains(&value))
}

fn hold(condition: bool, because: &'static str) -> Result<(), &'static str> {
    if condition { Ok(()) } else { Err(because) }
}
