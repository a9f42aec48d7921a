//! What the running agent has given up, and what it tells the service manager: the real binary.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use wardlink_tests::folder::Folder;
use wardlink_tests::gateway::Gateway;
use wardlink_tests::program::{Program, ours};
use wardlink_tests::ward::lonely;
use wardlink_tests::{profile, wait};

#[test]
fn a_running_agent_can_start_no_program_and_gain_no_right() {
    let (mut gateway, _fleet, _folder) = lonely(&profile::thermometer());
    gateway.start();
    let status = fs::read_to_string(format!("/proc/{}/status", gateway.program().id())).unwrap();
    for held in ["NoNewPrivs:\t1", "Seccomp:\t2"] {
        assert!(status.contains(held), "no {held:?} in\n{status}");
    }
    gateway.kill();
    assert!(log(&gateway).contains("given up: files by Landlock"));
}

#[test]
fn a_file_that_is_not_the_agents_cannot_be_opened_by_way_of_a_profile() {
    let strange = Folder::new();
    let secret = strange.join("secret");
    fs::write(&secret, "of somebody else").unwrap();
    let (mut gateway, _fleet, _folder) = lonely(&profile::oximeter(&secret));
    gateway.start();
    let report = gateway.until("the device is refused", |report| {
        report.devices.iter().any(|device| device.fault.is_some())
    });
    let fault = report
        .devices
        .first()
        .and_then(|device| device.fault.clone());
    let fault = fault.unwrap_or_default();
    assert!(
        fault.to_lowercase().contains("permission denied"),
        "{fault}"
    );
    gateway.kill();
}

#[test]
fn the_service_manager_is_told_that_the_agent_is_ready_alive_and_stopping() {
    let (gateway, _fleet, folder) = lonely(&profile::thermometer());
    let manager = folder.join("notify");
    let heard = UnixDatagram::bind(&manager).unwrap();
    heard.set_read_timeout(Some(wait::LONG)).unwrap();
    let mut command = ours("wardlink-agent");
    command.arg("run").arg("--config").arg(gateway.config());
    command.env("NOTIFY_SOCKET", &manager);
    command.env(
        "WATCHDOG_USEC",
        Duration::from_secs(8).as_micros().to_string(),
    );
    let mut agent = Program::start("agent", &mut command, gateway.folder());
    for awaited in ["READY=1", "WATCHDOG=1"] {
        until_heard(&heard, awaited);
    }
    assert!(agent.terminate().success());
    until_heard(&heard, "STOPPING=1");
}

fn until_heard(socket: &UnixDatagram, awaited: &str) {
    let mut buffer = [0; 1024];
    loop {
        let length = socket
            .recv(&mut buffer)
            .unwrap_or_else(|error| panic!("{awaited:?} was not heard: {error}"));
        if String::from_utf8_lossy(&buffer[..length]).contains(awaited) {
            return;
        }
    }
}

fn log(gateway: &Gateway) -> String {
    fs::read_to_string(Path::new(gateway.folder()).join("agent.log")).unwrap()
}
