//! The threats of The Update Framework (specification 1.0.33, section 1.5.2) and Uptane's, one test each:
//! what is refused changes neither profile nor floor, and says why.

use wardlink_wire::audit;
use wardlink_wire::bundle::{Parcel, Version};
use wardlink_wire::root::Root;
use wardlink_wire::state::{Outcome, Reason};

use super::disk::SimDisk;
use super::{NOW, NOW_NS, Office, in_force, manifest, open};
use crate::audit::CURRENT;
use crate::update::disk::Disk;
use crate::update::keeper::{Keeper, Taken};

pub(super) const DAY: i64 = 86_400;

/// A gateway on which version 5 is proven, and who signs for it.
pub(super) fn proven(office: &Office) -> (SimDisk, Keeper) {
    let disk = SimDisk::new(1);
    let (mut keeper, faults) = open(&disk, &office.trust());
    assert_eq!(faults, [""; 0]);
    prove(&mut keeper, &office.parcel(&manifest(1, 5)));
    (disk, keeper)
}

#[track_caller]
pub(super) fn prove(keeper: &mut Keeper, parcel: &[u8]) {
    assert!(matches!(keeper.take(parcel, NOW_NS), Taken::Kept));
    keeper.apply_due(NOW_NS, Vec::new()).unwrap();
    keeper.end_trial(Ok(()), NOW_NS).unwrap();
    let said = keeper.config_state(NOW_NS).bundle.unwrap();
    assert_eq!(said.outcome, Outcome::Confirmed);
}

/// Offers a parcel that must be refused for one reason, at a time, and looks whether it changed anything.
#[track_caller]
pub(super) fn refuse_at(
    keeper: &mut Keeper,
    disk: &SimDisk,
    parcel: &[u8],
    reason: Reason,
    utc: i64,
) {
    let before = (in_force(keeper), keeper.phase().clone());
    let floor = keeper.config_state(NOW_NS).held.unwrap().floor;
    assert!(matches!(
        keeper.take(parcel, utc * 1_000_000_000),
        Taken::Refused(_)
    ));
    let state = keeper.config_state(NOW_NS);
    let said = state.bundle.unwrap();
    assert_eq!(said.outcome, Outcome::Refused);
    assert_eq!(said.code, Some(reason), "{}", said.reason);
    assert_eq!(keeper.apply_due(NOW_NS, Vec::new()).unwrap(), None);
    assert_eq!(before, (in_force(keeper), keeper.phase().clone()));
    assert_eq!(state.held.unwrap().floor, floor);
    let log = disk.read(CURRENT).unwrap().unwrap();
    let last = audit::verify([log.as_slice()])
        .unwrap()
        .entries
        .pop()
        .unwrap();
    assert_eq!(last.action, "refused");
    assert!(last.detail.contains(&said.reason), "{last:?}");
}

#[track_caller]
pub(super) fn refuse(keeper: &mut Keeper, disk: &SimDisk, parcel: &[u8], reason: Reason) {
    refuse_at(keeper, disk, parcel, reason, NOW);
}

#[test]
fn arbitrary_installation_needs_the_threshold() {
    let office = Office::new(3, 2);
    let (disk, mut keeper) = proven(&office);
    let manifest = manifest(1, 6);
    let alone = manifest.sign(&[&office.keys[0]]).unwrap();
    let alone = Parcel::of(alone).encode().unwrap();
    refuse(&mut keeper, &disk, &alone, Reason::TooFewSignatures);
    let stranger = Office::new(2, 2);
    let forged = stranger.parcel(&manifest);
    refuse(&mut keeper, &disk, &forged, Reason::UnknownKey);
}

#[test]
fn rollback_to_what_was_overtaken_or_withdrawn_is_refused() {
    let office = Office::new(1, 1);
    let (disk, mut keeper) = proven(&office);
    refuse(
        &mut keeper,
        &disk,
        &office.parcel(&manifest(1, 4)),
        Reason::NotNewer,
    );
    // Rolled back itself: another parcel of the same version does not bring it back.
    assert!(matches!(
        keeper.take(&office.parcel(&manifest(1, 6)), NOW_NS),
        Taken::Kept
    ));
    keeper.apply_due(NOW_NS, Vec::new()).unwrap();
    let failed = Err((Reason::DeviceSilent, "silent".to_owned()));
    keeper.end_trial(failed, NOW_NS).unwrap();
    let mut again = manifest(1, 6);
    again.issued += 1;
    refuse(&mut keeper, &disk, &office.parcel(&again), Reason::NotNewer);
    // And a restart forgets nothing of it.
    let (mut keeper, _) = open(&disk, &office.trust());
    refuse(&mut keeper, &disk, &office.parcel(&again), Reason::NotNewer);
    assert_eq!(in_force(&keeper).number, 5);
}

#[test]
fn replay_of_the_same_parcel_is_no_news_whatever_became_of_it() {
    let office = Office::new(1, 1);
    let (disk, mut keeper) = proven(&office);
    let bad = office.parcel(&manifest(1, 6));
    keeper.take(&bad, NOW_NS);
    keeper.apply_due(NOW_NS, Vec::new()).unwrap();
    let failed = Err((Reason::DeviceSilent, "silent".to_owned()));
    keeper.end_trial(failed, NOW_NS).unwrap();
    let entries = keeper.audit_head().unwrap().entries;
    assert!(matches!(keeper.take(&bad, NOW_NS), Taken::Known));
    let (mut keeper, _) = open(&disk, &office.trust());
    assert!(matches!(keeper.take(&bad, NOW_NS), Taken::Known));
    let said = keeper.config_state(NOW_NS).bundle.unwrap();
    assert_eq!(
        (said.outcome, said.code),
        (Outcome::RolledBack, Some(Reason::DeviceSilent))
    );
    assert!(matches!(
        keeper.take(&office.parcel(&manifest(1, 5)), NOW_NS),
        Taken::Known
    ));
    let said = keeper.config_state(NOW_NS).bundle.unwrap();
    assert_eq!(said.outcome, Outcome::Confirmed);
    assert_eq!(
        keeper.audit_head().unwrap().entries,
        entries + 1,
        "only the start"
    );
}

#[test]
fn fast_forward_with_stolen_keys_is_undone_by_a_new_root() {
    let (old, new) = (Office::new(2, 1), Office::new(2, 1));
    let (disk, mut keeper) = proven(&old);
    let mut highest = manifest(1, u64::MAX);
    (highest.issued, highest.expires) = (NOW + 4000 * DAY, i64::MAX);
    prove(&mut keeper, &old.parcel(&highest));
    refuse(
        &mut keeper,
        &disk,
        &old.parcel(&manifest(1, 7)),
        Reason::NotNewer,
    );
    let bundle = manifest(2, 1).sign(&new.signers()).unwrap();
    let rescue = Parcel::of(bundle).with_roots([old.hand_over(&new, 2)]);
    prove(&mut keeper, &rescue.encode().unwrap());
    assert_eq!(in_force(&keeper), Version { root: 2, number: 1 });
}

#[test]
fn a_stolen_key_is_worth_nothing_after_its_removal_also_after_a_restart() {
    let old = Office::new(2, 1);
    let new = Office::new(1, 1);
    let (disk, mut keeper) = proven(&old);
    let root = Parcel {
        bundle: None,
        ..Parcel::of(Vec::new()).with_roots([old.hand_over(&new, 2)])
    };
    let root = root.encode().unwrap();
    assert!(matches!(keeper.take(&root, NOW_NS), Taken::Kept));
    let state = keeper.config_state(NOW_NS);
    assert_eq!(state.held.unwrap().root, 2);
    assert_eq!(state.bundle.unwrap().outcome, Outcome::Applied);
    for _ in 0..2 {
        for root in [1, 2] {
            let stolen = old.parcel(&manifest(root, 9));
            refuse(&mut keeper, &disk, &stolen, Reason::UnknownKey);
        }
        // Nor does it make operators any more.
        let thief = Parcel::of(Vec::new()).with_roots([old.hand_over(&old, 3)]);
        let thief = thief.encode().unwrap();
        refuse(&mut keeper, &disk, &thief, Reason::TooFewSignatures);
        (keeper, _) = open(&disk, &old.trust());
    }
    assert_eq!(in_force(&keeper).number, 5, "the profile in force stays");
}

#[test]
fn one_of_three_stolen_root_keys_makes_no_root() {
    let office = Office::new(3, 2);
    let (disk, mut keeper) = proven(&office);
    let root = Root {
        schema: wardlink_wire::SCHEMA,
        version: 2,
        threshold: 1,
        operators: vec![office.keys[0].verifying_key()],
        issued: NOW,
        expires: NOW + DAY,
    };
    let root = root.sign(&[&office.keys[0]]).unwrap();
    let parcel = Parcel::of(Vec::new()).with_roots([root]).encode().unwrap();
    refuse(&mut keeper, &disk, &parcel, Reason::TooFewSignatures);
    assert_eq!(keeper.config_state(NOW_NS).held.unwrap().root, 1);
}

#[test]
fn freeze_is_noticed_and_stops_nothing() {
    let office = Office::new(1, 1);
    let (disk, mut keeper) = proven(&office);
    let mut fresh = manifest(1, 6);
    fresh.stale = Some(NOW + DAY);
    prove(&mut keeper, &office.parcel(&fresh));
    let day = DAY * 1_000_000_000;
    assert_eq!(keeper.notice_staleness(NOW_NS), None);
    assert!(keeper.notice_staleness(NOW_NS + day).is_some());
    let entries = keeper.audit_head().unwrap().entries;
    assert!(keeper.notice_staleness(NOW_NS + 2 * day).is_some());
    assert_eq!(keeper.audit_head().unwrap().entries, entries, "said twice");
    assert!(keeper.config_state(NOW_NS).held.unwrap().stale);
    assert_eq!(in_force(&keeper).number, 6);
    let mut newer = manifest(1, 7);
    newer.stale = Some(NOW + 9 * DAY);
    prove(&mut keeper, &office.parcel(&newer));
    assert_eq!(keeper.notice_staleness(NOW_NS + 2 * day), None);
    assert!(!keeper.config_state(NOW_NS).held.unwrap().stale);
    drop(disk);
}

#[test]
fn mix_and_match_of_signatures_roots_and_bundles_is_refused() {
    let (old, new) = (Office::new(2, 2), Office::new(2, 2));
    let (disk, mut keeper) = proven(&old);
    // One signature of each of two operators, but of different bundles.
    let one = manifest(1, 6).sign(&[&old.keys[0]]).unwrap();
    let other = manifest(1, 7).sign(&[&old.keys[1]]).unwrap();
    let spliced = splice(&one, &other);
    let parcel = Parcel::of(spliced).encode().unwrap();
    refuse(&mut keeper, &disk, &parcel, Reason::BadSignature);
    // A bundle of the old operators behind the root of the new ones: the root counts, the bundle does not.
    let bundle = manifest(1, 8).sign(&old.signers()).unwrap();
    let mixed = Parcel::of(bundle).with_roots([old.hand_over(&new, 2)]);
    refuse(
        &mut keeper,
        &disk,
        &mixed.encode().unwrap(),
        Reason::UnknownKey,
    );
    // One of each office.
    let keys = [&old.keys[0], &new.keys[0]];
    let both = manifest(2, 1).sign(&[keys[0], keys[1]]).unwrap();
    let both = Parcel::of(both).encode().unwrap();
    refuse(&mut keeper, &disk, &both, Reason::UnknownKey);
}

/// The first envelope with the signatures of both: a COSE_Sign ends with the array of its signatures.
fn splice(one: &[u8], other: &[u8]) -> Vec<u8> {
    let signature = |envelope: &[u8]| envelope[envelope.len() - SIGNATURE..].to_vec();
    let mut spliced = one[..one.len() - SIGNATURE - 1].to_vec();
    spliced.push(0x82);
    spliced.extend(signature(one));
    spliced.extend(signature(other));
    spliced
}

/// `[h'<13 bytes of header>', {}, h'<64 bytes>']` with its heads.
const SIGNATURE: usize = 1 + (1 + 13) + 1 + (2 + 64);

#[test]
fn endless_data_is_cut_off_before_it_is_read() {
    let office = Office::new(1, 1);
    let (disk, mut keeper) = proven(&office);
    refuse(&mut keeper, &disk, &vec![0; 4 << 20], Reason::TooLarge);
    let large = Parcel::of(vec![0; 65 << 10]).encode().unwrap();
    refuse(&mut keeper, &disk, &large, Reason::TooLarge);
    let root = Parcel::of(Vec::new()).with_roots([vec![0; 9 << 10]]);
    refuse(
        &mut keeper,
        &disk,
        &root.encode().unwrap(),
        Reason::TooLarge,
    );
}

#[test]
fn wrong_target_malformed_and_faulty_are_refused() {
    let office = Office::new(1, 1);
    let (disk, mut keeper) = proven(&office);
    let mut other = manifest(1, 6);
    other.gateway = "gw-2".parse().unwrap();
    refuse(
        &mut keeper,
        &disk,
        &office.parcel(&other),
        Reason::OtherGateway,
    );
    refuse(&mut keeper, &disk, b"no parcel", Reason::Malformed);
    refuse(&mut keeper, &disk, &[], Reason::Malformed);
    for key in ["store", "broker", "gateway", "operators", "monitor"] {
        let mut reaching = manifest(1, 6);
        reaching.profile = format!("schema = 1\n[{key}]\npath = \"/\"\n");
        refuse(
            &mut keeper,
            &disk,
            &office.parcel(&reaching),
            Reason::Profile,
        );
        let said = keeper.config_state(NOW_NS).bundle.unwrap();
        assert!(said.reason.contains(&format!("{key}: ")), "{}", said.reason);
    }
}

#[test]
fn a_wrong_clock_opens_nothing() {
    let office = Office::new(1, 1);
    let (disk, mut keeper) = proven(&office);
    let mut short = manifest(1, 6);
    short.expires = NOW + 60;
    let parcel = office.parcel(&short);
    refuse_at(
        &mut keeper,
        &disk,
        &parcel,
        Reason::Expired,
        NOW + 400 * DAY,
    );
    // A clock at 1970: what was expired when something newer was signed stays expired.
    let mut later = manifest(1, 7);
    (later.issued, later.not_before) = (NOW + 120, NOW + 120);
    assert!(matches!(
        keeper.take(&office.parcel(&later), 0),
        Taken::Kept
    ));
    keeper.apply_due(0, Vec::new()).unwrap();
    keeper.end_trial(Ok(()), 0).unwrap();
    let mut expired = manifest(1, 8);
    (expired.issued, expired.expires) = (NOW, NOW + 60);
    refuse_at(
        &mut keeper,
        &disk,
        &office.parcel(&expired),
        Reason::Expired,
        0,
    );
}
