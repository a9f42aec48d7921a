//! redb 4: one durable transaction a commit, as it comes.

use std::path::Path;

use redb::{Database, ReadableTable, TableDefinition};

use super::{CACHE, Engine, Seal};

pub(crate) struct Redb {
    database: Database,
    seal: Seal,
    oldest: u64,
    next: u64,
}

impl Redb {
    pub(crate) fn open(folder: &Path) -> anyhow::Result<Self> {
        let mut builder = redb::Builder::new();
        let builder = builder.set_cache_size(usize::try_from(CACHE)?);
        let database = builder.create(folder.join("store.redb"))?;
        let begun = database.begin_write()?;
        let (oldest, next) = {
            let table = begun.open_table(BATCHES)?;
            let oldest = table.first()?.map_or(0, |(key, _)| key.value());
            let next = table.last()?.map_or(0, |(key, _)| key.value() + 1);
            (oldest, next)
        };
        begun.commit()?;
        let seal = Seal::new()?;
        Ok(Self {
            database,
            seal,
            oldest,
            next,
        })
    }
}

impl Engine for Redb {
    fn commit(&mut self, bytes: &[u8], _: u32, acknowledged: u64) -> anyhow::Result<()> {
        let sealed = self.seal.seal(self.next, bytes)?;
        let begun = self.database.begin_write()?;
        {
            let mut table = begun.open_table(BATCHES)?;
            table.insert(self.next, sealed.as_slice())?;
            for number in self.oldest..self.oldest + acknowledged {
                table.remove(number)?;
            }
        }
        begun.commit()?;
        self.oldest += acknowledged;
        self.next += 1;
        Ok(())
    }

    fn take(&mut self, most: u64) -> anyhow::Result<(u64, u64)> {
        let (mut count, mut bytes) = (0, 0);
        let begun = self.database.begin_write()?;
        {
            let mut table = begun.open_table(BATCHES)?;
            for number in self.oldest..self.next.min(self.oldest + most) {
                if let Some(sealed) = table.remove(number)? {
                    bytes += self.seal.open(number, sealed.value().to_vec())?;
                }
                count += 1;
            }
        }
        begun.commit()?;
        self.oldest += count;
        Ok((count, bytes))
    }
}

const BATCHES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("batches");
