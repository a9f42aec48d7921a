//! Nobody without a certificate of the fleet gets in, and no party gets further than its own name.

use std::fs;

use wardlink::pki::{Authority, Issued};
use wardlink_link::identity::Files;
use wardlink_tests::client::{Client, gateway_files, topic};
use wardlink_tests::fleet::{self, another_authority, install};
use wardlink_tests::profile;
use wardlink_tests::series;
use wardlink_tests::stranger;
use wardlink_tests::ward::Ward;
use wardlink_wire::lane::Lane;
use wardlink_wire::topic::Subject;

#[test]
fn the_broker_turns_away_whoever_has_no_certificate() {
    let ward = Ward::open();
    stranger::assert_wants_tls(ward.broker.port());
    stranger::assert_wants_a_certificate(&ward.fleet.join("ca.pem"), ward.broker.port());
    // It was the missing certificate and nothing else: with one, the same broker answers.
    drop(Client::of_party(
        &ward.fleet.join("operator"),
        ward.broker.port(),
    ));
}

#[test]
fn the_broker_turns_away_a_certificate_of_another_fleet() {
    let ward = Ward::open();
    let gateway = ward.enrol("gw-1", &profile::thermometer());
    let stranger = another_authority();
    let issued = fleet::client(&stranger, "gw-1", fleet::holds());
    let files = Files {
        ca: gateway.join("ca.pem"),
        certificate: ward.folder.join("stranger.pem"),
        key: ward.folder.join("stranger.key"),
        crl: None,
    };
    install(&issued, &files.certificate, &files.key);
    let error = Client::connect(&files, ward.broker.port()).expect_err("a stranger is let in");
    assert!(
        error
            .to_string()
            .contains("does not know the CA of this certificate"),
        "{error}"
    );
    drop(Client::of_gateway(&gateway, ward.broker.port()));
}

#[test]
fn a_broker_of_another_fleet_gets_nothing_and_nothing_is_lost() {
    distrusts("is not from the fleet CA", |_| {
        fleet::server(&another_authority(), "localhost", fleet::holds())
    });
}

#[test]
fn a_broker_under_another_name_gets_nothing_and_nothing_is_lost() {
    distrusts("does not carry the configured host name", |authority| {
        fleet::server(authority, "elsewhere.example", fleet::holds())
    });
}

#[test]
fn a_broker_whose_certificate_is_expired_gets_nothing_and_nothing_is_lost() {
    distrusts("the broker's certificate is expired", |authority| {
        fleet::server(authority, "localhost", fleet::expired())
    });
}

/// The agent keeps recording while the broker shows a wrong certificate, says what is wrong, and delivers
/// everything once the right one is back.
fn distrusts(words: &str, wrong: impl FnOnce(&Authority) -> Issued) {
    let mut ward = Ward::open();
    let other = ward.folder.join("other");
    fs::create_dir(&other).expect("a folder");
    // It still asks for certificates of the fleet, so that nothing but its own is wrong.
    fs::copy(ward.fleet.join("ca.pem"), other.join("ca.pem")).expect("the fleet's CA");
    let revoked = ward.fleet.join("broker/crl.pem");
    fs::copy(revoked, other.join("crl.pem")).expect("the fleet's list of the revoked");
    let wrong = wrong(&ward.fleet.authority());
    install(&wrong, &other.join("broker.pem"), &other.join("broker.key"));
    ward.broker.stop();
    ward.broker.configure(&other);
    ward.broker.come_back();

    let mut gateway = ward.gateway("gw-1", &profile::four_devices(4));
    let alone = gateway.until_fault(words);
    assert_eq!(alone.link, "connecting");
    let recording = gateway.until_more_is_recorded();
    assert_eq!((recording.published, recording.receipts), (0, 0));
    assert_eq!(ward.monitor.summary().delivered, 0);

    ward.broker.stop();
    ward.broker.configure(&ward.fleet.join("broker"));
    ward.broker.come_back();
    gateway.until("the agent believes the broker again", |report| {
        report.link == "connected" && report.faults.is_empty()
    });
    let last = gateway.stop();
    ward.monitor.assert_has_all_of_without_gaps(&last);
    series::assert_whole(&ward.monitor.archive());
}

#[test]
fn an_expired_certificate_stops_delivery_but_not_recording_and_a_new_one_needs_no_restart() {
    let ward = Ward::open();
    let mut gateway = ward.enrol("gw-1", &profile::four_devices(4));
    let files = gateway_files(&gateway);
    let authority = ward.fleet.authority();
    let expired = fleet::client(&authority, "gw-1", fleet::expired());
    install(&expired, &files.certificate, &files.key);

    let checked = gateway.check();
    assert_eq!(
        checked.code,
        Some(0),
        "an expired certificate is no fault of the configuration"
    );
    assert!(
        checked.stderr.contains("gateway.pem: expired"),
        "{}",
        checked.stderr
    );

    let started = gateway.start();
    gateway.until_fault("the certificate is expired");
    gateway.until_fault("the broker refuses this certificate as expired: renew it");
    gateway.until_more_is_recorded();
    assert_eq!(ward.monitor.summary().delivered, 0);

    install(
        &fleet::client(&authority, "gw-1", fleet::holds()),
        &files.certificate,
        &files.key,
    );
    let renewed = gateway.until("delivery goes on", |report| {
        report.link == "connected" && report.faults.is_empty() && report.receipts > 0
    });
    assert_eq!(
        renewed.started_utc_ns, started.started_utc_ns,
        "it was restarted"
    );
    let last = gateway.stop();
    ward.monitor.assert_has_all_of_without_gaps(&last);
    series::assert_whole(&ward.monitor.archive());
}

#[test]
fn a_broker_whose_certificate_is_taken_back_gets_nothing_until_it_has_a_new_one() {
    let mut ward = Ward::open();
    let mut gateway = ward.enrol("gw-1", &profile::four_devices(4));
    let crl = gateway.join("crl.pem");
    fs::write(&crl, ward.fleet.revocation_list(&[])).expect("an empty list");
    gateway.reconfigure(&[("ca = \"ca.pem\"", "ca = \"ca.pem\"\ncrl = \"crl.pem\"")]);
    gateway.start();
    gateway.until("it delivers", |report| report.receipts > 0);

    // The list is read anew for each connection: no restart, no signal.
    let broker = ward.fleet.join("broker");
    let old = fs::read_to_string(broker.join("broker.pem")).expect("the broker's certificate");
    fs::write(&crl, ward.fleet.revocation_list(&[&old])).expect("a list");
    ward.broker.kill();
    ward.broker.come_back();
    let alone = gateway.until_fault("the fleet's revocation list names the broker's certificate");
    assert_eq!(alone.link, "connecting");
    gateway.until_more_is_recorded();

    let issued = fleet::server(&ward.fleet.authority(), "localhost", fleet::holds());
    install(
        &issued,
        &broker.join("broker.pem"),
        &broker.join("broker.key"),
    );
    ward.broker.stop();
    ward.broker.come_back();
    gateway.until("the agent believes the broker again", |report| {
        report.link == "connected" && report.faults.is_empty()
    });
    let last = gateway.stop();
    ward.monitor.assert_has_all_of_without_gaps(&last);
}

#[test]
fn a_revocation_list_that_is_missing_stops_delivery_and_not_recording() {
    let ward = Ward::open();
    let mut gateway = ward.enrol("gw-1", &profile::thermometer());
    let crl = gateway.join("crl.pem");
    fs::write(&crl, ward.fleet.revocation_list(&[])).expect("an empty list");
    gateway.reconfigure(&[("ca = \"ca.pem\"", "ca = \"ca.pem\"\ncrl = \"crl.pem\"")]);
    fs::rename(&crl, gateway.join("aside.pem")).expect("the list goes away");
    let checked = gateway.check();
    assert_ne!(checked.code, Some(0), "{}", checked.stderr);
    assert!(checked.stderr.contains("crl.pem"), "{}", checked.stderr);

    fs::rename(gateway.join("aside.pem"), &crl).expect("the list comes back");
    gateway.start();
    gateway.until("it delivers", |report| report.receipts > 0);
}

#[test]
fn a_rotated_certificate_is_the_one_that_is_shown_and_the_old_one_is_worth_nothing_then() {
    let mut ward = Ward::open();
    let mut gateway = ward.enrol("gw-1", &profile::four_devices(4));
    let files = gateway_files(&gateway);
    gateway.start();
    gateway.until("it delivers", |report| report.receipts > 0);

    let issued = fleet::client(&ward.fleet.authority(), "gw-1", fleet::holds());
    let old = fs::read_to_string(&files.certificate).expect("the old certificate");
    // The broker takes the old one back, and would still let an old TLS session in if one were resumed.
    let list = ward.fleet.revocation_list(&[&old]);
    fs::write(ward.fleet.join("broker/crl.pem"), list).expect("a list");
    ward.broker.configure(&ward.fleet.join("broker"));
    ward.broker.stop();
    ward.broker.come_back();
    gateway.until_fault("CertificateRevoked");
    gateway.until_more_is_recorded();

    install(&issued, &files.certificate, &files.key);
    gateway.until("delivery goes on", |report| {
        report.link == "connected" && report.faults.is_empty()
    });
    let last = gateway.stop();
    ward.monitor.assert_has_all_of_without_gaps(&last);
    series::assert_whole(&ward.monitor.archive());
}

#[test]
fn a_gateway_can_neither_speak_nor_listen_for_another() {
    let ward = Ward::open();
    let (a, b) = (
        ward.enrol("gw-a", &profile::thermometer()),
        ward.enrol("gw-b", &profile::thermometer()),
    );
    let port = ward.broker.port();
    let party = |name: &str| Client::of_party(&ward.fleet.join(name), port);
    let (monitor, operator) = (party("monitor"), party("operator"));
    let mut heard_by_a = Client::of_gateway(&a, port);
    let (a, b) = (a.id(), b.id());

    // A broker may refuse these filters or let nothing through: both are right.
    for filter in [
        "#".to_owned(),
        "wardlink/1/#".to_owned(),
        "wardlink/1/gw-b/+".to_owned(),
    ] {
        drop(heard_by_a.subscribe(&filter));
    }
    heard_by_a
        .subscribe(&topic(&a, Subject::Receipt))
        .expect("its own receipts");
    monitor.publish(&topic(&b, Subject::Receipt), b"for b".to_vec(), false);
    operator.publish(&topic(&b, Subject::Config), b"for b".to_vec(), false);
    monitor.publish(&topic(&a, Subject::Receipt), b"for a".to_vec(), false);
    assert_eq!(
        heard_by_a.hear(),
        (topic(&a, Subject::Receipt), b"for a".to_vec())
    );
}

#[test]
fn no_party_can_say_what_is_anothers_to_say() {
    let ward = Ward::open();
    let (a, b) = (
        ward.enrol("gw-a", &profile::thermometer()),
        ward.enrol("gw-b", &profile::thermometer()),
    );
    let port = ward.broker.port();
    let party = |name: &str| Client::of_party(&ward.fleet.join(name), port);
    let (monitor, operator) = (party("monitor"), party("operator"));
    let (voice_of_a, mut ear_of_b) = (Client::of_gateway(&a, port), Client::of_gateway(&b, port));
    let (a, b) = (a.id(), b.id());
    for subject in [Subject::Config, Subject::Receipt] {
        ear_of_b
            .subscribe(&topic(&b, subject))
            .expect("what is for b");
    }
    let mut ear_of_monitor = party("monitor");
    for lane in Lane::ALL {
        ear_of_monitor
            .subscribe(&wardlink_wire::topic::Topic::filter(Subject::Lane(lane)))
            .expect("all lanes");
    }
    let subjects = [Subject::Birth, Subject::State, Subject::ConfigState];
    for subject in subjects {
        ear_of_monitor
            .subscribe(&wardlink_wire::topic::Topic::filter(subject))
            .expect("all of it");
    }

    // A gateway in the name of another, and as operator or monitor of itself and of another.
    for subject in Lane::ALL.map(Subject::Lane).into_iter().chain(subjects) {
        voice_of_a.publish(&topic(&b, subject), b"a as b".to_vec(), true);
    }
    for gateway in [&a, &b] {
        voice_of_a.publish(
            &topic(gateway, Subject::Config),
            b"a as operator".to_vec(),
            true,
        );
        voice_of_a.publish(
            &topic(gateway, Subject::Receipt),
            b"a as monitor".to_vec(),
            true,
        );
    }
    // The monitor as operator and as gateway, the operator as monitor and as gateway.
    monitor.publish(
        &topic(&b, Subject::Config),
        b"monitor as operator".to_vec(),
        true,
    );
    monitor.publish(
        &topic(&b, Subject::Lane(Lane::Vital)),
        b"monitor as b".to_vec(),
        true,
    );
    operator.publish(
        &topic(&b, Subject::Receipt),
        b"operator as monitor".to_vec(),
        true,
    );
    operator.publish(
        &topic(&b, Subject::Lane(Lane::Vital)),
        b"operator as b".to_vec(),
        true,
    );

    // Then everybody says what is theirs, and nothing else has come before it.
    voice_of_a.publish(&topic(&a, Subject::State), b"a".to_vec(), false);
    assert_eq!(
        ear_of_monitor.hear(),
        (topic(&a, Subject::State), b"a".to_vec())
    );
    operator.publish(&topic(&b, Subject::Config), b"operator".to_vec(), false);
    assert_eq!(
        ear_of_b.hear(),
        (topic(&b, Subject::Config), b"operator".to_vec())
    );
    monitor.publish(&topic(&b, Subject::Receipt), b"monitor".to_vec(), false);
    assert_eq!(
        ear_of_b.hear(),
        (topic(&b, Subject::Receipt), b"monitor".to_vec())
    );
}

#[test]
fn a_sealed_batch_is_worth_nothing_under_another_name() {
    let ward = Ward::open();
    let mut victim = ward.gateway("gw-a", &profile::thermometer());
    let thief = ward.enrol("gw-b", &profile::thermometer());
    let port = ward.broker.port();
    let mut ear = Client::of_party(&ward.fleet.join("monitor"), port);
    let stolen_from = topic(&victim.id(), Subject::Lane(Lane::Vital));
    ear.subscribe(&stolen_from).expect("the lane of the victim");
    let stolen = ear.hear_of(&stolen_from);
    let last = victim.stop();
    let before = ward.monitor.summary();

    let voice = Client::of_gateway(&thief, port);
    voice.publish(
        &topic(&thief.id(), Subject::Lane(Lane::Vital)),
        stolen.clone(),
        false,
    );
    let mut changed = stolen;
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    let voice = Client::of_gateway(&victim, port);
    voice.publish(&stolen_from, changed, false);
    let after = ward
        .monitor
        .until("both are refused", |summary| summary.refused >= 2);
    assert_eq!(
        (after.delivered, after.conflicts),
        (before.delivered, before.conflicts)
    );
    assert_eq!(
        after.lanes.iter().map(|lane| lane.records).sum::<u64>(),
        last.recorded
    );
    assert!(
        after.lanes.iter().all(|lane| lane.gateway == victim.id()),
        "{after:#?}"
    );
}

#[test]
fn no_gateway_is_enrolled_under_the_name_of_another_party() {
    let ward = Ward::open();
    for name in ["monitor", "operator", "broker"] {
        let said = wardlink_tests::program::run(
            wardlink_tests::program::ours("wardlink")
                .args(["enrol", name, "--fleet"])
                .arg(ward.fleet.path()),
        );
        assert_eq!(said.code, Some(2), "{name}: {}", said.stderr);
        assert!(said.stderr.contains(name), "{}", said.stderr);
    }
}
