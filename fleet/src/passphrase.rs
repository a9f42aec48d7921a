//! The passphrase of a fleet's private keys: from a file, from a file descriptor, or from the person at the
//! terminal, without echo.
//!
//! Promises that it is asked for only when a key needs it and at most once, and that it is wiped from memory.
//! Refuses to read it from the command line or the environment, which others on the machine can see.

use std::cell::OnceCell;
use std::io;
use std::path::PathBuf;

use clap::Args;
use wardlink_link::file::{self, FileError};
use zeroize::Zeroizing;

/// Where the passphrase comes from; from the terminal if nothing is named.
#[derive(Debug, Clone, Default, Args)]
pub struct PassphraseArguments {
    /// Read the passphrase of the fleet's keys from the first line of a file that only you can read
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase_fd")]
    pub passphrase_file: Option<PathBuf>,
    /// Read the passphrase of the fleet's keys from an open file descriptor
    #[arg(long, value_name = "NUMBER")]
    pub passphrase_fd: Option<u16>,
}

/// A passphrase that is looked for when it is first needed.
#[derive(Debug, Default)]
pub struct Passphrase {
    arguments: PassphraseArguments,
    known: OnceCell<Secret>,
}

impl Passphrase {
    /// One that comes from where the arguments say.
    #[must_use]
    pub const fn from(arguments: PassphraseArguments) -> Self {
        Self {
            arguments,
            known: OnceCell::new(),
        }
    }

    /// The passphrase of keys that exist.
    ///
    /// # Errors
    /// When it cannot be read, or nobody can be asked.
    pub fn get(&self) -> Result<&[u8], PassphraseError> {
        if let Some(known) = self.known.get() {
            return Ok(&known.0);
        }
        let found = self.read("Passphrase of the fleet's keys: ")?;
        Ok(&self.known.get_or_init(|| found).0)
    }

    /// The passphrase for keys that are made now: asked for twice on a terminal, and not too short.
    ///
    /// # Errors
    /// As [`Self::get`], and when it is short or was not repeated.
    pub fn choose(&self) -> Result<&[u8], PassphraseError> {
        let found = self.read("Passphrase for the fleet's keys: ")?;
        if found.0.len() < LEAST {
            return Err(PassphraseError::Short);
        }
        if self.is_asked() && self.read("Again: ")?.0 != found.0 {
            return Err(PassphraseError::Different);
        }
        Ok(&self.known.get_or_init(|| found).0)
    }

    const fn is_asked(&self) -> bool {
        self.arguments.passphrase_file.is_none() && self.arguments.passphrase_fd.is_none()
    }

    fn read(&self, prompt: &str) -> Result<Secret, PassphraseError> {
        let text = match (
            &self.arguments.passphrase_file,
            self.arguments.passphrase_fd,
        ) {
            (Some(path), _) => file::read_private(path)?,
            (None, Some(number)) => {
                let path = PathBuf::from(format!("/proc/self/fd/{number}"));
                Zeroizing::new(file::read(&path)?)
            }
            (None, None) => {
                let typed = rpassword::prompt_password(prompt).map_err(PassphraseError::Nobody)?;
                Zeroizing::new(typed.into_bytes())
            }
        };
        let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
        Ok(Secret(Zeroizing::new(line.to_vec())))
    }
}

struct Secret(Zeroizing<Vec<u8>>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// Why there is no passphrase.
#[derive(Debug, thiserror::Error)]
pub enum PassphraseError {
    /// The file or descriptor.
    #[error("passphrase: {0}")]
    File(#[from] FileError),
    /// No terminal.
    #[error(
        "the fleet's keys need a passphrase, and there is no terminal to ask on ({0}): name --passphrase-file or --passphrase-fd"
    )]
    Nobody(io::Error),
    /// A short one.
    #[error("a passphrase of fewer than {LEAST} bytes can be guessed: choose a longer one")]
    Short,
    /// A slip.
    #[error("the two passphrases differ: nothing was made")]
    Different,
}

/// What stands between a stolen disk and the fleet's authority has to be long.
const LEAST: usize = 12;
