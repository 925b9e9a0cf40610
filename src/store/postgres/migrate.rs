//! Migrations: numbered, forward only, each in a transaction of its own under one advisory lock, its SHA-256
//! kept so that a changed file is noticed. They are written to be safe beside a hub of the version before.

use async_trait::async_trait;
use sha2::{Digest as _, Sha256};

use super::{
    error::Failure,
    runner::{Job, Runner},
    session::Session,
    value::Columns as _,
};
use crate::{
    port::store::Error,
    store::fault::{damaged, number},
};

/// A migration's file name and text.
type Migration = (&'static str, &'static str);

/// In order; the first is number 1.
const MIGRATIONS: &[Migration] = &[
    ("0001_store", include_str!("migrations/0001_store.sql")),
    ("0002_archive", include_str!("migrations/0002_archive.sql")),
    ("0003_sm3", include_str!("migrations/0003_sm3.sql")),
    ("0004_signing_key", include_str!("migrations/0004_signing_key.sql")),
    ("0005_stamp", include_str!("migrations/0005_stamp.sql")),
    ("0006_attempt_salt", include_str!("migrations/0006_attempt_salt.sql")),
    ("0007_resend", include_str!("migrations/0007_resend.sql")),
    ("0008_refusal", include_str!("migrations/0008_refusal.sql")),
    ("0009_frontier", include_str!("migrations/0009_frontier.sql")),
];

/// Brings the database to the form this version knows.
pub(super) async fn apply(runner: &Runner) -> Result<(), Error> {
    apply_all(runner, MIGRATIONS).await
}

/// Refuses a database of another form, without changing it.
pub(super) async fn must_be_current(runner: &Runner) -> Result<(), Error> {
    let known: i64 = number(MIGRATIONS.len())?;
    match runner.read(Newest).await? {
        None => Err(Error::Absent("the database".into())),
        Some(newest) if newest == known => Ok(()),
        Some(newest) => Err(damaged(format_args!(
            "the database has migration {newest}, this version knows {known}; a start of the hub brings an older one up to date"
        ))),
    }
}

/// The newest migration applied; none where no hub has been.
struct Newest;

#[async_trait]
impl Job for Newest {
    type Output = Option<i64>;

    async fn run(&self, session: &Session<'_>) -> Result<Option<i64>, Failure> {
        let there = session.row("SELECT to_regclass('migration') IS NOT NULL AS there", &[]).await?;
        if !there.value::<bool>("there")? {
            return Ok(None);
        }
        session.row("SELECT max(number) AS newest FROM migration", &[]).await?.value("newest")
    }
}

async fn apply_all(runner: &Runner, migrations: &'static [Migration]) -> Result<(), Error> {
    for step in 0..migrations.len() {
        runner.write(Step { migrations, step }).await?;
    }
    Ok(())
}

/// One of them, if it has not been applied yet.
struct Step {
    migrations: &'static [Migration],
    step: usize,
}

#[async_trait]
impl Job for Step {
    type Output = ();

    async fn run(&self, session: &Session<'_>) -> Result<(), Failure> {
        session.run(include_str!("sql/migration_begin.sql")).await?;
        let newest: i64 = session
            .row("SELECT coalesce(max(number), 0) AS newest FROM migration", &[])
            .await?
            .value("newest")?;
        let known: i64 = number(self.migrations.len())?;
        if newest > known {
            return Err(damaged(format_args!(
                "the database has migration {newest}, this version knows {known}; run the version that wrote it or a later one"
            ))
            .into());
        }
        let (name, sql) = self.migrations[self.step];
        let index: i64 = number(self.step + 1)?;
        let digest: [u8; 32] = Sha256::digest(sql.as_bytes()).into();
        let applied = session.row_if("SELECT sha256 FROM migration WHERE number = $1", &[&index]).await?;
        if let Some(row) = applied {
            return if row.digest("sha256")? == digest {
                Ok(())
            } else {
                Err(damaged(format_args!("migration {name} was applied with another text")).into())
            };
        }
        session.run(sql).await?;
        session
            .execute(
                "INSERT INTO migration (number, name, sha256) VALUES ($1, $2, $3)",
                &[&index, &name, &digest.as_slice()],
            )
            .await?;
        tracing::info!(migration = name, "database migrated");
        Ok(())
    }
}
