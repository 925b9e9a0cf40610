//! Mailboxes by themselves: credit, fencing, and what becomes of what nobody answers.

use bytes::Bytes;
use jiff::SignedDuration;
use uuid::Uuid;

use super::*;
use crate::{
    domain::{delivery::Outcome, id::MessageId, kind::Kind},
    port::{clock::SystemClock, connector::Envelope, mailbox::Mailboxes as _},
};

#[derive(Debug, Default)]
struct Places(Mutex<Vec<usize>>);

impl Attendance for Places {
    fn places(&self, _: &EndpointId, places: usize) {
        lock(&self.0).push(places);
    }
}

fn mailboxes() -> (Arc<Mailboxes>, Arc<dyn Connector>, Arc<Places>) {
    let heard = Arc::new(Places::default());
    let mailboxes = Mailboxes::new(Arc::clone(&heard) as _, Arc::new(SystemClock));
    let connector = mailboxes.connector(&"e".into(), 4);
    (Arc::new(mailboxes), connector, heard)
}

fn parcel(delivery: u128, lease: u64, left_ms: i64) -> Parcel {
    let envelope = Envelope {
        message: MessageId(Uuid::from_u128(1)),
        kind: Kind::ApprovalResult,
        organisation: "o".into(),
        on_behalf_of: None,
        lane_sequence: 1,
        attempt: 1,
        lease: LeaseToken(lease),
        accepted_at: SystemClock.now(),
        first_attempt_at: None,
    };
    Parcel {
        delivery: DeliveryId(Uuid::from_u128(delivery)),
        body: Bytes::from_static(b"{}"),
        content_type: "application/json".into(),
        name: "a".into(),
        not_after: SystemClock.now() + SignedDuration::from_millis(left_ms),
        envelope: Some(Box::new(envelope)),
    }
}

fn taken() -> Answer {
    Answer {
        status: None,
        retry_after_ms: None,
        body: Bytes::new(),
        content_type: None,
        verdict: Some(Outcome::Delivered),
    }
}

#[tokio::test]
async fn a_delivery_is_handed_out_for_credit_and_its_answer_counts_once() {
    let (mailboxes, connector, heard) = mailboxes();
    let mut mailbox = mailboxes.open(&"e".into()).unwrap();
    mailbox.grant(1);
    let (answer, counted) = tokio::join!(connector.send(parcel(7, 3, 60_000)), async {
        let parcel = mailbox.next().await.unwrap();
        let other = mailbox.answer(parcel.delivery, LeaseToken(2), taken());
        let first = mailbox.answer(parcel.delivery, LeaseToken(3), taken());
        [other, first, mailbox.answer(parcel.delivery, LeaseToken(3), taken())]
    });
    assert_eq!(answer.unwrap().verdict, Some(Outcome::Delivered));
    let here = Heard::Here;
    assert_eq!(counted, [Heard::Elsewhere, here(Counted::Yes), here(Counted::Stale)]);
    assert_eq!(lock(&heard.0)[..4], [0, 0, 1, 0], "nobody, no credit, one, it is answered");
    let more = tokio::time::timeout(std::time::Duration::from_millis(1), mailbox.next()).await;
    assert!(more.is_err(), "no credit, nothing is handed out");
}

#[tokio::test]
async fn what_is_not_answered_when_somebody_leaves_is_unknown() {
    let (mailboxes, connector, heard) = mailboxes();
    let mut mailbox = mailboxes.open(&"e".into()).unwrap();
    mailbox.grant(2);
    let (answer, ()) = tokio::join!(connector.send(parcel(7, 1, 60_000)), async {
        mailbox.next().await.unwrap();
        drop(mailbox);
    });
    assert!(matches!(answer, Err(Error::Unknown(_))), "{answer:?}");
    assert_eq!(lock(&heard.0).last(), Some(&0), "his credit went with him");
}

#[tokio::test]
async fn another_ones_answer_does_not_count() {
    let (mailboxes, connector, _) = mailboxes();
    let mut mailbox = mailboxes.open(&"e".into()).unwrap();
    let mut stranger = mailboxes.open(&"e".into()).unwrap();
    mailbox.grant(1);
    let (answer, counted) = tokio::join!(connector.send(parcel(7, 1, 60_000)), async {
        let parcel = mailbox.next().await.unwrap();
        let counted = stranger.answer(parcel.delivery, LeaseToken(1), taken());
        drop(mailbox);
        counted
    });
    assert_eq!(counted, Heard::Here(Counted::Stale));
    assert!(matches!(answer, Err(Error::Unknown(_))), "{answer:?}");
}

#[tokio::test]
async fn what_nobody_takes_in_time_was_not_sent_and_what_nobody_answers_in_time_is_unknown() {
    let (mailboxes, connector, _) = mailboxes();
    let answer = connector.send(parcel(7, 1, 5)).await;
    assert!(matches!(answer, Err(Error::NotSent(_))), "{answer:?}");
    let mut mailbox = mailboxes.open(&"e".into()).unwrap();
    mailbox.grant(9);
    let (answer, late) = tokio::join!(connector.send(parcel(8, 1, 20)), mailbox.next());
    assert!(matches!(answer, Err(Error::Unknown(_))), "{answer:?}");
    assert_eq!(mailbox.answer(late.unwrap().delivery, LeaseToken(1), taken()), Heard::Elsewhere);
}

#[tokio::test]
async fn closed_mailboxes_hand_out_nothing_and_still_take_answers() {
    let (mailboxes, connector, _) = mailboxes();
    let mut mailbox = mailboxes.open(&"e".into()).unwrap();
    mailbox.grant(1);
    let (out, waiting, counted) =
        tokio::join!(connector.send(parcel(7, 1, 60_000)), connector.send(parcel(8, 1, 60_000)), async {
            let parcel = mailbox.next().await.unwrap();
            mailboxes.close();
            assert!(mailbox.next().await.is_none());
            assert_eq!(mailbox.unanswered(), 1);
            mailbox.answer(parcel.delivery, LeaseToken(1), taken())
        });
    assert_eq!(counted, Heard::Here(Counted::Yes));
    assert!(out.is_ok() && matches!(waiting, Err(Error::NotSent(_))), "{out:?} {waiting:?}");
    assert!(matches!(connector.send(parcel(9, 1, 60_000)).await, Err(Error::NotSent(_))));
}
