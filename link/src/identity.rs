//! Who a party is and whom it believes: CA, certificate and key, and the TLS made of them.
//!
//! Promises that an [`Identity`] is usable: its key belongs to its certificate, its certificate names
//! somebody. An expired certificate loads all the same and says when it ended, because recording must go
//! on; the peer will refuse it. TLS is 1.3 only, the server is verified against the given CA and nothing
//! else, and no session is ever resumed, so that a renewed certificate is the one that is shown.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore};
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
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&files.ca)? {
        roots
            .add(certificate)
            .map_err(|error| IdentityError::trust(&files.ca, &error))?;
    }
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .map_err(|error| IdentityError::trust(&files.ca, &error))?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| IdentityError::trust(&files.ca, &error))?
        .with_webpki_verifier(verifier)
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
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair};

    struct Made {
        folder: tempfile::TempDir,
        files: Files,
    }

    /// A self-signed party; the days are counted from 1970-01-01.
    fn made(begins: i64, ends: i64) -> Made {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "gw-7");
        params.not_before = x509_time(begins);
        params.not_after = x509_time(ends);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let files = Files {
            ca: folder.path().join("ca.pem"),
            certificate: folder.path().join("gw.pem"),
            key: folder.path().join("gw.key"),
        };
        file::write(&files.ca, certificate.pem().as_bytes()).unwrap();
        file::write(&files.certificate, certificate.pem().as_bytes()).unwrap();
        file::write_private(&files.key, key.serialize_pem().as_bytes()).unwrap();
        Made { folder, files }
    }

    fn x509_time(days: i64) -> ::time::OffsetDateTime {
        ::time::OffsetDateTime::UNIX_EPOCH + ::time::Duration::days(days)
    }

    #[test]
    fn an_expired_certificate_still_loads_and_says_when_it_ended() {
        let made = made(10_000, 10_001);
        let identity = Identity::load(&made.files).unwrap();
        assert_eq!(identity.common_name(), "gw-7");
        assert_eq!(identity.not_after(), 10_001 * 86_400);
    }

    #[test]
    fn the_key_of_another_certificate_is_refused_by_name() {
        let (ours, theirs) = (made(0, 40_000), made(0, 40_000));
        let files = Files {
            key: theirs.files.key,
            ..ours.files
        };
        let said = Identity::load(&files).unwrap_err().to_string();
        assert!(said.contains("gw.key is not the key of"), "{said}");
    }

    #[test]
    fn missing_and_garbled_files_are_named() {
        let made = made(0, 40_000);
        std::fs::write(&made.files.ca, "nonsense").unwrap();
        let said = Identity::load(&made.files).unwrap_err().to_string();
        assert!(said.contains("ca.pem"), "{said}");
        std::fs::remove_file(&made.files.certificate).unwrap();
        let said = Identity::load(&made.files).unwrap_err().to_string();
        assert!(said.contains("gw.pem"), "{said}");
        drop(made.folder);
    }
}
