//! Whatever broker a hospital runs, everything arrives once, strangers stay outside, and a gateway speaks
//! and hears for itself only.
//!
//! mosquitto belongs to `make test`. The others are run by `make test-brokers`, one after the other: they
//! are larger than the rest of the house, and a cluster takes as long to agree as it takes.

use std::path::{Path, PathBuf};

use wardlink_link::identity::Files;
use wardlink_link::session::{SessionError, Version};
use wardlink_tests::broker::rabbitmq::RabbitMq;
use wardlink_tests::broker::rumqttd::Rumqttd;
use wardlink_tests::broker::{Broker, PATIENCE, nats};
use wardlink_tests::client::{Client, gateway_files, topic};
use wardlink_tests::fleet::{self, Fleet, another_authority, install};
use wardlink_tests::folder::Folder;
use wardlink_tests::gateway::Gateway;
use wardlink_tests::monitor::Monitor;
use wardlink_tests::profile;
use wardlink_tests::proxy::Proxy;
use wardlink_tests::series;
use wardlink_tests::stranger;
use wardlink_tests::wait;
use wardlink_tests::ward::Ward;
use wardlink_wire::id::GatewayId;
use wardlink_wire::lane::Lane;
use wardlink_wire::topic::{Subject, Topic};

#[test]
fn mosquitto_carries_everything_once_in_both_versions_of_mqtt() {
    for mqtt in ["3.1.1", "5"] {
        carries_everything_once(Ward::open_in(mqtt), mqtt);
    }
}

#[test]
fn mosquitto_keeps_strangers_out_and_gateways_apart_in_mqtt_5() {
    let ward = Ward::open_in("5");
    let place = (&ward.fleet, ward.folder.path(), ward.broker.port());
    turns_strangers_away(place, Version::V5);
    keeps_gateways_apart(place, Version::V5);
}

#[test]
#[ignore = "needs RabbitMQ: make test-brokers"]
fn rabbitmq_carries_everything_once() {
    carries_everything_once(Ward::open_with("3.1.1", rabbitmq), "3.1.1");
}

#[test]
#[ignore = "needs RabbitMQ: make test-brokers"]
fn rabbitmq_keeps_strangers_out_and_gateways_apart() {
    let ward = Ward::open_with("3.1.1", rabbitmq);
    let place = (&ward.fleet, ward.folder.path(), ward.broker.port());
    turns_strangers_away(place, Version::V311);
    keeps_gateways_apart(place, Version::V311);
}

#[test]
#[ignore = "needs rumqttd: make test-brokers"]
fn rumqttd_carries_everything_once() {
    carries_everything_once(Ward::open_with("3.1.1", rumqttd), "3.1.1");
}

#[test]
#[ignore = "needs rumqttd: make test-brokers"]
fn rumqttd_keeps_strangers_out() {
    let ward = Ward::open_with("3.1.1", rumqttd);
    let place = (&ward.fleet, ward.folder.path(), ward.broker.port());
    turns_strangers_away(place, Version::V311);
}

#[test]
#[ignore = "needs NATS: make test-brokers"]
fn a_nats_cluster_that_loses_a_node_under_load_loses_and_doubles_nothing() {
    let mut cluster = Cluster::open();
    let mut gateway = cluster.gateway("gw-1", &profile::four_devices(4));
    gateway.start();
    for dead in 0..3 {
        until_delivering(&mut gateway);
        cluster.nodes[dead].kill();
        gateway.until_more_is_recorded();
        until_delivering(&mut gateway);
        cluster.nodes[dead].come_back();
    }
    until_delivering(&mut gateway);
    let last = gateway.stop();
    cluster.monitor.assert_has_all_of_without_gaps(&last);
    series::assert_whole(&cluster.monitor.archive());
}

#[test]
#[ignore = "needs NATS: make test-brokers"]
fn a_nats_cluster_keeps_gateways_apart() {
    let cluster = Cluster::open();
    let place = (
        &cluster.fleet,
        cluster.folder.path(),
        cluster.nodes[0].port(),
    );
    turns_strangers_away(place, Version::V311);
    keeps_gateways_apart(place, Version::V311);
}

fn rabbitmq(folder: PathBuf, identity: &Path) -> Broker {
    Broker::start_as(RabbitMq::new(), folder, identity)
}

fn rumqttd(folder: PathBuf, identity: &Path) -> Broker {
    Broker::start_as(Rumqttd, folder, identity)
}

/// Under load, through a restart in order and one that is not.
fn carries_everything_once(mut ward: Ward, mqtt: &str) {
    let mut gateway = ward.enrol("gw-1", &profile::four_devices(4));
    gateway.reconfigure(&[("[broker]", &format!("[broker]\nmqtt = \"{mqtt}\""))]);
    gateway.start();
    for in_order in [true, false] {
        until_delivering(&mut gateway);
        if in_order {
            ward.broker.stop();
        } else {
            ward.broker.kill();
        }
        gateway.until_more_is_recorded();
        ward.broker.come_back();
    }
    until_delivering(&mut gateway);
    let last = gateway.stop();
    ward.monitor.assert_has_all_of_without_gaps(&last);
    series::assert_whole(&ward.monitor.archive());
}

/// Fleet, a folder for gateways, and the broker's port.
type Place<'a> = (&'a Fleet, &'a Path, u16);

/// The TLS files of a new gateway.
fn enrolled((fleet, folder, port): Place<'_>, name: &str) -> Files {
    let out = folder.join(name);
    fleet.enrol(name, &profile::thermometer(), port, &out);
    gateway_files(&Gateway::at(name, out))
}

/// Without a certificate, and with one of another authority under a name that has rights here.
fn turns_strangers_away((fleet, folder, port): Place<'_>, version: Version) {
    let files = enrolled((fleet, folder, port), "gw-1");
    stranger::assert_wants_tls(port);
    stranger::assert_wants_a_certificate(&files.ca, port);

    let issued = fleet::client(&another_authority(), "gw-1", fleet::holds());
    let stranger = Files {
        certificate: folder.join("stranger.pem"),
        key: folder.join("stranger.key"),
        ..files.clone()
    };
    install(&issued, &stranger.certificate, &stranger.key);
    let error = Client::connect_in(version, &stranger, port);
    let error = error.expect_err("a stranger is let in");
    assert!(matches!(error, SessionError::Broken(_)), "{error}");
    drop(Client::connect_in(version, &files, port).expect("who belongs here"));
}

/// What one gateway says in the name of another reaches nobody, and what is for one reaches no other.
fn keeps_gateways_apart((fleet, folder, port): Place<'_>, version: Version) {
    let [of_a, of_b] = ["gw-a", "gw-b"].map(|name| enrolled((fleet, folder, port), name));
    // NATS keeps a client id out for some seconds when it comes back at once after it was sent away.
    let connect = |files: &Files| {
        wait::within(PATIENCE, "it is let in", || {
            Client::connect_in(version, files, port).ok()
        })
    };
    let party = |name: &str| Client::of_party_in(version, &fleet.join(name), port);
    let (mut ear, voice) = (party("monitor"), party("operator"));
    let (a, b): (GatewayId, GatewayId) = ("gw-a".parse().expect("a"), "gw-b".parse().expect("b"));
    for subject in Lane::ALL
        .map(Subject::Lane)
        .into_iter()
        .chain([Subject::State])
    {
        let filter = Topic::filter(subject);
        ear.subscribe(&filter)
            .expect("the monitor hears every gateway");
    }
    // A broker may refuse, cut the connection, or let nothing through: all are right.
    for subject in [Subject::Lane(Lane::Vital), Subject::State] {
        connect(&of_a).try_publish(&topic(&b, subject), b"a as b".to_vec());
    }
    for subject in [Subject::Receipt, Subject::Config] {
        connect(&of_a).try_publish(&topic(&b, subject), b"a as a party".to_vec());
    }
    let mut ear_of_b = connect(&of_b);
    let mut ear_of_a = connect(&of_a);
    for filter in [topic(&b, Subject::Config), "wardlink/1/+/config".to_owned()] {
        if ear_of_a.subscribe(&filter).is_err() {
            ear_of_a = connect(&of_a);
        }
    }
    ear_of_b
        .subscribe(&topic(&b, Subject::Config))
        .expect("what is for b");
    ear_of_a
        .subscribe(&topic(&a, Subject::Config))
        .expect("what is for a");
    voice.publish(&topic(&b, Subject::Config), b"for b".to_vec(), false);
    voice.publish(&topic(&a, Subject::Config), b"for a".to_vec(), false);
    let heard = (ear_of_b.hear(), ear_of_a.hear());
    let of = |gateway, text: &[u8]| (topic(gateway, Subject::Config), text.to_vec());
    assert_eq!(heard, (of(&b, b"for b"), of(&a, b"for a")));
    // Then everybody says what is theirs, and nothing else has come before it.
    ear_of_b.publish(&topic(&b, Subject::State), b"b".to_vec(), false);
    assert_eq!(ear.hear(), (topic(&b, Subject::State), b"b".to_vec()));
}

/// Waits until the agent is connected and receipts come.
fn until_delivering(gateway: &mut Gateway) {
    let before = gateway.until_within(PATIENCE, "it can be asked", |_| true);
    gateway.until_within(PATIENCE, "it is connected and receipts come", |report| {
        report.link == "connected" && report.receipts > before.receipts
    });
}

/// Three nodes behind a balancer that gives a connection to the first that takes it.
struct Cluster {
    monitor: Monitor,
    balancer: Proxy,
    nodes: [Broker; 3],
    fleet: Fleet,
    folder: Folder,
}

impl Cluster {
    #[track_caller]
    fn open() -> Self {
        let folder = Folder::new();
        let fleet = Fleet::init(folder.join("fleet"));
        let nodes = nats::cluster(&folder.join("nats"), &fleet.join("broker"));
        let balancer = Proxy::before(&[nodes[0].port(), nodes[1].port(), nodes[2].port()]);
        let monitor = Monitor::start(fleet.path(), folder.join("monitor"), balancer.port());
        Self {
            monitor,
            balancer,
            nodes,
            fleet,
            folder,
        }
    }

    fn gateway(&self, name: &str, profile: &str) -> Gateway {
        let out = self.folder.join(name);
        self.fleet.enrol(name, profile, self.balancer.port(), &out);
        Gateway::at(name, out)
    }
}
