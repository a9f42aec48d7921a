//! Bundles that no gateway may take, each with the reason that it has to give.

use wardlink_link::file::read_signing_key;
use wardlink_wire::bundle::{self, Manifest, Parcel, Trial, Version};
use wardlink_wire::codec;
use wardlink_wire::id::GatewayId;
use wardlink_wire::signature::{Purpose, SigningKey, joint};

use crate::fleet::{Fleet, now};

/// A bundle that must be refused.
#[derive(Debug)]
pub struct Forgery {
    /// What is wrong with it.
    pub name: &'static str,
    /// It.
    pub bytes: Vec<u8>,
    /// Words of the reason.
    pub reason: &'static str,
}

/// Every way in which a bundle can be wrong, for a gateway at which version 2 holds. What is not wrong
/// about each is right: signed by the operator, for this gateway, newer, not expired.
#[must_use]
pub fn bundles(fleet: &Fleet, gateway: &GatewayId, profile: &str) -> Vec<Forgery> {
    let operator = read_signing_key(&fleet.join("operator/operator.key")).expect("the operator");
    let right = Manifest {
        schema: bundle::SCHEMA,
        gateway: gateway.clone(),
        version: Version { root: 1, number: 3 },
        issued: now(),
        not_before: now(),
        expires: now() + 3600,
        stale: None,
        trial: Trial {
            soak: 0,
            deadline: 3600,
        },
        rollout: None,
        profile: profile.to_owned(),
    };
    let mut forgeries = unsigned(&right, &operator);
    let mut wrong = |name, reason, change: &dyn Fn(&mut Manifest)| {
        let mut manifest = right.clone();
        change(&mut manifest);
        let bytes = parcel(manifest.sign(&[&operator]).expect("a bundle"));
        forgeries.push(Forgery {
            name,
            bytes,
            reason,
        });
    };
    wrong(
        "another gateway's",
        "bundle is for gateway another",
        &|manifest| {
            manifest.gateway = "another".parse().expect("a name");
        },
    );
    wrong(
        "made under another root",
        "bundle was made under root 2, but root 1 is held",
        &|manifest| manifest.version.root = 2,
    );
    wrong("expired", "bundle expired", &|manifest| {
        manifest.expires = now() - 1
    });
    wrong(
        "older",
        "bundle has version 1, but 2 was applied already",
        &|manifest| {
            manifest.version.number = 1;
        },
    );
    wrong(
        "another of the same version",
        "bundle has version 2, but 2 was applied already",
        &|manifest| {
            manifest.version.number = 2;
        },
    );
    wrong("faulty", "unknown key", &|manifest| {
        manifest.profile = "schema = 1\n[broker]\nhost = \"evil\"\n".to_owned();
    });
    wrong("of a newer schema", "only schema 2 is known", &|manifest| {
        manifest.schema = 3
    });
    forgeries
}

/// What no operator has signed as a bundle.
fn unsigned(right: &Manifest, operator: &SigningKey) -> Vec<Forgery> {
    let stranger = SigningKey::generate().expect("a key");
    let bare = codec::encode(right).expect("a manifest");
    let as_root = joint::sign(Purpose::Root, bare.clone(), &[operator]).expect("a signature");
    let mut tampered = right.sign(&[operator]).expect("a bundle");
    let schema = tampered.windows(8).position(|window| window == b"schema =");
    tampered[schema.expect("the profile is in it")] = b'S';
    let by_stranger = right.sign(&[&stranger]).expect("a bundle");
    let by_both = right.sign(&[operator, &stranger]).expect("a bundle");
    let with_garbage = Parcel::of(by_both.clone()).with_roots([b"no root at all".to_vec()]);
    let untrusted = "a key that is not trusted here";
    [
        ("unsigned", parcel(bare), "not a COSE_Sign envelope"),
        ("garbage", b"no parcel at all".to_vec(), "not a parcel"),
        (
            "in no parcel",
            right.sign(&[operator]).expect("a bundle"),
            "not a parcel",
        ),
        (
            "behind a root that is none",
            with_garbage.encode().expect("a parcel"),
            "not a COSE_Sign envelope",
        ),
        (
            "too large",
            parcel(vec![0; 70 << 10]),
            "bundle of 71680 bytes",
        ),
        (
            "too large to be read",
            vec![0; 200 << 10],
            "bundle of 204800 bytes",
        ),
        ("signed by a stranger", parcel(by_stranger), untrusted),
        ("signed by a stranger too", parcel(by_both), untrusted),
        (
            "signed for another purpose",
            parcel(as_root),
            "the signature does not hold",
        ),
        ("tampered", parcel(tampered), "the signature does not hold"),
    ]
    .map(|(name, bytes, reason)| Forgery {
        name,
        bytes,
        reason,
    })
    .into()
}

/// As it travels.
#[must_use]
pub fn parcel(bundle: Vec<u8>) -> Vec<u8> {
    Parcel::of(bundle).encode().expect("a parcel")
}
