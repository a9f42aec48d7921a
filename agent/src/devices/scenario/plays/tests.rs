//! Every kind of fault against every kind of attachment.

use super::*;
use crate::devices::scenario::read;

#[test]
fn what_a_device_cannot_play_is_refused_with_its_place_and_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("all.toml");
    let mut text = "schema = 1\nclock_drift_ppm = 50\n".to_owned();
    for kind in FAULTS {
        let lead = if kind == "lead-off" {
            "lead = \"i\"\n"
        } else {
            ""
        };
        text += &format!("[[fault]]\nkind = \"{kind}\"\nat = \"1s\"\nfor = \"1s\"\n{lead}");
    }
    text += "[[episode]]\nkind = \"pause\"\nat = \"1s\"\nfor = \"1s\"\n";
    std::fs::write(&path, text).unwrap();
    for (kind, recorded, refused) in [
        (Kind::Tmp117, false, &[5, 6, 7, 8][..]),
        (Kind::Max30102, false, &[6, 8]),
        (Kind::Ads1292r, false, &[8]),
        (Kind::Nonin, false, &[1, 5, 6]),
        (Kind::Board, false, &[1]),
        (Kind::Hl7, false, &[1, 2, 5, 6]),
        (Kind::Bluetooth, false, &[2, 5, 6, 8]),
        (Kind::Frontend, false, &[2, 8, EPISODE]),
        (Kind::Mlx90614, false, &[5, 6, 7, 8, DRIFT]),
        (Kind::Ads1292r, true, &[8, EPISODE]),
    ] {
        let detail = read(&path, kind, recorded).unwrap_err().detail;
        for (place, name) in FAULTS.iter().enumerate() {
            let says = detail.contains(&format!("fault[{place}]: {name}"));
            assert_eq!(says, refused.contains(&place), "{kind:?}: {name}: {detail}");
        }
        assert_eq!(
            detail.contains("episode[0]: "),
            refused.contains(&EPISODE),
            "{detail}"
        );
        assert_eq!(
            detail.contains("clock_drift_ppm: "),
            refused.contains(&DRIFT),
            "{detail}"
        );
        assert!(detail.contains("all.toml"), "{detail}");
    }
}

/// The kinds of faults; places beyond stand for what is no fault.
const FAULTS: [&str; 9] = [
    "no-acknowledge",
    "stuck-bus",
    "bit-flips",
    "slow",
    "unplugged",
    "fifo-overflow",
    "lead-off",
    "sensor-off",
    "garbage",
];
const EPISODE: usize = 100;
const DRIFT: usize = 101;
