//! What becomes of letters that intake takes, refuses for good, or cannot take now.

use std::{collections::VecDeque, sync::Mutex};

use async_trait::async_trait;

use super::*;
use crate::{
    domain::id::MessageId,
    port::{
        inbox::ReplyTo,
        intake::{ReceiptOf, Submission},
    },
};

/// Answers each call with the next of these; none is that it accepts.
#[derive(Debug, Default)]
struct Clerk {
    says: Mutex<VecDeque<Vec<Option<Code>>>>,
    calls: Mutex<Vec<usize>>,
}

#[async_trait]
impl Intake for Clerk {
    async fn submit(&self, submissions: Vec<Submission>) -> Vec<Result<Accepted, Refusal>> {
        self.calls.lock().unwrap().push(submissions.len());
        let says = self.says.lock().unwrap().pop_front().expect("another call");
        assert_eq!(says.len(), submissions.len());
        let answer = |(submission, code): (Submission, Option<Code>)| match code {
            Some(code) => Err(Refusal::new(code, "said by the test")),
            None => Ok(Accepted {
                message: MessageId(uuid::Uuid::nil()),
                receipt_of: ReceiptOf::First,
                receipt: submission.received,
            }),
        };
        submissions.into_iter().zip(says).map(answer).collect()
    }

    async fn note_unreadable(&self, _: &EndpointId, _: &[u8], _: &Refusal) {}
}

impl Translate for Clerk {
    fn translate(&self, _: &EndpointId, _: &[u8]) -> Result<Vec<Submission>, Refusal> {
        Err(Refusal::new(Code::Unmapped, "no adapter"))
    }
}

fn desk(says: &[&[Option<Code>]]) -> (Desk, Arc<Clerk>) {
    let says = says.iter().map(|one| one.to_vec()).collect();
    let clerk = Arc::new(Clerk { says: Mutex::new(says), calls: Mutex::default() });
    let accounts = BTreeMap::from([("e".into(), BTreeSet::from(["account".into()]))]);
    let desk = Desk {
        endpoint: "e".into(),
        intake: Arc::clone(&clerk) as _,
        translate: Arc::clone(&clerk) as _,
        senders: Arc::new(accounts),
        limits: Limits { body_bytes: 1_000, batch_bytes: 1_000, batch_events: 10 },
    };
    (desk, clerk)
}

fn letter(number: usize) -> Letter {
    let body = format!(
        r#"{{"specversion":"1.0","id":"{number}","source":"s","type":"liandong.approval.result","data":{{"n":{number}}}}}"#
    );
    Letter {
        account: Some("account".into()),
        media: "application/cloudevents+json".into(),
        body: body.into(),
        reply_to: Some(ReplyTo { queue: "q".into(), correlation: Some(number.to_string().into()) }),
        ..Letter::default()
    }
}

/// Correlation and code of each answer; none where it is a receipt.
fn said(replies: &[Reply]) -> Vec<(String, Option<String>)> {
    let code = |reply: &Reply| {
        let problem: Option<serde_json::Value> =
            (reply.media == PROBLEM).then(|| serde_json::from_slice(&reply.body).unwrap());
        problem.map(|problem| problem["code"].as_str().unwrap().to_owned())
    };
    let one = |reply: &Reply| (reply.to.correlation.clone().unwrap().into(), code(reply));
    replies.iter().map(one).collect()
}

fn answer(number: usize, code: Option<&str>) -> (String, Option<String>) {
    (number.to_string(), code.map(str::to_owned))
}

#[tokio::test]
async fn what_cannot_be_taken_now_is_handed_in_again_alone_and_answered_in_its_place() {
    let later = Some(Code::Overloaded);
    let (desk, clerk) = desk(&[&[None, later, Some(Code::Unavailable)], &[later, None], &[None]]);
    let letters = (1..=3).map(letter).collect();
    let replies = desk.take(letters, &CancellationToken::new()).await.unwrap();
    assert_eq!(said(&replies), [answer(1, None), answer(2, None), answer(3, None)]);
    assert_eq!(*clerk.calls.lock().unwrap(), [3, 2, 1]);
}

#[tokio::test]
async fn what_is_refused_for_good_is_answered_and_holds_nothing_up() {
    let (desk, clerk) = desk(&[&[Some(Code::Unstorable), None]]);
    let own = Letter { form: Form::Own, ..letter(3) };
    let nameless = Letter { account: None, ..letter(4) };
    let letters = vec![letter(1), letter(2), own, nameless];
    let replies = desk.take(letters, &CancellationToken::new()).await.unwrap();
    let expected = [
        answer(1, Some("unstorable")),
        answer(2, None),
        answer(3, Some("unmapped")),
        answer(4, Some("unauthenticated")),
    ];
    assert_eq!(said(&replies), expected);
    assert_eq!(*clerk.calls.lock().unwrap(), [2]);
}

#[tokio::test]
async fn who_is_told_to_end_leaves_what_cannot_be_taken_to_another() {
    let (desk, _) = desk(&[&[Some(Code::Overloaded)]]);
    let token = CancellationToken::new();
    token.cancel();
    assert!(desk.take(vec![letter(1)], &token).await.is_none());
}
