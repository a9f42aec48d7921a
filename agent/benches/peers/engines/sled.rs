//! sled 0.34.7 as its manual shows it: insert, `flush()`. Not durable on Linux: it ends in
//! `sync_file_range`, which neither writes metadata nor empties the cache of the device.

use std::path::Path;

use super::{CACHE, Engine, Seal};

pub(crate) struct Sled {
    database: sled::Db,
    seal: Seal,
    oldest: u64,
    next: u64,
}

impl Sled {
    pub(crate) fn open(folder: &Path) -> anyhow::Result<Self> {
        let config = sled::Config::new().path(folder.join("sled"));
        let database = config.cache_capacity(u64::from(CACHE)).open()?;
        let number = |entry: sled::Result<(sled::IVec, sled::IVec)>| -> anyhow::Result<u64> {
            Ok(u64::from_be_bytes((*entry?.0).try_into()?))
        };
        let oldest = database.iter().next().map(number).transpose()?;
        let newest = database.iter().next_back().map(number).transpose()?;
        Ok(Self {
            database,
            seal: Seal::new()?,
            oldest: oldest.unwrap_or_default(),
            next: newest.map_or(0, |newest| newest + 1),
        })
    }
}

impl Engine for Sled {
    fn commit(&mut self, bytes: &[u8], _: u32, acknowledged: u64) -> anyhow::Result<()> {
        let mut batch = sled::Batch::default();
        batch.insert(&self.next.to_be_bytes(), self.seal.seal(self.next, bytes)?);
        for number in self.oldest..self.oldest + acknowledged {
            batch.remove(&number.to_be_bytes());
        }
        self.database.apply_batch(batch)?;
        self.database.flush()?;
        self.oldest += acknowledged;
        self.next += 1;
        Ok(())
    }

    fn take(&mut self, most: u64) -> anyhow::Result<(u64, u64)> {
        let (mut count, mut bytes, mut batch) = (0, 0, sled::Batch::default());
        for number in self.oldest..self.next.min(self.oldest + most) {
            let key = number.to_be_bytes();
            if let Some(sealed) = self.database.get(key)? {
                bytes += self.seal.open(number, sealed.to_vec())?;
            }
            batch.remove(&key);
            count += 1;
        }
        if count > 0 {
            self.database.apply_batch(batch)?;
            self.database.flush()?;
        }
        self.oldest += count;
        Ok((count, bytes))
    }
}
