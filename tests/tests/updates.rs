//! A profile has to prove itself, and nobody below the threshold changes anything: with real agents, a real
//! broker and real operators' signatures.

use std::fs;

use wardlink_tests::gateway::Gateway;
use wardlink_tests::operators::{Desk, Operators, audit_log};
use wardlink_tests::profile;
use wardlink_tests::series;
use wardlink_tests::ward::Ward;
use wardlink_wire::audit;
use wardlink_wire::bundle::{Manifest, Parcel, Trial, Version};
use wardlink_wire::profile::GATEWAY;
use wardlink_wire::record::EventKind;
use wardlink_wire::state::{Outcome, Reason};

/// A gateway whose operators are these, running.
fn gateway_of(ward: &Ward, operators: &Operators, profile: &str) -> Gateway {
    let mut gateway = ward.enrol("gw-1", profile);
    operators.install(&gateway);
    gateway.start();
    gateway
}

fn two_devices() -> String {
    profile::thermometer() + &profile::simulated("oximeter", "driver = \"nonin\"", 1)
}

#[test]
fn a_profile_that_silences_a_device_is_rolled_back_by_itself_and_disturbs_no_other() {
    let ward = Ward::open();
    let operators = Operators::new(1, 1, 1);
    let mut gateway = gateway_of(&ward, &operators, &two_devices());
    gateway.until("both devices measure", |report| {
        report.devices.len() == 2 && report.devices.iter().all(|device| device.readings > 0)
    });
    // The thermometer is looked for where it is not.
    let silencing = two_devices().replacen(
        "period = \"50ms\"\nbus = \"sim\"\n[device.simulation]\nspeed = 1.0\n",
        "period = \"50ms\"\nbus = \"/dev/i2c-that-is-not-there\"\n",
        1,
    );
    let mut bad = operators.manifest(&gateway, 1, &silencing);
    bad.trial = Trial {
        soak: 0,
        deadline: 2,
    };
    bad.rollout = Some("spring/canary".to_owned());
    let mut desk = Desk::of(&ward, &gateway);
    let said = desk.push(&operators.parcel(&bad));
    assert_eq!(
        (said.outcome, said.code, said.version),
        (Outcome::RolledBack, Some(Reason::DeviceSilent), Some(1))
    );
    assert!(said.reason.contains("temperature"), "{}", said.reason);
    assert_eq!(said.rollout.as_deref(), Some("spring/canary"));
    gateway.until(
        "the thermometer measures again under the old profile",
        |report| {
            report.profile == 0
                && report.update == "settled"
                && report
                    .devices
                    .iter()
                    .all(|device| device.state == "reading" && device.readings > 0)
        },
    );
    let good = operators.manifest(&gateway, 2, &two_devices());
    let said = desk.push(&operators.parcel(&good));
    assert_eq!(said.outcome, Outcome::Confirmed, "{}", said.reason);
    let last = gateway.stop();
    ward.monitor.assert_has_all_of_without_gaps(&last);
    let archive = ward.monitor.archive();
    series::assert_whole(&archive);
    let kinds = |device| -> Vec<EventKind> {
        let events = series::events(&archive, device).into_iter();
        events.map(|(kind, _)| kind).collect()
    };
    assert_eq!(kinds("oximeter"), [EventKind::DeviceStarted]);
    let of_gateway = kinds(GATEWAY);
    for kind in [EventKind::ProfileApplied, EventKind::ProfileRefused] {
        assert!(of_gateway.contains(&kind), "{of_gateway:?}");
    }
}

#[test]
fn a_profile_under_which_the_agent_crashes_three_times_is_rolled_back() {
    let ward = Ward::open();
    let operators = Operators::new(1, 1, 1);
    let mut gateway = gateway_of(&ward, &operators, &profile::thermometer());
    gateway.until("the thermometer measures", |report| {
        report.devices.iter().any(|device| device.readings > 0)
    });
    let mut endless = operators.manifest(&gateway, 1, &two_devices());
    endless.trial = Trial {
        soak: 80_000,
        deadline: 86_400,
    };
    let parcel = operators.parcel(&endless);
    let mut desk = Desk::of(&ward, &gateway);
    desk.send(&parcel);
    for crash in 0..3 {
        gateway.until("the new profile is on trial", |report| {
            (report.profile, report.update.as_str()) == (1, "on-trial")
        });
        gateway.kill();
        let report = gateway.start();
        let expected = if crash < 2 { 2 } else { 1 };
        assert_eq!(report.devices.len(), expected, "after crash {crash}");
    }
    let report = gateway.until("the old profile is settled", |report| {
        report.update == "settled"
    });
    assert_eq!(report.profile, 0);
    let said = desk.last_word(&parcel);
    assert_eq!(
        (said.outcome, said.code),
        (Outcome::RolledBack, Some(Reason::CrashLoop))
    );
    // The broker still keeps the bundle: it is not tried again.
    gateway.until_more_is_recorded();
    let last = gateway.stop();
    assert_eq!((last.profile, last.devices.len()), (0, 1));
    ward.monitor.assert_has_all_of_without_gaps(&last);
}

#[test]
fn operators_change_only_as_enough_of_them_sign_and_who_is_removed_stays_removed() {
    let ward = Ward::open();
    let old = Operators::new(3, 2, 1);
    let new = Operators::new(2, 2, 2);
    let next = Operators::new(1, 1, 3);
    let mut gateway = gateway_of(&ward, &old, &profile::thermometer());
    let mut desk = Desk::of(&ward, &gateway);
    let profile = profile::thermometer();
    let alone = old.sign_as(&old.manifest(&gateway, 1, &profile), &[2]);
    let said = desk.push(&Parcel::of(alone).encode().expect("a parcel"));
    assert_eq!(said.code, Some(Reason::TooFewSignatures), "{}", said.reason);
    let two = old.sign_as(&old.manifest(&gateway, 1, &profile), &[0, 2]);
    let said = desk.push(&Parcel::of(two).encode().expect("a parcel"));
    assert_eq!(said.outcome, Outcome::Confirmed, "{}", said.reason);

    // While the gateway is away the operators change twice: one parcel brings all.
    gateway.stop();
    let bundle = next.sign(&next.manifest(&gateway, 1, &two_devices()));
    let roots = [old.hand_over(&new), new.hand_over(&next)];
    let parcel = Parcel::of(bundle).with_roots(roots);
    let parcel = parcel.encode().expect("a parcel");
    desk.send(&parcel);
    gateway.start();
    let said = desk.last_word(&parcel);
    assert_eq!(said.outcome, Outcome::Confirmed, "{}", said.reason);

    for restarted in [false, true] {
        if restarted {
            gateway.kill();
            gateway.start();
        }
        for (thieves, number) in [(&old, 7), (&new, 8)] {
            let mut stolen = thieves.manifest(&gateway, number, &profile);
            for root in [thieves.root, 3] {
                stolen.version.root = root;
                let said = desk.push(&thieves.parcel(&stolen));
                assert_eq!(said.code, Some(Reason::UnknownKey), "{}", said.reason);
            }
        }
    }
    let last = gateway.stop();
    assert_eq!((last.profile, last.devices.len()), (1, 2));
}

/// A way to attack a gateway on which version 5 is proven, and the reason that it has to give.
type Attack = (&'static str, Vec<u8>, Reason);

fn attacks(operators: &Operators, gateway: &Gateway) -> Vec<Attack> {
    let profile = profile::thermometer();
    let changed = |change: &dyn Fn(&mut Manifest)| {
        let mut manifest = operators.manifest(gateway, 6, &profile);
        change(&mut manifest);
        operators.parcel(&manifest)
    };
    let right = operators.manifest(gateway, 6, &profile);
    let strangers = Operators::new(2, 2, 1);
    let mixed = operators.sign_as(&right, &[0]);
    let wrapped = |bundle| Parcel::of(bundle).encode().expect("a parcel");
    let taken_over = Parcel::of(strangers.sign(&right));
    let taken_over = taken_over.with_roots([strangers.hand_over(&Operators::new(1, 1, 2))]);
    vec![
        (
            "arbitrary installation",
            strangers.parcel(&right),
            Reason::UnknownKey,
        ),
        (
            "key compromise, one of two",
            wrapped(mixed),
            Reason::TooFewSignatures,
        ),
        (
            "key compromise, a root of strangers",
            taken_over.encode().expect("a parcel"),
            Reason::UnknownKey,
        ),
        (
            "rollback",
            changed(&|m| m.version.number = 4),
            Reason::NotNewer,
        ),
        (
            "same version again",
            changed(&|m| m.version.number = 5),
            Reason::NotNewer,
        ),
        (
            "mix and match of roots",
            changed(&|m| m.version = Version { root: 2, number: 6 }),
            Reason::OtherRoot,
        ),
        (
            "wrong target",
            changed(&|m| m.gateway = "gw-2".parse().expect("a name")),
            Reason::OtherGateway,
        ),
        (
            "held back until it expired",
            changed(&|m| m.expires = m.issued - 1),
            Reason::Expired,
        ),
        ("endless data", vec![0x40; 250 << 10], Reason::TooLarge),
        (
            "endless data in a parcel",
            wrapped(vec![0; 100 << 10]),
            Reason::TooLarge,
        ),
        (
            "a partial parcel",
            changed(&|_| {})[..200].to_vec(),
            Reason::Malformed,
        ),
        (
            "a profile that reaches for the store's data",
            changed(&|m| m.profile.push_str("[store]\npath = \"/tmp\"\n")),
            Reason::Profile,
        ),
    ]
}

#[test]
fn every_threat_is_refused_with_its_reason_and_in_the_audit_log_and_changes_nothing() {
    let ward = Ward::open();
    let operators = Operators::new(3, 2, 1);
    let mut gateway = gateway_of(&ward, &operators, &profile::thermometer());
    let mut desk = Desk::of(&ward, &gateway);
    let mut fifth = operators.manifest(&gateway, 5, &two_devices());
    // Frozen: it should have heard of something newer long ago.
    fifth.stale = Some(fifth.issued - 1);
    let fifth = operators.parcel(&fifth);
    assert_eq!(desk.push(&fifth).outcome, Outcome::Confirmed);
    gateway.until_fault("nothing newer than this configuration came");
    // What is sent again is no news, but where the gateway stands is said anew.
    desk.send(&fifth);
    let state = desk.after(&fifth);
    assert!(state.held.is_some_and(|held| held.stale));
    assert_eq!(state.profile, 5);

    let attacks = attacks(&operators, &gateway);
    for (name, parcel, reason) in &attacks {
        let said = desk.push(parcel);
        assert_eq!(
            (said.outcome, said.code),
            (Outcome::Refused, Some(*reason)),
            "{name}: {}",
            said.reason
        );
        let report = gateway.report().expect("the agent can be asked");
        assert_eq!((report.profile, report.devices.len()), (5, 2), "{name}");
    }
    // Replay: what holds, sent again, is no news.
    assert_eq!(desk.push(&fifth).outcome, Outcome::Confirmed);

    let state = desk.until_state(|state| {
        let entries = |health: &wardlink_wire::state::Health| {
            health
                .audit
                .as_ref()
                .is_some_and(|head| head.entries > attacks.len() as u64)
        };
        state.health.as_ref().is_some_and(entries)
    });
    let reported = state
        .health
        .and_then(|health| health.audit)
        .expect("a head");
    let last = gateway.stop();
    assert_eq!(last.profile, 5);
    let parts = audit_log(&gateway.join("state"));
    let chain = audit::verify(parts.iter().map(Vec::as_slice)).expect("a whole log");
    assert!(chain.holds(&reported), "{reported:?}");
    let refused: Vec<_> = chain
        .entries
        .iter()
        .filter(|entry| entry.action == "refused")
        .collect();
    assert_eq!(refused.len(), attacks.len(), "{refused:#?}");
    // Cut to what was before the attacks, the log does not hold what the gateway reported.
    let file = gateway.join("state").join(wardlink_agent::audit::CURRENT);
    let bytes = fs::read(file).expect("the log");
    let cut = audit::verify([&bytes[..bytes.len() / 2]]).expect("a log");
    assert!(!cut.holds(&reported));
}
