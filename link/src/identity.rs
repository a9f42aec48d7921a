//! Who a party is and whom it believes: CA, certificate and key, and the TLS made of them.
//!
//! Promises that an [`Identity`] is usable: its key belongs to its certificate, its certificate names
//! somebody. An expired certificate loads all the same and says when it ended, because recording must go
//! on; the peer will refuse it. TLS is 1.3 only, the server is verified against the given CA and revocation
//! list and nothing else, and no session is ever resumed, so that a renewed certificate is the one that is
//! shown.

mod verifier;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::file::{self, FileError};

/// The files of one party, all PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// The fleet's certificate authority.
    pub ca: PathBuf,
    /// The party's certificate, followed by intermediate ones if there are any.
    pub certificate: PathBuf,
    /// The party's private key; nobody else may read the file.
    pub key: PathBuf,
    /// Certificates that the fleet's CA has taken back (RFC 5280 section 5). If a file is named, it must be
    /// there: without it there is no identity.
    pub crl: Option<PathBuf>,
}

/// A party that can prove who it is.
#[derive(Clone)]
pub struct Identity {
    common_name: String,
    not_before: i64,
    not_after: i64,
    tls: Arc<ClientConfig>,
}

impl Identity {
    /// Reads and checks the files.
    ///
    /// # Errors
    /// When a file is missing, exposed or no PEM, when key and certificate do not belong together, or when
    /// the certificate names nobody.
    pub fn load(files: &Files) -> Result<Self, IdentityError> {
        Self::with_key(files, &file::read_private(&files.key)?)
    }

    /// The same with a private key (PEM) that was read, and perhaps decrypted, before.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn with_key(files: &Files, key: &[u8]) -> Result<Self, IdentityError> {
        let chain = certificates(&files.certificate)?;
        let leaf = chain
            .first()
            .ok_or_else(|| IdentityError::no_certificate(&files.certificate))?;
        let facts = LeafFacts::read(leaf)
            .ok_or_else(|| IdentityError::no_certificate(&files.certificate))?;
        let certified = certified_key(files, key, chain.clone())?;
        let tls = client_config(files, certified)?;
        Ok(Self {
            common_name: facts.common_name,
            not_before: facts.not_before,
            not_after: facts.not_after,
            tls: Arc::new(tls),
        })
    }

    /// The common name of the certificate: a gateway's id.
    #[must_use]
    pub fn common_name(&self) -> &str {
        &self.common_name
    }

    /// When the certificate begins, UTC, seconds since 1970-01-01.
    #[must_use]
    pub const fn not_before(&self) -> i64 {
        self.not_before
    }

    /// When the certificate ends, UTC, seconds since 1970-01-01.
    #[must_use]
    pub const fn not_after(&self) -> i64 {
        self.not_after
    }

    /// The TLS client that shows this certificate.
    #[must_use]
    pub fn tls(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.tls)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.common_name)
    }
}

struct LeafFacts {
    common_name: String,
    not_before: i64,
    not_after: i64,
}

impl LeafFacts {
    fn read(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (_, leaf) = X509Certificate::from_der(certificate).ok()?;
        let common_name = leaf
            .subject()
            .iter_common_name()
            .next()?
            .as_str()
            .ok()?
            .to_owned();
        Some(Self {
            common_name,
            not_before: leaf.validity().not_before.timestamp(),
            not_after: leaf.validity().not_after.timestamp(),
        })
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let pem = file::read(path)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(IdentityError::no_certificate(path)),
    }
}

fn certified_key(
    files: &Files,
    pem: &[u8],
    chain: Vec<CertificateDer<'static>>,
) -> Result<CertifiedKey, IdentityError> {
    let key = PrivateKeyDer::from_pem_slice(pem).map_err(|_| FileError::NoPem {
        path: files.key.clone(),
        wanted: "PRIVATE KEY",
    })?;
    let signer =
        aws_lc_rs::sign::any_supported_type(&key).map_err(|error| IdentityError::UnusableKey {
            path: files.key.clone(),
            error,
        })?;
    let certified = CertifiedKey::new(chain, signer);
    certified
        .keys_match()
        .map_err(|_| IdentityError::Mismatch {
            certificate: files.certificate.clone(),
            key: files.key.clone(),
        })?;
    Ok(certified)
}

fn client_config(files: &Files, certified: CertifiedKey) -> Result<ClientConfig, IdentityError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = verifier::verifier(files, &provider)?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| IdentityError::trust(&files.ca, &error))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// No certificate in the file, or one without a common name.
    #[error("{}: holds no X.509 certificate in PEM that names its subject", .0.display())]
    NoCertificate(PathBuf),
    /// A key of a kind that TLS cannot use.
    #[error("{}: key cannot be used: {error}", path.display())]
    UnusableKey {
        /// The file.
        path: PathBuf,
        /// What the library said.
        error: rustls::Error,
    },
    /// Two files of different parties.
    #[error("{} is not the key of {}", key.display(), certificate.display())]
    Mismatch {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
    },
    /// A revocation list that cannot be used.
    #[error("{}: cannot be used as revocation list: {reason}", path.display())]
    Revocation {
        /// The file.
        path: PathBuf,
        /// What the library said.
        reason: String,
    },
    /// A CA that cannot be believed.
    #[error("{}: cannot be used as certificate authority: {reason}", path.display())]
    Trust {
        /// The file.
        path: PathBuf,
        /// What the library said.
        reason: String,
    },
}

impl IdentityError {
    fn no_certificate(path: &Path) -> Self {
        Self::NoCertificate(path.to_owned())
    }

    fn trust(path: &Path, error: &dyn fmt::Display) -> Self {
        Self::Trust {
            path: path.to_owned(),
            reason: error.to_string(),
        }
    }
}

#[cfg(test)]
mod tests;
