//! Nobody without a certificate of the fleet gets in, and no party gets further than its own name.

use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use wardlink::pki::{Authority, Issued};
use wardlink_link::identity::Files;
use wardlink_tests::client::{Client, gateway_files, topic};
use wardlink_tests::fleet::{self, another_authority, install};
use wardlink_tests::profile;
use wardlink_tests::series;
use wardlink_tests::ward::Ward;
use wardlink_wire::lane::Lane;
use wardlink_wire::topic::Subject;

#[test]
fn the_broker_turns_away_whoever_has_no_certificate() {
    let ward = Ward::open();
    let mut plain = connect(ward.broker.port());
    let answer = exchange(&mut plain);
    assert!(
        answer.is_err() || answer.is_ok_and(|bytes| bytes.is_empty()),
        "an answer without TLS"
    );

    let mut nobody = StreamOwned::new(
        nobody(&ward.fleet.join("ca.pem")),
        connect(ward.broker.port()),
    );
    let error =
        exchange(&mut nobody).expect_err("the broker answered a client without certificate");
    assert!(error.to_string().contains("CertificateRequired"), "{error}");
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

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("the broker listens");
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("a time-out");
    stream
}

/// Says CONNECT (MQTT 3.1.1 section 3.1) and hears what comes back.
fn exchange(stream: &mut (impl Read + Write)) -> io::Result<Vec<u8>> {
    let client = b"\x10\x0f\x00\x04MQTT\x04\x02\x00\x3c\x00\x03abc";
    stream.write_all(client)?;
    stream.flush()?;
    let mut answer = vec![0; 64];
    let count = stream.read(&mut answer)?;
    answer.truncate(count);
    Ok(answer)
}

/// A TLS client that believes the fleet and has nothing to show.
fn nobody(ca: &Path) -> ClientConnection {
    let mut roots = RootCertStore::empty();
    let pem = fs::read(ca).expect("the fleet's CA");
    roots
        .add(CertificateDer::from_pem_slice(&pem).expect("a certificate"))
        .expect("a CA");
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a name");
    ClientConnection::new(Arc::new(config), name).expect("a TLS client")
}
