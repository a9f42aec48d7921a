//! What a store does, however it keeps its bytes: the seam between the store and its engines.
//!
//! Owns the trait that every engine fulfils and the list of engines. Lock and identity are settled before
//! an engine opens; sealing is the same for all ([`super::sealing`]). `tests/` holds the one suite of
//! promises that each engine has to keep.

use std::fmt;

use wardlink_wire::id::Epoch;
use wardlink_wire::lane::Lane;
use wardlink_wire::sequence::{Sequence, SequenceRange};

use super::cipher::Cipher;
use super::directory::Directory;
use super::error::StoreError;
use super::identity::Identity;
use super::log;
use super::{Damage, NewBatch, Recovery, Settings, StoredBatch, Usage};

/// An open engine. One thread appends, one reads, any may do the rest.
pub(super) trait Engine: Send + Sync + fmt::Debug {
    /// The place that the next record of a lane gets; never one that was given out before.
    fn next_sequence(&self, lane: Lane) -> Sequence;

    /// Makes a group durable. After an error none of it counts and its places are given out again.
    /// Success settles the damage that was taken before.
    fn append(&self, batches: &[NewBatch<'_>]) -> Result<(), StoreError>;

    /// The first batch of a lane that is not fully acknowledged and ends at `from` or later. What cannot be
    /// read on the way becomes damage.
    fn read_from(&self, lane: Lane, from: Sequence) -> Result<Option<StoredBatch>, StoreError>;

    /// Settles places, in any order and as often as one likes; those not given out yet are left alone.
    fn acknowledge(&self, lane: Lane, ranges: &[SequenceRange]) -> Result<(), StoreError>;

    /// How full it is.
    fn usage(&self) -> Usage;

    /// What will never be read, each place once until the process ends: damaged, evicted, or taken back. It is found
    /// again by the next start unless an append has succeeded since.
    fn take_damage(&self) -> Vec<Damage>;

    /// The next place of a lane is at least this, whatever the directory says: places before it that were not
    /// given out here become damage ([`super::Fault::TakenBack`]).
    fn advance(&self, lane: Lane, next: Sequence);

    /// Wraps the data key of everything not fully acknowledged under the current wrapping key, durably. When
    /// it returns, no byte that still matters needs an older wrapping key, and no byte that does not matter
    /// opens with the current one.
    fn rewrap(&self) -> Result<(), StoreError>;
}

/// How a store keeps its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EngineKind {
    /// Append-only segment files of our own format.
    Log,
}

impl EngineKind {
    /// Every engine, with the word that a configuration names it by.
    pub const WORDS: [(&'static str, Self); 1] = [("log", Self::Log)];

    pub(super) const fn number(self) -> u8 {
        match self {
            Self::Log => 1,
        }
    }

    pub(super) fn from_number(number: u8) -> Option<Self> {
        let kinds = Self::WORDS.into_iter().map(|(_, kind)| kind);
        kinds.into_iter().find(|kind| kind.number() == number)
    }

    /// Opens what is there, or begins.
    pub(super) fn open(
        self,
        directory: Directory,
        identity: Identity,
        settings: Settings,
    ) -> Result<(Box<dyn Engine>, Recovery), StoreError> {
        match self {
            Self::Log => {
                let (log, recovery) = log::Log::open(directory, identity, settings)?;
                Ok((Box::new(log), recovery))
            }
        }
    }

    /// What its files say of themselves, one answer a file: for a store that lost its meta file.
    pub(super) fn claims(
        self,
        directory: &Directory,
    ) -> Result<Vec<Option<(Epoch, Cipher)>>, StoreError> {
        match self {
            Self::Log => log::claims(directory),
        }
    }

    /// Whether any of its files was made with these keys for this gateway.
    pub(super) fn proves(
        self,
        directory: &Directory,
        identity: &Identity,
    ) -> Result<bool, StoreError> {
        match self {
            Self::Log => log::proves(directory, identity),
        }
    }

    /// Whether its files still know which places were given out.
    pub(super) fn remembers(
        self,
        directory: &Directory,
        identity: &Identity,
    ) -> Result<bool, StoreError> {
        match self {
            Self::Log => log::remembers(directory, identity),
        }
    }
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = Self::WORDS.into_iter();
        let word = words.filter(|(_, kind)| kind == self).map(|(word, _)| word);
        word.take(1).try_for_each(|word| f.write_str(word))
    }
}
