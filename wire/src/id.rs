//! Who and what: identifiers that are checked once, at construction.
//!
//! Owns [`GatewayId`], [`DeviceId`], [`Epoch`] and [`BootId`]. Promises that a value of these types is
//! safe in a topic, a file name and a certificate's common name. Refuses everything else with the
//! reason.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A gateway's name: the common name of its client certificate and one level of its topics.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GatewayId(String);

/// A device's stable name within its gateway.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeviceId(String);

macro_rules! name {
    ($type:ident) => {
        impl $type {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                check(text).map(|()| Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $type {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                check(&text).map(|()| Self(text))
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(GatewayId);
name!(DeviceId);

/// Letters, digits, `-`, `_` and `.`, starting with a letter or digit: no topic level separator, no
/// wildcard, no path separator, nothing that a certificate would need to escape.
fn check(text: &str) -> Result<(), NameError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    match text.chars().next() {
        None => Err(NameError::Empty),
        Some(_) if text.len() > LONGEST_NAME => Err(NameError::TooLong(text.len())),
        Some(first) if !first.is_ascii_alphanumeric() => Err(NameError::Start(first)),
        Some(_) => match text.chars().find(|c| !allowed(*c)) {
            Some(bad) => Err(NameError::Character(bad)),
            None => Ok(()),
        },
    }
}

/// The random identity of one store, drawn when the store is created. With a lane and a sequence it
/// names a record for ever.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "serde_bytes::ByteBuf", into = "serde_bytes::ByteBuf")]
pub struct Epoch([u8; 16]);

/// The identity of one boot of the gateway's operating system: monotonic times compare only within it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "serde_bytes::ByteBuf", into = "serde_bytes::ByteBuf")]
pub struct BootId([u8; 16]);

macro_rules! sixteen_bytes {
    ($type:ident) => {
        impl $type {
            /// Takes the 16 bytes as they are.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The 16 bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($type))
            }
        }

        impl TryFrom<serde_bytes::ByteBuf> for $type {
            type Error = LengthError;

            fn try_from(bytes: serde_bytes::ByteBuf) -> Result<Self, LengthError> {
                let found = bytes.len();
                <[u8; 16]>::try_from(bytes.into_vec())
                    .map(Self)
                    .map_err(|_| LengthError { found })
            }
        }

        impl From<$type> for serde_bytes::ByteBuf {
            fn from(id: $type) -> Self {
                Self::from(id.0.to_vec())
            }
        }
    };
}

sixteen_bytes!(Epoch);
sixteen_bytes!(BootId);

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing was given.
    #[error("a name must not be empty")]
    Empty,
    /// More than 64 characters.
    #[error("a name has at most {LONGEST_NAME} characters, this one has {0}")]
    TooLong(usize),
    /// The first character is not a letter or digit.
    #[error("a name starts with a letter or digit, not with {0:?}")]
    Start(char),
    /// A character that topics, files or certificates would misread.
    #[error("a name has letters, digits, '-', '_' and '.', not {0:?}")]
    Character(char),
}

/// An identifier of the wrong length.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an identifier has 16 bytes, this one has {found}")]
pub struct LengthError {
    found: usize,
}

const LONGEST_NAME: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_name_cannot_reach_into_another_topic() {
        for bad in ["", "a/b", "+", "#", "a b", "-a", ".a", "ä", &"x".repeat(65)] {
            assert!(bad.parse::<GatewayId>().is_err(), "{bad:?} was accepted");
        }
        for good in ["gw-0001", "ward3.bed_12", "7"] {
            assert_eq!(good.parse::<GatewayId>().unwrap().as_str(), good);
        }
    }
}
