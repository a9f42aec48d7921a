//! Group commit: seal, one write, one sync.
//!
//! Owns the segment being written. It begins one at the first commit of a process, when the last is full,
//! and after any refusal by the medium: a file whose write or sync failed is never written again, because
//! what the system did with its pages is not known.

use wardlink_wire::lane::Lane;
use zeroize::Zeroize;

use super::super::NewBatch;
use super::super::directory::StoreFile;
use super::super::error::StoreError;
use super::super::sealing::SealingKey;
use super::Shared;
use super::catalog::Claim;
use super::entry::{Entry, HEAD, Mark};
use super::evict;
use super::segment::{self, ENTRIES, Head, Segment};

/// The appender's state.
#[derive(Debug, Default)]
pub(super) struct Writer {
    active: Option<Active>,
    buffer: Vec<u8>,
}

impl Writer {
    pub(super) fn append(
        &mut self,
        shared: &Shared,
        batches: &[NewBatch<'_>],
    ) -> Result<(), StoreError> {
        if batches.is_empty() {
            return Ok(());
        }
        let bytes = shared.catalog().admit(batches)?;
        let roomy = self.active.take().filter(|active| active.has_room(bytes));
        let mut active = match roomy {
            Some(active) => active,
            None => Active::begin(shared, bytes, most_important(batches))?,
        };
        self.buffer.clear();
        if let Err(error) = active.commit(batches, &mut self.buffer) {
            // It may hold a payload that was not sealed yet.
            self.buffer.zeroize();
            shared.catalog().fail(active.id);
            return Err(error);
        }
        self.buffer.clear();
        self.buffer.shrink_to(KEPT_BUFFER);
        shared.catalog().commit(batches, active.id, active.end);
        self.active = Some(active);
        // The batches are durable, and the next start finds them without this note as well.
        drop(shared.note(false));
        Ok(())
    }

    /// Leaves the segment as it is; the next commit begins another.
    pub(super) fn abandon(&mut self) {
        self.active = None;
        self.buffer.zeroize();
    }
}

/// The segment being written.
#[derive(Debug)]
struct Active {
    id: u64,
    file: StoreFile,
    mark: Mark,
    key: SealingKey,
    /// The header, until the first commit takes it along.
    head: Option<Vec<u8>>,
    end: u64,
    length: u64,
    /// Bytes from the start whose blocks were written before.
    written: u64,
}

impl Active {
    fn begin(shared: &Shared, bytes: u64, most: Lane) -> Result<Self, StoreError> {
        let bytes = ENTRIES.saturating_add(bytes);
        let (id, file, length) = loop {
            let claim = shared.catalog().claim(bytes, most)?;
            shared.sweep();
            match claim {
                Claim::Evict(victim) => evict::evict(shared, victim)?,
                Claim::Recycle(settled) => break recycle(shared, settled)?,
                Claim::Create(length) => break create(shared, length)?,
            }
        };
        let written = file.written()?;
        let segment = shared.catalog().begin(id, length);
        let (head, key) = match Head::begin(&shared.identity, &segment) {
            Ok(begun) => begun,
            Err(error) => {
                shared.catalog().fail(id);
                return Err(error);
            }
        };
        Ok(Self {
            id,
            file,
            mark: Mark::of(shared.identity.epoch, id),
            key,
            head: Some(head),
            end: ENTRIES,
            length,
            written,
        })
    }

    const fn has_room(&self, bytes: u64) -> bool {
        self.end.saturating_add(bytes) <= self.length
    }

    fn commit(&mut self, batches: &[NewBatch<'_>], buffer: &mut Vec<u8>) -> Result<(), StoreError> {
        let base = match self.head.take() {
            Some(head) => {
                buffer.extend_from_slice(&head);
                0
            }
            None => self.end,
        };
        for batch in batches {
            self.seal(batch, buffer)?;
        }
        let sealed = base + length_of(buffer);
        let end = self.padded(sealed);
        let ahead = if end > self.written {
            end.next_multiple_of(AHEAD).min(self.length)
        } else {
            end
        };
        buffer.resize(usize::try_from(ahead - base).unwrap_or(buffer.len()), 0);
        self.file.write_at(buffer, base)?;
        self.file.sync()?;
        self.end = end;
        self.written = self.written.max(ahead);
        Ok(())
    }

    fn seal(&mut self, batch: &NewBatch<'_>, buffer: &mut Vec<u8>) -> Result<(), StoreError> {
        let NewBatch { lane, range, bytes } = *batch;
        let start = buffer.len();
        buffer.extend_from_slice(&[0; HEAD]);
        buffer.extend_from_slice(bytes);
        let body = buffer.get_mut(start + HEAD..).unwrap_or_default();
        let (number, tag) = self.key.seal(lane, range, body)?;
        buffer.extend_from_slice(&tag);
        let body = buffer.get(start + HEAD..).unwrap_or_default();
        let head = Entry {
            lane,
            range,
            number,
            length: u32::try_from(body.len()).unwrap_or(u32::MAX),
            checksum: crc32fast::hash(body),
        };
        let head = head.encode(self.mark);
        let head = head.ok_or(StoreError::Cipher("count so many records"))?;
        if let Some(place) = buffer.get_mut(start..start + HEAD) {
            place.copy_from_slice(&head);
        }
        let whole = buffer.len().next_multiple_of(ALIGN);
        buffer.resize(whole, 0);
        Ok(())
    }

    /// Where the next commit begins: on a fresh page if that costs little, because a page that two commits
    /// share goes to the medium twice.
    fn padded(&self, sealed: u64) -> u64 {
        let page = sealed.next_multiple_of(PAGE);
        let cheap = (page - sealed).saturating_mul(4) <= sealed - self.end;
        if cheap && page <= self.length {
            page
        } else {
            sealed
        }
    }
}

/// A settled file under a new name. Its old bytes stay; none of them passes for an entry of the new segment.
fn recycle(shared: &Shared, mut settled: Segment) -> Result<(u64, StoreFile, u64), StoreError> {
    let id = shared.catalog().take_number();
    let old = segment::name(settled.id);
    let new = segment::name(id);
    // First what was acknowledged, then the overwriting: the other way round a power cut would turn
    // acknowledged batches into missing ones.
    let renamed = shared
        .settle()
        .and_then(|()| shared.directory.rename(&old, &new));
    if let Err(error) = renamed {
        shared.catalog().put_back(settled);
        return Err(error);
    }
    settled.id = id;
    let opened = shared
        .directory
        .sync()
        .and_then(|()| shared.directory.open_file(&new));
    match opened {
        Ok(file) => Ok((id, file, settled.length)),
        Err(error) => {
            shared.catalog().put_back(settled);
            Err(error)
        }
    }
}

/// A new file with all its blocks, or none.
fn create(shared: &Shared, length: u64) -> Result<(u64, StoreFile, u64), StoreError> {
    let id = shared.catalog().take_number();
    let name = segment::name(id);
    let made = shared.directory.create_file(&name).and_then(|file| {
        file.allocate(length)?;
        file.sync()?;
        shared.directory.sync()?;
        Ok((id, file, length))
    });
    if made.is_err() {
        // What stays of it is recognised as unwritten by the next start.
        drop(shared.directory.remove(&name));
    }
    made
}

fn most_important(batches: &[NewBatch<'_>]) -> Lane {
    let lanes = batches.iter().map(|batch| batch.lane);
    lanes.min_by_key(|lane| lane.number()).unwrap_or(Lane::Wave)
}

fn length_of(buffer: &[u8]) -> u64 {
    u64::try_from(buffer.len()).unwrap_or(u64::MAX)
}

const ALIGN: usize = 8;
const PAGE: u64 = 4096;
/// A file that grows into blocks never written takes this much with one commit, so that the commits after
/// it change no metadata.
const AHEAD: u64 = 256 << 10;
const KEPT_BUFFER: usize = 512 << 10;

#[cfg(test)]
mod tests {
    use wardlink_wire::sequence::{Sequence, SequenceRange};

    use super::super::super::identity::Identity;
    use super::super::super::{Directory, Engine, KeyProvider, Settings, StoreKey};
    use super::super::{Log, held};
    use super::*;

    fn log(path: &std::path::Path) -> Log {
        let settings = Settings {
            segment: 16 << 10,
            ..Settings::new(path, 1 << 20)
        };
        let directory = Directory::open(path).unwrap();
        let (gateway, key) = ("gw-1".parse().unwrap(), StoreKey::from_bytes([7; 32]));
        let keys = key.keys().unwrap();
        let (identity, _) = Identity::establish(&directory, &settings, &gateway, &keys).unwrap();
        Log::open(directory, identity, settings).unwrap().0
    }

    fn append(log: &Log, bytes: &[u8]) -> Result<(), StoreError> {
        let lane = Lane::Vital;
        let range = SequenceRange::starting(log.next_sequence(lane), 2).unwrap();
        log.append(&[NewBatch { lane, range, bytes }])
    }

    #[test]
    fn a_segment_that_refused_a_commit_is_never_written_again() {
        let scratch = tempfile::tempdir().unwrap();
        let log = log(scratch.path());
        append(&log, b"before").unwrap();
        let name = segment::name(0);
        let refusing = log.shared.directory.open_refusing(&name);
        held(&log.writer).active.as_mut().unwrap().file = refusing;
        let path = scratch.path().join(&name);
        let bytes = std::fs::read(&path).unwrap();

        let error = append(&log, b"refused").unwrap_err().to_string();
        assert!(
            error.contains("cannot write") && error.contains(&name),
            "{error}"
        );
        assert_eq!(log.next_sequence(Lane::Vital), Sequence(2));
        assert!(held(&log.writer).buffer.iter().all(|byte| *byte == 0));

        append(&log, b"again").unwrap();
        append(&log, b"after").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
        let read = |from| log.read_from(Lane::Vital, Sequence(from)).unwrap().unwrap();
        assert_eq!(read(0).bytes, b"before");
        assert_eq!(read(2).bytes, b"again");
        assert_eq!(read(4).bytes, b"after");

        let first = SequenceRange::starting(Sequence(0), 2).unwrap();
        log.acknowledge(Lane::Vital, &[first]).unwrap();
        assert!(!path.exists(), "a file the medium refused is not recycled");
    }

    #[test]
    fn the_next_commit_after_growing_into_fresh_blocks_needs_no_more_of_them() {
        let scratch = tempfile::tempdir().unwrap();
        let log = log(scratch.path());
        append(&log, b"first").unwrap();
        let written = held(&log.writer).active.as_ref().unwrap().written;
        assert_eq!(written, 16 << 10);
        append(&log, b"second").unwrap();
        let writer = held(&log.writer);
        assert_eq!(writer.active.as_ref().unwrap().written, written);
    }
}
