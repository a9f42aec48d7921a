//! How a gateway joins a fleet and stays in it: its request, and what the operator grants.
//!
//! Owns the shapes of both and the topics of enrolment. The gateway's private keys are never in them: a
//! [`Request`] carries public halves, and a [`Grant`] travels sealed to one of them. What proves a request
//! (a person, a claim or the certificate before) is bound to the digest of its keys.

use std::fmt;

use aws_lc_rs::digest::{self, SHA256};
use aws_lc_rs::hmac;
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use crate::codec::Limit;
use crate::id::GatewayId;

/// What a gateway asks to have certified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// [`crate::SCHEMA`].
    pub schema: u16,
    /// A PKCS#10 request (DER) for a key that never leaves the gateway.
    #[serde(with = "serde_bytes")]
    pub csr: Vec<u8>,
    /// The public key (X25519) that the grant is sealed to.
    #[serde(with = "serde_bytes")]
    pub sealing: Vec<u8>,
    /// What shows that the gateway may ask.
    pub proof: Proof,
}

/// What shows that a request is a gateway's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// A person compares fingerprints.
    Person,
    /// HMAC-SHA256 of the request's digest under the secret of a claim.
    Claim(serde_bytes::ByteBuf),
    /// ECDSA (P-256, SHA-256, ASN.1) of the request's digest with the key of the certificate in force.
    Renewal(serde_bytes::ByteBuf),
}

impl Request {
    /// SHA-256 over both keys: what fingerprints and proofs are made of.
    #[must_use]
    pub fn digest(&self) -> Vec<u8> {
        let mut context = digest::Context::new(&SHA256);
        for part in [&self.csr, &self.sealing] {
            context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(part);
        }
        context.finish().as_ref().to_vec()
    }

    /// The digest for people to compare: eight groups of four digits.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let digest = self.digest();
        let groups = digest.chunks(2).take(8);
        let words: Vec<String> = groups
            .map(|pair| pair.iter().map(|byte| format!("{byte:02x}")).collect())
            .collect();
        words.join("-")
    }
}

/// What a gateway is given. Only ever on its way inside a [`SealedGrant`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// [`crate::SCHEMA`].
    pub schema: u16,
    /// Who it is now.
    pub gateway: GatewayId,
    /// Its certificate, PEM.
    pub certificate: String,
    /// What only a gateway that joins needs; a renewal has none of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joining: Option<Joining>,
}

/// What makes a gateway part of a fleet.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joining {
    /// The fleet's certificate authority, PEM.
    pub ca: String,
    /// The operators' public key, PEM.
    pub operator: String,
    /// The monitor's public key, PEM.
    pub receipt: String,
    /// The agent's configuration.
    pub configuration: String,
    /// The profile to begin with.
    pub profile: String,
    /// The key that seals what is sent to the monitor.
    #[serde(with = "serde_bytes")]
    pub payload_key: Vec<u8>,
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Grant({})", self.gateway)
    }
}

impl fmt::Debug for Joining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Joining(***)")
    }
}

impl Drop for Joining {
    fn drop(&mut self) {
        self.payload_key.zeroize();
    }
}

/// The operator's answer to a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// [`crate::SCHEMA`].
    pub schema: u16,
    /// The digest of the request.
    #[serde(with = "serde_bytes")]
    pub request: Vec<u8>,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// A [`Grant`], sealed.
    Granted(SealedGrant),
    /// No, for this reason. Anybody on the way could have said it: it ends an attempt, nothing else.
    Refused(String),
}

/// A grant that one gateway can open (RFC 9180: DHKEM(X25519), HKDF-SHA256, AES-256-GCM).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedGrant {
    /// The encapsulated key.
    #[serde(with = "serde_bytes")]
    pub encapsulated: Vec<u8>,
    /// The sealed grant.
    #[serde(with = "serde_bytes")]
    pub sealed: Vec<u8>,
}

/// What the holder of a claim shows with a request.
#[must_use]
pub fn claim_proof(secret: &[u8], request: &[u8]) -> Vec<u8> {
    tag(secret, b"wardlink claim request 1", request)
}

/// Whether a proof is one of this claim.
#[must_use]
pub fn is_claim_proof(secret: &[u8], request: &[u8], proof: &[u8]) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let said = [b"wardlink claim request 1".as_slice(), request].concat();
    hmac::verify(&key, &said, proof).is_ok()
}

/// What a grant is bound to besides the key it is sealed to. With a claim, nobody without its secret
/// could have sealed the grant.
#[must_use]
pub fn grant_binding(claim_secret: Option<&[u8]>, request: &[u8]) -> Vec<u8> {
    match claim_secret {
        Some(secret) => tag(secret, b"wardlink claim grant 1", request),
        None => request.to_vec(),
    }
}

/// What a gateway signs to renew its certificate.
#[must_use]
pub fn renewal_statement(request: &[u8]) -> Vec<u8> {
    [b"wardlink renewal 1".as_slice(), request].concat()
}

fn tag(secret: &[u8], context: &[u8], request: &[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let said = [context, request].concat();
    hmac::sign(&key, &said).as_ref().to_vec()
}

/// The topics of enrolment: what is asked, retained, and below it what is answered, retained.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Desk {
    /// Where a gateway renews its certificate. Bound to its common name by the broker.
    Renewal(GatewayId),
    /// Where the holder of a claim enrols. Every claim's certificate carries the common name [`CLAIM`].
    Claim(GatewayId),
}

impl Desk {
    /// Reads the topic of a request.
    #[must_use]
    pub fn of_request(topic: &str) -> Option<Self> {
        let rest = topic.strip_prefix(PREFIX)?.strip_suffix(REQUEST)?;
        match rest.split_once('/') {
            None => rest.parse().ok().map(Self::Renewal),
            Some((CLAIM, id)) => id.parse().ok().map(Self::Claim),
            Some(_) => None,
        }
    }

    /// Where requests are published.
    #[must_use]
    pub fn request(&self) -> String {
        format!("{PREFIX}{self}{REQUEST}")
    }

    /// Where the answer is published.
    #[must_use]
    pub fn answer(&self) -> String {
        format!("{}/answer", self.request())
    }

    /// The filters that match every request.
    #[must_use]
    pub fn filters() -> [String; 2] {
        [
            format!("{PREFIX}+{REQUEST}"),
            format!("{PREFIX}{CLAIM}/+{REQUEST}"),
        ]
    }
}

impl fmt::Display for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Renewal(gateway) => write!(f, "{gateway}"),
            Self::Claim(id) => write!(f, "{CLAIM}/{id}"),
        }
    }
}

/// The common name of every claim's certificate; no gateway is called so.
pub const CLAIM: &str = "claim";
/// What sealed grants are for (RFC 9180 `info`).
pub const GRANT_INFO: &[u8] = b"wardlink grant 1";
/// The most a request may be.
pub const REQUEST_LIMIT: Limit = Limit {
    bytes: 8 << 10,
    depth: 5,
};
/// The most a grant may be: a profile has at most 64 KiB.
pub const GRANT_LIMIT: Limit = Limit {
    bytes: 256 << 10,
    depth: 6,
};
const PREFIX: &str = "wardlink/1/";
const REQUEST: &str = "/enrolment";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec;

    fn request() -> Request {
        Request {
            schema: crate::SCHEMA,
            csr: vec![1; 300],
            sealing: vec![2; 32],
            proof: Proof::Claim(serde_bytes::ByteBuf::from(vec![3; 32])),
        }
    }

    #[test]
    fn requests_and_answers_survive_the_wire() {
        let request = request();
        let bytes = codec::encode(&request).unwrap();
        assert_eq!(
            codec::decode::<Request>(&bytes, REQUEST_LIMIT).unwrap(),
            request
        );
        for outcome in [
            Outcome::Refused("no".to_owned()),
            Outcome::Granted(SealedGrant {
                encapsulated: vec![1; 32],
                sealed: vec![2; 99],
            }),
        ] {
            let answer = Answer {
                schema: crate::SCHEMA,
                request: request.digest(),
                outcome,
            };
            let bytes = codec::encode(&answer).unwrap();
            assert_eq!(
                codec::decode::<Answer>(&bytes, GRANT_LIMIT).unwrap(),
                answer
            );
        }
    }

    #[test]
    fn a_fingerprint_changes_with_either_key_and_where_one_ends() {
        let one = request();
        let mut other = one.clone();
        other.sealing[0] ^= 1;
        assert_ne!(one.fingerprint(), other.fingerprint());
        let mut moved = one.clone();
        moved.sealing.insert(0, moved.csr.pop().unwrap());
        assert_ne!(one.fingerprint(), moved.fingerprint());
        assert_eq!(one.fingerprint().len(), 8 * 4 + 7);
    }

    #[test]
    fn a_claims_proof_holds_for_its_request_and_secret_only() {
        let proof = claim_proof(b"secret", b"request");
        assert!(is_claim_proof(b"secret", b"request", &proof));
        assert!(!is_claim_proof(b"other", b"request", &proof));
        assert!(!is_claim_proof(b"secret", b"another", &proof));
        assert_ne!(grant_binding(Some(b"secret"), b"request"), proof);
    }

    #[test]
    fn desks_are_read_from_their_topics_and_from_no_other() {
        for desk in [
            Desk::Renewal("gw-1".parse().unwrap()),
            Desk::Claim("a1b2".parse().unwrap()),
        ] {
            assert_eq!(Desk::of_request(&desk.request()), Some(desk.clone()));
            assert_eq!(Desk::of_request(&desk.answer()), None);
        }
        for other in [
            "wardlink/1/gw-1/state",
            "wardlink/1/x/y/enrolment",
            "wardlink/1/claim/+/enrolment",
        ] {
            assert_eq!(Desk::of_request(other), None, "{other}");
        }
    }
}
