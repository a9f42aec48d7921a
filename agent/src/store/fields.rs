//! Little-endian fields in order, and the frame that proves a block whole.
//!
//! A frame is magic, length, payload, CRC-32 of all before. It proves that a block was written whole and
//! not by whom: that is what seals are for.

/// Fields still to read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(super) const fn of(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    pub(super) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }
}

/// Magic, length, payload, checksum.
pub(super) fn frame(magic: [u8; 8], payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let mut framed = Vec::with_capacity(FRAME + payload.len());
    framed.extend_from_slice(&magic);
    framed.extend_from_slice(&length.to_le_bytes());
    framed.extend_from_slice(payload);
    framed.extend_from_slice(&crc32fast::hash(&framed).to_le_bytes());
    framed
}

/// The payload, if the frame is whole; what follows it is left alone.
pub(super) fn unframe(magic: [u8; 8], bytes: &[u8]) -> Option<&[u8]> {
    let mut fields = Fields::of(bytes);
    if fields.array()? != magic {
        return None;
    }
    let length = usize::try_from(fields.u32()?).ok()?;
    let payload = fields.bytes(length)?;
    let checksum = fields.u32()?;
    let covered = bytes.get(..length.checked_add(FRAME - 4)?)?;
    (crc32fast::hash(covered) == checksum).then_some(payload)
}

/// What a frame adds: magic, length, checksum.
const FRAME: usize = 8 + 4 + 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_with_any_bit_flipped_is_no_frame() {
        let whole = frame(*b"WLTESTxx", b"payload");
        assert_eq!(unframe(*b"WLTESTxx", &whole), Some(&b"payload"[..]));
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(unframe(*b"WLTESTxx", &flipped), None, "bit {bit}");
        }
        for length in 0..whole.len() {
            assert_eq!(unframe(*b"WLTESTxx", &whole[..length]), None);
        }
    }
}
