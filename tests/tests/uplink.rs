//! Nothing leaves a gateway's store on anybody's word but the monitor's, and nothing holds up a lane.

use std::fs;

use wardlink::pki::Validity;
use wardlink_link::file;
use wardlink_tests::client::{Client, topic};
use wardlink_tests::fleet::{self, install};
use wardlink_tests::impostor::{Impostor, Manner, tls_of};
use wardlink_tests::port::Port;
use wardlink_tests::profile;
use wardlink_tests::series;
use wardlink_tests::wait;
use wardlink_tests::ward::Ward;
use wardlink_wire::id::Epoch;
use wardlink_wire::lane::Lane;
use wardlink_wire::profile::GATEWAY;
use wardlink_wire::receipt::{LaneReceipt, Receipt};
use wardlink_wire::record::EventKind;
use wardlink_wire::sequence::SequenceRange;
use wardlink_wire::signature::SigningKey;
use wardlink_wire::topic::Subject;

#[test]
fn a_receipt_that_is_forged_repeated_or_for_something_else_deletes_nothing() {
    let mut ward = Ward::open();
    let mut gateway = ward.gateway("gw-1", &profile::four_devices(4));
    gateway.until("something is delivered", |report| report.receipts > 0);
    let monitor = Client::of_party(&ward.fleet.join("monitor"), ward.broker.port());
    let receipts = topic(&gateway.id(), Subject::Receipt);
    ward.monitor.stop();
    let genuine = {
        let mut operator = Client::of_gateway(&gateway, ward.broker.port());
        operator.subscribe(&receipts).expect("its own receipts");
        operator.hear_of(&receipts)
    };
    let before = gateway.until("a backlog is there", |report| report.backlog > 100);

    let key = file::read_signing_key(&ward.fleet.join("monitor/receipt.key"));
    let (key, stranger) = (
        key.expect("the key"),
        SigningKey::generate().expect("a key"),
    );
    let everything = |epoch: &str, name: &str| Receipt {
        schema: wardlink_wire::SCHEMA,
        gateway: name.parse().expect("a name"),
        issued_ns: 0,
        lanes: Lane::ALL
            .map(|lane| LaneReceipt {
                epoch: epoch_of(epoch),
                lane,
                ranges: vec![SequenceRange::ALL],
            })
            .into(),
    };
    let ours = everything(&before.epoch, "gw-1");
    let foreign = everything("00".repeat(16).as_str(), "gw-1");
    let anothers = everything(&before.epoch, "gw-2");
    monitor.publish(&receipts, ours.sign(&stranger).expect("a receipt"), true);
    gateway.until_fault("a receipt is not believed");
    monitor.publish(&receipts, anothers.sign(&key).expect("a receipt"), true);
    gateway.until_fault("this receipt is for gateway gw-2");
    for believed in [foreign.sign(&key).expect("a receipt"), genuine] {
        let heard = gateway.until("it can be asked", |_| true).receipts;
        monitor.publish(&receipts, believed, true);
        gateway.until("the receipt is heard", |report| report.receipts > heard);
    }
    let after = gateway.until_more_is_recorded();
    let delivered = after.recorded - after.backlog;
    assert!(
        delivered <= ward.monitor.summary().delivered,
        "something left the store that the monitor has not: {after:#?}"
    );
    drop(monitor);
    ward.monitor.come_back();
    let last = gateway.stop();
    ward.monitor.assert_has_all_of_without_gaps(&last);
    series::assert_whole(&ward.monitor.archive());
}

fn epoch_of(hexadecimal: &str) -> Epoch {
    let digit = |at| u8::from_str_radix(&hexadecimal[at..at + 2], 16).expect("hexadecimal");
    Epoch::from_bytes(std::array::from_fn(|byte| digit(2 * byte)))
}

#[test]
fn a_monitor_that_lost_its_archive_takes_its_promises_back() {
    let mut ward = Ward::open();
    let mut gateway = ward.gateway("gw-1", &profile::thermometer());
    gateway.until("something is delivered", |report| report.receipts > 0);
    gateway.stop();
    ward.monitor.stop();
    let data = ward.folder.join("monitor");
    fs::rename(&data, ward.folder.join("lost")).expect("the archive is lost");
    fs::create_dir(&data).expect("a folder");

    let receipts = topic(&gateway.id(), Subject::Receipt);
    let mut hears = Client::of_gateway(&gateway, ward.broker.port());
    hears.subscribe(&receipts).expect("its own receipts");
    let key = file::read_verifying_key(&gateway.join("receipt.pub")).expect("the monitor's key");
    let promised = |bytes: &[u8]| {
        let receipt =
            Receipt::verify(bytes, &gateway.id(), std::slice::from_ref(&key)).expect("a receipt");
        receipt.lanes.len()
    };
    assert!(
        promised(&hears.hear_of(&receipts)) > 0,
        "nothing was promised before"
    );
    ward.monitor.come_back();
    assert_eq!(promised(&hears.hear_of(&receipts)), 0);
    ward.monitor.stop();
}

#[test]
fn a_batch_that_the_broker_does_not_take_is_cut_and_holds_up_nothing() {
    let mut ward = Ward::open();
    ward.broker.stop();
    let file = ward.folder.join("broker/mosquitto.conf");
    let text = fs::read_to_string(&file).expect("the broker's configuration");
    let smaller = text.replace("max_packet_size 8454144", "max_packet_size 6000");
    assert_ne!(text, smaller);
    fs::write(&file, smaller).expect("a smaller broker");
    ward.broker.come_back();
    let ecg = profile::simulated("ecg", "driver = \"ads1292r\"\nrate = 500", 10);
    let mut gateway = ward.gateway("gw-1", &(profile::lanes("2s") + &ecg));
    gateway.until("waves are delivered", |report| {
        report
            .lanes
            .iter()
            .any(|lane| lane.lane == "wave" && lane.acknowledged > 200)
    });
    assert!(
        ward.broker
            .log()
            .contains("gw-1 disconnected due to oversize packet"),
        "nothing was too large: {}",
        ward.broker.log()
    );
    let last = gateway.stop();
    ward.monitor.assert_has_all_of_without_gaps(&last);
    series::assert_whole(&ward.monitor.archive());
}

#[test]
fn a_certificate_close_to_its_end_is_announced_and_a_new_one_is_shown_without_a_restart() {
    let ward = Ward::open();
    let mut gateway = ward.enrol("gw-1", &profile::thermometer());
    let (certificate, key) = (gateway.join("gateway.pem"), gateway.join("gateway.key"));
    let for_days = |days| {
        let validity = Validity::days_from(fleet::now(), days).expect("some days");
        fleet::client(&ward.fleet.authority(), "gw-1", validity)
    };
    install(&for_days(5), &certificate, &key);
    gateway.start();
    let announced = wait::until("the end is announced", || {
        let events = series::events(&ward.monitor.archive(), GATEWAY);
        let mut events = events.into_iter();
        events.find(|(kind, _)| *kind == EventKind::CertificateExpiry)
    });
    assert!(announced.1.contains("within 7 days"), "{announced:?}");
    let connections = || ward.broker.log().matches("as gw-1 (").count();
    let before = connections();
    install(&for_days(9), &certificate, &key);
    wait::until("the agent connects anew", || {
        (connections() > before).then_some(())
    });
    let last = gateway.stop();
    assert_eq!(last.faults, Vec::<String>::new());
    ward.monitor.assert_has_all_of_without_gaps(&last);
}

/// A broker of which nothing comes back but pings looks alive to the connection, for ever.
#[test]
fn a_broker_that_answers_pings_and_takes_nothing_is_given_up_and_one_that_refuses_is_left_alone() {
    let mut ward = Ward::open();
    ward.monitor.stop();
    ward.broker.stop();
    let tls = tls_of(&ward.fleet.join("broker"));
    let silent = Impostor::on(ward.broker.port(), Manner::TakesNothing(tls.clone()));
    let mut gateway = ward.enrol("gw-1", &profile::thermometer());
    gateway.reconfigure(&[("[broker]", "[broker]\nkeep_alive = \"2s\"")]);
    gateway.start();
    gateway.until("it is connected", |report| report.link == "connected");

    // Meanwhile, what brokers say when they do not let a gateway in, and how long it stays away then.
    for (code, pause, words) in [
        (5, 30.0, "NotAuthorized"),
        (4, 30.0, "BadUserNamePassword"),
        (1, 30.0, "RefusedProtocolVersion"),
        (3, 5.0, "ServiceUnavailable"),
    ] {
        let port = Port::free();
        let refuses = Impostor::on(port.number(), Manner::Refuses(tls.clone(), code));
        let name = format!("refused-{code}");
        let mut refused = ward.enrol_through(&name, &profile::thermometer(), port.number());
        refused.start();
        refused.until_fault(words);
        let delay = wait::until("it says when it tries again", || {
            let log = refused.program().log();
            let said = log.split_once("trying again in ")?.1;
            said.split_once(" s")?.0.parse::<f64>().ok()
        });
        assert!(delay >= pause, "{words}: again after {delay} s already");
        refused.kill();
        assert!(refuses.leave() > 0, "nobody came");
    }

    wait::within(2 * wait::LONG, "it is given up", || {
        let log = gateway.program().log();
        log.contains("acknowledged nothing").then_some(())
    });
    assert_eq!(gateway.until("it can be asked", |_| true).published, 0);
    assert!(silent.leave() > 0, "nobody came");
    ward.broker.come_back();
    ward.monitor.come_back();
    gateway.until("receipts come", |report| report.receipts > 0);
    let last = gateway.stop();
    ward.monitor.assert_has_all_of_without_gaps(&last);
}
