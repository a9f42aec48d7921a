//! A fleet directory, made by the operator's program, and certificates that no operator would make.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rcgen::{
    CertificateRevocationListParams, Issuer, KeyIdMethod, KeyPair, RevokedCertParams, SerialNumber,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use time::OffsetDateTime;
use wardlink::pki::{Authority, Issued, Subject, Validity};
use wardlink::roster::Roster;
use wardlink_link::file;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::program::{Program, Said, ours, run, run_well};
use crate::wait;

/// A fleet directory.
#[derive(Debug)]
pub struct Fleet(PathBuf);

impl Fleet {
    /// Makes one whose broker is called `localhost`, `127.0.0.1`, and what guests of QEMU call this machine.
    #[track_caller]
    #[must_use]
    pub fn init(path: PathBuf) -> Self {
        Self::init_for(path, &["localhost", "127.0.0.1"])
    }

    /// Makes one whose broker has these names.
    #[track_caller]
    #[must_use]
    pub fn init_for(path: PathBuf, broker: &[&str]) -> Self {
        let mut command = ours("wardlink");
        command.args(["init", "--no-passphrase", "--fleet"]);
        command.arg(&path);
        for name in broker {
            command.args(["--broker-name", name]);
        }
        run_well(&mut command);
        Self(path)
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A path in it.
    #[must_use]
    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Enrols a gateway; `out` comes into being.
    #[track_caller]
    pub fn enrol(&self, gateway: &str, profile: &str, port: u16, out: &Path) {
        let file = self.0.join(format!("{gateway}.profile.toml"));
        fs::write(&file, profile).expect("the profile is written");
        run_well(
            ours("wardlink")
                .args(["enrol", gateway, "--fleet"])
                .arg(&self.0)
                .arg("--out")
                .arg(out)
                .args(["--broker", &format!("localhost:{port}"), "--profile"])
                .arg(&file),
        );
    }

    /// Runs a command of the operator in this fleet.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Said {
        run(ours("wardlink").args(arguments).arg("--fleet").arg(&self.0))
    }

    /// Runs a command of the operator that has to succeed, and gives out what it said.
    #[track_caller]
    pub fn does(&self, arguments: &[&str]) -> String {
        let said = self.run(arguments);
        assert_eq!(
            said.code,
            Some(0),
            "{arguments:?}: {}{}",
            said.stdout,
            said.stderr
        );
        said.stdout
    }

    /// What the operator knows of the fleet.
    #[must_use]
    pub fn roster(&self) -> Roster {
        Roster::open(&self.0.join("fleet.db")).expect("the fleet's file")
    }

    /// Starts `wardlink enrol serve`.
    #[track_caller]
    #[must_use]
    pub fn serve(&self, port: u16) -> Program {
        let mut command = ours("wardlink");
        command.args(["enrol", "serve", "--fleet"]).arg(&self.0);
        command.args(["--broker", &format!("localhost:{port}")]);
        let mut program = Program::start("serve", &mut command, &self.0);
        wait::until("claims and renewals are answered", || {
            program.assert_running();
            program.log().contains("answering claims").then_some(())
        });
        program
    }

    /// Runs `wardlink profile push`.
    #[track_caller]
    pub fn push(&self, gateway: &str, port: u16, arguments: &[&str]) -> Said {
        run(ours("wardlink")
            .args(["profile", "push", "--gateway", gateway, "--fleet"])
            .arg(&self.0)
            .args(["--broker", &format!("localhost:{port}")])
            .args(arguments))
    }

    /// A revocation list of the fleet's authority, PEM, that names these certificates (PEM).
    #[must_use]
    pub fn revocation_list(&self, revoked: &[&str]) -> String {
        let text = |name: &str| fs::read_to_string(self.join(name)).expect(name);
        let key = KeyPair::from_pem(&text("ca.key")).expect("the fleet's key");
        let issuer = Issuer::from_ca_cert_pem(&text("ca.pem"), key).expect("the fleet's CA");
        let now = OffsetDateTime::now_utc();
        let revoked = revoked.iter().map(|pem| RevokedCertParams {
            serial_number: serial_of(pem),
            revocation_time: now,
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: now,
            next_update: now + time::Duration::days(1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = list.signed_by(&issuer).expect("a revocation list");
        list.pem().expect("PEM")
    }

    /// The fleet's own authority, to issue what its program never would.
    #[must_use]
    pub fn authority(&self) -> Authority {
        let text = |name: &str| fs::read_to_string(self.join(name)).expect(name);
        Authority::from_pem(&text("ca.pem"), &text("ca.key")).expect("the fleet's authority")
    }
}

fn serial_of(pem: &str) -> SerialNumber {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate");
    let (_, read) = X509Certificate::from_der(&der).expect("a certificate");
    SerialNumber::from_slice(read.raw_serial())
}

/// An authority that no fleet knows.
#[must_use]
pub fn another_authority() -> Authority {
    let longer = Validity::days_from(now(), 20).expect("twenty days");
    Authority::generate("another fleet", longer).expect("an authority")
}

/// A client certificate.
#[must_use]
pub fn client(authority: &Authority, common_name: &str, validity: Validity) -> Issued {
    let subject = Subject::Client(common_name.to_owned());
    authority.issue(&subject, validity).expect("a certificate")
}

/// A server certificate that holds for one name.
#[must_use]
pub fn server(authority: &Authority, name: &str, validity: Validity) -> Issued {
    let subject = Subject::Server {
        common_name: "broker".to_owned(),
        names: vec![name.to_owned()],
    };
    authority.issue(&subject, validity).expect("a certificate")
}

/// From now on for ten days.
#[must_use]
pub fn holds() -> Validity {
    Validity::days_from(now(), 10).expect("ten days")
}

/// Ended four days ago.
#[must_use]
pub fn expired() -> Validity {
    Validity::days_from(now() - 5 * 86_400, 1).expect("one day")
}

/// Writes a certificate and its key in place of what is there.
pub fn install(issued: &Issued, certificate: &Path, key: &Path) {
    for path in [certificate, key] {
        if path.exists() {
            fs::remove_file(path).expect("the old file goes away");
        }
    }
    file::write(certificate, issued.certificate.as_bytes()).expect("certificate");
    file::write_private(key, issued.key.as_bytes()).expect("key");
}

/// UTC, seconds since 1970-01-01.
#[must_use]
pub fn now() -> i64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    i64::try_from(now.as_secs()).expect("before the year 292277026596")
}
