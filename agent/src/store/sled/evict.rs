//! Making room: the batches of one lane leave one directory.
//!
//! sled gives no space back, so what stays is copied as it is, value by value, into a new directory, which
//! then changes places with the old one in one step. The header, which says that the lane went, comes first:
//! a batch that is still there is read whatever the header says.

use std::fs;

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::super::Fault;
use super::super::error::StoreError;
use super::super::log::catalog::Victim;
use super::super::log::segment::Head;
use super::Shared;
use super::folder;
use super::reader;
use super::tree::{Tree, Trouble};

/// Evicts the batches of a lane from a directory.
pub(super) fn evict(shared: &Shared, victim: Victim) -> Result<(), StoreError> {
    let (directory, id) = (&shared.directory, victim.segment);
    let name = folder::head_name(id);
    let head = match directory.find_file(&name)? {
        Some(file) => Head::read(&file, shared.identity.epoch, id)?,
        None => None,
    };
    let stays = survivors(shared, victim)?;
    let (Some(head), Some(stays)) = (head, stays) else {
        shared.catalog().lose(victim, Fault::Missing);
        return Ok(());
    };
    let Some(header) = head.without(victim.lane, head.facts.length, &shared.identity)? else {
        shared.catalog().lose(victim, Fault::SegmentKey);
        return Ok(());
    };
    let (old, new) = (folder::path(directory, id), directory.path().join(SHORTER));
    drop(fs::remove_dir_all(&new));
    let tree = Tree::create(&new, folder::sled_segment(&head.facts))?;
    for some in stays.chunks(AT_ONCE) {
        tree.commit(some.to_vec())?;
    }
    let length = folder::settled_length(tree.size(), &head.facts);
    drop(tree);

    let file = directory.create_file(HEADER)?;
    file.write_at(&header, 0)?;
    file.sync()?;
    directory.rename(HEADER, &name)?;
    directory.sync()?;
    shared.trees().forget(id);
    renameat_with(CWD, &old, CWD, &new, RenameFlags::EXCHANGE)
        .map_err(|e| StoreError::medium("put a shorter directory in the place of", &old, e))?;
    directory.sync()?;
    shared.catalog().evicted(victim, length);
    // What stays of it goes with the next eviction, or the next start.
    drop(fs::remove_dir_all(&new));
    Ok(())
}

/// Keys and values of what stays; none if sled cannot read the directory.
fn survivors(shared: &Shared, victim: Victim) -> Result<Option<Vec<Pair>>, StoreError> {
    let read = || {
        let Some(opened) = reader::opened(shared, victim.segment)? else {
            return Ok(None);
        };
        let mut stays = Vec::new();
        opened.tree.scan(super::entry::FIRST, |entry| {
            if entry.lane != victim.lane && shared.catalog().is_open(entry.lane, entry.range) {
                stays.push(entry.pair());
            }
            true
        })?;
        Ok(Some(stays))
    };
    match read() {
        Ok(stays) => Ok(stays),
        Err(Trouble::Refused(error)) => Err(error),
        Err(Trouble::Damage(text)) => {
            reader::set_aside(shared, victim.segment, &text)?;
            Ok(None)
        }
    }
}

/// Removes what an eviction left that did not come to its end.
pub(super) fn clean(shared: &Shared) {
    // Nearly always there is none.
    drop(fs::remove_dir_all(shared.directory.path().join(SHORTER)));
}

type Pair = (super::entry::Key, Vec<u8>);

const SHORTER: &str = "shorter.new";
const HEADER: &str = "shorter.head";
const AT_ONCE: usize = 64;
