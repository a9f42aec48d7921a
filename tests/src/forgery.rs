//! Bundles that no gateway may take, each with the reason that it has to give.

use wardlink_link::file::read_signing_key;
use wardlink_wire::bundle::{Manifest, Target};
use wardlink_wire::codec;
use wardlink_wire::id::GatewayId;
use wardlink_wire::signature::{Purpose, SigningKey};

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
        schema: wardlink_wire::SCHEMA,
        version: 3,
        target: Target::Gateway(gateway.clone()),
        issued: now(),
        expires: now() + 3600,
        profile: profile.to_owned(),
    };
    let mut forgeries = unsigned(&right, &operator);
    let mut wrong = |name, reason, change: &dyn Fn(&mut Manifest)| {
        let mut manifest = right.clone();
        change(&mut manifest);
        let bytes = manifest.sign(&operator).expect("a bundle");
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
            manifest.target = Target::Gateway("another".parse().expect("a name"));
        },
    );
    wrong("a group's", "bundle is for group icu", &|manifest| {
        manifest.target = Target::Group("icu".to_owned());
    });
    wrong("expired", "bundle expired", &|manifest| {
        manifest.expires = now() - 1
    });
    wrong(
        "older",
        "bundle has version 1, but 2 was applied already",
        &|manifest| {
            manifest.version = 1;
        },
    );
    wrong(
        "another of the same version",
        "bundle has version 2, but 2 was applied already",
        &|manifest| {
            manifest.version = 2;
        },
    );
    wrong("faulty", "unknown key", &|manifest| {
        manifest.profile = "schema = 1\n[broker]\nhost = \"evil\"\n".to_owned();
    });
    wrong("of a newer schema", "only schema 1 is known", &|manifest| {
        manifest.schema = 2
    });
    forgeries
}

/// What no operator has signed as a bundle.
fn unsigned(right: &Manifest, operator: &SigningKey) -> Vec<Forgery> {
    let stranger = SigningKey::generate().expect("a key");
    let bare = codec::encode(right).expect("a manifest");
    let as_receipt = operator
        .sign(Purpose::Receipt, bare.clone())
        .expect("a signature");
    let mut tampered = right.sign(operator).expect("a bundle");
    let schema = tampered.windows(8).position(|window| window == b"schema =");
    tampered[schema.expect("the profile is in it")] = b'S';
    let by_stranger = right.sign(&stranger).expect("a bundle");
    [
        ("unsigned", bare, "not a COSE_Sign1 envelope"),
        (
            "garbage",
            b"no bundle at all".to_vec(),
            "not a COSE_Sign1 envelope",
        ),
        ("too large", vec![0; 70 << 10], "bundle of 71680 bytes"),
        (
            "signed by a stranger",
            by_stranger,
            "a key that is not trusted here",
        ),
        (
            "signed for another purpose",
            as_receipt,
            "the signature does not hold",
        ),
        ("tampered", tampered, "the signature does not hold"),
    ]
    .map(|(name, bytes, reason)| Forgery {
        name,
        bytes,
        reason,
    })
    .into()
}
