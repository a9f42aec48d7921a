//! The fleet's private keys at rest: PKCS#8, encrypted under a passphrase (RFC 8018 PBES2: scrypt, AES-256-CBC).
//!
//! Owns the form of a key file, which OpenSSL reads as well. Promises that an encrypted key is opened in
//! memory only. A key that was made with `--no-passphrase` is read as it is. Keys in a hardware token
//! (PKCS#11) are not supported.

use std::path::{Path, PathBuf};

use pkcs8::SecretDocument;
use pkcs8::der::pem::LineEnding;
use pkcs8::{EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef};
use wardlink_link::file::{self, FileError};
use wardlink_link::identity::{Identity, IdentityError};
use wardlink_wire::signature::SigningKey;
use zeroize::Zeroizing;

use crate::directory::identity_files;
use crate::passphrase::{Passphrase, PassphraseError};

/// Opens key files.
#[derive(Debug, Default)]
pub struct Keyring(Passphrase);

impl Keyring {
    /// With the passphrase from where the arguments say.
    #[must_use]
    pub const fn new(passphrase: Passphrase) -> Self {
        Self(passphrase)
    }

    /// A private key file as PKCS#8 in PEM, decrypted if it is encrypted.
    ///
    /// # Errors
    /// When the file cannot be read, is no key, or the passphrase does not fit.
    pub fn private_key(&self, path: &Path) -> Result<Zeroizing<String>, KeyringError> {
        let bytes = file::read_private(path)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| KeyringError::NoKey(path.to_owned()))?;
        let (label, document) =
            SecretDocument::from_pem(text).map_err(|_| KeyringError::NoKey(path.to_owned()))?;
        if label != ENCRYPTED {
            return Ok(Zeroizing::new(text.to_owned()));
        }
        let encrypted = EncryptedPrivateKeyInfoRef::try_from(document.as_bytes())
            .map_err(|_| KeyringError::NoKey(path.to_owned()))?;
        let opened = encrypted
            .decrypt(self.0.get()?)
            .map_err(|_| KeyringError::Passphrase(path.to_owned()))?;
        opened
            .to_pem(PLAIN, LineEnding::LF)
            .map_err(|_| KeyringError::NoKey(path.to_owned()))
    }

    /// The file form of a new key that takes the place of another: encrypted if that one is.
    ///
    /// # Errors
    /// As [`Self::private_key`], and when the library refuses.
    pub fn sealed_like(&self, path: &Path, pem: &str) -> Result<Zeroizing<String>, KeyringError> {
        let text = file::read_private(path)?;
        let is_encrypted = text.starts_with(b"-----BEGIN ENCRYPTED PRIVATE KEY-----");
        if is_encrypted {
            // A slip in the passphrase must not become the passphrase of the new key.
            self.private_key(path).map(drop)?;
        }
        sealed(pem, is_encrypted.then(|| self.0.get()).transpose()?)
    }

    /// A private signing key.
    ///
    /// # Errors
    /// As [`Self::private_key`], and when it is no Ed25519 key.
    pub fn signing_key(&self, path: &Path) -> Result<SigningKey, KeyringError> {
        let text = self.private_key(path)?;
        let none = || KeyringError::NoKey(path.to_owned());
        let (_, document) = SecretDocument::from_pem(&text).map_err(|_| none())?;
        SigningKey::from_pkcs8(document.as_bytes()).map_err(|_| none())
    }

    /// The TLS identity in the folder of the operator.
    ///
    /// # Errors
    /// As [`Self::private_key`], and when the files do not make an identity.
    pub fn identity(&self, folder: &Path) -> Result<Identity, KeyringError> {
        let files = identity_files(folder);
        let key = self.private_key(&files.key)?;
        Ok(Identity::with_key(&files, key.as_bytes())?)
    }
}

/// The file form of a private key (PKCS#8 in PEM), encrypted if there is a passphrase.
///
/// # Errors
/// When it is no such key, or the library refuses.
pub fn sealed(pem: &str, passphrase: Option<&[u8]>) -> Result<Zeroizing<String>, KeyringError> {
    let Some(passphrase) = passphrase else {
        return Ok(Zeroizing::new(pem.to_owned()));
    };
    let failed = || KeyringError::Encrypt;
    let (_, document) = SecretDocument::from_pem(pem).map_err(|_| failed())?;
    let key = PrivateKeyInfoRef::try_from(document.as_bytes()).map_err(|_| failed())?;
    let encrypted = key.encrypt(passphrase).map_err(|_| failed())?;
    encrypted
        .to_pem(ENCRYPTED, LineEnding::LF)
        .map_err(|_| failed())
}

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The passphrase cannot be had.
    #[error(transparent)]
    Ask(#[from] PassphraseError),
    /// Another passphrase.
    #[error("{}: the passphrase does not open this key", .0.display())]
    Passphrase(PathBuf),
    /// Something else.
    #[error("{}: holds no private key (PKCS#8 in PEM) of the right kind", .0.display())]
    NoKey(PathBuf),
    /// The file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The identity.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The library refused.
    #[error("the key could not be encrypted")]
    Encrypt,
}

const ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";
const PLAIN: &str = "PRIVATE KEY";
