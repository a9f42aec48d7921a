//! SQLite with a write-ahead log and `synchronous = FULL`, which syncs the log at every commit.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params};

use super::{CACHE, Engine, Seal};

pub(crate) struct Sqlite {
    database: Connection,
    seal: Seal,
    oldest: i64,
    next: i64,
}

impl Sqlite {
    pub(crate) fn open(folder: &Path) -> anyhow::Result<Self> {
        let database = Connection::open(folder.join("store.sqlite"))?;
        database.pragma_update(None, "journal_mode", "WAL")?;
        database.pragma_update(None, "synchronous", "FULL")?;
        database.pragma_update(None, "cache_size", -i64::from(CACHE >> 10))?;
        database.execute_batch(
            "CREATE TABLE IF NOT EXISTS batches (number INTEGER PRIMARY KEY, sealed BLOB NOT NULL)",
        )?;
        let (oldest, newest): (Option<i64>, Option<i64>) = database.query_row(
            "SELECT (SELECT min(number) FROM batches), (SELECT max(number) FROM batches)",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        Ok(Self {
            database,
            seal: Seal::new()?,
            oldest: oldest.unwrap_or_default(),
            next: newest.map_or(0, |newest| newest + 1),
        })
    }
}

impl Engine for Sqlite {
    fn commit(&mut self, bytes: &[u8], _: u32, acknowledged: u64) -> anyhow::Result<()> {
        let sealed = self.seal.seal(u64::try_from(self.next)?, bytes)?;
        let kept = self.oldest + i64::try_from(acknowledged)?;
        let begun = self.database.transaction()?;
        begun
            .prepare_cached("INSERT INTO batches VALUES (?, ?)")?
            .execute(params![self.next, sealed])?;
        if acknowledged > 0 {
            begun
                .prepare_cached("DELETE FROM batches WHERE number < ?")?
                .execute([kept])?;
        }
        begun.commit()?;
        self.oldest = kept;
        self.next += 1;
        Ok(())
    }

    fn take(&mut self, most: u64) -> anyhow::Result<(u64, u64)> {
        let (mut count, mut bytes) = (0, 0);
        let end = self.next.min(self.oldest + i64::try_from(most)?);
        let begun = self.database.transaction()?;
        for number in self.oldest..end {
            let sealed: Option<Vec<u8>> = begun
                .prepare_cached("SELECT sealed FROM batches WHERE number = ?")?
                .query_row([number], |row| row.get(0))
                .optional()?;
            if let Some(sealed) = sealed {
                bytes += self.seal.open(u64::try_from(number)?, sealed)?;
            }
            count += 1;
        }
        begun
            .prepare_cached("DELETE FROM batches WHERE number < ?")?
            .execute([end])?;
        begun.commit()?;
        self.oldest = end;
        Ok((count, bytes))
    }
}
