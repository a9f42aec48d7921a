//! fjall 3: one batch of writes a commit, made durable with `SyncData`.

use std::path::Path;

use fjall::{Database, Guard, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::{CACHE, Engine, Seal};

pub(crate) struct Fjall {
    database: Database,
    batches: Keyspace,
    seal: Seal,
    oldest: u64,
    next: u64,
}

impl Fjall {
    pub(crate) fn open(folder: &Path) -> anyhow::Result<Self> {
        let builder = Database::builder(folder.join("fjall"));
        let database = builder.cache_size(u64::from(CACHE)).open()?;
        let batches = database.keyspace("batches", KeyspaceCreateOptions::default)?;
        let number = |guard: Guard| -> anyhow::Result<u64> {
            Ok(u64::from_be_bytes((*guard.key()?).try_into()?))
        };
        let oldest = batches.first_key_value().map(number).transpose()?;
        let newest = batches.last_key_value().map(number).transpose()?;
        Ok(Self {
            database,
            batches,
            seal: Seal::new()?,
            oldest: oldest.unwrap_or_default(),
            next: newest.map_or(0, |newest| newest + 1),
        })
    }
}

impl Engine for Fjall {
    fn commit(&mut self, bytes: &[u8], _: u32, acknowledged: u64) -> anyhow::Result<()> {
        let mut batch = self
            .database
            .batch()
            .durability(Some(PersistMode::SyncData));
        let sealed = self.seal.seal(self.next, bytes)?;
        batch.insert(&self.batches, self.next.to_be_bytes(), sealed);
        for number in self.oldest..self.oldest + acknowledged {
            batch.remove(&self.batches, number.to_be_bytes());
        }
        batch.commit()?;
        self.oldest += acknowledged;
        self.next += 1;
        Ok(())
    }

    fn take(&mut self, most: u64) -> anyhow::Result<(u64, u64)> {
        let (mut count, mut bytes) = (0, 0);
        let mut batch = self
            .database
            .batch()
            .durability(Some(PersistMode::SyncData));
        for number in self.oldest..self.next.min(self.oldest + most) {
            let key = number.to_be_bytes();
            if let Some(sealed) = self.batches.get(key)? {
                bytes += self.seal.open(number, sealed.to_vec())?;
            }
            batch.remove(&self.batches, key);
            count += 1;
        }
        if count > 0 {
            batch.commit()?;
        }
        self.oldest += count;
        Ok((count, bytes))
    }
}
