//! Whom a party believes: a server of the pinned CA, under the name it was asked for, not revoked, and valid
//! at a time that can be.
//!
//! A revocation list that was to be replaced by now still counts: what it revokes stays revoked, and a fleet
//! does not fall silent because nobody renewed a file. It is said in the log at each connection.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::{DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, ServerName, UnixTime};
use x509_parser::prelude::{CertificateRevocationList, FromDer, X509Certificate};

use super::{Files, IdentityError, certificates};
use crate::file::{self, FileError};
use crate::floor;

/// The verifier that these files make.
pub(super) fn verifier(
    files: &Files,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, IdentityError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&files.ca)? {
        roots
            .add(certificate)
            .map_err(|error| IdentityError::trust(&files.ca, &error))?;
    }
    let builder =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    let Some(crl) = &files.crl else {
        let inner = builder.build();
        let inner = inner.map_err(|error| IdentityError::trust(&files.ca, &error))?;
        return Ok(Arc::new(Verifier(inner)));
    };
    let inner = builder.with_crls(revocation_lists(crl)?).build();
    let inner = inner.map_err(|error| IdentityError::Revocation {
        path: crl.clone(),
        reason: error.to_string(),
    })?;
    Ok(Arc::new(Verifier(inner)))
}

fn revocation_lists(
    path: &Path,
) -> Result<Vec<CertificateRevocationListDer<'static>>, IdentityError> {
    let pem = file::read(path)?;
    let lists: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(&pem).collect();
    let lists = lists.ok().filter(|lists| !lists.is_empty());
    let lists = lists.ok_or_else(|| FileError::NoPem {
        path: path.to_owned(),
        wanted: "X509 CRL",
    })?;
    for list in &lists {
        let read = CertificateRevocationList::from_der(list.as_ref());
        let next = read.ok().and_then(|(_, list)| list.next_update());
        if next.is_some_and(|next| next.timestamp() < floor::judged_at(now())) {
            tracing::warn!(
                "{}: this revocation list was to be replaced by now; what it revokes stays revoked",
                path.display()
            );
        }
    }
    Ok(lists)
}

/// A clock that was never set knows nothing; the certificate's own beginning, which the fleet's authority has
/// signed, does: it is at least as late as that.
fn judged_at(now: UnixTime, certificate: &CertificateDer<'_>) -> UnixTime {
    let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let mut at = floor::judged_at(seconds);
    if floor::is_unset(seconds) {
        let begins = X509Certificate::from_der(certificate)
            .map(|(_, read)| read.validity().not_before.timestamp());
        at = at.max(begins.unwrap_or(at));
    }
    UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(at).unwrap_or(0)))
}

fn now() -> i64 {
    i64::try_from(UnixTime::now().as_secs()).unwrap_or(i64::MAX)
}

/// The library's verifier, asked at a time that can be.
struct Verifier(Arc<WebPkiServerVerifier>);

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier")
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let at = judged_at(now, end_entity);
        self.0
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, at)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
