//! What MQTT clients lose under our ledger: rumqttc 0.25.1, and its maintained line as `wardlink_link::session`
//! runs it, through hundreds of faults each (docs/decisions/0002-mqtt-client.md). `make loss` prints the table.
//!
//! The ledger is the publisher's: a fresh client for each connection, everything unacknowledged sent again.
//! A verifier that is connected straight to the broker counts what arrives. rumqttc 0.25.1 speaks without TLS
//! here, so that the webpki it would bring stays out of the lock file; its faults are the same.

use std::fmt::{self, Write as _};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use wardlink_link::identity::{Files, Identity};
use wardlink_link::session::Version;
use wardlink_tests::broker::{Broker, Kind};
use wardlink_tests::fleet::{self, Fleet, install};
use wardlink_tests::folder::Folder;
use wardlink_tests::impostor::tls_of;
use wardlink_tests::loss::scripted::Scripted;
use wardlink_tests::loss::{Ledger, Line, Manner, Verifier, publish};
use wardlink_tests::port::Port;
use wardlink_tests::proxy::{Proxy, Weather};
use wardlink_tests::seed::Seed;
use wardlink_tests::wait;

#[test]
#[ignore = "some minutes: make loss"]
fn no_client_loses_anything_under_our_ledger() {
    let faults = |usual| {
        let asked = std::env::var("WARDLINK_FAULTS").ok();
        asked.map_or(usual, |text| {
            text.parse().expect("WARDLINK_FAULTS is a number")
        })
    };
    let mut table = String::from(
        "| client | fault | faults | published | never acknowledged | acknowledged, never seen | seen twice |\n\
         | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    let mut seed = Seed::of("loss");
    let mut held = true;
    for fault in [Fault::Cut, Fault::Withheld, Fault::Kill, Fault::Terminate] {
        let count = faults(if matches!(fault, Fault::Cut | Fault::Withheld) {
            300
        } else {
            100
        });
        for line in [
            Line::Old(Version::V311),
            Line::Old(Version::V5),
            Line::Ours(Version::V311),
            Line::Ours(Version::V5),
        ] {
            let row = run(line, fault, count, &mut seed);
            let Row {
                published,
                unacknowledged,
                unseen,
                twice,
            } = row;
            writeln!(table, "| {line} | {fault} | {count} | {published} | {unacknowledged} | {unseen} | {twice} |")
                .expect("a string takes everything");
            println!("{}", table.lines().last().unwrap_or_default());
            // A broker that is killed may forget what it acknowledged; that is no client's doing.
            held &= unacknowledged == 0 && (unseen == 0 || matches!(fault, Fault::Kill));
        }
    }
    println!("\n{table}");
    assert!(held, "something was lost");
}

#[test]
fn a_broker_that_acknowledges_out_of_order_and_resumes_the_session_gets_everything() {
    let folder = Folder::new();
    let fleet = Fleet::init(folder.join("fleet"));
    for line in [Line::Old(Version::V311), Line::Ours(Version::V311)] {
        let tls = matches!(line, Line::Ours(_)).then(|| tls_of(&fleet.join("broker")));
        let broker = Scripted::start(tls);
        let ledger = Ledger::default();
        ledger.finish_at(50);
        let manner = Manner {
            port: broker.port(),
            clean: false,
            window: 10,
        };
        let publisher = publish(line, identity(&folder, &fleet), manner, &ledger);
        wait::until(format!("{line}: all is acknowledged"), || {
            publisher.is_finished().then_some(())
        });
        assert_eq!((ledger.acknowledged(), broker.seen()), (50, 50), "{line}");
    }
}

#[derive(Debug, Clone, Copy)]
enum Fault {
    Cut,
    Withheld,
    Kill,
    Terminate,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cut => "connection cut",
            Self::Withheld => "acknowledgements withheld for 30 ms, then cut",
            Self::Kill => "broker SIGKILL",
            Self::Terminate => "broker SIGTERM",
        })
    }
}

#[derive(Debug)]
struct Row {
    published: u64,
    unacknowledged: usize,
    unseen: usize,
    twice: usize,
}

fn run(line: Line, fault: Fault, count: u32, seed: &mut Seed) -> Row {
    let folder = Folder::new();
    let fleet = Fleet::init(folder.join("fleet"));
    let plain = Port::free();
    let plain_port = plain.number();
    let mut broker = Broker::start_as(
        TwoDoors(plain),
        folder.join("broker"),
        &fleet.join("broker"),
    );
    let door = match line {
        Line::Old(_) => plain_port,
        Line::Ours(_) => broker.port(),
    };
    let network = Proxy::before(&[door]);
    let verifier = Verifier::start(plain_port);
    let ledger = Ledger::default();
    let manner = Manner {
        port: network.port(),
        clean: true,
        window: 100,
    };
    let publisher = publish(line, identity(&folder, &fleet), manner, &ledger);
    let acknowledged = || ledger.acknowledged();
    for _ in 0..count {
        let before = acknowledged();
        wait::until("acknowledgements come", || {
            (acknowledged() > before + PROGRESS).then_some(())
        });
        thread::sleep(seed.moment(Duration::from_millis(40)));
        strike(fault, &mut broker, &network, &verifier);
    }
    ledger.finish();
    // Not for ever: a client that wedges has lost what is open.
    let deadline = std::time::Instant::now() + wait::LONG;
    while !publisher.is_finished() && std::time::Instant::now() < deadline {
        thread::sleep(Duration::from_millis(20));
    }
    let published = ledger.published();
    let acknowledged = |seen: &[u32]| {
        (0..published)
            .filter(|number| ledger.has(*number) && times(seen, *number) == 0)
            .count()
    };
    // What is on its way to the verifier gets there, if it ever does.
    while acknowledged(&verifier.seen()) > 0 && std::time::Instant::now() < deadline {
        thread::sleep(Duration::from_millis(20));
    }
    let seen = verifier.seen();
    Row {
        published,
        unacknowledged: (0..published).filter(|number| !ledger.has(*number)).count(),
        unseen: acknowledged(&seen),
        twice: (0..published)
            .filter(|number| times(&seen, *number) > 1)
            .count(),
    }
}

/// Makes one fault; the broker is there again afterwards, with the verifier listening.
fn strike(fault: Fault, broker: &mut Broker, network: &Proxy, verifier: &Verifier) {
    match fault {
        Fault::Cut => network.cut(),
        Fault::Withheld => {
            network.weather(Weather {
                withheld: true,
                ..Weather::default()
            });
            thread::sleep(Duration::from_millis(30));
            network.cut();
            network.weather(Weather::default());
        }
        Fault::Kill | Fault::Terminate => {
            network.weather(Weather {
                closed: true,
                ..Weather::default()
            });
            let subscriptions = verifier.subscriptions();
            if matches!(fault, Fault::Kill) {
                broker.kill();
            } else {
                broker.stop();
            }
            broker.come_back();
            wait::until("the verifier listens", || {
                (verifier.subscriptions() > subscriptions).then_some(())
            });
            network.weather(Weather::default());
        }
    }
}

fn times(seen: &[u32], number: u64) -> u32 {
    let place = usize::try_from(number).expect("a count");
    seen.get(place).copied().unwrap_or_default()
}

fn identity(folder: &Folder, fleet: &Fleet) -> Identity {
    let files = Files {
        ca: fleet.join("ca.pem"),
        certificate: folder.join("gw.pem"),
        key: folder.join("gw.key"),
        crl: None,
    };
    let issued = fleet::client(&fleet.authority(), "gw-1", fleet::holds());
    install(&issued, &files.certificate, &files.key);
    Identity::load(&files).expect("an identity")
}

/// mosquitto with a door for certificates and one without, and nothing that is dropped or kept.
#[derive(Debug)]
struct TwoDoors(Port);

impl Kind for TwoDoors {
    fn configure(&self, folder: &Path, port: u16, identity: &Path) {
        let (plain, identity) = (self.0.number(), identity.display());
        let user = wardlink_tests::broker::mosquitto::user_of(folder);
        let text = format!(
            "per_listener_settings true\n\
             max_inflight_messages 0\nmax_queued_messages 0\nmax_queued_bytes 0\n\
             log_dest stderr\nuser {user}\n\
             listener {port} 127.0.0.1\n\
             cafile {identity}/ca.pem\ncertfile {identity}/broker.pem\nkeyfile {identity}/broker.key\n\
             require_certificate true\nuse_identity_as_username true\nallow_anonymous false\n\
             listener {plain} 127.0.0.1\nallow_anonymous true\n"
        );
        fs::write(folder.join("doors.conf"), text).expect("the configuration is written");
    }

    fn commands(&self, folder: &Path) -> Vec<(&'static str, Command)> {
        let mut command = wardlink_tests::broker::mosquitto::program();
        command.arg("-c").arg(folder.join("doors.conf"));
        vec![("mosquitto", command)]
    }
}

/// Acknowledgements between two faults, at least.
const PROGRESS: u64 = 50;
