//! The engines, behind one trait: each does with a batch what its manual says makes it durable.
//!
//! Ours seals by itself; for the peers the batch is sealed here, by the same cipher of the same library.
//! A peer keeps one value a batch under its number and deletes what is acknowledged in the transaction of
//! the next commit.

mod fjall;
mod redb;
mod sled;
mod sqlite;
mod wardlink;

use std::path::Path;

use anyhow::anyhow;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use serde::{Deserialize, Serialize};

/// A queue of batches that survives a power cut.
pub(crate) trait Engine {
    /// Stores a batch durably and acknowledges the oldest ones.
    fn commit(&mut self, batch: &[u8], records: u32, acknowledged: u64) -> anyhow::Result<()>;

    /// Reads the oldest batches, opens their seals, then acknowledges them; how many, and their bytes.
    fn take(&mut self, most: u64) -> anyhow::Result<(u64, u64)>;
}

/// Which engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    Log,
    Sled,
    Redb,
    Fjall,
    Sqlite,
}

impl Kind {
    pub(crate) const ALL: [Self; 5] =
        [Self::Log, Self::Sled, Self::Redb, Self::Fjall, Self::Sqlite];

    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Log => "wardlink log",
            Self::Sled => "sled 0.34.7 as shipped",
            Self::Redb => "redb 4",
            Self::Fjall => "fjall 3",
            Self::Sqlite => "SQLite FULL",
        }
    }

    pub(crate) fn named(word: &str) -> Option<Self> {
        let words = ["log", "sled", "redb", "fjall", "sqlite"];
        let index = words.into_iter().position(|known| known == word)?;
        Self::ALL.get(index).copied()
    }

    pub(crate) fn open(self, folder: &Path) -> anyhow::Result<Box<dyn Engine>> {
        Ok(match self {
            Self::Log => Box::new(wardlink::Wardlink::open(folder)?),
            Self::Sled => Box::new(sled::Sled::open(folder)?),
            Self::Redb => Box::new(redb::Redb::open(folder)?),
            Self::Fjall => Box::new(fjall::Fjall::open(folder)?),
            Self::Sqlite => Box::new(sqlite::Sqlite::open(folder)?),
        })
    }
}

/// The seal of the peers: AES-256-GCM, the batch's number as nonce.
struct Seal(LessSafeKey);

impl Seal {
    fn new() -> anyhow::Result<Self> {
        let key = UnboundKey::new(&AES_256_GCM, &[7; 32]).map_err(|_| anyhow!("no key"))?;
        Ok(Self(LessSafeKey::new(key)))
    }

    fn seal(&self, number: u64, batch: &[u8]) -> anyhow::Result<Vec<u8>> {
        let mut sealed = batch.to_vec();
        self.0
            .seal_in_place_append_tag(nonce(number), Aad::from([0; 56]), &mut sealed)
            .map_err(|_| anyhow!("no seal"))?;
        Ok(sealed)
    }

    /// The bytes of the batch.
    fn open(&self, number: u64, mut sealed: Vec<u8>) -> anyhow::Result<u64> {
        let opened = self
            .0
            .open_in_place(nonce(number), Aad::from([0; 56]), &mut sealed)
            .map_err(|_| anyhow!("a seal does not hold"))?;
        Ok(u64::try_from(opened.len())?)
    }
}

fn nonce(number: u64) -> Nonce {
    let mut nonce = [0; 12];
    if let Some(end) = nonce.last_chunk_mut() {
        *end = number.to_be_bytes();
    }
    Nonce::assume_unique_for_key(nonce)
}

/// Bytes of cache where an engine lets one say so: little, as on a gateway.
const CACHE: u32 = 16 << 20;
