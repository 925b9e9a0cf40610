//! Tokens are the database's: made or revoked through one hub, they count at the others within the time that
//! `http.token_refresh_ms` gives.

use reqwest::Method;

use super::{hub_on, share_key};
use crate::{
    contract::backend::Postgres,
    harness::{
        department::Department,
        sender::{BUREAU, Sender, result},
    },
};

#[tokio::test(flavor = "multi_thread")]
async fn a_token_made_or_revoked_at_one_hub_counts_at_the_other() {
    let (place, target) = (Postgres::new(), Department::anywhere().await);
    let (mut one, mut two) = (hub_on(&place, &target).await, hub_on(&place, &target).await);
    one.start();
    share_key(&one, &mut two);
    two.set("http.token_refresh_ms", 50);
    two.start();
    let token = one.token(BUREAU);
    let there = Sender::with(&two, &token);
    let taken = there.until_answered(&result("JY1-0", "JY1"), 201).await;
    assert_eq!(Sender::with(&one, &token).send(&result("JY1-0", "JY1")).await.statement(), taken.statement());

    let (status, answer) = one.operate(Method::DELETE, &format!("/v1/tokens/{BUREAU}"), None).await;
    assert_eq!(status, 204, "{answer}");
    assert_eq!(Sender::with(&one, &token).send(&result("JY1-1", "JY1")).await.status, 401, "at once");
    there.until_answered(&result("JY1-1", "JY1"), 401).await;
    assert_eq!((one.stop(), two.stop()), (Some(0), Some(0)));
}
