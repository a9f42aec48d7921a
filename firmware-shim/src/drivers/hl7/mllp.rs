//! MLLP: VT, message, FS, CR.

use alloc::vec::Vec;
use core::mem;

/// Cuts bytes into messages; what is between them is skipped, and so is a message that is too long.
#[derive(Debug, Default)]
pub struct Framer {
    held: Option<Vec<u8>>,
    skipped: u64,
}

/// What a byte completed.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// A message, without its frame.
    Message(Vec<u8>),
    /// A message that was longer than may be.
    TooLong,
}

impl Framer {
    /// Takes one byte.
    pub fn push(&mut self, byte: u8) -> Option<Piece> {
        if byte == VT {
            // A message that began without the last one's end: the last one was cut off.
            self.held = Some(Vec::new());
            return None;
        }
        let Some(held) = &mut self.held else {
            if byte != CR {
                self.skipped = self.skipped.saturating_add(1);
            }
            return None;
        };
        if byte == CR && held.last() == Some(&FS) {
            held.pop();
            let message = mem::take(held);
            self.held = None;
            return Some(Piece::Message(message));
        }
        if held.len() >= LONGEST {
            self.held = None;
            return Some(Piece::TooLong);
        }
        held.push(byte);
        None
    }

    /// Whether a message has begun and not ended.
    #[must_use]
    pub const fn is_inside(&self) -> bool {
        self.held.is_some()
    }

    /// Bytes that were in no message.
    #[must_use]
    pub const fn skipped(&self) -> u64 {
        self.skipped
    }
}

/// A message in its frame.
#[must_use]
pub fn frame(message: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(message.len() + 3);
    bytes.push(VT);
    bytes.extend(message.bytes());
    bytes.extend([FS, CR]);
    bytes
}

const VT: u8 = 0x0b;
const FS: u8 = 0x1c;
const CR: u8 = 0x0d;
/// Bytes of the longest message; a PCD-01 message of a whole bedside has a tenth of it.
const LONGEST: usize = 64 * 1024;
