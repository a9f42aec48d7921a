//! The program as a person or a script meets it: files, words and exit codes.

#![expect(clippy::unwrap_used, reason = "a fixture that fails ends its test")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use wardlink::archive::Archive;
use wardlink::keyring::Keyring;
use wardlink::passphrase::{Passphrase, PassphraseArguments};
use wardlink::roster::Roster;
use wardlink_link::file;
use wardlink_link::identity::{Files, Identity};
use wardlink_wire::bundle::{Bundle, Parcel};
use wardlink_wire::id::GatewayId;
use wardlink_wire::message::{PayloadKey, PayloadMasterKey};
use wardlink_wire::profile::Profile;
use wardlink_wire::root::Trust;

struct Ward(tempfile::TempDir);

impl Ward {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn with_fleet() -> Self {
        let ward = Self::new();
        ward.ok(&["init", "--no-passphrase"]);
        ward
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn wardlink(&self, arguments: &[&str]) -> (i32, String, String) {
        let Output {
            status,
            stdout,
            stderr,
        } = Command::new(env!("CARGO_BIN_EXE_wardlink"))
            .args(arguments)
            .current_dir(self.0.path())
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status.code().unwrap(), text(stdout), text(stderr))
    }

    fn ok(&self, arguments: &[&str]) -> String {
        let (code, out, err) = self.wardlink(arguments);
        assert_eq!(code, 0, "{arguments:?}: {err}");
        out
    }

    fn fails(&self, arguments: &[&str], code: i32) -> String {
        let (found, _, err) = self.wardlink(arguments);
        assert_eq!(found, code, "{arguments:?}: {err}");
        assert!(
            !err.contains("panicked") && !err.contains("Error {"),
            "{err}"
        );
        err
    }
}

fn files_below(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut open = vec![directory.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                files.insert(path.clone(), fs::read(path).unwrap());
            }
        }
    }
    files
}

#[test]
fn a_new_fleet_is_complete_and_its_secrets_are_private() {
    let ward = Ward::with_fleet();
    let fleet = ward.path(".wardlink");
    for (path, _) in files_below(&fleet) {
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        let secret = path.extension().is_some_and(|extension| extension == "key");
        assert_eq!(
            mode,
            if secret { 0o600 } else { 0o644 },
            "{}",
            path.display()
        );
    }
    for folder in ["", "broker", "operator", "monitor"] {
        let mode = fs::metadata(fleet.join(folder))
            .unwrap()
            .permissions()
            .mode()
            & 0o777;
        assert_eq!(mode, 0o700, "{folder}");
    }
    for party in ["operator", "monitor"] {
        let folder = fleet.join(party);
        let identity = Identity::load(&wardlink::directory::identity_files(&folder)).unwrap();
        assert_eq!(identity.common_name(), party);
    }
    file::read_signing_key(&fleet.join("operator/operator.key")).unwrap();
    let receipts = file::read_signing_key(&fleet.join("monitor/receipt.key")).unwrap();
    let public = file::read_verifying_key(&fleet.join("monitor/receipt.pub")).unwrap();
    assert_eq!(receipts.verifying_key(), public);
    file::read_key(&fleet.join("monitor/payload-master.key")).unwrap();
    assert!(fleet.join("broker/broker.key").is_file());
}

#[test]
fn the_keys_of_authority_and_operator_are_on_the_disk_only_under_the_passphrase() {
    let ward = Ward::new();
    let passphrase = ward.path("passphrase");
    file::write_private(&passphrase, b"correct horse battery\n").unwrap();
    ward.ok(&["init", "--passphrase-file", "passphrase"]);
    for key in ["ca.key", "operator/operator.key", "operator/tls.key"] {
        let path = ward.path(".wardlink").join(key);
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"),
            "{key}: {text}"
        );
        let keyring = |file: &str| {
            let passphrase_file = Some(ward.path(file));
            Keyring::new(Passphrase::from(PassphraseArguments {
                passphrase_file,
                passphrase_fd: None,
            }))
        };
        let opened = keyring("passphrase").private_key(&path).unwrap();
        assert!(opened.starts_with("-----BEGIN PRIVATE KEY-----"), "{key}");
        fs::write(ward.path("wrong"), "correct horse batterie\n").unwrap();
        fs::set_permissions(ward.path("wrong"), fs::Permissions::from_mode(0o600)).unwrap();
        let said = keyring("wrong").private_key(&path).unwrap_err().to_string();
        assert!(said.contains("does not open this key"), "{said}");
    }
    // Nobody to ask, and no other way named: nothing is done, and it is said what to name.
    let said = ward.fails(&["enrol", "gw-0001", "--passphrase-file", "nowhere"], 2);
    assert!(said.contains("nowhere"), "{said}");
    ward.fails(&["enrol", "gw-0001", "--passphrase-file", "wrong"], 2);
    ward.ok(&["enrol", "gw-0001", "--passphrase-file", "passphrase"]);
    fs::set_permissions(&passphrase, fs::Permissions::from_mode(0o644)).unwrap();
    let said = ward.fails(&["enrol", "gw-0002", "--passphrase-file", "passphrase"], 2);
    assert!(said.contains("chmod 600"), "{said}");
}

#[test]
fn a_fleet_without_a_passphrase_has_to_be_asked_for_and_is_warned_of() {
    let ward = Ward::new();
    let short = ward.path("short");
    file::write_private(&short, b"secret\n").unwrap();
    let said = ward.fails(&["init", "--passphrase-file", "short"], 2);
    assert!(said.contains("longer"), "{said}");
    assert!(!ward.path(".wardlink").exists());
    let said = ward.ok(&["init", "--no-passphrase"]);
    assert!(said.contains("WARNING"), "{said}");
}

#[test]
fn a_second_init_changes_nothing_and_says_what_to_do() {
    let ward = Ward::with_fleet();
    let before = files_below(&ward.path(".wardlink"));
    let said = ward.fails(&["init", "--no-passphrase"], 1);
    assert!(said.contains("choose another directory"), "{said}");
    assert_eq!(files_below(&ward.path(".wardlink")), before);
}

#[test]
fn what_enrolment_writes_is_what_the_agent_reads() {
    let ward = Ward::with_fleet();
    let said = ward.ok(&["enrol", "gw-0001", "--broker", "broker.example:1234"]);
    assert!(
        said.contains("wardlink-agent run --config .wardlink/gateways/gw-0001/agent.toml"),
        "{said}"
    );
    let folder = ward.path(".wardlink/gateways/gw-0001");
    let text = fs::read_to_string(folder.join("agent.toml")).unwrap();
    let agent: toml::Table = text.parse().unwrap();
    let expected: toml::Table = r#"
        schema = 1
        gateway.id = "gw-0001"
        broker = { host = "broker.example", port = 1234, ca = "ca.pem", certificate = "gateway.pem", key = "gateway.key" }
        monitor = { receipt_keys = ["receipt.pub"], payload_key = "payload.key" }
        operators.keys = ["operator.pub"]
        store = { path = "store", key = "store.key" }
        profile = { file = "profile.toml", state = "state" }
        status.socket = "status.sock"
    "#
    .parse()
    .unwrap();
    assert_eq!(agent, expected);
    let identity = Identity::load(&Files {
        ca: folder.join("ca.pem"),
        certificate: folder.join("gateway.pem"),
        key: folder.join("gateway.key"),
        crl: None,
    });
    assert_eq!(identity.unwrap().common_name(), "gw-0001");
    let gateway: GatewayId = "gw-0001".parse().unwrap();
    let master = file::read_key(&ward.path(".wardlink/monitor/payload-master.key")).unwrap();
    let derived = PayloadMasterKey::from_bytes(*master)
        .for_gateway(&gateway)
        .unwrap();
    let payload = file::read_key(&folder.join("payload.key")).unwrap();
    assert!(derived == PayloadKey::from_bytes(*payload));
    assert_ne!(
        *payload,
        *file::read_key(&folder.join("store.key")).unwrap()
    );
    file::read_verifying_key(&folder.join("operator.pub")).unwrap();
    file::read_verifying_key(&folder.join("receipt.pub")).unwrap();
    let profile = fs::read_to_string(folder.join("profile.toml")).unwrap();
    assert_eq!(Profile::parse(&profile).unwrap().devices.len(), 4);
}

#[test]
fn a_gateway_is_enrolled_once() {
    let ward = Ward::with_fleet();
    ward.ok(&["enrol", "gw-0001"]);
    ward.ok(&["enrol", "gw-0002", "--out", "elsewhere"]);
    let before = files_below(&ward.path(".wardlink"));
    let said = ward.fails(&["enrol", "gw-0002"], 1);
    assert!(said.contains("enrolled already"), "{said}");
    ward.fails(&["enrol", "gw-0001", "--out", "again"], 1);
    assert_eq!(files_below(&ward.path(".wardlink")), before);
    let roster = Roster::open(&ward.path(".wardlink/fleet.db")).unwrap();
    let names: Vec<_> = roster.gateways().unwrap();
    let names: Vec<_> = names.iter().map(|entry| entry.gateway.as_str()).collect();
    assert_eq!(names, ["gw-0001", "gw-0002"]);
    assert_eq!(roster.certificates("gw-0001").unwrap().len(), 1);
}

#[test]
fn what_operators_did_is_in_a_log_in_which_nothing_can_be_changed_unnoticed() {
    let ward = Ward::with_fleet();
    ward.ok(&["enrol", "gw-0001"]);
    ward.ok(&["enrol", "gw-0002"]);
    ward.ok(&["revoke", "gw-0001"]);
    ward.ok(&["renew", "operator"]);
    let said = ward.ok(&["audit", "show"]);
    for words in [
        "enrol: gw-0001",
        "enrol: gw-0002",
        "revoke: gw-0001",
        "renew: operator",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(ward.ok(&["audit", "verify"]).contains("holds: 4 entries"));
    let path = ward.path(".wardlink/audit.log");
    let whole = fs::read(&path).unwrap();
    let mut changed = whole.clone();
    let place = whole
        .windows(7)
        .position(|part| part == b"gw-0002")
        .unwrap();
    changed[place + 6] = b'3';
    fs::write(&path, &changed).unwrap();
    let said = ward.fails(&["audit", "verify"], 1);
    assert!(said.contains("does not follow"), "{said}");
    // A log that is not what was written takes no more.
    ward.fails(&["enrol", "gw-0003"], 1);
    assert_eq!(fs::read(&path).unwrap(), changed);
    // What a power cut left of an entry is found, and overwritten by the next.
    fs::write(&path, &whole[..whole.len() - 3]).unwrap();
    assert!(ward.ok(&["audit", "verify"]).contains("holds: 3 entries"));
    ward.ok(&["renew", "monitor"]);
    let said = ward.ok(&["audit", "show"]);
    assert!(
        said.contains("renew: monitor") && said.contains("holds: 4 entries"),
        "{said}"
    );
}

#[test]
fn a_profile_is_compared_with_what_each_gateway_has_in_plain_words() {
    let ward = Ward::with_fleet();
    ward.ok(&["enrol", "gw-0001", "--group", "ward-3"]);
    ward.ok(&["enrol", "gw-0002", "--group", "ward-3"]);
    let profile = fs::read_to_string(ward.path(".wardlink/gateways/gw-0001/profile.toml")).unwrap();
    fs::write(ward.path("same.toml"), &profile).unwrap();
    fs::write(
        ward.path("faster.toml"),
        profile.replace("rate = 250", "rate = 500"),
    )
    .unwrap();
    let said = ward.ok(&["profile", "diff", "--group", "ward-3", "same.toml"]);
    assert_eq!(said.matches("nothing changes").count(), 2, "{said}");
    let said = ward.ok(&["profile", "diff", "--gateway", "gw-0002", "faster.toml"]);
    assert!(said.contains("device ecg-1: rate 250 -> 500"), "{said}");
    ward.fails(&["profile", "diff", "--group", "nobody", "same.toml"], 2);
    ward.fails(&["profile", "status"], 2);
    ward.fails(&["profile", "push", "--resume"], 2);
}

#[test]
fn a_second_operator_signs_what_the_first_one_signed() {
    let ward = Ward::with_fleet();
    ward.ok(&["init", "--fleet", "other", "--no-passphrase"]);
    ward.ok(&["enrol", "gw-0001"]);
    let profile = ".wardlink/gateways/gw-0001/profile.toml";
    ward.ok(&[
        "profile",
        "sign",
        "--gateway",
        "gw-0001",
        profile,
        "--out",
        "one",
    ]);
    let other = "other/operator/operator.key";
    let said = ward.ok(&["profile", "cosign", "one", "--key", other, "--out", "two"]);
    assert!(
        said.contains("version 1 for gw-0001") && said.contains("ecg-1"),
        "{said}"
    );
    let keys = [".wardlink", "other"].map(|fleet| {
        file::read_verifying_key(&ward.path(fleet).join("operator/operator.pub")).unwrap()
    });
    let trust = Trust::pinned(keys.to_vec(), 2, 1).unwrap();
    let bundle = |name: &str| {
        let parcel = Parcel::decode(&fs::read(ward.path(name)).unwrap()).unwrap();
        Bundle::verify(&parcel.bundle.unwrap(), &trust)
    };
    assert!(bundle("one").is_err(), "one of two is not enough");
    assert_eq!(
        bundle("two").unwrap().manifest().gateway.as_str(),
        "gw-0001"
    );
    let own = ".wardlink/operator/operator.key";
    ward.fails(
        &["profile", "cosign", "two", "--key", own, "--out", "three"],
        1,
    );
}

#[test]
fn bad_input_ends_with_2_and_leaves_nothing_behind() {
    let ward = Ward::new();
    let said = ward.fails(&["enrol", "gw-0001"], 2);
    assert!(said.contains("wardlink init"), "{said}");
    ward.fails(
        &["init", "--no-passphrase", "--broker-name", "not a name"],
        2,
    );
    ward.fails(&["init", "--no-passphrase", "--days", "5000"], 2);
    assert_eq!(fs::read_dir(ward.0.path()).unwrap().count(), 0);
    ward.ok(&["init", "--no-passphrase"]);
    ward.fails(&["enrol", "a/b"], 2);
    ward.fails(&["enrol", "monitor"], 2);
    ward.fails(&["enrol", "gw-0001", "--days", "4000"], 2);
    fs::write(
        ward.path("bad.toml"),
        "schema = 1\n[log]\nlevel = \"loud\"\n[x]\n",
    )
    .unwrap();
    for arguments in [
        vec!["enrol", "gw-0001", "--profile", "bad.toml"],
        vec!["profile", "check", "bad.toml"],
        vec![
            "profile",
            "sign",
            "--gateway",
            "gw-0001",
            "bad.toml",
            "--out",
            "b",
        ],
    ] {
        let said = ward.fails(&arguments, 2);
        assert!(
            said.contains("log.level") && said.contains("unknown key"),
            "{said}"
        );
    }
    assert!(!ward.path(".wardlink/gateways").join("gw-0001").exists());
    assert!(!ward.path("b").exists());
    ward.fails(&["monitor", "show", "--data", "nowhere"], 2);
    ward.fails(&["monitor"], 2);
    ward.fails(&["profile", "push", "--gateway", "gw-0001"], 2);
}

#[test]
fn versions_of_signed_profiles_rise_and_the_bundle_is_for_one_gateway() {
    let ward = Ward::with_fleet();
    ward.ok(&["enrol", "gw-0001"]);
    let profile = ".wardlink/gateways/gw-0001/profile.toml";
    let checked = ward.ok(&["profile", "check", profile]);
    assert!(checked.contains("4 devices"), "{checked}");
    let key = file::read_verifying_key(&ward.path(".wardlink/operator/operator.pub")).unwrap();
    let gateway: GatewayId = "gw-0001".parse().unwrap();
    for version in 1..=2 {
        let out = format!("{version}.bundle");
        ward.ok(&[
            "profile",
            "sign",
            "--gateway",
            "gw-0001",
            profile,
            "--out",
            &out,
            "--valid",
            "1h",
        ]);
        let bytes = fs::read(ward.path(&out)).unwrap();
        let bundle = Parcel::decode(&bytes).unwrap().bundle.unwrap();
        let trust = Trust::pinned(vec![key.clone()], 1, 1).unwrap();
        let bundle = Bundle::verify(&bundle, &trust).unwrap();
        let manifest = bundle.manifest();
        assert_eq!(
            (manifest.version.root, manifest.version.number),
            (1, version)
        );
        assert_eq!(manifest.expires - manifest.issued, 3600);
        assert_eq!(manifest.gateway, gateway);
        assert_eq!(
            manifest.profile,
            fs::read_to_string(ward.path(profile)).unwrap()
        );
    }
}

#[test]
fn a_broker_that_is_not_there_is_said_and_ends_with_1() {
    let ward = Ward::with_fleet();
    ward.ok(&["enrol", "gw-0001"]);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let broker = format!("127.0.0.1:{port}");
    let profile = ".wardlink/gateways/gw-0001/profile.toml";
    let push = [
        "profile",
        "push",
        "--gateway",
        "gw-0001",
        profile,
        "--broker",
        &broker,
    ];
    let said = ward.fails(&push, 1);
    assert!(
        said.contains(&broker) && said.contains("not published"),
        "{said}"
    );
}

#[test]
fn an_empty_archive_is_shown_and_exports_nothing() {
    let ward = Ward::new();
    drop(Archive::open(&ward.path("data")).unwrap());
    let shown = ward.ok(&["monitor", "show", "--data", "data"]);
    assert!(shown.contains("held 0 records"), "{shown}");
    let said = ward.fails(&["monitor", "export", "--data", "data", "--csv", "out"], 1);
    assert!(said.contains("nothing"), "{said}");
}

#[test]
fn every_command_explains_itself() {
    let ward = Ward::new();
    for command in [
        vec![],
        vec!["init"],
        vec!["enrol"],
        vec!["monitor"],
        vec!["monitor", "export"],
        vec!["profile", "push"],
        vec!["profile", "sign"],
    ] {
        let mut arguments = command.clone();
        arguments.push("--help");
        let help = ward.ok(&arguments);
        assert!(help.contains("Example"), "{command:?}: {help}");
    }
}

#[test]
fn the_audit_log_of_a_fleet_that_is_not_there_is_asked_for_in_the_words_of_every_command() {
    let ward = Ward::new();
    for command in ["verify", "show"] {
        let said = ward.fails(&["audit", command], 2);
        assert!(said.contains("is no fleet directory"), "{said}");
    }
}
