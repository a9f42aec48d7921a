//! Who makes members of the fleet: certificates, keys and configuration for one gateway.
//!
//! Owns the authority's key while a command runs. Promises that a gateway and its certificate are in the
//! fleet's file before anything is handed out, and that a grant opens for the gateway that asked and for
//! nobody else.

use rusqlite::Connection;
use wardlink_link::file::{self, FileError};
use wardlink_link::sealing::{self, SealingError};
use wardlink_wire::SCHEMA;
use wardlink_wire::codec::{self, EncodeError};
use wardlink_wire::enrolment::{
    Answer, GRANT_INFO, Grant, Joining, Outcome, Request, grant_binding,
};
use wardlink_wire::id::GatewayId;
use wardlink_wire::message::{PayloadKey, PayloadMasterKey, SealError};

use super::template::agent_configuration;
use crate::broker_address::BrokerAddress;
use crate::clock;
use crate::directory::FleetDirectory;
use crate::exit::{Exit, Verdict};
use crate::keyring::{Keyring, KeyringError};
use crate::pki::{self, Authority, Certified, PkiError, Subject, Validity};
use crate::roster::{RosterError, certificates, gateways};

/// The authority at work.
#[derive(Debug)]
pub struct Registrar {
    authority: Authority,
    master: PayloadMasterKey,
    operator: String,
    receipt: String,
}

/// A gateway that becomes a member.
#[derive(Debug, Clone)]
pub struct Member<'m> {
    /// Its name.
    pub gateway: &'m GatewayId,
    /// The profile it begins with.
    pub profile: &'m str,
    /// The groups it is put into.
    pub groups: &'m [String],
    /// Where it reaches the broker.
    pub broker: &'m BrokerAddress,
    /// How many days its certificate holds.
    pub days: u32,
}

impl Registrar {
    /// Opens the authority's key and reads what every gateway is given.
    ///
    /// # Errors
    /// When a file is missing, exposed or not what it should be, or the passphrase does not fit.
    pub fn open(fleet: &FleetDirectory, keyring: &Keyring) -> Result<Self, RegistrarError> {
        let master = file::read_key(&fleet.monitor().join("payload-master.key"))?;
        Ok(Self {
            authority: authority(fleet, keyring)?,
            master: PayloadMasterKey::from_bytes(*master),
            operator: text(&file::read(&fleet.operator().join("operator.pub"))?),
            receipt: text(&file::read(&fleet.monitor().join("receipt.pub"))?),
        })
    }

    /// The authority.
    #[must_use]
    pub const fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The operator's public key, PEM.
    #[must_use]
    pub fn operator(&self) -> &str {
        &self.operator
    }

    /// The monitor's public key, PEM.
    #[must_use]
    pub fn receipt(&self) -> &str {
        &self.receipt
    }

    /// The key that one gateway shares with the monitor.
    ///
    /// # Errors
    /// When the library refuses.
    pub fn payload_key(&self, gateway: &GatewayId) -> Result<PayloadKey, RegistrarError> {
        Ok(self.master.for_gateway(gateway)?)
    }

    /// Makes a gateway a member of the fleet on the key that it asked for, and answers it.
    ///
    /// # Errors
    /// When it is a member already, the request is no good, or the database refuses.
    pub fn admit(
        &self,
        connection: &Connection,
        member: &Member<'_>,
        request: &Request,
        claim_secret: Option<&[u8]>,
    ) -> Result<(Vec<u8>, Certified), RegistrarError> {
        let certified = self.certify(request, member.gateway, member.days)?;
        let now = clock::now_seconds();
        gateways::note(
            connection,
            member.gateway,
            member.profile,
            member.groups,
            now,
        )?;
        certificates::note(connection, member.gateway.as_str(), &certified, now)?;
        let grant = Grant {
            schema: SCHEMA,
            gateway: member.gateway.clone(),
            certificate: certified.certificate.clone(),
            joining: Some(Joining {
                ca: self.authority.certificate().to_owned(),
                operator: self.operator.clone(),
                receipt: self.receipt.clone(),
                configuration: agent_configuration(member.gateway, member.broker),
                profile: member.profile.to_owned(),
                payload_key: self.payload_key(member.gateway)?.expose().to_vec(),
            }),
        };
        Ok((answer(&grant, request, claim_secret)?, certified))
    }

    /// Renews the certificate of a member on a new key.
    ///
    /// # Errors
    /// When the request is no good, or the database refuses.
    pub fn renew(
        &self,
        connection: &Connection,
        gateway: &GatewayId,
        request: &Request,
        days: u32,
    ) -> Result<(Vec<u8>, Certified), RegistrarError> {
        let certified = self.certify(request, gateway, days)?;
        certificates::note(
            connection,
            gateway.as_str(),
            &certified,
            clock::now_seconds(),
        )?;
        let grant = Grant {
            schema: SCHEMA,
            gateway: gateway.clone(),
            certificate: certified.certificate.clone(),
            joining: None,
        };
        Ok((answer(&grant, request, None)?, certified))
    }

    fn certify(
        &self,
        request: &Request,
        gateway: &GatewayId,
        days: u32,
    ) -> Result<Certified, RegistrarError> {
        if request.schema != SCHEMA {
            return Err(RegistrarError::Schema(request.schema));
        }
        let asked = pki::Request::read(&request.csr).map_err(PkiError::from)?;
        let validity = Validity::days_from(clock::now_seconds(), days)?;
        let subject = Subject::Client(gateway.to_string());
        Ok(self.authority.certify(&asked, &subject, validity)?)
    }
}

/// The fleet's authority with its key.
///
/// # Errors
/// When a file is missing, exposed or not what it should be, or the passphrase does not fit.
pub fn authority(fleet: &FleetDirectory, keyring: &Keyring) -> Result<Authority, RegistrarError> {
    let certificate = text(&file::read(&fleet.path().join("ca.pem"))?);
    let key = keyring.private_key(&fleet.path().join("ca.key"))?;
    Ok(Authority::from_pem(&certificate, &key)?)
}

fn answer(
    grant: &Grant,
    request: &Request,
    claim_secret: Option<&[u8]>,
) -> Result<Vec<u8>, RegistrarError> {
    let digest = request.digest();
    let sealed = sealing::seal(
        &request.sealing,
        GRANT_INFO,
        &grant_binding(claim_secret, &digest),
        &codec::encode(grant)?,
    )?;
    Ok(codec::encode(&Answer {
        schema: SCHEMA,
        request: digest,
        outcome: Outcome::Granted(sealed),
    })?)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Why a gateway did not become, or stay, a member.
#[derive(Debug, thiserror::Error)]
pub enum RegistrarError {
    /// Asked by a newer program.
    #[error("the request has schema {0}, only schema {SCHEMA} is known")]
    Schema(u16),
    /// Certificates and keys.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// The passphrase or a key.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The payload key.
    #[error("payload key: {0}")]
    Payload(#[from] SealError),
    /// The seal.
    #[error("grant: {0}")]
    Sealing(#[from] SealingError),
    /// The bytes.
    #[error("grant: {0}")]
    Encode(#[from] EncodeError),
    /// The fleet's file.
    #[error(transparent)]
    Roster(#[from] RosterError),
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
}

impl Verdict for RegistrarError {
    fn exit(&self) -> Exit {
        match self {
            Self::Schema(_) | Self::Keyring(_) | Self::File(_) => Exit::BadInput,
            Self::Pki(
                PkiError::PastAuthority(_)
                | PkiError::TooLong(_)
                | PkiError::Request(_)
                | PkiError::AuthorityCertificate
                | PkiError::AuthorityKey
                | PkiError::AuthorityPair,
            ) => Exit::BadInput,
            Self::Roster(error) => error.exit(),
            Self::Pki(_) | Self::Payload(_) | Self::Sealing(_) | Self::Encode(_) => Exit::Failed,
        }
    }
}
