//! Traps of the driver and the pool, on a real server: what the runner must not let through.

use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::{
    Options, connection,
    error::Failure,
    runner::{Job, Runner},
    session::Session,
    value::Columns as _,
};
use crate::{
    config::{environment::Environment, secret::Secret},
    port::store::Error,
};

fn options() -> Options {
    let environment = Environment::of_process();
    let Some(url) = environment.get("LIANDONG_TEST_POSTGRES_URL") else {
        panic!("LIANDONG_TEST_POSTGRES_URL is not set: `make test` starts a PostgreSQL of its own");
    };
    Options { connections: 2, ..Options::new(Secret::new(url)) }
}

fn runner(options: &Options) -> Runner {
    Runner::new(connection::pool(options).unwrap())
}

/// Statements, the last one a question for a number.
struct Say(&'static str, &'static str);

#[async_trait]
impl Job for Say {
    type Output = i64;

    async fn run(&self, session: &Session<'_>) -> Result<i64, Failure> {
        session.run(self.0).await?;
        session.row(self.1, &[]).await?.value("number")
    }
}

const ONE: &str = "SELECT 1::bigint AS number";

struct Careless;

#[async_trait]
impl Job for Careless {
    type Output = ();

    async fn run(&self, session: &Session<'_>) -> Result<(), Failure> {
        session.run("SELECT 1 / 0").await.unwrap_err();
        Ok(())
    }
}

#[tokio::test]
async fn a_transaction_with_an_ignored_error_is_not_told_as_committed() {
    let runner = runner(&options());
    let outcome = runner.write(Careless).await;
    assert!(matches!(outcome, Err(Error::Damaged(_))), "{outcome:?}");
    assert_eq!(runner.write(Say("", ONE)).await.unwrap(), 1, "the connection is as good as before");
}

#[tokio::test]
async fn the_next_borrower_does_not_wait_behind_a_statement_that_nobody_waits_for() {
    let runner = runner(&options());
    assert_eq!(runner.read(Say("", ONE)).await.unwrap(), 1);
    let begun = Instant::now();
    let slow = runner.read(Say("SELECT pg_sleep(20)", ONE));
    tokio::time::timeout(Duration::from_millis(50), slow).await.unwrap_err();
    assert_eq!(runner.read(Say("", ONE)).await.unwrap(), 1);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn the_server_ends_a_statement_that_takes_too_long() {
    let runner = runner(&Options { statement_timeout: Duration::from_millis(100), ..options() });
    let ended = runner.read(Say("SELECT pg_sleep(20)", ONE)).await;
    assert!(matches!(&ended, Err(Error::Unavailable(why)) if why.contains("57014")), "{ended:?}");
    assert_eq!(runner.read(Say("", ONE)).await.unwrap(), 1);
}

#[tokio::test]
async fn what_is_abandoned_in_the_middle_is_done_to_its_end() {
    let runner = runner(&options());
    let sequence = format!("abandoned_{}", std::process::id());
    let made: &'static str =
        Box::leak(format!("CREATE SEQUENCE {sequence}; SELECT pg_sleep(0.2)").into_boxed_str());
    let abandoned = runner.write(Say(made, ONE));
    tokio::time::timeout(Duration::from_millis(20), abandoned).await.unwrap_err();
    runner.close().await;
    let again = super::tests::runner(&options());
    let dropped: &'static str = Box::leak(format!("DROP SEQUENCE {sequence}").into_boxed_str());
    assert_eq!(again.write(Say(dropped, ONE)).await.unwrap(), 1, "it was committed before the store closed");
}

#[tokio::test]
async fn a_connection_to_a_demoted_server_is_given_up_for_another() {
    let runner = runner(&options());
    for _ in 0..2 {
        let demoted = "SET default_transaction_read_only = on";
        assert_eq!(runner.read(Say(demoted, ONE)).await.unwrap(), 1);
    }
    let writes = "CREATE TABLE demoted_for_a_test (x int); DROP TABLE demoted_for_a_test";
    assert_eq!(runner.write(Say(writes, ONE)).await.unwrap(), 1);
}

#[tokio::test]
async fn a_connection_that_was_ended_is_replaced() {
    let runner = runner(&options());
    let pid = runner.read(Say("", "SELECT pg_backend_pid()::bigint AS number")).await.unwrap();
    let end: &'static str = Box::leak(format!("SELECT pg_terminate_backend({pid}, 10000)").into_boxed_str());
    assert_eq!(super::tests::runner(&options()).read(Say(end, ONE)).await.unwrap(), 1);
    assert_eq!(runner.write(Say("", ONE)).await.unwrap(), 1);
}

#[tokio::test]
async fn a_server_that_is_not_there_may_be_tried_again() {
    let nowhere = Options::new(Secret::new("postgres://nobody@127.0.0.1:1/nothing"));
    let refused = runner(&nowhere).read(Say("", ONE)).await;
    assert!(matches!(&refused, Err(error @ Error::Unavailable(_)) if error.retryable()), "{refused:?}");
}

/// What the port says when the server says a code.
async fn of_code(code: &str) -> Error {
    let raise = format!("DO $$ BEGIN RAISE EXCEPTION 'hunter2' USING ERRCODE = '{code}'; END $$");
    runner(&options()).write(Say(Box::leak(raise.into_boxed_str()), ONE)).await.unwrap_err()
}

#[tokio::test]
async fn errors_are_told_by_their_code() {
    let full = of_code("53100").await;
    assert!(matches!(full, Error::DiskFull(_)) && full.retryable(), "{full:?}");
    for code in ["08006", "25006", "40001", "40P01", "53200", "53300", "55P03", "57014", "57P01", "57P03"] {
        let told = of_code(code).await;
        assert!(matches!(told, Error::Unavailable(_)), "{code}: {told:?}");
    }
    for code in ["XX001", "XX002"] {
        assert!(matches!(of_code(code).await, Error::Damaged(_)), "{code}");
    }
    for code in ["22021", "23505"] {
        let told = of_code(code).await;
        let why = crate::store::fault::why_unfit(&told).expect("the caller's own fault");
        assert!(!why.contains("hunter2") && !told.retryable(), "{code}: {told:?}");
    }
    for code in ["42P01", "58030", "XX000"] {
        let told = of_code(code).await;
        assert!(matches!(told, Error::Backend { .. }) && !told.retryable(), "{code}: {told:?}");
        assert!(crate::store::fault::why_unfit(&told).is_none(), "{code}: {told:?}");
    }
}

#[tokio::test]
async fn text_of_errors_names_the_code_and_no_value() {
    let runner = runner(&options());
    let refused = runner.read(Say("SELECT 'hunter2'::bigint", ONE)).await.unwrap_err();
    let text = format!("{refused} {refused:?}");
    assert!(text.contains("22P02") && !text.contains("hunter2"), "{text}");
}
