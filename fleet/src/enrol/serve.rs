//! `wardlink enrol serve`: answers claims and renewals over MQTT.
//!
//! Believes nobody on the way: a claim is proven by its secret, a renewal by the key of the certificate in
//! force, whatever the broker let through. Promises that a claim makes one member, that the same request is
//! answered in the same way again, and that a request it cannot believe changes nothing.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use clap::Args;
use rusqlite::params;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use wardlink_link::backoff::Backoff;
use wardlink_link::identity::Identity;
use wardlink_link::session::{Incoming, Options, Publication, Session, SessionError, Version};
use wardlink_wire::SCHEMA;
use wardlink_wire::codec::{self, EncodeError};
use wardlink_wire::enrolment::{
    Answer, Desk, Outcome, Proof, REQUEST_LIMIT, Request, is_claim_proof, renewal_statement,
};
use wardlink_wire::id::GatewayId;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::{Member, Registrar, RegistrarError};
use crate::audit::{self, AuditLogError};
use crate::broker_address::BrokerAddress;
use crate::clock;
use crate::directory::{DirectoryError, FleetDirectory};
use crate::exit::{Exit, Verdict};
use crate::keyring::{Keyring, KeyringError};
use crate::passphrase::{Passphrase, PassphraseArguments};
use crate::roster::{Roster, RosterError};

/// What `wardlink enrol serve` is told.
#[derive(Debug, Clone, Args)]
pub struct ServeArguments {
    /// The fleet directory
    #[arg(long, value_name = "DIR", default_value = ".wardlink")]
    pub fleet: PathBuf,
    /// Where the broker is [default: as in fleet.toml]
    #[arg(long, value_name = "HOST[:PORT]")]
    pub broker: Option<BrokerAddress>,
    /// How many days a renewed certificate holds
    #[arg(long, value_name = "DAYS", default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..))]
    pub days: u32,
    /// Where the passphrase of the fleet's keys comes from
    #[command(flatten)]
    pub passphrase: PassphraseArguments,
}

/// Answers until `stop` is cancelled.
///
/// # Errors
/// When the fleet or its keys cannot be used. A broker that is away is tried again for ever.
pub async fn serve(arguments: &ServeArguments, stop: CancellationToken) -> Result<(), ServeError> {
    let fleet = FleetDirectory::at(&arguments.fleet);
    let settings = fleet.settings()?;
    let keyring = Keyring::new(Passphrase::from(arguments.passphrase.clone()));
    let mut clerk = Clerk {
        registrar: Registrar::open(&fleet, &keyring)?,
        identity: keyring.identity(&fleet.operator())?,
        roster: Roster::open(&fleet.roster())?,
        broker: arguments.broker.clone().unwrap_or(settings.broker),
        days: arguments.days,
        fleet,
    };
    let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
    loop {
        let begun = Instant::now();
        let ended = tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            ended = clerk.session() => ended,
        };
        match ended {
            Err(ServeError::Broker(broker, error)) => tracing::error!("broker {broker}: {error}"),
            Err(error) => return Err(error),
            Ok(()) => {}
        }
        if begun.elapsed() >= GOOD {
            backoff.reset();
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            () = sleep(backoff.next_delay()) => {}
        }
    }
}

struct Clerk {
    fleet: FleetDirectory,
    registrar: Registrar,
    identity: Identity,
    roster: Roster,
    broker: BrokerAddress,
    days: u32,
}

impl Clerk {
    async fn session(&mut self) -> Result<(), ServeError> {
        let broker = self.broker.clone();
        let broken = |error| ServeError::Broker(broker.clone(), error);
        let options = Options {
            version: Version::default(),
            host: self.broker.host().to_owned(),
            port: self.broker.port(),
            client_id: "operator-enrolment".to_owned(),
            keep_alive: KEEP_ALIVE,
            clean: true,
            in_flight: 32,
            will: None,
        };
        let mut session = Session::open(&self.identity, options)
            .await
            .map_err(broken)?;
        session.subscribe(&Desk::filters()).await.map_err(broken)?;
        tracing::info!("answering claims and renewals at {}", self.broker);
        loop {
            let incoming = session.next().await.map_err(broken)?;
            if let Some((desk, answer)) = self.consider(&incoming)? {
                // Answered first: a request that is not cleared away is answered in the same way again.
                for (topic, payload) in [(desk.answer(), answer), (desk.request(), Vec::new())] {
                    let publication = Publication {
                        topic,
                        payload,
                        retain: true,
                    };
                    let delivery = session.publish(publication).map_err(broken)?;
                    timeout(PATIENCE, delivery.acknowledged())
                        .await
                        .map_err(|_| broken(SessionError::Silent(PATIENCE)))?
                        .map_err(broken)?;
                }
            }
            session.acknowledge(&incoming).map_err(broken)?;
        }
    }

    /// What to answer to a message, if it is a request.
    fn consider(&mut self, incoming: &Incoming) -> Result<Option<(Desk, Vec<u8>)>, ServeError> {
        let Some(desk) = Desk::of_request(&incoming.topic) else {
            return Ok(None);
        };
        if incoming.payload.is_empty() {
            return Ok(None);
        }
        let request: Request = match codec::decode(&incoming.payload, REQUEST_LIMIT) {
            Ok(request) => request,
            Err(error) => {
                tracing::warn!("{desk}: not a request: {error}");
                return Ok(None);
            }
        };
        let answered = match &desk {
            Desk::Claim(id) => self.claim(id, &request),
            Desk::Renewal(gateway) => self.renewal(gateway, &request),
        };
        let answer = match answered {
            Ok(answer) => answer,
            Err(error) if error.is_of_request() => {
                tracing::warn!("{desk}: refused: {error}");
                codec::encode(&Answer {
                    schema: SCHEMA,
                    request: request.digest(),
                    outcome: Outcome::Refused(error.to_string()),
                })?
            }
            Err(error) => return Err(error),
        };
        Ok(Some((desk, answer)))
    }

    fn claim(&mut self, id: &GatewayId, request: &Request) -> Result<Vec<u8>, ServeError> {
        let (claim, secret) = self.roster.claim(id)?;
        let digest = request.digest();
        let proven = match &request.proof {
            Proof::Claim(proof) => is_claim_proof(&secret, &digest, proof),
            Proof::Person | Proof::Renewal(_) => false,
        };
        if !proven {
            return Err(ServeError::Unproven);
        }
        if let Some(used) = claim.used {
            if used.request == digest {
                return Ok(used.answer);
            }
            return Err(ServeError::Used);
        }
        if claim.withdrawn.is_some() || claim.expires <= clock::now_seconds() {
            return Err(ServeError::Over);
        }
        let broker: BrokerAddress = claim
            .broker
            .parse()
            .map_err(|_| RosterError::Damaged("the broker of a claim is none"))?;
        let member = Member {
            gateway: &claim.gateway,
            profile: &claim.profile,
            groups: &claim.groups,
            broker: &broker,
            days: claim.days,
        };
        let registrar = &self.registrar;
        let (answer, certified) = self.roster.together(|transaction| {
            let admitted = registrar.admit(transaction, &member, request, Some(&secret))?;
            transaction
                .execute(
                    "UPDATE claim SET request = ?2, answer = ?3 WHERE id = ?1",
                    params![id.as_str(), digest, admitted.0],
                )
                .map_err(RosterError::from)?;
            Ok::<_, ServeError>(admitted)
        })?;
        let detail = format!(
            "{} with claim {id}, certificate {}",
            claim.gateway, certified.serial
        );
        audit::note(&self.fleet, "enrol", &detail)?;
        tracing::info!(
            "{} enrolled with claim {id}, certificate {}",
            claim.gateway,
            certified.serial
        );
        Ok(answer)
    }

    fn renewal(&mut self, gateway: &GatewayId, request: &Request) -> Result<Vec<u8>, ServeError> {
        let Proof::Renewal(proof) = &request.proof else {
            return Err(ServeError::Unproven);
        };
        if !self.roster.is_member(gateway)? {
            return Err(ServeError::Stranger);
        }
        let now = clock::now_seconds();
        let statement = renewal_statement(&request.digest());
        let proven = self
            .roster
            .certificates(gateway.as_str())?
            .iter()
            .filter(|certificate| certificate.revoked.is_none() && certificate.ends > now)
            .any(|certificate| holds(&certificate.pem, &statement, proof));
        if !proven {
            return Err(ServeError::Unproven);
        }
        let (registrar, days) = (&self.registrar, self.days);
        let (answer, certified) = self.roster.together(|transaction| {
            Ok::<_, ServeError>(registrar.renew(transaction, gateway, request, days)?)
        })?;
        let detail = format!("{gateway}, certificate {}", certified.serial);
        audit::note(&self.fleet, "renew", &detail)?;
        tracing::info!(
            "{gateway} renewed, certificate {} until {}",
            certified.serial,
            clock::text_of_seconds(certified.not_after)
        );
        Ok(answer)
    }
}

/// Whether the key of a certificate signed a statement.
fn holds(certificate: &str, statement: &[u8], signature: &[u8]) -> bool {
    let Ok(der) = CertificateDer::from_pem_slice(certificate.as_bytes()) else {
        return false;
    };
    let Ok((_, parsed)) = X509Certificate::from_der(&der) else {
        return false;
    };
    let key: &[u8] = &parsed.public_key().subject_public_key.data;
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key)
        .verify(statement, signature)
        .is_ok()
}

/// Why a request was refused, or nobody can be answered any more.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A wrong or missing proof.
    #[error("the request does not prove that it may ask")]
    Unproven,
    /// A second use.
    #[error("this claim was used already: it enrols one gateway, once")]
    Used,
    /// Too late.
    #[error("this claim has expired or was withdrawn")]
    Over,
    /// Not a member.
    #[error("this gateway is no member of the fleet")]
    Stranger,
    /// The connection.
    #[error("broker {0}: {1}")]
    Broker(BrokerAddress, SessionError),
    /// The fleet.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The authority.
    #[error(transparent)]
    Registrar(#[from] RegistrarError),
    /// The operator's keys.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The audit log.
    #[error(transparent)]
    Audit(#[from] AuditLogError),
    /// The fleet's file.
    #[error(transparent)]
    Roster(#[from] RosterError),
    /// The bytes.
    #[error("answer: {0}")]
    Encode(#[from] EncodeError),
}

impl ServeError {
    /// Whether whoever asked is at fault, and the next one is to be answered.
    const fn is_of_request(&self) -> bool {
        match self {
            Self::Unproven | Self::Used | Self::Over | Self::Stranger => true,
            Self::Registrar(error) => matches!(
                error,
                RegistrarError::Schema(_)
                    | RegistrarError::Pki(_)
                    | RegistrarError::Sealing(_)
                    | RegistrarError::Roster(RosterError::Known(_))
            ),
            Self::Roster(error) => matches!(error, RosterError::NoClaim(_)),
            _ => false,
        }
    }
}

impl Verdict for ServeError {
    fn exit(&self) -> Exit {
        match self {
            Self::Directory(error) => error.exit(),
            Self::Registrar(error) => error.exit(),
            Self::Roster(error) => error.exit(),
            Self::Keyring(_) => Exit::BadInput,
            _ => Exit::Failed,
        }
    }
}

const KEEP_ALIVE: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_secs(10);
/// A session that held so long was good.
const GOOD: Duration = Duration::from_secs(30);
