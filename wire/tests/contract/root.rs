//! The operators change only as enough of them want, and who is removed stays removed.

use wardlink_wire::bundle::{Bundle, Manifest, Version};
use wardlink_wire::root::{Root, RootError, Trust};
use wardlink_wire::signature::joint::Signer;
use wardlink_wire::state::Reason;

use crate::examples::{NOW, gateway, manifest, root, signing_key, trust};

fn successor(version: u64, seeds: &[u8], threshold: u16) -> Root {
    Root {
        version,
        threshold,
        operators: seeds
            .iter()
            .map(|seed| signing_key(*seed).verifying_key())
            .collect(),
        ..root()
    }
}

fn signed(root: &Root, seeds: &[u8]) -> Vec<u8> {
    let keys: Vec<_> = seeds.iter().map(|seed| signing_key(*seed)).collect();
    let keys: Vec<&dyn Signer> = keys.iter().map(|key| key as &dyn Signer).collect();
    root.sign(&keys).unwrap()
}

#[test]
fn a_successor_needs_the_threshold_of_the_old_and_of_the_new_operators() {
    let old = trust(&[1, 2, 3], 2);
    let next = successor(2, &[3, 4, 5], 2);
    for enough in [&[1, 3, 4][..], &[2, 3, 5], &[1, 2, 4, 5]] {
        let trust = old.follow(&signed(&next, enough)).unwrap();
        assert_eq!((trust.version(), trust.operators().len()), (2, 3));
    }
    for too_few in [&[1, 2][..], &[3, 4], &[3, 4, 5], &[1, 2, 3], &[1, 4, 5]] {
        let outcome = old.follow(&signed(&next, too_few));
        let refused = matches!(outcome, Err(RootError::TooFew { .. }));
        assert!(refused, "{too_few:?}: {outcome:?}");
    }
    let with_stranger = old.follow(&signed(&next, &[1, 2, 4, 5, 9]));
    assert!(matches!(with_stranger, Err(RootError::Verify(_))));
}

#[test]
fn roots_are_followed_one_by_one_and_never_back() {
    let first = trust(&[1], 1);
    let chain = [
        signed(&successor(2, &[2], 1), &[1, 2]),
        signed(&successor(3, &[3], 1), &[2, 3]),
        signed(&successor(4, &[4], 1), &[3, 4]),
    ];
    let parts = || chain.iter().map(Vec::as_slice);
    let last = first.follow_all(parts()).unwrap();
    assert_eq!(last.version(), 4);
    assert_eq!(last.follow_all(parts()).unwrap(), last);
    let gap = first.follow_all([chain[0].as_slice(), &chain[2]]);
    assert!(matches!(
        gap,
        Err(RootError::NotNext {
            version: 4,
            held: 2
        })
    ));
    assert!(matches!(
        last.follow(&chain[0]),
        Err(RootError::NotNext {
            version: 2,
            held: 4
        })
    ));
}

#[test]
fn a_removed_operator_signs_nothing_any_more_and_used_up_numbers_are_won_back() {
    let thief = signing_key(1);
    let old = trust(&[1, 2], 1);
    let highest = Version {
        root: 1,
        number: u64::MAX,
    };
    let stolen = Manifest {
        version: highest,
        ..manifest()
    };
    let bundle = Bundle::verify(&stolen.sign(&[&thief]).unwrap(), &old).unwrap();
    assert!(
        bundle
            .admit(&gateway(), &old, Version::default(), NOW)
            .is_ok()
    );

    let new = old.follow(&signed(&successor(2, &[2], 1), &[2])).unwrap();
    let again = Bundle::verify(&stolen.sign(&[&thief]).unwrap(), &new).unwrap_err();
    assert_eq!(again.reason(), Reason::UnknownKey);
    let right = |root, number| Manifest {
        version: Version { root, number },
        ..manifest()
    };
    let judged = |manifest: Manifest| {
        let bytes = manifest.sign(&[&signing_key(2)]).unwrap();
        let bundle = Bundle::verify(&bytes, &new).unwrap();
        bundle.admit(&gateway(), &new, highest, NOW)
    };
    assert!(judged(right(2, 1)).is_ok());
    assert_eq!(
        judged(right(1, u64::MAX)).unwrap_err().reason(),
        Reason::OtherRoot
    );
    assert_eq!(judged(right(3, 1)).unwrap_err().reason(), Reason::OtherRoot);
}

#[test]
fn no_bundle_counts_under_an_expired_root() {
    let held = trust(&[2], 1).follow(&signed(&root(), &[2])).unwrap();
    let made = Manifest {
        version: Version { root: 2, number: 1 },
        expires: i64::MAX,
        ..manifest()
    };
    let bundle = Bundle::verify(&made.sign(&[&signing_key(2)]).unwrap(), &held).unwrap();
    let admit = |now| bundle.admit(&gateway(), &held, Version::default(), now);
    assert!(admit(root().expires - 1).is_ok());
    assert_eq!(
        admit(root().expires).unwrap_err().reason(),
        Reason::RootExpired
    );
}

#[test]
fn a_root_that_nobody_or_everybody_could_sign_is_refused() {
    let keys = |seeds: &[u8]| -> Vec<_> {
        seeds
            .iter()
            .map(|seed| signing_key(*seed).verifying_key())
            .collect()
    };
    assert!(Trust::pinned(keys(&[1, 2]), 0, 1).is_err());
    assert!(Trust::pinned(keys(&[1, 2]), 3, 1).is_err());
    assert!(Trust::pinned(keys(&[1, 1]), 1, 1).is_err());
    assert!(Trust::pinned(Vec::new(), 1, 1).is_err());
    let many: Vec<u8> = (1..=17).collect();
    assert!(Trust::pinned(keys(&many), 1, 1).is_err());
    for wrong in [
        successor(2, &[2, 3], 0),
        successor(2, &[2, 3], 3),
        successor(2, &[2, 2], 2),
    ] {
        let outcome = trust(&[2], 1).follow(&signed(&wrong, &[2]));
        assert!(outcome.is_err(), "{wrong:?}");
    }
}

#[test]
fn the_first_root_is_signed_by_its_own_operators() {
    let first = successor(1, &[1, 2], 2);
    assert_eq!(Trust::first(&signed(&first, &[1, 2])).unwrap().version(), 1);
    assert!(Trust::first(&signed(&first, &[1])).is_err());
    assert!(Trust::first(&signed(&first, &[1, 9])).is_err());
}
