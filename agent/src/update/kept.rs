//! The applied bundle on disk: signed as it came, and verified again at every start.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use wardlink_wire::bundle::BundleError;
use wardlink_wire::document::Faults;
use wardlink_wire::id::GatewayId;
use wardlink_wire::profile::Profile;
use wardlink_wire::root::Trust;

/// A profile that a bundle brought.
#[derive(Debug)]
pub struct Kept {
    /// Its version: no bundle up to this one is taken any more.
    pub version: u64,
    /// SHA-256 of the bundle.
    pub digest: Vec<u8>,
    /// The profile.
    pub profile: Profile,
}

impl Kept {
    /// Reads the applied bundle, if there is one.
    ///
    /// An expired bundle holds on: expiry decides about taking it, not about keeping it.
    ///
    /// # Errors
    /// When there is one and it cannot be read, does not verify, or is another gateway's.
    pub fn read(
        folder: &Path,
        gateway: &GatewayId,
        operators: &Trust,
    ) -> Result<Option<Self>, KeptError> {
        let path = folder.join(APPLIED);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(KeptError::Io { path, error }),
        };
        let bundle = super::opened(&bytes, operators).map_err(|error| KeptError::Bundle {
            path: path.clone(),
            error,
        })?;
        let manifest = bundle.manifest();
        if manifest.gateway != *gateway {
            return Err(KeptError::OtherGateway(path));
        }
        let profile = Profile::parse(&manifest.profile)
            .map_err(|faults| KeptError::Profile { path, faults })?;
        Ok(Some(Self {
            version: manifest.version.number,
            digest: digest::digest(&digest::SHA256, &bytes).as_ref().to_vec(),
            profile,
        }))
    }

    /// Replaces the applied bundle: after a power cut, the old or the new one is there, whole.
    ///
    /// # Errors
    /// When the system refuses; the old one stays.
    pub fn write(folder: &Path, bundle: &[u8]) -> Result<(), KeptError> {
        let (new, path) = (folder.join(NEW), folder.join(APPLIED));
        let written = || -> io::Result<()> {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)?;
            let mut options = OpenOptions::new();
            let mut file = options
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&new)?;
            file.write_all(bundle)?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            File::open(folder)?.sync_all()
        };
        written().map_err(|error| KeptError::Io {
            path: path.clone(),
            error,
        })
    }
}

/// Why the applied bundle is of no use.
#[derive(Debug, thiserror::Error)]
pub enum KeptError {
    /// The system refused.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// It is not believed any more.
    #[error("{}: {error}", path.display())]
    Bundle {
        /// The file.
        path: PathBuf,
        /// Why.
        error: BundleError,
    },
    /// It came with somebody else's folder.
    #[error("{}: this bundle is for another gateway", .0.display())]
    OtherGateway(PathBuf),
    /// This agent does not understand it.
    #[error("{}: {faults}", path.display())]
    Profile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        faults: Faults,
    },
}

const APPLIED: &str = "applied.cose";
const NEW: &str = "applied.cose.new";
