//! A gateway becomes a member of the fleet, stays one, and is turned out: its private keys never leave it.

use std::fs;
use std::path::{Path, PathBuf};

use wardlink::pki::Validity;
use wardlink_link::identity::{Files, Identity};
use wardlink_tests::client::{Client, gateway_files, topic};
use wardlink_tests::fleet::{self, install};
use wardlink_tests::gateway::Gateway;
use wardlink_tests::profile;
use wardlink_tests::program::{Said, ours, run, run_well};
use wardlink_tests::wait;
use wardlink_tests::ward::Ward;
use wardlink_wire::SCHEMA;
use wardlink_wire::codec;
use wardlink_wire::enrolment::{Answer, Desk, GRANT_LIMIT, Outcome, Proof, Request};
use wardlink_wire::lane::Lane;
use wardlink_wire::topic::Subject;

#[test]
fn a_gateways_private_keys_never_leave_it_and_nobody_else_can_use_its_grant() {
    let ward = Ward::open();
    let (dir, grant) = (ward.folder.join("gw-1"), ward.folder.join("grant"));
    let asked = request("gw-1", &dir);
    let granted = enrol(&ward, "gw-1", &dir, &grant, &["--group", "ward-3"]);
    let print = line(&asked.stdout, "request ");
    assert!(granted.contains(print), "{granted} does not show {print}");

    // What one gateway was granted is of no use to another, nor to one that guesses what it asked.
    let thief = ward.folder.join("thief");
    request("gw-1", &thief);
    let said = accept(&thief, &grant);
    assert_eq!(said.code, Some(1), "{}", said.stdout);
    assert!(said.stderr.contains("another request"), "{}", said.stderr);
    let copied = dir.join("enrolment.request");
    fs::copy(copied, thief.join("enrolment.request")).expect("a copy");
    let said = accept(&thief, &grant);
    assert!(said.stderr.contains("does not open"), "{}", said.stderr);
    assert!(!thief.join("agent.toml").exists() && !thief.join("gateway.pem").exists());

    let secrets = ["gateway.key", "sealing.key"].map(|name| secret_of(&dir.join(name)));
    let said = accept(&dir, &grant);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let print = line(&said.stdout, "fleet CA ");
    assert!(granted.contains(print), "{granted} does not show {print}");
    let elsewhere = files_below(ward.fleet.path());
    let elsewhere: Vec<_> = elsewhere.iter().chain([&grant]).collect();
    for path in elsewhere {
        let bytes = fs::read(path).expect("a file");
        for secret in secrets.iter().chain([&secret_of(&dir.join("payload.key"))]) {
            let found = bytes.windows(secret.len()).any(|part| part == secret);
            assert!(!found, "a gateway's secret is in {}", path.display());
        }
    }

    let mut gateway = Gateway::at("gw-1", dir);
    gateway.start();
    gateway.until_more_is_recorded();
    let last = gateway.stop();
    ward.monitor.assert_has_all_of_without_gaps(&last);
    let member = "gw-1".parse().expect("a name");
    assert_eq!(
        ward.fleet.roster().members("ward-3").expect("members"),
        [member]
    );
}

#[test]
fn a_request_that_was_changed_on_its_way_is_not_certified() {
    let ward = Ward::open();
    let (dir, grant) = (ward.folder.join("gw-1"), ward.folder.join("grant"));
    request("gw-1", &dir);
    let path = dir.join("enrolment.request");
    let text = fs::read_to_string(&path).expect("a request");
    // Another subject, signed by nobody: the DER of the request begins in the second line.
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let changed: String = lines[3].chars().rev().collect();
    lines[3] = changed;
    fs::write(&path, lines.join("\n") + "\n").expect("the request is written");
    let said = ward.fleet.run(&[
        "enrol",
        "gw-1",
        "--csr",
        path.to_str().expect("a plain path"),
        "--out",
        grant.to_str().expect("a plain path"),
    ]);
    assert_eq!(said.code, Some(2), "{}{}", said.stdout, said.stderr);
    assert!(!grant.exists() && ward.fleet.roster().gateways().expect("gateways").is_empty());
}

#[test]
fn a_claim_enrols_one_gateway_at_its_first_start_and_nobody_after_it() {
    let ward = Ward::open();
    let claim = claim(&ward, "gw-1", &[]);
    let copy = ward.folder.join("copy.claim");
    fs::copy(&claim, &copy).expect("a copy");

    // The gateway asks before anybody answers.
    let mut gateway = Gateway::at("gw-1", ward.folder.join("gw-1"));
    fs::create_dir(gateway.folder()).expect("a folder");
    gateway.launch_with(&["--claim", claim.to_str().expect("a plain path")]);
    let desk = ward.broker.port();
    let mut operator = Client::of_party(&ward.fleet.join("operator"), desk);
    operator
        .subscribe("wardlink/1/claim/+/enrolment")
        .expect("the operator hears claims");
    operator.hear();
    let serving = ward.fleet.serve(desk);
    gateway.until("it measures as a member", |report| {
        report.gateway == "gw-1" && report.receipts > 0
    });
    assert!(!claim.exists(), "the claim is spent, and still there");

    // Whoever took a copy of the claim comes too late, and changes nothing.
    let thief = ward.folder.join("thief");
    let said = run(ours("wardlink-agent")
        .args(["enrol", "claim", "--dir"])
        .arg(&thief)
        .arg(&copy));
    assert_eq!(said.code, Some(1), "{}{}", said.stdout, said.stderr);
    assert!(said.stderr.contains("used already"), "{}", said.stderr);
    assert!(!thief.join("agent.toml").exists() && !thief.join("payload.key").exists());
    let roster = ward.fleet.roster();
    assert_eq!(roster.certificates("gw-1").expect("certificates").len(), 1);
    let last = gateway.stop();
    ward.monitor.assert_has_all_of_without_gaps(&last);
    drop(serving);
}

#[test]
fn an_expired_a_withdrawn_and_an_altered_claim_enrol_nobody() {
    let ward = Ward::open();
    let serving = ward.fleet.serve(ward.broker.port());
    let try_with = |name: &str, claim: &Path| {
        let dir = ward.folder.join(&format!("{name}-dir"));
        let mut command = ours("wardlink-agent");
        command.args(["enrol", "claim", "--dir"]).arg(&dir);
        let said = run(command.arg(claim));
        assert_eq!(said.code, Some(1), "{name}: {}{}", said.stdout, said.stderr);
        assert!(!dir.join("agent.toml").exists(), "{name}");
        said.stderr
    };
    let expired = claim(&ward, "gw-1", &["--valid", "0s"]);
    assert!(try_with("gw-1", &expired).contains("expired"));

    let withdrawn = claim(&ward, "gw-2", &[]);
    let id = ward.fleet.roster().claims().expect("claims");
    let id = id.iter().find(|claim| claim.gateway.as_str() == "gw-2");
    ward.fleet
        .does(&["claim", "withdraw", id.expect("the claim").id.as_str()]);
    assert!(try_with("gw-2", &withdrawn).contains("withdrawn"));

    // The certificate alone is not enough: whoever has only that does not know the secret.
    let altered = claim(&ward, "gw-3", &[]);
    let text = fs::read_to_string(&altered).expect("a claim");
    let secret = line(&text, "secret = \"").trim_end_matches('"').to_owned();
    let other: String = secret.chars().rev().collect();
    fs::write(&altered, text.replace(&secret, &other)).expect("the claim is written");
    assert!(try_with("gw-3", &altered).contains("does not prove"));
    assert!(ward.fleet.roster().gateways().expect("gateways").is_empty());
    drop(serving);
}

#[test]
fn a_claims_certificate_reaches_the_desk_of_enrolment_and_nothing_else() {
    let ward = Ward::open();
    let port = ward.broker.port();
    let gateway = ward.enrol("gw-1", &profile::thermometer());
    let text = fs::read_to_string(claim(&ward, "gw-2", &[])).expect("a claim");
    let files = claim_files(&ward, &text);
    let mut holder = Client::connect(&files, port).expect("the broker takes the holder of a claim");
    // The broker grants what it will not deliver.
    for filter in ["#", "wardlink/1/+/enrolment", "wardlink/1/gw-1/config"] {
        drop(holder.subscribe(filter));
    }
    let mut monitor = Client::of_party(&ward.fleet.join("monitor"), port);
    monitor
        .subscribe("wardlink/1/+/vital")
        .expect("the monitor hears");
    monitor
        .subscribe("wardlink/1/+/state")
        .expect("the monitor hears");
    let mut listener = Client::of_gateway(&gateway, port);
    let config = topic(&gateway.id(), Subject::Config);
    listener.subscribe(&config).expect("a gateway hears");

    let vital = topic(&gateway.id(), Subject::Lane(Lane::Vital));
    for forbidden in [
        "alarm",
        "vital",
        "event",
        "wave",
        "birth",
        "state",
        "config/state",
    ] {
        holder.publish(
            &format!("wardlink/1/claim/{forbidden}"),
            b"x".to_vec(),
            false,
        );
        holder.publish(
            &format!("wardlink/1/gw-1/{forbidden}"),
            b"x".to_vec(),
            false,
        );
    }
    holder.publish(&config, b"forged".to_vec(), false);
    // What comes after all that and was allowed is the first to be heard.
    let voice = Client::of_gateway(&gateway, port);
    voice.publish(&vital, b"real".to_vec(), false);
    assert_eq!(monitor.hear(), (vital, b"real".to_vec()));
    let operator = Client::of_party(&ward.fleet.join("operator"), port);
    operator.publish(&config, b"signed".to_vec(), false);
    assert_eq!(listener.hear(), (config, b"signed".to_vec()));
    let desk = Desk::Claim("0011223344556677".parse().expect("an id"));
    operator.publish(&desk.request(), b"a request".to_vec(), false);
    operator.publish(&desk.answer(), b"an answer".to_vec(), false);
    assert_eq!(holder.hear(), (desk.answer(), b"an answer".to_vec()));
}

#[test]
fn a_certificate_is_renewed_over_mqtt_on_a_new_key_and_nothing_is_lost() {
    let mut ward = Ward::open();
    let mut gateway = ward.enrol("gw-1", &profile::thermometer());
    let old = nearly_over(&ward, &gateway);
    let old_key = fs::read(gateway.join("gateway.key")).expect("a key");
    let serving = ward.fleet.serve(ward.broker.port());
    gateway.start();
    let renewed = wait::until("the certificate is renewed", || {
        let identity = Identity::load(&gateway_files(&gateway)).ok()?;
        (identity.not_after() > old).then_some(identity)
    });
    assert_eq!(renewed.common_name(), "gw-1");
    assert_ne!(
        fs::read(gateway.join("gateway.key")).expect("a key"),
        old_key
    );
    // The next connection shows the new one.
    ward.broker.stop();
    ward.broker.come_back();
    let before = gateway.until("it is asked", |_| true).receipts;
    gateway.until("it delivers with the new certificate", |report| {
        report.receipts > before && report.faults.is_empty()
    });
    let last = gateway.stop();
    ward.monitor.assert_has_all_of_without_gaps(&last);
    let roster = ward.fleet.roster();
    assert_eq!(roster.certificates("gw-1").expect("certificates").len(), 3);
    drop(serving);
}

#[test]
fn a_renewal_that_the_gateways_own_key_did_not_sign_is_refused() {
    let ward = Ward::open();
    let gateway = ward.enrol("gw-1", &profile::thermometer());
    let serving = ward.fleet.serve(ward.broker.port());
    // Keys of somebody who could publish as this gateway: a broker in other hands, for one.
    let dir = ward.folder.join("forger");
    request("gw-1", &dir);
    let pending = wardlink_agent::enrolment::pending::Pending::load(&dir).expect("a request");
    let desk = Desk::Renewal(gateway.id());
    let mut voice = Client::of_gateway(&gateway, ward.broker.port());
    voice.subscribe(&desk.answer()).expect("a gateway hears");
    for proof in [
        Proof::Person,
        Proof::Renewal(serde_bytes::ByteBuf::from(vec![0x30; 70])),
        Proof::Claim(serde_bytes::ByteBuf::from(vec![0; 32])),
    ] {
        let request = Request {
            schema: SCHEMA,
            proof,
            ..pending.request.clone()
        };
        let bytes = codec::encode(&request).expect("bytes");
        voice.publish(&desk.request(), bytes, true);
        let answer: Answer =
            codec::decode(&voice.hear_of(&desk.answer()), GRANT_LIMIT).expect("an answer");
        let refused =
            matches!(&answer.outcome, Outcome::Refused(why) if why.contains("does not prove"));
        assert!(refused, "{answer:?}");
    }
    let roster = ward.fleet.roster();
    assert_eq!(roster.certificates("gw-1").expect("certificates").len(), 1);
    drop(serving);
}

#[test]
fn a_revoked_gateway_is_turned_away_by_the_broker_and_by_renewal() {
    let mut ward = Ward::open();
    let thief = ward.enrol("gw-1", &profile::thermometer());
    let mut honest = ward.gateway("gw-2", &profile::thermometer());
    drop(Client::of_gateway(&thief, ward.broker.port()));
    let said = ward.fleet.does(&["revoke", "gw-1"]);
    assert!(said.contains("1 certificates count no more"), "{said}");
    ward.broker.stop();
    ward.broker.come_back();
    let refused = Client::connect(&gateway_files(&thief), ward.broker.port());
    assert!(refused.is_err(), "a revoked certificate was taken");
    let before = honest.until("it is asked", |_| true).receipts;
    honest.until("the others go on", |report| report.receipts > before);
    let said = ward.fleet.run(&["revoke", "gw-1"]);
    assert_eq!(said.code, Some(2), "{}", said.stdout);
    // Its name may come back, on another key.
    let (dir, grant) = (ward.folder.join("again"), ward.folder.join("grant"));
    request("gw-1", &dir);
    enrol(&ward, "gw-1", &dir, &grant, &[]);
    assert_eq!(accept(&dir, &grant).code, Some(0));
    drop(Client::of_gateway(
        &Gateway::at("gw-1", dir),
        ward.broker.port(),
    ));
    let last = honest.stop();
    ward.monitor.assert_has_all_of_without_gaps(&last);
}

#[test]
fn the_other_parties_certificates_are_renewed_by_the_operator() {
    let mut ward = Ward::open();
    for party in ["broker", "monitor", "operator"] {
        let said = ward.fleet.does(&["renew", party]);
        assert!(said.contains(&format!("renewed {party}")), "{said}");
    }
    ward.broker.stop();
    ward.monitor.stop();
    ward.broker.come_back();
    ward.monitor.come_back();
    let mut gateway = ward.gateway("gw-1", &profile::thermometer());
    gateway.until("it delivers", |report| report.receipts > 0);
    drop(Client::of_party(
        &ward.fleet.join("operator"),
        ward.broker.port(),
    ));
    let last = gateway.stop();
    ward.monitor.assert_has_all_of_without_gaps(&last);
}

fn request(gateway: &str, dir: &Path) -> Said {
    let mut command = ours("wardlink-agent");
    command.args(["enrol", "request", "--gateway", gateway, "--dir"]);
    run_well(command.arg(dir))
}

fn accept(dir: &Path, grant: &Path) -> Said {
    let mut command = ours("wardlink-agent");
    run(command
        .args(["enrol", "accept", "--dir"])
        .arg(dir)
        .arg(grant))
}

/// Answers the request in a gateway's directory.
#[track_caller]
fn enrol(ward: &Ward, gateway: &str, dir: &Path, grant: &Path, more: &[&str]) -> String {
    let profile = ward.folder.join("profile.toml");
    fs::write(&profile, profile::thermometer()).expect("the profile is written");
    let (csr, broker) = (dir.join("enrolment.request"), address(ward));
    let mut arguments = vec![
        "enrol",
        gateway,
        "--csr",
        plain(&csr),
        "--out",
        plain(grant),
    ];
    arguments.extend(["--profile", plain(&profile), "--broker", &broker]);
    arguments.extend(more);
    ward.fleet.does(&arguments)
}

/// Makes a claim and gives out its path.
#[track_caller]
fn claim(ward: &Ward, gateway: &str, more: &[&str]) -> PathBuf {
    let profile = ward.folder.join("profile.toml");
    fs::write(&profile, profile::thermometer()).expect("the profile is written");
    let (out, broker) = (ward.folder.path(), address(ward));
    let mut arguments = vec!["claim", "new", gateway, "--out", plain(out)];
    arguments.extend(["--profile", plain(&profile), "--broker", &broker]);
    arguments.extend(more);
    ward.fleet.does(&arguments);
    out.join(format!("{gateway}.claim"))
}

fn claim_files(ward: &Ward, claim: &str) -> Files {
    let block = |name: &str| {
        let (_, rest) = claim.split_once(&format!("{name} = '''\n")).expect(name);
        rest.split_once("'''").expect(name).0.to_owned()
    };
    let files = Files {
        ca: ward.folder.join("claim-ca.pem"),
        certificate: ward.folder.join("claim.pem"),
        key: ward.folder.join("claim.key"),
        crl: None,
    };
    for (path, name) in [
        (&files.ca, "ca"),
        (&files.certificate, "certificate"),
        (&files.key, "key"),
    ] {
        wardlink_link::file::write_private(path, block(name).as_bytes()).expect(name);
    }
    files
}

/// Gives a gateway a certificate that has lived nine tenths of its life, when every gateway renews; says
/// when it ends.
fn nearly_over(ward: &Ward, gateway: &Gateway) -> i64 {
    let validity = Validity::days_from(fleet::now() - 9 * 86_400, 10).expect("ten days");
    let issued = fleet::client(&ward.fleet.authority(), gateway.name(), validity);
    install(
        &issued,
        &gateway.join("gateway.pem"),
        &gateway.join("gateway.key"),
    );
    let roster = ward.fleet.roster();
    roster
        .note_certificate(gateway.name(), &issued.without_key(), fleet::now())
        .expect("noted");
    issued.not_after
}

/// The longest line of base64, or the hexadecimal digits: what a copy of the file would have to hold.
fn secret_of(path: &Path) -> Vec<u8> {
    let text = fs::read_to_string(path).expect("a key");
    let lines = text.lines().filter(|line| !line.starts_with("--"));
    let longest = lines.max_by_key(|line| line.len()).expect("a line");
    longest.as_bytes().to_vec()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files
}

/// What follows some words in the line that begins with them, up to the next space or colon.
fn line<'t>(text: &'t str, words: &str) -> &'t str {
    let rest = text.lines().find_map(|line| line.strip_prefix(words));
    let rest = rest.unwrap_or_else(|| panic!("no line begins with {words:?}: {text}"));
    rest.split([' ', ':']).next().unwrap_or_default()
}

fn address(ward: &Ward) -> String {
    format!("localhost:{}", ward.broker.port())
}

fn plain(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}
