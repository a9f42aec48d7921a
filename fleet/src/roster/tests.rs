//! What is written into the fleet's file is found again, once.

use super::*;
use crate::pki::Certified;

fn roster() -> (tempfile::TempDir, Roster) {
    let folder = tempfile::tempdir().unwrap();
    let roster = Roster::open(&folder.path().join("fleet.db")).unwrap();
    (folder, roster)
}

fn name(text: &str) -> GatewayId {
    text.parse().unwrap()
}

fn note(roster: &mut Roster, gateway: &str, groups: &[&str]) -> Result<(), RosterError> {
    let groups: Vec<String> = groups.iter().map(ToString::to_string).collect();
    roster.together(|transaction| {
        gateways::note(transaction, &name(gateway), "schema = 1\n", &groups, 7)
    })
}

#[test]
fn a_gateway_is_enrolled_once_and_comes_back_only_after_it_was_revoked() {
    let (_folder, mut roster) = roster();
    note(&mut roster, "a", &["ward-3"]).unwrap();
    assert!(matches!(
        note(&mut roster, "a", &[]),
        Err(RosterError::Known(_))
    ));
    let certified = Certified {
        certificate: "pem".to_owned(),
        serial: "4a".to_owned(),
        fingerprint: "ff".to_owned(),
        not_after: 99,
    };
    roster.note_certificate("a", &certified, 8).unwrap();
    assert_eq!(roster.revoke(&name("a"), 9).unwrap(), 1);
    assert!(!roster.is_member(&name("a")).unwrap());
    assert_eq!(roster.members("ward-3").unwrap(), []);
    assert_eq!(roster.revoked().unwrap().len(), 1);
    assert!(matches!(
        roster.revoke(&name("a"), 9),
        Err(RosterError::Unknown(_))
    ));
    note(&mut roster, "a", &[]).unwrap();
    assert_eq!(roster.members("ward-3").unwrap(), [name("a")]);
}

#[test]
fn groups_and_tags_are_of_enrolled_gateways() {
    let (_folder, mut roster) = roster();
    note(&mut roster, "b", &["icu"]).unwrap();
    note(&mut roster, "a", &["icu", "pilot"]).unwrap();
    assert_eq!(roster.members("icu").unwrap(), [name("a"), name("b")]);
    roster.assign(&name("b"), "icu", false).unwrap();
    roster.tag(&name("a"), "bed", Some("7")).unwrap();
    let entries = roster.gateways().unwrap();
    assert_eq!(entries[0].groups, ["icu", "pilot"]);
    assert_eq!(entries[0].tags, [("bed".to_owned(), "7".to_owned())]);
    assert!(entries[1].groups.is_empty());
    assert!(matches!(
        roster.assign(&name("c"), "icu", true),
        Err(RosterError::Unknown(_))
    ));
}

#[test]
fn versions_rise_for_each_target_also_for_two_who_hold_the_file() {
    let (folder, one) = roster();
    let other = Roster::open(&folder.path().join("fleet.db")).unwrap();
    let drawn = [
        one.draw_version("a").unwrap(),
        other.draw_version("a").unwrap(),
        one.draw_version("b").unwrap(),
        one.draw_version("a").unwrap(),
    ];
    assert_eq!(drawn, [1, 2, 1, 3]);
}

#[test]
fn the_file_is_its_owners_alone_and_one_of_another_version_is_left_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let (folder, roster) = roster();
    let path = folder.path().join("fleet.db");
    let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    roster
        .connection
        .pragma_update(None, "user_version", 9)
        .unwrap();
    drop(roster);
    assert!(matches!(Roster::open(&path), Err(RosterError::Version(9))));
}

#[test]
fn a_profile_that_works_never_makes_way_for_an_older_one() {
    let (_folder, mut roster) = roster();
    note(&mut roster, "a", &[]).unwrap();
    roster.note_good(&name("a"), 3, "three").unwrap();
    roster.note_good(&name("a"), 2, "two").unwrap();
    assert_eq!(
        roster.good_profile(&name("a")).unwrap(),
        ("three".to_owned(), 3)
    );
}
