//! A configuration change reaches a running gateway, or is refused with its reason and changes nothing.

use std::fs;
use std::path::{Path, PathBuf};

use wardlink_agent::status::Report;
use wardlink_tests::client::{Client, topic};
use wardlink_tests::forgery::{self, Forgery};
use wardlink_tests::profile;
use wardlink_tests::program::{ours, run, run_well};
use wardlink_tests::series::{self, Measurement};
use wardlink_tests::ward::Ward;
use wardlink_wire::profile::GATEWAY;
use wardlink_wire::record::EventKind;
use wardlink_wire::stream::Ratio;
use wardlink_wire::topic::Subject;

#[test]
fn a_pushed_profile_changes_one_device_and_adds_another_and_the_rest_goes_on_without_a_break() {
    let ward = Ward::open();
    let mut gateway = ward.gateway("gw-1", &profile::four_devices(1));
    gateway.until("all four devices measure", |report| {
        report.devices.len() == 4 && report.devices.iter().all(|device| device.readings > 0)
    });
    let changed = write(&ward, "changed.toml", &changed_profile());
    let said = ward.fleet.push("gw-1", ward.broker.port(), &[&changed]);
    assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
    assert!(said.stdout.contains("applied version 1"), "{}", said.stdout);

    gateway.until("five devices measure under profile 1", |report| {
        report.profile == 1 && reading(report) == 5
    });
    gateway.until("the new device gives more", |report| {
        report
            .devices
            .iter()
            .any(|device| device.id == "ecg-2" && device.readings > 2)
    });

    // After a crash the pushed profile is in force at once, without anybody sending it again.
    gateway.kill();
    let again = gateway.start();
    assert_eq!((again.profile, again.devices.len()), (1, 5), "{again:#?}");
    gateway.until("five devices measure again", |report| reading(report) == 5);
    let last = gateway.stop();
    ward.monitor.assert_has_all_of_without_gaps(&last);
    let archive = ward.monitor.archive();
    series::assert_whole(&archive);

    // Before the crash: one measurement of what was not changed, two of what was.
    let rates = |device: &str, stream: &str| -> Vec<Option<Ratio>> {
        let name = format!("{device}.{stream}");
        let of_stream = |measurement: &Measurement| measurement.stream == name;
        let found = series::measurements(&archive, device)
            .into_iter()
            .filter(of_stream);
        found.map(|measurement| measurement.rate).collect()
    };
    let (slow, fast) = (Ratio::new(100, 1), Ratio::new(200, 1));
    for stream in streams_of(&archive, "ppg") {
        assert_eq!(rates("ppg", &stream), [slow, fast, fast], "ppg.{stream}");
    }
    for device in ["ecg", "oximeter"] {
        for stream in streams_of(&archive, device) {
            assert_eq!(
                rates(device, &stream).len(),
                2,
                "{device}.{stream} was restarted by the profile"
            );
        }
    }
    for stream in streams_of(&archive, "ecg-2") {
        assert_eq!(rates("ecg-2", &stream).len(), 2, "ecg-2.{stream}");
    }
    let kinds = |device| -> Vec<EventKind> {
        series::events(&archive, device)
            .into_iter()
            .map(|(kind, _)| kind)
            .collect()
    };
    for device in ["temperature", "ecg", "oximeter"] {
        assert_eq!(
            kinds(device),
            [EventKind::DeviceStarted, EventKind::DeviceStarted],
            "{device}"
        );
    }
    let (started, removed) = (EventKind::DeviceStarted, EventKind::DeviceRemoved);
    assert_eq!(
        kinds("ppg"),
        [started.clone(), removed, started.clone(), started]
    );
    let of_gateway = kinds(GATEWAY);
    let applied = of_gateway
        .iter()
        .filter(|kind| **kind == EventKind::ProfileApplied)
        .count();
    assert_eq!(
        applied, 1,
        "the bundle that the broker kept was applied again: {of_gateway:?}"
    );
}

#[test]
fn a_bundle_that_is_not_rightly_signed_addressed_and_new_is_refused_with_its_reason() {
    let ward = Ward::open();
    let mut gateway = ward.gateway("gw-1", &profile::thermometer());
    let two_thermometers =
        profile::thermometer() + &profile::simulated("more", "driver = \"tmp117\"", 1);
    let good = write(&ward, "good.toml", &two_thermometers);
    // Version 1 and 2, both signed; only 2 is pushed for now.
    let (first, second) = (sign(&ward, &good, "first"), sign(&ward, &good, "second"));
    push(&ward, &second, "applied version 2");
    let before = gateway.until("two thermometers measure", |report| reading(report) == 2);
    let devices = |report: &Report| -> Vec<_> {
        report
            .devices
            .iter()
            .map(|device| (device.id.clone(), device.state.clone()))
            .collect()
    };

    for forged in forgery::bundles(&ward.fleet, &gateway.id(), &profile::thermometer()) {
        let Forgery {
            name,
            bytes,
            reason,
        } = forged;
        let file = ward.folder.join("bundle");
        fs::write(&file, bytes).expect("the bundle is written");
        refuse(&ward, &text_of(&file), reason);
        let now = gateway.until(&format!("a fault says why ({name})"), |report| {
            report.faults.iter().any(|fault| fault.contains(reason))
        });
        let unchanged = (now.profile, devices(&now)) == (2, devices(&before));
        assert!(unchanged, "{name} changed something: {now:#?}");
    }
    // Signed rightly, but overtaken before it was sent. The one in force, sent again, is no news.
    refuse(
        &ward,
        &first,
        "bundle has version 1, but 2 was applied already",
    );
    push(&ward, &second, "applied version 2");

    // A good one still gets through, after a crash too; then the one it replaced is replayed.
    gateway.until("all of this is recorded", |report| {
        report
            .lanes
            .iter()
            .any(|lane| lane.lane == "event" && lane.recorded >= 1 + 2 + 1 + REFUSED - 1)
    });
    gateway.kill();
    assert_eq!(gateway.start().profile, 2);
    let third = sign(&ward, &good, "third");
    push(&ward, &third, "applied version 3");
    gateway.until("the good one holds and nothing is wrong", |report| {
        report.profile == 3 && report.faults.is_empty()
    });
    refuse(
        &ward,
        &second,
        "bundle has version 2, but 3 was applied already",
    );
    let last = gateway.stop();
    assert_eq!(last.profile, 3);
    ward.monitor.assert_has_all_of_without_gaps(&last);
    let archive = ward.monitor.archive();
    let events = series::events(&archive, GATEWAY);
    let count =
        |wanted: &EventKind| events.iter().filter(|(kind, _)| kind == wanted).count() as u64;
    assert_eq!(count(&EventKind::ProfileApplied), 2, "{events:#?}");
    assert_eq!(count(&EventKind::ProfileRefused), REFUSED, "{events:#?}");
    let started = series::events(&archive, "temperature").len();
    assert_eq!(started, 2, "a refused bundle restarted a device");
}

#[test]
fn a_bundle_of_an_operator_without_rights_on_the_broker_reaches_nobody() {
    let ward = Ward::open();
    let mut gateway = ward.gateway("gw-1", &profile::thermometer());
    let thief = ward.enrol("gw-2", &profile::thermometer());
    let good = write(&ward, "good.toml", &profile::thermometer());
    let bundle = fs::read(sign(&ward, &good, "stolen")).expect("a bundle");
    let voice = Client::of_gateway(&thief, ward.broker.port());
    voice.publish(&topic(&gateway.id(), Subject::Config), bundle, true);
    push(&ward, &sign(&ward, &good, "rightful"), "applied version 2");
    gateway.stop();
    let events = series::events(&ward.monitor.archive(), GATEWAY);
    let applied = events
        .iter()
        .filter(|(kind, _)| *kind == EventKind::ProfileApplied);
    assert_eq!(applied.count(), 1, "{events:#?}");
}

#[test]
fn a_profile_for_a_gateway_that_is_away_waits_for_it() {
    let ward = Ward::open();
    let mut gateway = ward.enrol("gw-1", &profile::thermometer());
    let changed = write(&ward, "changed.toml", &changed_profile());
    let said = ward
        .fleet
        .push("gw-1", ward.broker.port(), &[&changed, "--wait", "1s"]);
    assert_eq!(said.code, Some(3), "{}{}", said.stdout, said.stderr);
    gateway.start();
    let applied = gateway.until("the profile is applied", |report| {
        report.profile == 1 && reading(report) == 5
    });
    assert_eq!(applied.faults, Vec::<String>::new());
    let last = gateway.stop();
    ward.monitor.assert_has_all_of_without_gaps(&last);
}

#[test]
fn a_profile_with_faults_is_never_signed() {
    let ward = Ward::open();
    let text =
        "schema = 1\n[[device]]\nid = \"x\"\ndriver = \"tmp118\"\nbus = \"sim\"\nperoid = \"1s\"\n";
    let faulty = write(&ward, "faulty.toml", text);
    let said = ward.fleet.push("gw-1", ward.broker.port(), &[&faulty]);
    assert_eq!(said.code, Some(2), "{}{}", said.stdout, said.stderr);
    assert!(
        said.stderr.contains("faulty.toml") && said.stderr.contains("device[0].driver"),
        "{}",
        said.stderr
    );
    let out = ward.folder.join("bundle");
    let said = run(ours("wardlink")
        .args(["profile", "sign", "--gateway", "gw-1", &faulty, "--fleet"])
        .arg(ward.fleet.path())
        .arg("--out")
        .arg(&out));
    assert_eq!(said.code, Some(2), "{}", said.stderr);
    assert!(!out.exists(), "it was signed all the same");
}

/// As [`profile::four_devices`] at the same speed, but one is faster and there is one more.
fn changed_profile() -> String {
    let four = profile::four_devices(1);
    let faster = four.replace(
        "driver = \"max30102\"\nrate = 100",
        "driver = \"max30102\"\nrate = 200",
    );
    assert_ne!(four, faster);
    faster + &profile::simulated("ecg-2", "driver = \"ads1292r\"\nrate = 500", 1)
}

fn reading(report: &Report) -> usize {
    report
        .devices
        .iter()
        .filter(|device| device.state == "reading" && device.readings > 0)
        .count()
}

fn streams_of(archive: &wardlink::archive::Archive, device: &str) -> Vec<String> {
    let keys = archive.streams(None).expect("the archive's streams");
    let of_device = keys
        .into_iter()
        .filter(|key| key.device.as_str() == device && key.sampled);
    let names: Vec<_> = of_device.map(|key| key.name).collect();
    assert!(!names.is_empty(), "no sampled stream of {device} arrived");
    names
}

fn write(ward: &Ward, name: &str, text: &str) -> String {
    let path = ward.folder.join(name);
    fs::write(&path, text).expect("the profile is written");
    text_of(&path)
}

/// Signs a profile for gw-1 and gives out the path of the bundle.
fn sign(ward: &Ward, profile: &str, name: &str) -> String {
    let out: PathBuf = ward.folder.join(&format!("{name}.bundle"));
    run_well(
        ours("wardlink")
            .args(["profile", "sign", "--gateway", "gw-1", profile, "--fleet"])
            .arg(ward.fleet.path())
            .arg("--out")
            .arg(&out),
    );
    text_of(&out)
}

#[track_caller]
fn push(ward: &Ward, bundle: &str, answer: &str) {
    let said = ward
        .fleet
        .push("gw-1", ward.broker.port(), &["--bundle", bundle]);
    assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
    assert!(said.stdout.contains(answer), "{}", said.stdout);
}

/// Pushes a bundle that the gateway must refuse, for this reason.
#[track_caller]
fn refuse(ward: &Ward, bundle: &str, reason: &str) {
    let said = ward
        .fleet
        .push("gw-1", ward.broker.port(), &["--bundle", bundle]);
    assert_eq!(
        said.code,
        Some(1),
        "{reason}: {}{}",
        said.stdout,
        said.stderr
    );
    let refused = said.stdout.contains("refused: ") && said.stdout.contains(reason);
    assert!(refused, "{reason}: {}", said.stdout);
}

fn text_of(path: &Path) -> String {
    path.to_str().expect("a plain path").to_owned()
}

/// Seventeen forgeries, one that was overtaken and one replayed.
const REFUSED: u64 = 19;
