//! A profile reaches a fleet wave by wave, and a bad one only its canaries, which get the last good one back.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use wardlink::rollout::plan::{RolloutState, Step, StepState};
use wardlink_agent::status::Report;
use wardlink_tests::fleet;
use wardlink_tests::gateway::Gateway;
use wardlink_tests::light::Light;
use wardlink_tests::profile;
use wardlink_tests::program::{Program, Said, ours};
use wardlink_tests::wait;
use wardlink_tests::ward::Ward;
use wardlink_wire::id::GatewayId;
use wardlink_wire::root::Trust;

#[test]
fn a_bad_profile_stops_at_its_canaries_and_everybody_measures_as_before_and_nothing_is_lost() {
    let mut house = House::with(gateways());
    for gateway in &mut house.gateways {
        gateway.start();
    }
    let good = house.write("good.toml", &two_thermometers());
    let said = house.push(&[
        "--group", "ward-3", "--canary", "2", "--wait", PATIENCE, &good,
    ]);
    assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
    assert_eq!(house.rollout(), RolloutState::Done);
    let first: Vec<_> = house
        .steps()
        .into_iter()
        .filter(|step| step.wave == 0)
        .collect();
    assert_eq!(first.len(), 2, "not two canaries: {first:#?}");
    for gateway in &mut house.gateways {
        gateway.until("two thermometers measure", |report| reading(report) == 2);
    }

    let bad = house.write("bad.toml", &broken());
    let said = house.push(&[
        "--group", "ward-3", "--canary", "2", "--wait", PATIENCE, &bad,
    ]);
    assert_eq!(said.code, Some(1), "{}{}", said.stdout, said.stderr);
    assert_eq!(house.rollout(), RolloutState::Stopped);
    let steps = house.steps();
    for step in &steps {
        let back = matches!(step.state, StepState::Returned | StepState::RolledBack);
        let spared = step.state == StepState::Spared && step.version.is_none();
        let right = if step.wave == 0 { back } else { spared };
        assert!(right, "{step:#?}");
    }
    for (number, gateway) in house.gateways.iter_mut().enumerate() {
        let report = gateway.until("two thermometers measure as before", |report| {
            reading(report) == 2
        });
        let name = gateway.name();
        let canary = steps
            .iter()
            .any(|step| step.wave == 0 && step.gateway.as_str() == name);
        assert_eq!(
            report.profile == 1,
            !canary,
            "{number}: {name}: {report:#?}"
        );
    }
    house.end();
}

#[test]
fn a_rollout_whose_program_was_killed_goes_on_where_it_stopped_and_can_be_taken_back() {
    let mut house = House::with(4);
    // Three measure; the rollout cannot end before the fourth does.
    let good = house.write("good.toml", &two_thermometers());
    for gateway in house.gateways.iter_mut().skip(1) {
        gateway.start();
    }
    let mut push = house.start_push(&[
        "--group", "ward-3", "--canary", "1", "--wait", PATIENCE, &good,
    ]);
    wait::until("a bundle is on its way to the gateway that is away", || {
        push.assert_running();
        let steps = house.ward.fleet.roster().steps(1).ok()?;
        let away = |step: &&Step| step.gateway.as_str() == "gw-0" && step.state == StepState::Sent;
        steps.iter().find(away).map(drop)
    });
    push.kill();
    let said = house.push(&["--group", "ward-3", &good]);
    assert_eq!(said.code, Some(2), "{}{}", said.stdout, said.stderr);
    assert!(said.stderr.contains("--resume"), "{}", said.stderr);
    house.gateways[0].start();
    let said = house.push(&["--resume"]);
    assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
    assert_eq!(house.rollout(), RolloutState::Done);
    for step in house.steps() {
        let once = (step.state, step.version) == (StepState::Confirmed, Some(1));
        assert!(once, "signed twice, or not confirmed: {step:#?}");
    }
    for gateway in &mut house.gateways {
        gateway.until("two thermometers measure", |report| reading(report) == 2);
    }

    let address = house.address();
    let rollback = [
        "profile", "rollback", "--wait", PATIENCE, "--broker", &address,
    ];
    let said = house.ward.fleet.run(&rollback);
    assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
    for gateway in &mut house.gateways {
        gateway.until("one thermometer measures, as before", |report| {
            reading(report) == 1 && report.profile == 2
        });
    }
    let said = house.ward.fleet.does(&["audit", "show"]);
    for words in [
        "resume: rollout 1",
        "rollout 1 done",
        "rollout 2 done",
        "back from rollout 1",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    house.end();
}

#[test]
fn a_gateway_that_was_away_never_runs_a_profile_whose_rollout_was_stopped_meanwhile() {
    let mut house = House::with(1);
    let good = house.write("good.toml", &two_thermometers());
    let said = house.push(&["--group", "ward-3", "--canary", "1", "--wait", "1s", &good]);
    assert_eq!(said.code, Some(1), "{}{}", said.stdout, said.stderr);
    let states: Vec<_> = house.steps().iter().map(|step| step.state).collect();
    assert_eq!(states, [StepState::Returning]);
    let said = house.ward.fleet.does(&["profile", "status"]);
    assert!(said.contains("goes back when it connects"), "{said}");
    // It finds one message at the broker, and that is the one that takes it back.
    house.gateways[0].start();
    house.gateways[0].until("it has taken the bundle that takes it back", |report| {
        report.profile == 2
    });
    let report = house.gateways[0].until("one thermometer measures", |report| reading(report) == 1);
    assert_eq!(report.devices.len(), 1, "{report:#?}");
    house.end();
}

#[test]
fn a_fleet_of_light_gateways_converges_with_three_messages_a_gateway() {
    let ward = Ward::open();
    let count = light_gateways();
    let names: Vec<GatewayId> = (0..count)
        .map(|number| format!("light-{number:05}").parse().expect("a name"))
        .collect();
    let mut roster = ward.fleet.roster();
    for name in &names {
        let groups = ["everybody".to_owned()];
        roster
            .enrol(name, &profile::thermometer(), &groups, fleet::now())
            .expect("enrolled");
    }
    let operator =
        wardlink_link::file::read_verifying_key(&ward.fleet.join("operator/operator.pub"));
    let trust = Trust::pinned(vec![operator.expect("a key")], 1, 1).expect("an operator");
    let (folder, ca) = (ward.folder.path(), ward.fleet.join("ca.pem"));
    let port = ward.broker.port();
    let light = Light::connect((&ward.fleet.authority(), &ca), &trust, folder, &names, port);
    let (messages, bytes) = light.seen();
    let path = ward.folder.join("good.toml");
    fs::write(&path, two_thermometers()).expect("the profile is written");
    let (path, address) = (
        path.to_str().expect("a plain path"),
        format!("localhost:{port}"),
    );
    let begun = Instant::now();
    let said = ward.fleet.does(&[
        "profile",
        "push",
        "--broker",
        &address,
        "--group",
        "everybody",
        "--canary",
        "5%",
        "--wait",
        "10m",
        path,
    ]);
    let took = begun.elapsed();
    assert!(said.contains("rollout 1: done"), "{said}");
    let steps = roster.steps(1).expect("steps");
    assert_eq!(steps.len(), count);
    assert!(steps.iter().all(|step| step.state == StepState::Confirmed));
    let (messages, bytes) = (light.seen().0 - messages, light.seen().1 - bytes);
    // One bundle, one answer, one state: nothing grows with the size of the fleet.
    assert_eq!(messages, 3 * count as u64, "more messages than needed");
    println!(
        "{count} gateways converged in {:.1} s: {messages} messages, {} bytes a gateway",
        took.as_secs_f64(),
        bytes / count as u64
    );
    light.end();
}

/// A ward with some gateways in one group.
struct House {
    ward: Ward,
    gateways: Vec<Gateway>,
}

impl House {
    fn with(count: usize) -> Self {
        let ward = Ward::open();
        let profile = ward.folder.join("profile.toml");
        fs::write(&profile, profile::thermometer()).expect("the profile is written");
        let address = format!("localhost:{}", ward.broker.port());
        let gateways = (0..count).map(|number| {
            let name = format!("gw-{number}");
            let out = ward.folder.join(&name);
            let paths = [&profile, &out].map(|path| path.to_str().expect("a plain path"));
            ward.fleet.does(&[
                "enrol",
                &name,
                "--group",
                "ward-3",
                "--broker",
                &address,
                "--profile",
                paths[0],
                "--out",
                paths[1],
            ]);
            Gateway::at(&name, out)
        });
        let gateways = gateways.collect();
        Self { ward, gateways }
    }

    fn address(&self) -> String {
        format!("localhost:{}", self.ward.broker.port())
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path: PathBuf = self.ward.folder.join(name);
        fs::write(&path, text).expect("the profile is written");
        path.to_str().expect("a plain path").to_owned()
    }

    fn push(&self, arguments: &[&str]) -> Said {
        let address = self.address();
        let mut all = vec!["profile", "push", "--broker", &address];
        all.extend(arguments);
        self.ward.fleet.run(&all)
    }

    fn start_push(&self, arguments: &[&str]) -> Program {
        let mut command = ours("wardlink");
        command.args(["profile", "push", "--broker", &self.address()]);
        command
            .args(arguments)
            .arg("--fleet")
            .arg(self.ward.fleet.path());
        Program::start("push", &mut command, self.ward.folder.path())
    }

    fn rollout(&self) -> RolloutState {
        let newest = self.ward.fleet.roster().rollout(None).expect("rollouts");
        newest.expect("a rollout").state
    }

    fn steps(&self) -> Vec<Step> {
        let roster = self.ward.fleet.roster();
        let newest = roster.rollout(None).expect("rollouts").expect("a rollout");
        roster.steps(newest.id).expect("its steps")
    }

    /// Ends every gateway; the monitor has every record of each exactly once.
    fn end(mut self) {
        for gateway in &mut self.gateways {
            let last = gateway.stop();
            self.ward.monitor.assert_has_all_of(&last);
        }
    }
}

fn two_thermometers() -> String {
    profile::thermometer()
        + &profile::simulated("more", "driver = \"tmp117\"\nperiod = \"50ms\"", 1)
}

/// No fault that anybody could see, but on the gateway there is no such bus.
fn broken() -> String {
    let broken = profile::thermometer().replace("bus = \"sim\"", "bus = \"/dev/i2c-99\"");
    let (text, _) = broken
        .split_once("[device.simulation]")
        .expect("a simulation");
    text.to_owned()
}

fn reading(report: &Report) -> usize {
    let reading = |device: &&wardlink_agent::status::DeviceReport| {
        device.state == "reading" && device.readings > 0
    };
    report.devices.iter().filter(reading).count()
}

/// Eight, or as many as `WARDLINK_FLEET` says (`make test-fleet`).
fn gateways() -> usize {
    let asked = std::env::var("WARDLINK_FLEET").ok();
    asked.and_then(|count| count.parse().ok()).unwrap_or(8)
}

/// A hundred, or as many as `WARDLINK_LIGHT_FLEET` says (`make test-fleet`).
fn light_gateways() -> usize {
    let asked = std::env::var("WARDLINK_LIGHT_FLEET").ok();
    asked.and_then(|count| count.parse().ok()).unwrap_or(100)
}

/// Longer than anything takes on a busy machine; what ends a wave is a gateway's last word.
const PATIENCE: &str = "120s";
