//! Values to bytes and back: deterministic CBOR (RFC 8949 section 4.2) with integer keys.
//!
//! The only file that names `serde_cbor`. Promises that every decode is bounded in size and depth
//! before the parser sees the bytes, that only definite lengths and no floating point numbers pass, that
//! nothing may follow the value, and that a value has exactly one encoding: bytes that say the same in
//! another way (keys as text, unknown keys, explicit nulls) are refused. How to swap the codec:
//! docs/decisions/0003-cbor-codec.md.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_cbor::ser::IoWrite;
pub(crate) use serde_cbor::tags::Tagged;

/// What a message may be at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Encoded size, bytes.
    pub bytes: usize,
    /// Nesting of arrays, maps and tags.
    pub depth: usize,
}

/// Encodes a value: struct fields and variants become integers in the order they are declared. A variant
/// that carries something is an array of its number and that.
///
/// # Errors
/// When the value cannot be encoded, which the types of this crate never cause.
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, EncodeError> {
    let mut bytes = Vec::new();
    // the other form of enums, maps, would name variants in words even when packed
    let mut serializer = serde_cbor::Serializer::new(IoWrite::new(&mut bytes))
        .packed_format()
        .legacy_enums();
    value.serialize(&mut serializer).map_err(EncodeError)?;
    Ok(bytes)
}

/// Decodes a value that takes up all of `bytes`.
///
/// # Errors
/// When the bytes exceed the limit, are not well-formed CBOR of the subset above, are another value, or
/// are not what [`encode`] makes of the value they hold.
pub fn decode<T: Serialize + DeserializeOwned>(
    bytes: &[u8],
    limit: Limit,
) -> Result<T, DecodeError> {
    if bytes.len() > limit.bytes {
        return Err(DecodeError::TooLarge {
            found: bytes.len(),
            allowed: limit.bytes,
        });
    }
    let end = skip_value(bytes, 0, limit.depth)?;
    if end != bytes.len() {
        return Err(DecodeError::Trailing(bytes.len() - end));
    }
    let value = serde_cbor::from_slice(bytes).map_err(DecodeError::Shape)?;
    if encode(&value).map_or(true, |canonical| canonical != bytes) {
        return Err(DecodeError::NotDeterministic);
    }
    Ok(value)
}

/// Cuts the first value of a CBOR sequence (RFC 8742) off, and gives what follows it.
///
/// # Errors
/// When the sequence does not begin with a well-formed value of the subset above, within the limit.
pub fn split_first(bytes: &[u8], limit: Limit) -> Result<(&[u8], &[u8]), DecodeError> {
    let end = skip_value(bytes, 0, limit.depth)?;
    if end > limit.bytes {
        return Err(DecodeError::TooLarge {
            found: end,
            allowed: limit.bytes,
        });
    }
    bytes.split_at_checked(end).ok_or(DecodeError::Truncated)
}

/// Writes what goes before the bytes of a byte string, in its shortest form.
pub(crate) fn bytes_head(into: &mut Vec<u8>, length: usize) {
    const FORM: u8 = BYTES << 5;
    let length = u64::try_from(length).unwrap_or(u64::MAX);
    let [c7, c6, c5, c4, c3, c2, c1, c0] = length.to_be_bytes();
    match length {
        0..24 => into.push(FORM | c0),
        24..0x100 => into.extend_from_slice(&[FORM | 24, c0]),
        0x100..0x1_0000 => into.extend_from_slice(&[FORM | 25, c1, c0]),
        0x1_0000..0x1_0000_0000 => into.extend_from_slice(&[FORM | 26, c3, c2, c1, c0]),
        _ => into.extend_from_slice(&[FORM | 27, c7, c6, c5, c4, c3, c2, c1, c0]),
    }
}

/// The most that goes before the bytes of a byte string.
pub(crate) const MOST_HEAD: usize = 9;

/// Walks over one value and returns where it ends. Recursion is bounded by `depth`.
fn skip_value(bytes: &[u8], at: usize, depth: usize) -> Result<usize, DecodeError> {
    let depth = depth.checked_sub(1).ok_or(DecodeError::TooDeep)?;
    let initial = *bytes.get(at).ok_or(DecodeError::Truncated)?;
    let (argument, mut at) = argument(bytes, at, initial & 0x1f)?;
    match initial >> 5 {
        UNSIGNED | NEGATIVE => Ok(at),
        BYTES | TEXT => {
            let length = usize::try_from(argument).map_err(|_| DecodeError::Truncated)?;
            at.checked_add(length)
                .filter(|end| *end <= bytes.len())
                .ok_or(DecodeError::Truncated)
        }
        major @ (ARRAY | MAP) => {
            let values = if major == MAP {
                argument.saturating_mul(2)
            } else {
                argument
            };
            for _ in 0..values {
                at = skip_value(bytes, at, depth)?;
            }
            Ok(at)
        }
        TAG => skip_value(bytes, at, depth),
        _ if matches!(initial & 0x1f, FALSE | TRUE | NULL) => Ok(at),
        _ => Err(DecodeError::Unsupported(initial)),
    }
}

/// The number in a value's head, and where the head ends. It must be in its shortest form.
fn argument(bytes: &[u8], at: usize, info: u8) -> Result<(u64, usize), DecodeError> {
    let width = match info {
        0..=23 => return Ok((u64::from(info), at + 1)),
        24..=27 => 1_usize << (info - 24),
        _ => return Err(DecodeError::Indefinite),
    };
    let digits = bytes
        .get(at + 1..at + 1 + width)
        .ok_or(DecodeError::Truncated)?;
    let number = digits
        .iter()
        .fold(0, |sum, digit| (sum << 8) | u64::from(*digit));
    let least = match width {
        1 => 24,
        2 => 1 << 8,
        4 => 1 << 16,
        _ => 1 << 32,
    };
    if number < least {
        return Err(DecodeError::NotDeterministic);
    }
    Ok((number, at + 1 + width))
}

/// A value that cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot encode: {0}")]
pub struct EncodeError(serde_cbor::Error);

/// Why bytes were not read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Larger than this kind of message may be.
    #[error("message of {found} bytes, at most {allowed} are taken")]
    TooLarge {
        /// Its size.
        found: usize,
        /// The most that is taken.
        allowed: usize,
    },
    /// Nested deeper than this kind of message may be.
    #[error("message is nested too deeply")]
    TooDeep,
    /// The bytes end within a value.
    #[error("message ends too early")]
    Truncated,
    /// A length that is not stated in advance.
    #[error("message has an indefinite length")]
    Indefinite,
    /// The one encoding of the value is another: a number in a longer form, a key as text, an unknown key.
    #[error("message is not in deterministic encoding")]
    NotDeterministic,
    /// Floating point or an unassigned simple value.
    #[error("message has a value of a kind that is not used: {0:#04x}")]
    Unsupported(u8),
    /// Something follows the value.
    #[error("message has {0} bytes after its end")]
    Trailing(usize),
    /// Well-formed, but another message.
    #[error("message has another shape: {0}")]
    Shape(serde_cbor::Error),
}

const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
const FALSE: u8 = 20;
const TRUE: u8 = 21;
const NULL: u8 = 22;
