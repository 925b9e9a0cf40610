//! Accepting: is it the same, is it stale, has routing's ground moved; else everything it means is
//! written at once.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::{
    SqliteStore,
    change::{Change, Open},
    effect,
    error::why_unfit,
    history, insert,
    writer::Care,
};
use crate::{
    port::store::{Accept, Acceptance, Effect, Error, Verdict},
    store::{
        change::{Tally, effect::Applied},
        verdict,
    },
};

#[async_trait]
impl Accept for SqliteStore {
    async fn accept(&self, acceptances: Vec<Acceptance>, now: Timestamp) -> Result<Vec<Verdict>, Error> {
        self.writer
            .write_or_refuse(acceptances.len(), move |connection, care| {
                all(connection, &acceptances, now, care)
            })
            .await
    }
}

fn all(
    connection: &Connection,
    acceptances: &[Acceptance],
    now: Timestamp,
    care: Care,
) -> Result<Vec<Verdict>, Error> {
    let mut tally = Tally::default();
    let mut verdicts = Vec::with_capacity(acceptances.len());
    for acceptance in acceptances {
        let mut change = Change::new(Open(connection), now);
        let verdict = match care {
            Care::Together if !may_move(acceptance) => one(&mut change, acceptance)?,
            Care::Together => undone_if_moved(&mut change, acceptance)?,
            Care::Alone => guarded(&mut change, acceptance)?,
        };
        if matches!(verdict, Verdict::Accepted { .. }) {
            tally.absorb(change.tally);
        }
        verdicts.push(verdict);
    }
    tally.write(connection)?;
    Ok(verdicts)
}

/// Whether its effects may find that routing's ground has moved, after something was written.
fn may_move(acceptance: &Acceptance) -> bool {
    acceptance
        .effects
        .iter()
        .any(|effect| matches!(effect, Effect::ConfirmRelay { .. } | Effect::Supersede { .. }))
}

fn undone_if_moved(change: &mut Change<'_>, acceptance: &Acceptance) -> Result<Verdict, Error> {
    let connection = change.rows.0;
    connection.prepare_cached("SAVEPOINT acceptance")?.execute([])?;
    let verdict = one(change, acceptance)?;
    if verdict == Verdict::Moved {
        connection.prepare_cached("ROLLBACK TO acceptance")?.execute([])?;
    }
    connection.prepare_cached("RELEASE acceptance")?.execute([])?;
    Ok(verdict)
}

/// One at fault is taken back and said; the others go on.
fn guarded(change: &mut Change<'_>, acceptance: &Acceptance) -> Result<Verdict, Error> {
    let connection = change.rows.0;
    connection.execute_batch("SAVEPOINT guarded")?;
    let verdict = match undone_if_moved(change, acceptance) {
        Ok(verdict) => verdict,
        Err(error) => {
            let Some(why) = why_unfit(&error).filter(|_| !connection.is_autocommit()) else {
                return Err(error);
            };
            connection.execute_batch("ROLLBACK TO guarded")?;
            Verdict::Unstorable { why }
        }
    };
    connection.execute_batch("RELEASE guarded")?;
    Ok(verdict)
}

fn one(change: &mut Change<'_>, acceptance: &Acceptance) -> Result<Verdict, Error> {
    if let Some(verdict) = refused(change.rows.0, acceptance)? {
        return Ok(verdict);
    }
    let message = insert::message(change, acceptance)?;
    for effect in &acceptance.effects {
        if effect::apply(change, acceptance, effect)? == Applied::Moved {
            return Ok(Verdict::Moved);
        }
    }
    let own = insert::deliveries(change, message, acceptance)?;
    insert::obligations(change.rows.0, message, &own, acceptance)?;
    insert::entries(change.rows.0, &acceptance.entries)?;
    Ok(Verdict::Accepted { ready: change.take_ready() })
}

fn refused(connection: &Connection, acceptance: &Acceptance) -> Result<Option<Verdict>, Error> {
    let key = &acceptance.key;
    let highest: Option<u32> = connection
        .prepare_cached(include_str!("sql/key_highest.sql"))?
        .query_row(params![key.business_key, key.kind.as_str(), key.organisation.as_str()], |row| {
            row.get(0)
        })?;
    verdict::refused(acceptance, highest, || history::standing(connection, key, acceptance.revision))
}
