//! Power is cut before, within and after every write, anywhere in any sequence of decisions: the gateway
//! runs exactly the old or exactly the new profile, says which, and ends where it would have ended.

use wardlink_wire::audit::{self, Head};
use wardlink_wire::bundle::{Parcel, Version};
use wardlink_wire::root::Trust;
use wardlink_wire::state::Reason;

use super::disk::{Cut, SimDisk};
use super::{NOW_NS, Office, in_force, manifest, open};
use crate::audit::{BEFORE, CURRENT};
use crate::update::disk::Disk;
use crate::update::keeper::{Keeper, Taken};
use crate::update::machine::{Event, Phase, Slot};
use crate::update::record::sha256;

/// One decision, repeatable: a step that was decided already changes nothing.
enum Step {
    Take(Vec<u8>),
    Apply,
    Confirm(u64),
    Fail(u64),
}

impl Step {
    /// Whether it was decided; else the power is gone.
    fn run(&self, keeper: &mut Keeper) -> bool {
        match self {
            Self::Take(parcel) => match keeper.take(parcel, NOW_NS) {
                Taken::Refused(error) => {
                    assert!(error.to_string().contains("no power"), "{error}");
                    false
                }
                Taken::Known | Taken::Kept => true,
            },
            Self::Apply => keeper.apply_due(NOW_NS, vec![]).is_ok(),
            Self::Confirm(number) => {
                !is_on_trial(keeper, *number) || keeper.end_trial(Ok(()), NOW_NS).is_ok()
            }
            Self::Fail(number) => {
                let failed = Err((Reason::DeviceSilent, "silent".to_owned()));
                !is_on_trial(keeper, *number) || keeper.end_trial(failed, NOW_NS).is_ok()
            }
        }
    }
}

fn is_on_trial(keeper: &Keeper, number: u64) -> bool {
    let Phase::OnTrial { next, .. } = keeper.phase() else {
        return false;
    };
    next.version.number == number
}

/// Two good profiles, a bad one, a superseded one, and a change of operators.
fn script() -> (Trust, Vec<Step>) {
    let (old, new) = (Office::new(3, 2), Office::new(2, 1));
    let take = |number| Step::Take(old.parcel(&manifest(1, number)));
    let root = old.hand_over(&new, 2);
    let after = manifest(2, 1).sign(&new.signers()).unwrap();
    let steps = vec![
        take(1),
        Step::Apply,
        Step::Confirm(1),
        take(2),
        Step::Apply,
        Step::Fail(2),
        take(3),
        Step::Apply,
        take(4),
        Step::Apply,
        Step::Confirm(4),
        Step::Take(Parcel::of(after).with_roots([root]).encode().unwrap()),
        Step::Apply,
        Step::Confirm(1),
    ];
    (old.trust(), steps)
}

/// What holds at every moment after a start.
#[track_caller]
fn assert_sound(disk: &SimDisk, keeper: &Keeper, faults: &[String], reported: &Head) -> Version {
    assert_eq!(faults, [""; 0], "a power cut left something unreadable");
    let parts = [BEFORE, CURRENT].map(|name| disk.read(name).unwrap().unwrap_or_default());
    let chain = audit::verify(parts.iter().map(Vec::as_slice)).unwrap();
    assert!(chain.holds(reported), "the audit log lost what it reported");
    in_force(keeper)
}

#[test]
fn power_cut_at_every_step_leaves_the_old_or_the_new_profile_and_the_same_end() {
    let (trust, steps) = script();
    let disk = SimDisk::new(1);
    let (mut keeper, _) = open(&disk, &trust);
    // The profiles that may be in force after a cut within each step: that before, or that after.
    let mut course = vec![in_force(&keeper)];
    for step in &steps {
        assert!(step.run(&mut keeper));
        course.push(in_force(&keeper));
    }
    let (end, total) = (keeper.phase().clone(), disk.steps());
    assert_eq!(in_force(&keeper), Version { root: 2, number: 1 });
    assert!(total > 100, "{total} steps");
    let cuts = [Cut::Before, Cut::Within, Cut::After];
    for (at, cut) in (0..total).flat_map(|at| cuts.map(|cut| (at, cut(at)))) {
        for seed in 0..3 {
            let disk = SimDisk::new(seed * 1000 + at);
            disk.cut(cut);
            let (mut keeper, _) = open(&disk, &trust);
            let mut reported = Head::default();
            let mut done = 0;
            while done < steps.len() && !disk.is_dead() {
                reported = keeper.audit_head().cloned().unwrap_or_default();
                done += usize::from(steps[done].run(&mut keeper));
            }
            if !disk.is_dead() {
                continue;
            }
            disk.restart();
            let (mut keeper, faults) = open(&disk, &trust);
            let found = assert_sound(&disk, &keeper, &faults, &reported);
            // A step that said it was done is done; one that did not may be, or one more tidied up.
            let possible = &course[done..(done + 2).min(course.len())];
            assert!(
                possible.contains(&found),
                "{cut:?} seed {seed}: {found:?}, not {possible:?}"
            );
            for step in &steps[done..] {
                assert!(step.run(&mut keeper), "{cut:?} seed {seed}");
            }
            assert_eq!(keeper.phase(), &end, "{cut:?} seed {seed}");
            assert_eq!(in_force(&keeper), Version { root: 2, number: 1 });
        }
    }
}

/// The pure machine is the model: after a cut the keeper stands where it stood, or where the machine says
/// that it would have gone.
#[test]
fn any_sequence_of_decisions_and_power_cuts_stands_where_the_machine_says() {
    let seed = std::env::var("WARDLINK_TEST_SEED").map_or(0x5eed, |text| text.parse().unwrap());
    println!("WARDLINK_TEST_SEED={seed}");
    let office = Office::new(2, 1);
    for round in 0..150_u64 {
        let disk = SimDisk::new(seed ^ (round << 20));
        let mut random = Random(seed.wrapping_add(round));
        let (mut keeper, _) = open(&disk, &office.trust());
        let mut number = 0;
        let mut floor = Version::default();
        for _ in 0..24 {
            let before = keeper.phase().clone();
            let reported = keeper.audit_head().cloned().unwrap_or_default();
            let cut = random.below(40);
            if random.below(2) == 0 {
                let kinds = [Cut::Before, Cut::Within, Cut::After];
                disk.cut(kinds[usize::try_from(random.below(3)).unwrap()](cut));
            }
            let event = act(&mut keeper, &office, &mut number, &mut random);
            let after = match event.clone() {
                Some(event) => before.clone().on(event).0,
                None => before.clone(),
            };
            if disk.is_dead() || random.below(4) == 0 {
                disk.restart();
                let started = |phase: &Phase| phase.clone().on(Event::Start).0;
                let (again, faults) = open(&disk, &office.trust());
                keeper = again;
                assert_sound(&disk, &keeper, &faults, &reported);
                let possible = [started(&before), started(&after)];
                assert!(
                    possible.contains(keeper.phase()),
                    "round {round}: {event:?} of {before:?} led to {:?}",
                    keeper.phase()
                );
            } else {
                assert_eq!(
                    keeper.phase(),
                    &after,
                    "round {round}: {event:?} of {before:?}"
                );
                in_force(&keeper);
            }
            let held = keeper.config_state(NOW_NS).held.unwrap();
            assert!(held.floor >= floor, "the floor sank");
            floor = held.floor;
        }
    }
}

/// Does something at random; gives out the event that it is to the machine, if it is one.
fn act(
    keeper: &mut Keeper,
    office: &Office,
    number: &mut u64,
    random: &mut Random,
) -> Option<Event> {
    // Whether the power went meanwhile is found out by the caller.
    match random.below(5) {
        0 => {
            *number += 1;
            let manifest = manifest(1, *number);
            let bundle = manifest.sign(&office.signers()).unwrap();
            let parcel = Parcel::of(bundle.clone()).encode().unwrap();
            drop(keeper.take(&parcel, NOW_NS));
            let slot = Slot::new(&manifest, &sha256(&parcel), &sha256(&bundle));
            Some(Event::Offer(slot))
        }
        1 => {
            // Sent again, or overtaken before it was ever sent.
            let floor = keeper.config_state(NOW_NS).held.unwrap().floor;
            let old = random.below(floor.number + 1);
            drop(keeper.take(&office.parcel(&manifest(1, old)), NOW_NS));
            None
        }
        2 => {
            drop(keeper.apply_due(NOW_NS, Vec::new()));
            Some(Event::Due(Vec::new()))
        }
        3 => {
            drop(keeper.end_trial(Ok(()), NOW_NS));
            Some(Event::Healthy)
        }
        _ => {
            let silent = Err((Reason::DeviceSilent, "silent".to_owned()));
            drop(keeper.end_trial(silent, NOW_NS));
            Some(Event::Failed(Reason::DeviceSilent))
        }
    }
}

/// SplitMix64 (Steele, Lea, Flood, 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}
