//! Feedback, disposal and receipts go back to whom they answer.

use liandong::domain::{
    decision::ParkReason,
    id::{DeliveryId, MessageId},
    message::{AddressRole, Feedback, Receipt, ReceiptAction, RiskDisposal, SupervisionFeedback},
    route::AnsweredMessage,
};

use super::*;

fn feedback(source: &str) -> Message {
    let payload =
        Payload::SupervisionFeedback(SupervisionFeedback { answers: None, feedback: Feedback::Routine });
    base(Kind::SupervisionFeedback, source, payload)
}

fn answered(source: &str, recipients: &[&str], items: Vec<ItemRef>) -> History {
    let message = MessageId(uuid::Uuid::from_u128(1));
    let recipients = recipients.iter().map(|id| (*id).into()).collect();
    let answered = Some(AnsweredMessage { message, source: source.into(), recipients, items });
    History { answered, ..History::default() }
}

fn food() -> ItemRef {
    ItemRef { family: ItemFamily::Supervision, code: FOOD_SUPERVISION.into() }
}

#[test]
fn feedback_goes_to_the_source_of_what_it_answers() {
    let history = answered("610900-GX-xzspj", &["610902-yjglj"], vec![]);
    let decision = routed(&feedback("610902-yjglj"), &history).unwrap();
    assert_eq!(recipients(&decision), ["610900-GX-xzspj"]);
}

#[test]
fn feedback_that_answers_nothing_goes_to_the_same_level_approver_of_the_item_at_the_place() {
    let message = with_item(feedback("610902-scjgj"), ItemFamily::Supervision, FOOD_SUPERVISION);
    assert_eq!(recipients(&decided(&message)), ["610902-xzspj"]);
    let in_a_zone = at(message, AddressRole::Operating, "610902107");
    assert_eq!(recipients(&decided(&in_a_zone)), ["610902-HK-xzspj"]);
    let city = with_item(feedback("610900-scjgj"), ItemFamily::Approval, FOOD);
    assert_eq!(recipients(&decided(&city)), ["610900-xzspj"]);
}

#[test]
fn a_department_that_serves_a_zone_tells_the_zones_approver_of_what_lies_there() {
    let of = |source: &str, item: &str, place: &str| {
        let message = with_item(feedback(source), ItemFamily::Approval, item);
        at(message, AddressRole::Operating, place)
    };
    let told = |message: &Message| recipients(&decided(message)).join(" ");
    assert_eq!(told(&of("610900-wjw", HYGIENE, "610900-GX")), "610900-GX-xzspj");
    assert_eq!(told(&of("610900-GX-scjgj", FOOD, "610902004")), "610900-GX-xzspj");
    assert_eq!(told(&of("610900-wjw", HYGIENE, "610902001")), "610900-xzspj");
    assert_eq!(told(&of("610902-sthjj", EMISSION, "610902001")), "610900-sthjj", "no county approves it");
}

#[test]
fn feedback_on_nothing_known_is_parked() {
    assert_eq!(parked(&decided(&feedback("610902-scjgj"))), [ParkReason::NoCrossWalk]);
}

#[test]
fn a_disposal_goes_to_the_platform_and_to_the_approver() {
    let payload = Payload::RiskDisposal(RiskDisposal { warning_no: "YJ1".into(), answers: None });
    let message = base(Kind::RiskDisposal, "610926-scjgj", payload);
    let history = answered("610000-hlwjg", &["610926-scjgj"], vec![food()]);
    let decision = routed(&message, &history).unwrap();
    assert_eq!(recipients(&decision), ["610000-hlwjg", "610926-xzspj"], "items are those of the warning");
    let named = with_item(message, ItemFamily::Supervision, FOOD_SUPERVISION);
    assert_eq!(recipients(&decided(&named)), ["610000-hlwjg", "610926-xzspj"]);
}

fn receipt(source: &str) -> Message {
    let delivery = DeliveryId(uuid::Uuid::from_u128(2));
    base(Kind::Receipt, source, Payload::Receipt(Receipt { delivery, action: ReceiptAction::Signed }))
}

#[test]
fn a_receipt_is_shown_to_the_originator_and_owes_nothing() {
    let history = answered("610902-xzspj", &["610902-scjgj"], vec![]);
    let decision = routed(&receipt("610902-scjgj"), &history).unwrap();
    assert_eq!(recipients(&decision), ["610902-xzspj"]);
    assert_eq!(decision.obligations, []);
}

#[test]
fn a_branch_signs_for_its_bureau_and_a_stranger_for_nobody() {
    let history = answered("610900-xzspj", &["610900-sthjj"], vec![]);
    assert!(routed(&receipt("610981-sthjj"), &history).is_ok());
    let refusal = routed(&receipt("610981-scjgj"), &history).unwrap_err();
    assert_eq!(refusal.reasons[0].cause.code(), "not_a_recipient");
}
