//! The fleet's certificates: one authority, and what it issues to brokers and clients.
//!
//! Owns [`Authority`]. Promises X.509 v3 certificates as RFC 5280 wants them: ECDSA P-256 keys, random
//! serials, subject and authority key identifiers, exactly one extended use, and an explicit validity that
//! lies within the authority's. A client's subject is its common name and nothing else, because brokers
//! read more into other parts. Knows no files and no clock.

mod request;
mod revocation;

use std::fmt;
use std::net::IpAddr;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand;
use pem::{EncodeConfig, LineEnding, Pem, encode_config};
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType, SerialNumber,
};
pub use request::{Certified, Request, RequestError};
pub use revocation::Revoked;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use time::OffsetDateTime;
use wardlink_wire::signature::{KeyError, SigningKey, VerifyingKey};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};
use zeroize::Zeroizing;

/// A certificate authority with its private key.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
    validity: Validity,
}

impl Authority {
    /// Makes a new authority that signs itself.
    ///
    /// # Errors
    /// When the library refuses or the system has no randomness.
    pub fn generate(common_name: &str, validity: Validity) -> Result<Self, PkiError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut parameters = parameters(common_name, validity)?;
        // Signs leaves only: no intermediate authority can be slipped in below it.
        parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = parameters.self_signed(&key)?.pem();
        Ok(Self {
            issuer: Issuer::new(parameters, key),
            certificate,
            validity,
        })
    }

    /// Reads an authority back.
    ///
    /// # Errors
    /// When certificate or key cannot be read, or do not belong together.
    pub fn from_pem(certificate: &str, key: &str) -> Result<Self, PkiError> {
        let key = KeyPair::from_pem(key).map_err(|_| PkiError::AuthorityKey)?;
        let der = CertificateDer::from_pem_slice(certificate.as_bytes())
            .map_err(|_| PkiError::AuthorityCertificate)?;
        let (_, parsed) =
            X509Certificate::from_der(&der).map_err(|_| PkiError::AuthorityCertificate)?;
        if !parsed.is_ca() {
            return Err(PkiError::AuthorityCertificate);
        }
        let mine: &[u8] = &parsed.public_key().subject_public_key.data;
        if mine != key.public_key_raw() {
            return Err(PkiError::AuthorityPair);
        }
        let validity = Validity {
            not_before: parsed.validity().not_before.to_datetime(),
            not_after: parsed.validity().not_after.to_datetime(),
        };
        Ok(Self {
            issuer: Issuer::from_ca_cert_der(&der, key)?,
            certificate: certificate.to_owned(),
            validity,
        })
    }

    /// The certificate, PEM.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// The private key, PKCS#8 in PEM.
    #[must_use]
    pub fn key(&self) -> Zeroizing<String> {
        Zeroizing::new(self.issuer.key().serialize_pem())
    }

    /// Issues a certificate on a key made for it.
    ///
    /// # Errors
    /// When the validity reaches past the authority's, or the library refuses.
    pub fn issue(&self, subject: &Subject, validity: Validity) -> Result<Issued, PkiError> {
        let parameters = self.leaf(subject, validity)?;
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let serial = hex_serial(&parameters);
        let certificate = parameters.signed_by(&key, &self.issuer)?;
        Ok(Issued {
            serial,
            fingerprint: hex(digest(&SHA256, certificate.der()).as_ref()),
            certificate: certificate.pem(),
            key: Zeroizing::new(key.serialize_pem()),
            not_after: validity.not_after_seconds(),
        })
    }

    /// What stands in the certificate of a subject, whoever has its key.
    fn leaf(&self, subject: &Subject, validity: Validity) -> Result<CertificateParams, PkiError> {
        if validity.not_after > self.validity.not_after {
            return Err(PkiError::PastAuthority(self.validity.not_after_seconds()));
        }
        let mut parameters = parameters(subject.common_name(), validity)?;
        parameters.is_ca = IsCa::ExplicitNoCa;
        parameters.use_authority_key_identifier_extension = true;
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![match subject {
            Subject::Client(_) => ExtendedKeyUsagePurpose::ClientAuth,
            Subject::Server { .. } => ExtendedKeyUsagePurpose::ServerAuth,
        }];
        if let Subject::Server { names, .. } = subject {
            parameters.subject_alt_names = names
                .iter()
                .map(|name| alternative(name))
                .collect::<Result<_, _>>()?;
        }
        Ok(parameters)
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authority(***)")
    }
}

/// For whom a certificate is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A TLS client with this common name.
    Client(String),
    /// A TLS server.
    Server {
        /// Its common name, for people.
        common_name: String,
        /// The names and addresses that clients may reach it by.
        names: Vec<String>,
    },
}

impl Subject {
    /// The common name.
    #[must_use]
    pub fn common_name(&self) -> &str {
        match self {
            Self::Client(common_name) | Self::Server { common_name, .. } => common_name,
        }
    }
}

/// From when until when a certificate holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
}

impl Validity {
    /// From a few minutes before `now` (UTC seconds), because no two clocks agree, for so many days.
    ///
    /// # Errors
    /// When the end lies beyond what a certificate can say.
    pub fn days_from(now: i64, days: u32) -> Result<Self, PkiError> {
        let end = now.saturating_add(i64::from(days) * DAY);
        let at =
            |utc| OffsetDateTime::from_unix_timestamp(utc).map_err(|_| PkiError::TooLong(days));
        Ok(Self {
            not_before: at(now.saturating_sub(BACKDATED))?,
            not_after: at(end)?,
        })
    }

    /// From a few minutes before `now` until `end`, both UTC seconds.
    ///
    /// # Errors
    /// When one of them lies beyond what a certificate can say.
    pub fn until(now: i64, end: i64) -> Result<Self, PkiError> {
        let at = |utc| OffsetDateTime::from_unix_timestamp(utc).map_err(|_| PkiError::TooLong(0));
        Ok(Self {
            not_before: at(now.saturating_sub(BACKDATED))?,
            not_after: at(end)?,
        })
    }

    /// The end, UTC, seconds since 1970-01-01.
    #[must_use]
    pub const fn not_after_seconds(&self) -> i64 {
        self.not_after.unix_timestamp()
    }
}

/// A new certificate and its private key.
pub struct Issued {
    /// PEM.
    pub certificate: String,
    /// PKCS#8 in PEM.
    pub key: Zeroizing<String>,
    /// Serial number in hexadecimal.
    pub serial: String,
    /// SHA-256 of the certificate (DER) in hexadecimal.
    pub fingerprint: String,
    /// The end, UTC, seconds since 1970-01-01.
    pub not_after: i64,
}

impl Issued {
    /// The certificate alone, for the list of those that were issued.
    #[must_use]
    pub fn without_key(&self) -> Certified {
        Certified {
            certificate: self.certificate.clone(),
            serial: self.serial.clone(),
            fingerprint: self.fingerprint.clone(),
            not_after: self.not_after,
        }
    }
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Issued({})", self.fingerprint)
    }
}

/// The PEM form (PKCS#8) of a signing key.
///
/// # Errors
/// When the library refuses.
pub fn signing_key_pem(key: &SigningKey) -> Result<Zeroizing<String>, PkiError> {
    Ok(Zeroizing::new(block("PRIVATE KEY", key.to_pkcs8()?)))
}

/// The PEM form (SubjectPublicKeyInfo) of a verifying key.
#[must_use]
pub fn verifying_key_pem(key: &VerifyingKey) -> String {
    block("PUBLIC KEY", key.to_spki())
}

/// 32 random bytes for a symmetric key.
///
/// # Errors
/// When the system gives none.
pub fn symmetric_key() -> Result<Zeroizing<[u8; 32]>, PkiError> {
    let mut key = Zeroizing::new([0; 32]);
    rand::fill(key.as_mut_slice()).map_err(|_| PkiError::Randomness)?;
    Ok(key)
}

/// The names and addresses that a server's certificate (PEM) holds for.
///
/// # Errors
/// When it is no certificate, or holds for something else too.
pub fn names(certificate: &str) -> Result<Vec<String>, PkiError> {
    let der = CertificateDer::from_pem_slice(certificate.as_bytes())
        .map_err(|_| PkiError::AuthorityCertificate)?;
    let (_, parsed) =
        X509Certificate::from_der(&der).map_err(|_| PkiError::AuthorityCertificate)?;
    let names = parsed
        .subject_alternative_name()
        .map_err(|_| PkiError::AuthorityCertificate)?;
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match <[u8; 4]>::try_from(*bytes) {
            Ok(four) => Some(IpAddr::from(four).to_string()),
            Err(_) => Some(IpAddr::from(<[u8; 16]>::try_from(*bytes).ok()?).to_string()),
        },
        _ => None,
    };
    let found: Option<Vec<String>> =
        names.and_then(|names| names.value.general_names.iter().map(name).collect());
    found.ok_or(PkiError::AuthorityCertificate)
}

/// SHA-256 of a certificate (PEM) for people to compare: eight groups of four digits.
///
/// # Errors
/// When it is none.
pub fn fingerprint(certificate: &str) -> Result<String, PkiError> {
    let der = CertificateDer::from_pem_slice(certificate.as_bytes())
        .map_err(|_| PkiError::AuthorityCertificate)?;
    let sum = digest(&SHA256, &der);
    let groups = sum.as_ref().chunks(2).take(8).map(hex);
    Ok(groups.collect::<Vec<_>>().join("-"))
}

/// Bytes in hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn parameters(common_name: &str, validity: Validity) -> Result<CertificateParams, PkiError> {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = DistinguishedName::new();
    parameters
        .distinguished_name
        .push(DnType::CommonName, common_name);
    parameters.not_before = validity.not_before;
    parameters.not_after = validity.not_after;
    parameters.serial_number = Some(serial()?);
    Ok(parameters)
}

fn hex_serial(parameters: &CertificateParams) -> String {
    let serial = parameters
        .serial_number
        .as_ref()
        .map(SerialNumber::to_bytes);
    hex(&serial.unwrap_or_default())
}

/// 16 random bytes, made a positive number without leading zeros (RFC 5280 section 4.1.2.2).
fn serial() -> Result<SerialNumber, PkiError> {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).map_err(|_| PkiError::Randomness)?;
    if let Some(first) = bytes.first_mut() {
        *first = (*first & 0x7f) | 0x40;
    }
    Ok(SerialNumber::from_slice(&bytes))
}

fn alternative(name: &str) -> Result<SanType, PkiError> {
    match name.parse::<IpAddr>() {
        Ok(address) => Ok(SanType::IpAddress(address)),
        Err(_) => Ok(SanType::DnsName(Ia5String::try_from(name)?)),
    }
}

fn block(label: &str, der: Vec<u8>) -> String {
    encode_config(
        &Pem::new(label, der),
        EncodeConfig::new().set_line_ending(LineEnding::LF),
    )
}

/// Why a certificate or key was not made.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// The library refused.
    #[error("certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// A signing key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A certificate signing request.
    #[error("certificate request: {0}")]
    Request(#[from] RequestError),
    /// A serial number that is none.
    #[error("{0:?} is not the serial number of a certificate")]
    Serial(String),
    /// No random bytes.
    #[error("the system gives no random bytes")]
    Randomness,
    /// Not the certificate of an authority.
    #[error("ca.pem holds no certificate of a certificate authority")]
    AuthorityCertificate,
    /// Not a key.
    #[error("ca.key holds no private key of a certificate authority")]
    AuthorityKey,
    /// Key and certificate of different authorities.
    #[error("ca.key does not belong to ca.pem")]
    AuthorityPair,
    /// Longer than the authority itself holds.
    #[error("the fleet CA ends on {}: ask for fewer --days", crate::clock::text_of_seconds(*.0))]
    PastAuthority(i64),
    /// Beyond the calendar.
    #[error("{0} days reach past what a certificate can say")]
    TooLong(u32),
}

/// Clocks of gateways and brokers may be this far behind, seconds.
const BACKDATED: i64 = 5 * 60;
const DAY: i64 = 24 * 60 * 60;

#[cfg(test)]
mod tests;
