//! Keys that were made on this gateway, and the request to make it a member.
//!
//! Owns three files of the gateway's directory: `gateway.key`, `sealing.key` (both mode 0600) and
//! `enrolment.request`, which holds nothing secret and goes to the operator. Promises that a request once
//! made stays the same until it is granted.

use std::path::{Path, PathBuf};

use pem::{EncodeConfig, LineEnding, Pem};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};
use wardlink_link::file;
use wardlink_link::sealing;
use wardlink_wire::SCHEMA;
use wardlink_wire::enrolment::{Proof, Request};
use wardlink_wire::id::GatewayId;
use zeroize::Zeroizing;

use super::{EnrolmentError, files};

/// A request and the key that opens its grant.
#[derive(Debug)]
pub struct Pending {
    /// What is asked.
    pub request: Request,
    /// The private half of the key that the grant is sealed to.
    pub sealing: Zeroizing<Vec<u8>>,
}

/// A new key and the request to certify it.
pub(super) struct Made {
    /// PKCS#8 in PEM.
    pub(super) key: Zeroizing<String>,
    pub(super) pending: Pending,
}

impl Pending {
    /// Makes keys and request in a directory; gives out those of before if they are there.
    ///
    /// # Errors
    /// When it is a member's directory, or the system refuses.
    pub fn make(folder: &Path, gateway: &GatewayId) -> Result<Self, EnrolmentError> {
        if folder.join(CERTIFICATE).exists() {
            return Err(EnrolmentError::Enrolled(folder.to_owned()));
        }
        if folder.join(REQUEST).exists() {
            return Self::load(folder);
        }
        files::make_directory(folder)?;
        let made = make(gateway)?;
        files::put_private(&folder.join(KEY), made.key.as_bytes())?;
        let sealing: [u8; 32] = made
            .pending
            .sealing
            .as_slice()
            .try_into()
            .map_err(|_| EnrolmentError::Key("a sealing key has 32 bytes".to_owned()))?;
        let sealing = file::key_text(&sealing);
        files::put_private(&folder.join(SEALING), sealing.as_bytes())?;
        files::put(
            &folder.join(REQUEST),
            text(&made.pending.request).as_bytes(),
        )?;
        Ok(made.pending)
    }

    /// Reads what [`Self::make`] wrote.
    ///
    /// # Errors
    /// When there is no request, or a file is not what it should be.
    pub fn load(folder: &Path) -> Result<Self, EnrolmentError> {
        let path = folder.join(REQUEST);
        if !path.exists() {
            return Err(EnrolmentError::NoRequest(folder.to_owned()));
        }
        let sealing = file::read_key(&folder.join(SEALING))?;
        let request = read(&path)?;
        Ok(Self {
            request,
            sealing: Zeroizing::new(sealing.to_vec()),
        })
    }

    /// Removes what is needed no more once the gateway is a member.
    pub(super) fn forget(folder: &Path) -> Result<(), EnrolmentError> {
        files::remove(&folder.join(SEALING))?;
        files::remove(&folder.join(REQUEST))
    }

    /// Where the request lies.
    #[must_use]
    pub fn file(folder: &Path) -> PathBuf {
        folder.join(REQUEST)
    }
}

/// Makes a key and the request to certify it under a name.
pub(super) fn make(gateway: &GatewayId) -> Result<Made, EnrolmentError> {
    let refused = |error: rcgen::Error| EnrolmentError::Key(error.to_string());
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(refused)?;
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = DistinguishedName::new();
    parameters
        .distinguished_name
        .push(DnType::CommonName, gateway.as_str());
    let csr = parameters.serialize_request(&key).map_err(refused)?;
    let (public, private) = sealing::generate()?;
    Ok(Made {
        key: Zeroizing::new(key.serialize_pem()),
        pending: Pending {
            request: Request {
                schema: SCHEMA,
                csr: csr.der().to_vec(),
                sealing: public,
                proof: Proof::Person,
            },
            sealing: private,
        },
    })
}

fn text(request: &Request) -> String {
    let block = |label, bytes: &Vec<u8>| {
        let config = EncodeConfig::new().set_line_ending(LineEnding::LF);
        pem::encode_config(&Pem::new(label, bytes.clone()), config)
    };
    [
        block(CSR_LABEL, &request.csr),
        block(SEALING_LABEL, &request.sealing),
    ]
    .concat()
}

fn read(path: &Path) -> Result<Request, EnrolmentError> {
    let damaged = || EnrolmentError::Damaged(path.to_owned());
    let blocks = pem::parse_many(file::read(path)?).map_err(|_| damaged())?;
    let block = |label: &str| {
        let found = blocks.iter().find(|block| block.tag() == label);
        found
            .map(|block| block.contents().to_vec())
            .ok_or_else(damaged)
    };
    Ok(Request {
        schema: SCHEMA,
        csr: block(CSR_LABEL)?,
        sealing: block(SEALING_LABEL)?,
        proof: Proof::Person,
    })
}

const CSR_LABEL: &str = "CERTIFICATE REQUEST";
const SEALING_LABEL: &str = "WARDLINK SEALING KEY";
const CERTIFICATE: &str = "gateway.pem";
const KEY: &str = "gateway.key";
const SEALING: &str = "sealing.key";
const REQUEST: &str = "enrolment.request";
