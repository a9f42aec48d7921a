//! `wardlink-agent enrol`: request, accept, claim.

use std::fs::File;
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use clap::Subcommand;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use wardlink_link::file;
use wardlink_wire::enrolment::GRANT_LIMIT;
use wardlink_wire::id::GatewayId;

use super::pending::Pending;
use super::{EnrolmentError, claim, grant};

/// What `wardlink-agent enrol` can do.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Make this gateway's keys, which stay here, and the request for its certificate
    Request {
        /// The gateway's name
        #[arg(long, value_name = "ID")]
        gateway: GatewayId,
        /// The gateway's directory, made if it is missing
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
    },
    /// Take what the operator granted: the directory is a member's then
    Accept {
        /// The gateway's directory
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
        /// The grant
        grant: PathBuf,
    },
    /// Enrol over MQTT with a claim file
    Claim {
        /// The gateway's directory, made if it is missing
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
        /// The claim file; it is removed when it is spent
        claim: PathBuf,
    },
}

/// Does it.
///
/// # Errors
/// When keys cannot be made, or what was granted is not for them.
pub async fn run(command: &Command, out: &mut dyn Write) -> Result<(), EnrolmentError> {
    match command {
        Command::Request { gateway, dir } => {
            let pending = Pending::make(dir, gateway)?;
            let place = Pending::file(dir);
            let text = format!(
                "request {}\nnext, by the operator, who must see the same:\n  wardlink enrol {gateway} --csr {}\n",
                pending.request.fingerprint(),
                place.display()
            );
            say(out, &place, &text)
        }
        Command::Accept { dir, grant } => {
            let granted = grant::open(&read(grant)?, &Pending::load(dir)?, None)?;
            let gateway = grant::install(dir, &granted)?;
            enrolled(&gateway, dir, out)
        }
        Command::Claim { dir, claim } => {
            let gateway = claim::enrol(dir, claim).await?;
            enrolled(&gateway, dir, out)
        }
    }
}

fn enrolled(gateway: &GatewayId, dir: &Path, out: &mut dyn Write) -> Result<(), EnrolmentError> {
    let ca = dir.join("ca.pem");
    let text = format!(
        "enrolled {gateway}\nfleet CA {}: the operator has seen the same\nnext:\n  wardlink-agent run --config {}\n",
        fingerprint(&ca)?,
        dir.join("agent.toml").display()
    );
    say(out, dir, &text)
}

/// SHA-256 of a certificate for people to compare: eight groups of four digits.
fn fingerprint(path: &Path) -> Result<String, EnrolmentError> {
    let der = CertificateDer::from_pem_slice(&file::read(path)?)
        .map_err(|_| EnrolmentError::Damaged(path.to_owned()))?;
    let sum = digest(&SHA256, &der);
    let groups = sum.as_ref().chunks(2).take(8);
    let words: Vec<String> = groups
        .map(|pair| pair.iter().map(|byte| format!("{byte:02x}")).collect())
        .collect();
    Ok(words.join("-"))
}

fn read(path: &Path) -> Result<Vec<u8>, EnrolmentError> {
    let failed = |error| EnrolmentError::Io {
        path: path.to_owned(),
        error,
    };
    let most = u64::try_from(GRANT_LIMIT.bytes).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(most.saturating_add(1)).read_to_end(&mut bytes))
        .map_err(failed)?;
    Ok(bytes)
}

fn say(out: &mut dyn Write, path: &Path, text: &str) -> Result<(), EnrolmentError> {
    let written: io::Result<()> = out.write_all(text.as_bytes());
    written.map_err(|error| EnrolmentError::Io {
        path: path.to_owned(),
        error,
    })
}
