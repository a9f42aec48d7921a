//! What changes between two profiles, in plain words.
//!
//! Compares the tables as they are written, so that it knows every setting of every driver.

use std::collections::BTreeMap;

use toml::{Table, Value};

/// One line for each change; none if nothing changes for a gateway.
#[must_use]
pub fn between(before: &str, after: &str) -> Vec<String> {
    let (Ok(before), Ok(after)) = (before.parse::<Table>(), after.parse::<Table>()) else {
        return vec!["one of the two profiles cannot be read".to_owned()];
    };
    let mut lines = Vec::new();
    let (old, new) = (devices(&before), devices(&after));
    for id in old.keys().filter(|id| !new.contains_key(*id)) {
        lines.push(format!(
            "device {id} is removed: nothing of it is measured any more"
        ));
    }
    for (id, device) in &new {
        match old.get(id) {
            None => lines.push(format!(
                "device {id} is added ({} on {})",
                text(device.get("driver")),
                text(device.get("bus"))
            )),
            Some(was) => {
                let found = settings(&format!("device {id}: "), was, device);
                if !found.is_empty() {
                    lines.extend(found);
                    lines.push(format!("device {id} is restarted, the others are not"));
                }
            }
        }
    }
    let rest = |table: &Table| -> Table {
        let others = table.iter().filter(|(key, _)| *key != DEVICES);
        others
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    };
    lines.extend(settings("", &rest(&before), &rest(&after)));
    lines
}

fn devices(profile: &Table) -> BTreeMap<String, Table> {
    let list = profile.get(DEVICES).and_then(Value::as_array);
    let named = |value: &Value| {
        let table = value.as_table()?;
        let id = table.get("id")?.as_str()?;
        Some((id.to_owned(), table.clone()))
    };
    list.into_iter().flatten().filter_map(named).collect()
}

/// What differs below a path.
fn settings(path: &str, before: &Table, after: &Table) -> Vec<String> {
    let mut keys: Vec<&String> = before.keys().chain(after.keys()).collect();
    keys.sort();
    keys.dedup();
    let mut lines = Vec::new();
    for key in keys {
        match (before.get(key), after.get(key)) {
            (Some(Value::Table(was)), Some(Value::Table(is))) => {
                lines.extend(settings(&format!("{path}{key}."), was, is));
            }
            (was, is) if was == is => {}
            (None, is) => lines.push(format!("{path}{key} is set to {}", text(is))),
            (was, None) => {
                let was = text(was);
                lines.push(format!("{path}{key} was {was} and is left to its default"));
            }
            (was, is) => lines.push(format!("{path}{key} {} -> {}", text(was), text(is))),
        }
    }
    lines
}

fn text(value: Option<&Value>) -> String {
    value.map_or_else(|| "nothing".to_owned(), ToString::to_string)
}

const DEVICES: &str = "device";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn additions_removals_and_changes_are_named_and_a_comment_is_no_change() {
        let before = "schema = 1\n[log]\nlevel = \"info\"\n[[device]]\nid = \"ecg\"\nrate = 250\n\
                      [[device]]\nid = \"old\"\ndriver = \"tmp117\"\nbus = \"sim\"\n";
        let after = "schema = 1\n[lanes.wave]\nage = \"1s\"\n[[device]]\nid = \"ecg\"\nrate = 500\n\
                     [[device]]\nid = \"new\"\ndriver = \"tmp117\"\nbus = \"sim\"\n";
        assert_eq!(
            between(before, after),
            [
                "device old is removed: nothing of it is measured any more",
                "device ecg: rate 250 -> 500",
                "device ecg is restarted, the others are not",
                "device new is added (\"tmp117\" on \"sim\")",
                "lanes is set to { wave = { age = \"1s\" } }",
                "log was { level = \"info\" } and is left to its default",
            ]
        );
        let commented = format!("# a remark\n{before}");
        assert_eq!(between(before, &commented), Vec::<String>::new());
    }
}
