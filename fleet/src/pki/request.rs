//! Certificates on keys that were made elsewhere: PKCS#10 requests (RFC 2986).
//!
//! Promises that a request proves possession of its key, and that nothing in it but the key is taken over:
//! subject, uses and validity are the operator's words.

use aws_lc_rs::digest::{SHA256, digest};
use rcgen::{CertificateSigningRequestParams, PublicKeyData};
use rustls_pki_types::CertificateSigningRequestDer;

use super::{Authority, PkiError, Subject, Validity, hex, hex_serial};

/// A request whose signature held.
#[derive(Debug, Clone)]
pub struct Request(CertificateSigningRequestParams);

impl Request {
    /// Reads a request (DER).
    ///
    /// # Errors
    /// When it is none, its key is of a kind that is not issued here, or its signature does not hold.
    pub fn read(der: &[u8]) -> Result<Self, RequestError> {
        if der.len() > LARGEST {
            return Err(RequestError::Large);
        }
        let request = CertificateSigningRequestParams::from_der(
            &CertificateSigningRequestDer::from(der.to_vec()),
        );
        let request = request.map_err(|error| RequestError::Read(error.to_string()))?;
        if request.public_key.algorithm() != &rcgen::PKCS_ECDSA_P256_SHA256 {
            return Err(RequestError::Algorithm);
        }
        Ok(Self(request))
    }

    /// The public key, as it stands in the certificate.
    #[must_use]
    pub fn public_key(&self) -> Vec<u8> {
        self.0.public_key.der_bytes().to_vec()
    }
}

/// A new certificate on a key that is elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certified {
    /// PEM.
    pub certificate: String,
    /// Serial number in hexadecimal.
    pub serial: String,
    /// SHA-256 of the certificate (DER) in hexadecimal.
    pub fingerprint: String,
    /// The end, UTC, seconds since 1970-01-01.
    pub not_after: i64,
}

impl Authority {
    /// Certifies the key of a request.
    ///
    /// # Errors
    /// When the validity reaches past the authority's, or the library refuses.
    pub fn certify(
        &self,
        request: &Request,
        subject: &Subject,
        validity: Validity,
    ) -> Result<Certified, PkiError> {
        let mut request = request.0.clone();
        request.params = self.leaf(subject, validity)?;
        let serial = hex_serial(&request.params);
        let certificate = request.signed_by(&self.issuer)?;
        Ok(Certified {
            serial,
            fingerprint: hex(digest(&SHA256, certificate.der()).as_ref()),
            certificate: certificate.pem(),
            not_after: validity.not_after_seconds(),
        })
    }
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Larger than any.
    #[error("larger than any certificate signing request")]
    Large,
    /// Not a request, or its signature does not hold.
    #[error("cannot be believed: {0}")]
    Read(String),
    /// Another kind of key.
    #[error("its key is not ECDSA P-256")]
    Algorithm,
}

const LARGEST: usize = 4096;
