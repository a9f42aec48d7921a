//! The file that `wardlink-agent enrol request` writes: two PEM blocks, the certificate signing request and
//! the public key that the grant is sealed to.

use std::path::{Path, PathBuf};

use wardlink_link::file::{self, FileError};
use wardlink_wire::SCHEMA;
use wardlink_wire::enrolment::{Proof, Request};

/// Reads the file.
pub(super) fn read(path: &Path) -> Result<Request, RequestFileError> {
    let bytes = file::read(path)?;
    let blocks = pem::parse_many(&bytes).map_err(|_| RequestFileError::No(path.to_owned()))?;
    let block = |label: &str| {
        let mut found = blocks.iter().filter(|block| block.tag() == label);
        match (found.next(), found.next()) {
            (Some(block), None) => Ok(block.contents().to_vec()),
            _ => Err(RequestFileError::No(path.to_owned())),
        }
    };
    Ok(Request {
        schema: SCHEMA,
        csr: block("CERTIFICATE REQUEST")?,
        sealing: block("WARDLINK SEALING KEY")?,
        proof: Proof::Person,
    })
}

/// Why a request was not read.
#[derive(Debug, thiserror::Error)]
pub enum RequestFileError {
    /// Something else.
    #[error("{}: not what `wardlink-agent enrol request` writes (one CERTIFICATE REQUEST and one WARDLINK SEALING KEY)", .0.display())]
    No(PathBuf),
    /// The file.
    #[error(transparent)]
    File(#[from] FileError),
}
