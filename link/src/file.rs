//! Key and certificate files: secrets come only from files that others cannot read.
//!
//! Owns the file forms: PEM for certificates and asymmetric keys, 64 hexadecimal digits for symmetric
//! keys. Promises that an error names the file and what to do, and that no existing file is overwritten.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};
use wardlink_wire::signature::{KeyError, SigningKey, VerifyingKey};
use zeroize::{Zeroize, Zeroizing};

/// Reads a file that holds no secret.
///
/// # Errors
/// When it cannot be read.
pub fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LARGEST).read_to_end(&mut bytes))
        .map_err(|error| FileError::io(path, error))?;
    Ok(bytes)
}

/// Reads a file that holds a secret.
///
/// # Errors
/// When it cannot be read, or when others than its owner may read or change it.
pub fn read_private(path: &Path) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let mut bytes = Zeroizing::new(Vec::new());
    let file = File::open(path).map_err(|error| FileError::io(path, error))?;
    let metadata = file
        .metadata()
        .map_err(|error| FileError::io(path, error))?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(FileError::Exposed {
            path: path.to_owned(),
            mode,
        });
    }
    file.take(LARGEST)
        .read_to_end(&mut bytes)
        .map_err(|error| FileError::io(path, error))?;
    Ok(bytes)
}

/// Reads a symmetric key: 64 hexadecimal digits in a private file.
///
/// # Errors
/// As [`read_private`], and when the content is something else.
pub fn read_key(path: &Path) -> Result<Zeroizing<[u8; 32]>, FileError> {
    let text = read_private(path)?;
    parse_key(&text).ok_or_else(|| FileError::NoKey(path.to_owned()))
}

/// The key that 64 hexadecimal digits say, white space around them aside.
#[must_use]
pub fn parse_key(text: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    let digits = text.trim_ascii();
    if digits.len() != 64 {
        return None;
    }
    let mut key = Zeroizing::new([0; 32]);
    for (byte, pair) in key.iter_mut().zip(digits.chunks(2)) {
        for digit in pair {
            let value = char::from(*digit).to_digit(16)?;
            *byte = (*byte << 4) | u8::try_from(value).ok()?;
        }
    }
    Some(key)
}

/// The file form of a symmetric key.
#[must_use]
pub fn key_text(key: &[u8; 32]) -> Zeroizing<String> {
    let mut text: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    text.push('\n');
    Zeroizing::new(text)
}

/// Reads a private signing key: PKCS#8 in PEM, in a private file.
///
/// # Errors
/// As [`read_private`], and when the content is no Ed25519 key.
pub fn read_signing_key(path: &Path) -> Result<SigningKey, FileError> {
    let mut key =
        PrivatePkcs8KeyDer::from_pem_slice(&read_private(path)?).map_err(|_| FileError::NoPem {
            path: path.to_owned(),
            wanted: "PRIVATE KEY",
        })?;
    let signing = SigningKey::from_pkcs8(key.secret_pkcs8_der());
    key.zeroize();
    signing.map_err(|error| FileError::Key {
        path: path.to_owned(),
        error,
    })
}

/// Reads a public verifying key: SubjectPublicKeyInfo in PEM.
///
/// # Errors
/// When the file cannot be read or the content is no Ed25519 key.
pub fn read_verifying_key(path: &Path) -> Result<VerifyingKey, FileError> {
    let key =
        SubjectPublicKeyInfoDer::from_pem_slice(&read(path)?).map_err(|_| FileError::NoPem {
            path: path.to_owned(),
            wanted: "PUBLIC KEY",
        })?;
    VerifyingKey::from_spki(&key).map_err(|error| FileError::Key {
        path: path.to_owned(),
        error,
    })
}

/// Writes a new file that only its owner may read.
///
/// # Errors
/// When the file exists already or cannot be written.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write_new(path, bytes, 0o600)
}

/// Writes a new file that everybody may read.
///
/// # Errors
/// When the file exists already or cannot be written.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write_new(path, bytes, 0o644)
}

fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(mode);
    options
        .open(path)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .map_err(|error| FileError::io(path, error))
}

/// Why a file is of no use.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system refused.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Others may read a secret.
    #[error("{}: mode {mode:04o} lets others read this secret (chmod 600 {})", path.display(), path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// No symmetric key in it.
    #[error("{}: not a key of 64 hexadecimal digits", .0.display())]
    NoKey(PathBuf),
    /// Not the PEM block that was looked for.
    #[error("{}: holds no PEM block of kind {wanted:?}", path.display())]
    NoPem {
        /// The file.
        path: PathBuf,
        /// The label of the block.
        wanted: &'static str,
    },
    /// A PEM block of another algorithm.
    #[error("{}: {error}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with the key.
        error: KeyError,
    },
}

impl FileError {
    fn io(path: &Path, error: io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            error,
        }
    }
}

/// No key or certificate file is larger; more is not read.
const LARGEST: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_others_can_read_is_refused_with_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.key");
        write_private(&path, key_text(&[7; 32]).as_bytes()).unwrap();
        assert_eq!(*read_key(&path).unwrap(), [7; 32]);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let said = read_key(&path).unwrap_err().to_string();
        assert!(
            said.contains("0640") && said.contains("chmod 600"),
            "{said}"
        );
    }

    #[test]
    fn no_key_file_is_ever_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.key");
        write_private(&path, b"first").unwrap();
        assert!(write_private(&path, b"second").is_err());
        assert_eq!(read(&path).unwrap(), b"first");
    }
}
