//! The updater against attackers, lost power and failing disks, without a process around it.

mod attacks;
mod disk;
mod endurance;
mod power;

use wardlink_wire::bundle::{self, Manifest, Parcel, Trial, Version};
use wardlink_wire::id::GatewayId;
use wardlink_wire::root::{Root, Trust};
use wardlink_wire::signature::SigningKey;
use wardlink_wire::signature::joint::Signer;

use super::keeper::Keeper;
use disk::SimDisk;

const NOW: i64 = 1_760_000_000;
const NOW_NS: i64 = NOW * 1_000_000_000;

/// A gateway's operators, and all that they sign.
struct Office {
    keys: Vec<SigningKey>,
    threshold: u16,
}

impl Office {
    fn new(keys: usize, threshold: u16) -> Self {
        let keys = (0..keys).map(|_| SigningKey::generate().unwrap()).collect();
        Self { keys, threshold }
    }

    fn trust(&self) -> Trust {
        let keys = self.keys.iter().map(SigningKey::verifying_key).collect();
        Trust::pinned(keys, self.threshold, 1).unwrap()
    }

    fn signers(&self) -> Vec<&dyn Signer> {
        let keys = self.keys.iter().map(|key| key as &dyn Signer);
        keys.take(usize::from(self.threshold)).collect()
    }

    fn parcel(&self, manifest: &Manifest) -> Vec<u8> {
        let bundle = manifest.sign(&self.signers()).unwrap();
        Parcel::of(bundle).encode().unwrap()
    }

    /// The root after this office's, which hands over to another.
    fn hand_over(&self, to: &Self, version: u64) -> Vec<u8> {
        let root = Root {
            schema: wardlink_wire::SCHEMA,
            version,
            threshold: to.threshold,
            operators: to.keys.iter().map(SigningKey::verifying_key).collect(),
            issued: NOW - 10,
            expires: NOW + 1_000_000,
        };
        if std::ptr::eq(self, to) {
            return root.sign(&self.signers()).unwrap();
        }
        root.sign(&[self.signers(), to.signers()].concat()).unwrap()
    }
}

fn gateway() -> GatewayId {
    "gw-1".parse().unwrap()
}

/// Profile `number` has one device, which is called by it.
fn manifest(root: u64, number: u64) -> Manifest {
    Manifest {
        schema: bundle::SCHEMA,
        gateway: gateway(),
        version: Version { root, number },
        issued: NOW - 5,
        not_before: NOW - 5,
        expires: NOW + 3600,
        stale: None,
        trial: Trial {
            soak: 0,
            deadline: 60,
        },
        rollout: None,
        profile: format!(
            "schema = 1\n[[device]]\nid = \"of-{root}-{number}\"\ndriver = \"nonin\"\nbus = \"sim\"\n"
        ),
    }
}

fn open(disk: &SimDisk, trust: &Trust) -> (Keeper, Vec<String>) {
    Keeper::open(Box::new(disk.clone()), gateway(), trust, NOW_NS)
}

/// Which profile really is in force, by its device; and that the keeper says the same.
#[track_caller]
fn in_force(keeper: &Keeper) -> Version {
    let slot = keeper.phase().in_force();
    let said = slot.map_or_else(Version::default, |slot| slot.version);
    let device = keeper
        .profile()
        .map(|profile| profile.devices[0].id.to_string());
    let wanted = slot.map(|slot| format!("of-{}-{}", slot.version.root, slot.version.number));
    assert_eq!(device, wanted, "what is in force is not what is said");
    assert_eq!(keeper.config_state(NOW_NS).profile, said.number);
    said
}
