//! Health devices on Bluetooth: the real agent, a real D-Bus daemon, and a BlueZ that the test plays.

use std::process::Command;

use wardlink_tests::bluez::{ADDRESS, Bluez};
use wardlink_tests::folder::Folder;
use wardlink_tests::program::{Said, ours, run};
use wardlink_tests::ward::Ward;
use wardlink_tests::{profile, series, wait};
use wardlink_wire::decimal::Decimal;
use wardlink_wire::record::{Absence, EventKind};

#[test]
fn values_arrive_through_bluez_and_a_link_that_breaks_is_a_pair_of_events() {
    let ward = Ward::open();
    let bluez = Bluez::start(ward.folder.path(), PLX_CONTINUOUS);
    let mut gateway = ward.enrol("gw-1", &oximeter(ADDRESS));
    gateway.set_environment(bluez.environment());
    gateway.start();
    gateway.until("the oximeter is subscribed to", |report| {
        report.devices[0].state == "reading"
    });
    for spo2 in 90..100 {
        bluez.notify(&[0, spo2, 0, 60, 0]);
    }
    // A value that ends too early, and one of a sensor without a finger.
    bluez.notify(&[0, 97, 0]);
    bluez.notify(&[0, 0xff, 0x07, 0xff, 0x07]);
    wait_for(&ward, 12);

    bluez.switch_off();
    let lost = gateway.until("the oximeter is lost", |report| {
        report.devices[0].state == "lost"
    });
    let fault = lost.devices[0].fault.clone().unwrap_or_default();
    assert!(fault.contains(ADDRESS), "{fault:?}");
    bluez.switch_on();
    gateway.until("the oximeter is back", |report| {
        report.devices[0].state == "reading"
    });
    bluez.notify(&[0, 88, 0, 61, 0]);
    let back = Ok(Decimal::new(88, 0));
    ward.monitor.until("the value after it arrives", |_| {
        series::numbers(&ward.monitor.archive(), "oximeter", "spo2").contains(&back)
    });
    let last = gateway.stop();
    ward.monitor.assert_has_all_of_without_gaps(&last);
    assert!(bluez.subscriptions() >= 2);

    let archive = ward.monitor.archive();
    let mut expected: Vec<_> = (90..100).map(|spo2| Ok(Decimal::new(spo2, 0))).collect();
    // The last one is of what was not measured meanwhile.
    expected.extend([Absence::Garbled, Absence::NotAvailable, Absence::DeviceOff].map(Err));
    expected.push(back);
    // On a machine that stands still for seconds it does not subscribe at the first try, and ten seconds of silence
    // are said.
    let mut heard = series::numbers(&archive, "oximeter", "spo2");
    heard.retain(|number| *number != Err(Absence::NoResponse));
    if heard.first() == Some(&Err(Absence::DeviceOff)) {
        heard = heard.split_off(1);
    }
    assert_eq!(heard, expected);
    let events = series::events(&archive, "oximeter").into_iter();
    let mut kinds: Vec<_> = events.map(|(kind, _)| kind).collect();
    if kinds.first() == Some(&EventKind::DeviceLost) {
        kinds.remove(0);
    }
    assert_eq!(
        kinds,
        [
            EventKind::DeviceStarted,
            EventKind::DeviceLost,
            EventKind::DeviceBack
        ]
    );
}

#[test]
fn a_device_that_never_connects_is_lost_within_its_deadline_and_delays_nobody() {
    let ward = Ward::open();
    let bluez = Bluez::start(ward.folder.path(), PLX_CONTINUOUS);
    bluez.hang();
    let thermometer =
        profile::simulated("temperature", "driver = \"tmp117\"\nperiod = \"50ms\"", 1);
    let mut gateway = ward.enrol("gw-1", &(oximeter(ADDRESS) + &thermometer));
    gateway.set_environment(bluez.environment());
    gateway.start();
    gateway.until("the oximeter is lost", |report| {
        let mut faults = report
            .devices
            .iter()
            .filter_map(|device| device.fault.as_ref());
        faults.any(|fault| fault.contains("waited 4 s in vain for the device"))
    });
    gateway.until("the thermometer goes on", |report| {
        let mut devices = report.devices.iter();
        devices.any(|device| device.state == "reading" && device.readings > 100)
    });
    let last = gateway.stop();
    ward.monitor.until("the loss arrives", |_| {
        !series::events(&ward.monitor.archive(), "oximeter").is_empty()
    });
    ward.monitor.assert_has_all_of_without_gaps(&last);
}

#[test]
fn what_keeps_a_device_away_is_said_with_what_to_do() {
    let folder = Folder::new();
    let bluez = Bluez::start(folder.path(), HEART_RATE);
    let said = read_once(&bluez, "11:22:33:44:55:66", "heart-rate");
    assert_fails(&said, "not known here: bluetoothctl pair 11:22:33:44:55:66");
    let said = read_once(&bluez, ADDRESS, "weight");
    assert_fails(&said, "it has no weight measurement");
    bluez.switch_off();
    let said = read_once(&bluez, ADDRESS, "heart-rate");
    assert_fails(&said, "does not connect");
    bluez.unpair();
    let said = read_once(&bluez, ADDRESS, "heart-rate");
    assert_fails(&said, "neither paired nor trusted");
    bluez.crash();
    let said = read_once(&bluez, ADDRESS, "heart-rate");
    assert_fails(&said, "is bluetoothd running");
    let mut command = bench(ADDRESS, "heart-rate");
    command.env("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/not/there");
    assert_fails(&run(&mut command), "is D-Bus running?");
}

fn oximeter(address: &str) -> String {
    profile::lanes("100ms")
        + &format!(
            "[[device]]\nid = \"oximeter\"\ndriver = \"bluetooth\"\nbus = \"bluetooth:{address}\"\n\
             characteristic = \"plx-continuous\"\n"
        )
}

#[track_caller]
fn wait_for(ward: &Ward, count: usize) {
    ward.monitor
        .until(&format!("{count} saturations arrive"), |_| {
            series::numbers(&ward.monitor.archive(), "oximeter", "spo2").len() >= count
        });
}

fn bench(address: &str, characteristic: &str) -> Command {
    let mut command = ours("wardlink-agent");
    command.args(["devices", "read-once", "--driver", "bluetooth", "--bus"]);
    command.arg(format!("bluetooth:{address}"));
    command.args(["--set", &format!("characteristic=\"{characteristic}\"")]);
    command
}

#[track_caller]
fn read_once(bluez: &Bluez, address: &str, characteristic: &str) -> Said {
    let mut command = bench(address, characteristic);
    let (key, value) = bluez.environment();
    command.env(key, value);
    // A machine that stands still for seconds makes the bus late; then that is what is said.
    wait::until("the bus answers in time", || {
        let said = run(&mut command);
        (!said.stderr.contains("in vain")).then_some(said)
    })
}

#[track_caller]
fn assert_fails(said: &Said, why: &str) {
    assert_eq!(said.code, Some(4), "{said:?}");
    assert!(said.stderr.contains(why), "{why}: {said:?}");
}

const PLX_CONTINUOUS: &str = "00002a5f-0000-1000-8000-00805f9b34fb";
const HEART_RATE: &str = "00002a37-0000-1000-8000-00805f9b34fb";
