//! The history of the keys that sign.

use async_trait::async_trait;
use rusqlite::{Connection, params};

use super::{
    SqliteStore, insert,
    value::{Columns as _, Time},
};
use crate::port::store::{Error, Keys, NewEntry, SigningKey};

#[async_trait]
impl Keys for SqliteStore {
    async fn signing_keys(&self) -> Result<Vec<SigningKey>, Error> {
        self.readers
            .read(|connection| {
                let sql = "SELECT number, public, begins, by_predecessor, by_itself FROM signing_key ORDER BY number";
                let mut statement = connection.prepare_cached(sql)?;
                let rows = statement.query_map([], |row| {
                    Ok(SigningKey {
                        number: row.get("number")?,
                        public: row.get("public")?,
                        from: row.time("begins")?,
                        by_predecessor: row.get("by_predecessor")?,
                        by_itself: row.get("by_itself")?,
                    })
                })?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    async fn add_signing_key(&self, key: SigningKey, entry: Option<NewEntry>) -> Result<bool, Error> {
        self.writer.write(1, move |connection, _| add(connection, &key, entry.as_ref())).await
    }
}

fn add(connection: &Connection, key: &SigningKey, entry: Option<&NewEntry>) -> Result<bool, Error> {
    let SigningKey { number, public, from, by_predecessor, by_itself } = key;
    let added = connection.prepare_cached(include_str!("sql/signing_key_add.sql"))?.execute(params![
        number,
        public,
        Time(*from),
        by_predecessor,
        by_itself
    ])?;
    if added == 0 {
        return Ok(false);
    }
    // Where a hub of the version before looks for the key that signs.
    connection
        .prepare_cached(
            "INSERT INTO setting (name, value) VALUES ('signing_key', ?1)
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        )?
        .execute([public.as_bytes()])?;
    if let Some(entry) = entry {
        insert::entries(connection, [entry])?;
    }
    Ok(true)
}
