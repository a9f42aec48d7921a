//! One payload signed by several keys: COSE_Sign (RFC 9052 section 4.1), EdDSA only.
//!
//! Owns the envelope of bundles and root documents. Promises that an envelope is believed as a whole or not
//! at all: every signature in it holds, every key is trusted and signs once, and the bytes are the one
//! encoding of what they say. Refuses to count: how many signatures are enough is for the caller to say.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use coset::{CborSerializable, CoseSign, CoseSignBuilder, CoseSignature, CoseSignatureBuilder};
use coset::{Header, HeaderBuilder, iana};

use super::{KeyError, Purpose, SigningKey, VerifyError, VerifyingKey};

/// Whatever holds a private Ed25519 key: a file, a token.
pub trait Signer {
    /// The public half.
    fn verifying_key(&self) -> VerifyingKey;

    /// The 64 bytes of an Ed25519 signature (RFC 8032) of `data`.
    ///
    /// # Errors
    /// When the holder of the key refuses.
    fn signature(&self, data: &[u8]) -> Result<Vec<u8>, KeyError>;
}

impl Signer for SigningKey {
    fn verifying_key(&self) -> VerifyingKey {
        Self::verifying_key(self)
    }

    fn signature(&self, data: &[u8]) -> Result<Vec<u8>, KeyError> {
        Ok(self.0.sign(data).as_ref().to_vec())
    }
}

/// Signs a payload for one purpose, with every key given.
///
/// # Errors
/// When there is no key or more than [`MOST`], one is given twice, or one refuses.
pub fn sign(purpose: Purpose, payload: Vec<u8>, keys: &[&dyn Signer]) -> Result<Vec<u8>, KeyError> {
    let mut envelope = CoseSignBuilder::new().payload(payload).build();
    for key in keys {
        append(&mut envelope, purpose, *key)?;
    }
    encoded(envelope)
}

/// Adds a signature to an envelope that others have signed already.
///
/// What they signed is not judged here: look at it before you sign.
///
/// # Errors
/// When it is no such envelope, the key has signed it already, it carries [`MOST`] signatures, or the key
/// refuses.
pub fn countersign(
    envelope: &[u8],
    purpose: Purpose,
    key: &dyn Signer,
) -> Result<Vec<u8>, KeyError> {
    let mut envelope = read(envelope).map_err(|_| KeyError::Envelope)?;
    append(&mut envelope, purpose, key)?;
    encoded(envelope)
}

/// The payload of an envelope, with no signature checked: for showing to an operator who is asked to sign.
///
/// # Errors
/// When it is no such envelope.
pub fn unverified_payload(envelope: &[u8]) -> Result<Vec<u8>, VerifyError> {
    read(envelope)?.payload.ok_or(VerifyError::Envelope)
}

/// Checks an envelope against the trusted keys and hands out its payload and the keys that signed, each
/// once.
///
/// # Errors
/// When it is no such envelope, a key is not trusted or signs twice, or one signature does not hold.
pub fn verify(
    envelope: &[u8],
    purpose: Purpose,
    trusted: &[VerifyingKey],
) -> Result<(Vec<u8>, Vec<VerifyingKey>), VerifyError> {
    let envelope = read(envelope)?;
    let mut signers: Vec<VerifyingKey> = Vec::new();
    for (which, signature) in envelope.signatures.iter().enumerate() {
        let key = trusted
            .iter()
            .find(|key| key.key_id() == signature.protected.header.key_id)
            .ok_or(VerifyError::UnknownKey)?;
        if signers.contains(key) {
            return Err(VerifyError::Twice);
        }
        envelope.verify_signature(which, purpose.context(), |signature, data| {
            UnparsedPublicKey::new(&ED25519, &key.0)
                .verify(data, signature)
                .map_err(|_| VerifyError::Signature)
        })?;
        signers.push(key.clone());
    }
    let payload = envelope.payload.ok_or(VerifyError::Envelope)?;
    Ok((payload, signers))
}

fn append(envelope: &mut CoseSign, purpose: Purpose, key: &dyn Signer) -> Result<(), KeyError> {
    let id = key.verifying_key().key_id();
    let taken = |signature: &CoseSignature| signature.protected.header.key_id == id;
    if envelope.signatures.iter().any(taken) {
        return Err(KeyError::Twice);
    }
    if envelope.signatures.len() >= MOST {
        return Err(KeyError::TooMany);
    }
    let header = HeaderBuilder::new()
        .algorithm(iana::Algorithm::EdDSA)
        .key_id(id)
        .build();
    let mut signature = CoseSignatureBuilder::new().protected(header).build();
    signature.signature = key.signature(&envelope.tbs_data(purpose.context(), &signature))?;
    envelope.signatures.push(signature);
    Ok(())
}

fn encoded(envelope: CoseSign) -> Result<Vec<u8>, KeyError> {
    if envelope.signatures.is_empty() {
        return Err(KeyError::NoKey);
    }
    envelope.to_vec().map_err(|_| KeyError::Envelope)
}

/// Reads an envelope of the one shape that is used, in its one encoding.
fn read(bytes: &[u8]) -> Result<CoseSign, VerifyError> {
    let envelope = CoseSign::from_slice(bytes).map_err(|_| VerifyError::NotJoint)?;
    let usual = |signature: &CoseSignature| {
        let header = &signature.protected.header;
        let wanted = HeaderBuilder::new()
            .algorithm(iana::Algorithm::EdDSA)
            .key_id(header.key_id.clone())
            .build();
        *header == wanted && signature.unprotected == Header::default()
    };
    let plain = envelope.protected.header == Header::default()
        && envelope.unprotected == Header::default()
        && envelope.payload.is_some();
    let count = envelope.signatures.len();
    if !plain || count == 0 || count > MOST || !envelope.signatures.iter().all(usual) {
        return Err(VerifyError::NotJoint);
    }
    // Protected headers keep the bytes they came in; they are built anew here, so that one content has one
    // encoding.
    let mut again = CoseSignBuilder::new()
        .payload(envelope.payload.clone().unwrap_or_default())
        .build();
    again.signatures = envelope
        .signatures
        .iter()
        .map(|signature| {
            CoseSignatureBuilder::new()
                .protected(signature.protected.header.clone())
                .signature(signature.signature.clone())
                .build()
        })
        .collect();
    match again.to_vec() {
        Ok(canonical) if canonical == bytes => Ok(envelope),
        _ => Err(VerifyError::NotJoint),
    }
}

/// The most signatures of one envelope.
pub const MOST: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn keys<const N: usize>() -> [SigningKey; N] {
        std::array::from_fn(|_| SigningKey::generate().unwrap())
    }

    fn public(keys: &[SigningKey]) -> Vec<VerifyingKey> {
        keys.iter().map(SigningKey::verifying_key).collect()
    }

    #[test]
    fn every_signature_of_an_envelope_has_to_hold() {
        let keys = keys::<3>();
        let [a, b, stranger] = &keys;
        let trusted = public(&keys[..2]);
        let both = sign(Purpose::Bundle, b"x".to_vec(), &[a, b]).unwrap();
        let (payload, signers) = verify(&both, Purpose::Bundle, &trusted).unwrap();
        assert_eq!((payload, signers), (b"x".to_vec(), trusted.clone()));
        let mixed = sign(Purpose::Bundle, b"x".to_vec(), &[a, stranger]).unwrap();
        assert_eq!(
            verify(&mixed, Purpose::Bundle, &trusted),
            Err(VerifyError::UnknownKey)
        );
        assert_eq!(
            verify(&both, Purpose::Root, &trusted),
            Err(VerifyError::Signature)
        );
    }

    #[test]
    fn one_operator_counts_once() {
        let [a, b] = &keys::<2>();
        let once = sign(Purpose::Bundle, b"x".to_vec(), &[a]).unwrap();
        assert_eq!(countersign(&once, Purpose::Bundle, a), Err(KeyError::Twice));
        let twice = countersign(&once, Purpose::Bundle, b).unwrap();
        assert_eq!(unverified_payload(&twice).unwrap(), b"x");
        let trusted = [a.verifying_key(), b.verifying_key()];
        assert_eq!(
            verify(&twice, Purpose::Bundle, &trusted).unwrap().1.len(),
            2
        );
        // the same signature, copied
        let mut envelope = CoseSign::from_slice(&once).unwrap();
        envelope.signatures.push(envelope.signatures[0].clone());
        let copied = envelope.to_vec().unwrap();
        assert_eq!(
            verify(&copied, Purpose::Bundle, &trusted),
            Err(VerifyError::Twice)
        );
    }

    #[test]
    fn an_envelope_without_signatures_or_with_other_headers_is_none() {
        let [a] = &keys::<1>();
        let trusted = [a.verifying_key()];
        assert_eq!(
            sign(Purpose::Bundle, b"x".to_vec(), &[]),
            Err(KeyError::NoKey)
        );
        let right = sign(Purpose::Bundle, b"x".to_vec(), &[a]).unwrap();
        let changed = |change: fn(&mut CoseSign)| {
            let mut envelope = CoseSign::from_slice(&right).unwrap();
            change(&mut envelope);
            verify(&envelope.to_vec().unwrap(), Purpose::Bundle, &trusted)
        };
        let none = Err(VerifyError::NotJoint);
        assert_eq!(changed(|envelope| envelope.signatures.clear()), none);
        assert_eq!(changed(|envelope| envelope.payload = None), none);
        assert_eq!(
            changed(|envelope| envelope.unprotected.key_id = vec![1]),
            none
        );
        assert_eq!(
            changed(|envelope| envelope.signatures[0].unprotected.key_id = vec![1]),
            none
        );
    }
}
