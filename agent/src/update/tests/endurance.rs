//! What a gateway bears: weeks away, crashes, wrong clocks, disks that are full or damaged.

use wardlink_wire::audit::{self, Head};
use wardlink_wire::bundle::{Parcel, Version};
use wardlink_wire::state::{Outcome, Reason};

use super::attacks::{DAY, prove, proven, refuse, refuse_at};
use super::disk::Cut;
use super::{NOW, NOW_NS, Office, in_force, manifest, open};
use crate::audit::CURRENT;
use crate::update::disk::Disk;
use crate::update::keeper::Taken;

#[test]
fn after_weeks_offline_one_parcel_brings_all_roots_and_the_bundle() {
    let offices: Vec<_> = (0..4).map(|_| Office::new(2, 2)).collect();
    let (_disk, mut keeper) = proven(&offices[0]);
    let roots = (0..3_u64).map(|at| {
        let step = usize::try_from(at).unwrap();
        offices[step].hand_over(&offices[step + 1], at + 2)
    });
    let bundle = manifest(4, 1).sign(&offices[3].signers()).unwrap();
    let parcel = Parcel::of(bundle).with_roots(roots).encode().unwrap();
    prove(&mut keeper, &parcel);
    assert_eq!(in_force(&keeper), Version { root: 4, number: 1 });
}

#[test]
fn a_bundle_waits_for_its_time() {
    let office = Office::new(1, 1);
    let (disk, mut keeper) = proven(&office);
    let mut tonight = manifest(1, 6);
    tonight.not_before = NOW + 3600;
    assert!(matches!(
        keeper.take(&office.parcel(&tonight), NOW_NS),
        Taken::Kept
    ));
    assert_eq!(keeper.apply_due(NOW_NS, Vec::new()).unwrap(), None);
    let (mut keeper, _) = open(&disk, &office.trust());
    assert_eq!(in_force(&keeper).number, 5);
    let said = keeper.config_state(NOW_NS).bundle.unwrap();
    assert_eq!(said.outcome, Outcome::Staged);
    let later = NOW_NS + 3600 * 1_000_000_000;
    keeper.apply_due(later, Vec::new()).unwrap().unwrap();
    assert_eq!(in_force(&keeper).number, 6);
}

#[test]
fn a_profile_under_which_the_agent_keeps_starting_is_rolled_back() {
    let office = Office::new(1, 1);
    let (disk, mut keeper) = proven(&office);
    keeper.take(&office.parcel(&manifest(1, 6)), NOW_NS);
    keeper.apply_due(NOW_NS, Vec::new()).unwrap();
    for _ in 0..2 {
        assert_eq!(in_force(&open(&disk, &office.trust()).0).number, 6);
    }
    let (keeper, _) = open(&disk, &office.trust());
    assert_eq!(in_force(&keeper).number, 5);
    let said = keeper.config_state(NOW_NS).bundle.unwrap();
    assert_eq!(
        (said.outcome, said.code),
        (Outcome::RolledBack, Some(Reason::CrashLoop))
    );
}

#[test]
fn a_disk_that_takes_nothing_refuses_the_bundle_and_keeps_the_old_profile() {
    let office = Office::new(1, 1);
    let (disk, mut keeper) = proven(&office);
    for at in [0, 1, 2, 4, 6] {
        let before = keeper.phase().clone();
        disk.cut(Cut::Before(at));
        let parcel = office.parcel(&manifest(1, 6 + at));
        assert!(matches!(keeper.take(&parcel, NOW_NS), Taken::Refused(_)));
        let said = keeper.config_state(NOW_NS).bundle.unwrap();
        assert_eq!(said.code, Some(Reason::Storage), "{}", said.reason);
        assert_eq!((in_force(&keeper).number, keeper.phase()), (5, &before));
        disk.restart();
    }
    // Once the disk takes something again, so does the gateway.
    prove(&mut keeper, &office.parcel(&manifest(1, 12)));
}

#[test]
fn what_was_refused_for_a_wrong_clock_is_taken_once_the_clock_is_right() {
    let office = Office::new(1, 1);
    let (disk, mut keeper) = proven(&office);
    let parcel = office.parcel(&manifest(1, 6));
    refuse_at(&mut keeper, &disk, &parcel, Reason::Expired, NOW + DAY);
    let entries = keeper.audit_head().unwrap().entries;
    let again = keeper.take(&parcel, (NOW + DAY) * 1_000_000_000);
    assert!(matches!(again, Taken::Known));
    assert_eq!(keeper.audit_head().unwrap().entries, entries, "said twice");
    prove(&mut keeper, &parcel);
}

#[test]
fn a_damaged_record_is_read_from_its_copy_and_without_it_nothing_older_comes_back() {
    let office = Office::new(1, 1);
    let (disk, keeper) = proven(&office);
    drop(keeper);
    disk.damage("update.cbor");
    let (keeper, faults) = open(&disk, &office.trust());
    assert_eq!((in_force(&keeper).number, faults.len()), (5, 0));
    drop(keeper);
    disk.damage("update.copy.cbor");
    let (mut keeper, faults) = open(&disk, &office.trust());
    assert_eq!((in_force(&keeper).number, faults.len()), (0, 1));
    let mut older = manifest(1, 5);
    older.issued += 1;
    refuse(&mut keeper, &disk, &office.parcel(&older), Reason::NotNewer);
    prove(&mut keeper, &office.parcel(&manifest(1, 6)));
}

#[test]
fn an_audit_log_that_was_cut_does_not_hold_what_the_monitor_was_told() {
    let office = Office::new(1, 1);
    let (disk, mut keeper) = proven(&office);
    refuse(&mut keeper, &disk, b"x", Reason::Malformed);
    let told: Head = keeper.audit_head().unwrap().clone();
    let log = disk.read(CURRENT).unwrap().unwrap();
    let chain = audit::verify([log.as_slice()]).unwrap();
    assert!(chain.holds(&told));
    let actions: Vec<_> = chain
        .entries
        .iter()
        .map(|entry| entry.action.as_str())
        .collect();
    assert_eq!(
        actions,
        ["started", "staged", "on-trial", "confirmed", "refused"]
    );
    let shorter = audit::verify([&log[..log.len() - 50]]).unwrap();
    assert!(!shorter.holds(&told));
}
