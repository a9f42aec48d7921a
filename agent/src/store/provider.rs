//! Where the store key comes from.
//!
//! Owns the trait behind which a key is kept, and the two places for it that need no special hardware: a
//! private file, and a credential that systemd hands over. Promises that a rotation which was begun is
//! known to the next start, and that the old key is destroyed last. Overwriting a file erases nothing on
//! flash: whoever must be certain keeps the key in a credential sealed to a TPM.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use aws_lc_rs::rand;
use wardlink_link::file::{self, FileError};
use zeroize::Zeroizing;

use super::key::{KEY, StoreKey};

/// Keeps the key of a store.
pub trait KeyProvider: fmt::Debug + Send + Sync {
    /// The keys it has now.
    ///
    /// # Errors
    /// When there is none, or it cannot be had.
    fn keys(&self) -> Result<Keys, KeyError>;

    /// Draws the key that comes next and keeps it durably beside the current one.
    ///
    /// # Errors
    /// When it cannot be kept. The current key stays what it is.
    fn draw_next(&self) -> Result<(), KeyError>;

    /// Destroys the current key: the next one takes its place. Only after nothing needs it any more.
    ///
    /// # Errors
    /// When it cannot be destroyed from here. Both stay, and the store goes on with the next one.
    fn destroy_current(&self) -> Result<(), KeyError>;
}

/// What a provider has.
#[derive(Debug, Clone)]
pub struct Keys {
    /// The key the store was sealed with so far.
    pub current: StoreKey,
    /// The key of a rotation that was begun: everything new is sealed with it.
    pub next: Option<StoreKey>,
}

/// A key that never changes.
impl KeyProvider for StoreKey {
    fn keys(&self) -> Result<Keys, KeyError> {
        Ok(Keys {
            current: self.clone(),
            next: None,
        })
    }

    fn draw_next(&self) -> Result<(), KeyError> {
        Err(KeyError::Fixed)
    }

    fn destroy_current(&self) -> Result<(), KeyError> {
        Err(KeyError::Fixed)
    }
}

/// A private file of 64 hexadecimal digits; the next key lies beside it, with `.next` behind its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFile(PathBuf);

impl KeyFile {
    /// The file.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    fn next(&self) -> PathBuf {
        let mut name = self.0.clone().into_os_string();
        name.push(NEXT);
        name.into()
    }

    fn sync_folder(&self) -> Result<(), KeyError> {
        let folder = self.0.parent().filter(|path| !path.as_os_str().is_empty());
        let folder = folder.unwrap_or_else(|| Path::new("."));
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|error| KeyError::io("sync the folder of", &self.0, error))
    }
}

impl KeyProvider for KeyFile {
    fn keys(&self) -> Result<Keys, KeyError> {
        read(&self.0, &self.next())
    }

    fn draw_next(&self) -> Result<(), KeyError> {
        let next = self.next();
        if next.exists() {
            return Ok(());
        }
        let mut key = Zeroizing::new([0; KEY]);
        rand::fill(key.as_mut_slice()).map_err(|_| KeyError::Randomness)?;
        // Whole under its name or not there: half a key would be taken for a wrong one.
        let mut begun = next.clone().into_os_string();
        begun.push(BEGUN);
        let begun = PathBuf::from(begun);
        match std::fs::remove_file(&begun) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(KeyError::io("remove", &begun, error));
            }
            _ => {}
        }
        file::write_private(&begun, file::key_text(&key).as_bytes())?;
        std::fs::rename(&begun, &next).map_err(|error| KeyError::io("rename", &begun, error))?;
        self.sync_folder()
    }

    fn destroy_current(&self) -> Result<(), KeyError> {
        let next = self.next();
        std::fs::rename(&next, &self.0).map_err(|error| KeyError::io("rename", &next, error))?;
        self.sync_folder()
    }
}

/// A systemd credential (`LoadCredential=`); the next key is one more of them, with `-next` behind its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential(PathBuf);

impl Credential {
    /// The credential of this name, if this process was given one.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        let folder = std::env::var_os("CREDENTIALS_DIRECTORY")?;
        let path = Path::new(&folder).join(name);
        path.exists().then_some(Self(path))
    }
}

impl KeyProvider for Credential {
    fn keys(&self) -> Result<Keys, KeyError> {
        let mut next = self.0.clone().into_os_string();
        next.push("-next");
        read(&self.0, Path::new(&next))
    }

    fn draw_next(&self) -> Result<(), KeyError> {
        Err(KeyError::Credential(self.0.clone()))
    }

    fn destroy_current(&self) -> Result<(), KeyError> {
        Err(KeyError::Credential(self.0.clone()))
    }
}

fn read(current: &Path, next: &Path) -> Result<Keys, KeyError> {
    let key = |path| file::read_key(path).map(|key| StoreKey::from_bytes(*key));
    let next = match next.exists() {
        true => Some(key(next)?),
        false => None,
    };
    let current = key(current)?;
    Ok(Keys { current, next })
}

/// Why a key cannot be had, made or destroyed.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A file that is no key, or not private.
    #[error(transparent)]
    File(#[from] FileError),
    /// The system refused.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was attempted.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Credentials belong to systemd.
    #[error(
        "the store key is the credential {}, which only systemd can change: hand the new key over as a \
         second credential with -next behind its name, restart, and afterwards hand over the new key alone",
        .0.display()
    )]
    Credential(PathBuf),
    /// The key was given as bytes.
    #[error("this store key cannot be replaced: it is kept nowhere")]
    Fixed,
    /// No random bytes.
    #[error("the system gives no random bytes, so no key can be drawn")]
    Randomness,
}

impl KeyError {
    fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        Self::Io {
            doing,
            path,
            source,
        }
    }
}

const NEXT: &str = ".next";
const BEGUN: &str = ".begun";
