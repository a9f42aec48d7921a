//! Finding the entries of a segment, head by head.
//!
//! Reads a page where it expects a head and hops over bodies. Where there is no head it searches on, so
//! damage never hides what comes after it. Memory: one window.

use super::super::directory::StoreFile;
use super::super::error::StoreError;
use super::entry::{ALIGN, Entry, HEAD_BYTES, Mark};

/// A walk through one segment file.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    file: &'a StoreFile,
    mark: Mark,
    offset: u64,
    end: u64,
    search: bool,
    broken: u64,
    window: Vec<u8>,
    window_start: u64,
}

impl<'a> Walk<'a> {
    /// From an offset to the end of the file.
    pub(super) fn new(file: &'a StoreFile, mark: Mark, offset: u64) -> Result<Self, StoreError> {
        Ok(Self {
            file,
            mark,
            offset: offset.next_multiple_of(ALIGN),
            end: file.length()?,
            search: true,
            broken: 0,
            window: Vec::new(),
            window_start: 0,
        })
    }

    /// Ends the walk where no head is and none is at the next page, which is where a commit may begin: for a
    /// segment whose end is nearly known.
    pub(super) fn without_search(mut self) -> Self {
        self.search = false;
        self
    }

    /// The next entry and where it begins.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Entry)>, StoreError> {
        let mut reach = HOP;
        while self.offset.saturating_add(HEAD_BYTES) <= self.end {
            let at = self.offset;
            let mark = self.mark;
            let bytes = self.bytes_at(at, reach)?;
            let begun = mark.begins(bytes);
            if let Some(entry) = Entry::decode(bytes, mark) {
                self.offset = at.saturating_add(entry.size());
                return Ok(Some((at, entry)));
            }
            self.broken += u64::from(begun);
            if !self.search {
                let page = at.next_multiple_of(PAGE);
                if page == at {
                    break;
                }
                self.offset = page;
                continue;
            }
            let skip = self.bytes_without_mark(at);
            self.offset = at.saturating_add(skip);
            reach = SEARCH;
        }
        Ok(None)
    }

    /// Heads that were begun and are not whole.
    pub(super) const fn broken(&self) -> u64 {
        self.broken
    }

    pub(super) const fn forget_broken(&mut self) {
        self.broken = 0;
    }

    /// The bytes from an offset on; at least a head where the file has that much.
    fn bytes_at(&mut self, offset: u64, reach: usize) -> Result<&[u8], StoreError> {
        let have = self.window_start + u64::try_from(self.window.len()).unwrap_or(0);
        if offset < self.window_start || offset.saturating_add(HEAD_BYTES) > have {
            self.window.resize(reach, 0);
            let count = self.file.read_at(&mut self.window, offset)?;
            self.window.truncate(count);
            self.window_start = offset;
        }
        Ok(self.rest(offset))
    }

    /// How far to go from an offset where no entry is: to the next mark in the window or to its end.
    fn bytes_without_mark(&self, offset: u64) -> u64 {
        let rest = self.rest(offset);
        let steps = rest.chunks(usize::try_from(ALIGN).unwrap_or(1)).skip(1);
        let clear = steps.take_while(|step| !self.mark.begins(step)).count();
        u64::try_from(clear)
            .unwrap_or(0)
            .saturating_add(1)
            .saturating_mul(ALIGN)
    }

    fn rest(&self, offset: u64) -> &[u8] {
        let from = usize::try_from(offset.saturating_sub(self.window_start)).unwrap_or(usize::MAX);
        self.window.get(from..).unwrap_or_default()
    }
}

/// See the padding of a commit in [`super::writer`].
const PAGE: u64 = 4096;
/// Read at a time while every head is where it is expected.
const HOP: usize = 4096;
/// Read at a time while searching.
const SEARCH: usize = 64 << 10;
