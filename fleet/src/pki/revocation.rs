//! The list of certificates that count no more (RFC 5280 section 5).

use rcgen::{
    CertificateRevocationListParams, KeyIdMethod, RevocationReason, RevokedCertParams, SerialNumber,
};
use time::OffsetDateTime;

use super::{Authority, PkiError};

/// One certificate on the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoked {
    /// Serial number in hexadecimal.
    pub serial: String,
    /// When it was revoked, UTC, seconds since 1970-01-01.
    pub at: i64,
}

impl Authority {
    /// Signs the list (PEM).
    ///
    /// It holds as long as the authority does: a list that ran out would lock every gateway out, which
    /// is worse for a ward than one that is replaced late.
    ///
    /// # Errors
    /// When a serial number is none, or the library refuses.
    pub fn revocation_list(&self, revoked: &[Revoked], now: i64) -> Result<String, PkiError> {
        let at = |utc| {
            OffsetDateTime::from_unix_timestamp(utc)
                .map_err(|_| PkiError::PastAuthority(self.validity.not_after_seconds()))
        };
        let entry = |revoked: &Revoked| {
            Ok(RevokedCertParams {
                serial_number: serial(&revoked.serial)?,
                revocation_time: at(revoked.at)?,
                reason_code: Some(RevocationReason::CessationOfOperation),
                invalidity_date: None,
            })
        };
        let list = CertificateRevocationListParams {
            this_update: at(now.saturating_sub(super::BACKDATED))?,
            next_update: self.validity.not_after,
            // Rises with every list, because time does.
            crl_number: SerialNumber::from(u64::try_from(now).unwrap_or(0)),
            issuing_distribution_point: None,
            revoked_certs: revoked.iter().map(entry).collect::<Result<_, PkiError>>()?,
            key_identifier_method: KeyIdMethod::Sha256,
        };
        Ok(list.signed_by(&self.issuer)?.pem()?)
    }
}

fn serial(text: &str) -> Result<SerialNumber, PkiError> {
    let wrong = || PkiError::Serial(text.to_owned());
    if !text.len().is_multiple_of(2) || text.is_empty() || !text.is_ascii() {
        return Err(wrong());
    }
    let byte = |pair: &[u8]| {
        let pair = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(pair, 16).ok()
    };
    let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(byte).collect();
    Ok(SerialNumber::from_slice(&bytes.ok_or_else(wrong)?))
}
