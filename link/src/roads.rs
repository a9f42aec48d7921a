//! The roads out of this machine: whether one has come up since somebody looked.
//!
//! Owns a picture of interfaces and routes as the kernel shows them in `/sys/class/net` and `/proc/net`
//! (proc_net(5)), so it needs no rights, no socket and no daemon, and works with whatever brings the link
//! up. It is looked at twice a second and only while somebody waits. A road that goes down is no news here.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::sleep;

/// What was up at the last look.
#[derive(Debug, Clone)]
pub struct Roads {
    root: PathBuf,
    up: BTreeSet<String>,
}

impl Roads {
    /// What is up now.
    #[must_use]
    pub fn now() -> Self {
        Self::of(Path::new("/"))
    }

    fn of(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            up: up(root),
        }
    }

    /// Returns once an interface or a route is up that was not at the last look.
    ///
    /// Cancelling the future loses nothing.
    pub async fn another(&mut self) {
        while !self.look() {
            sleep(GLANCE).await;
        }
    }

    /// Looks, and says whether something came up.
    fn look(&mut self) -> bool {
        let up = up(&self.root);
        let more = !up.is_subset(&self.up);
        self.up = up;
        more
    }
}

/// Interfaces that have a carrier, and routes. What cannot be read is not there.
fn up(root: &Path) -> BTreeSet<String> {
    let mut up = BTreeSet::new();
    for entry in fs::read_dir(root.join("sys/class/net"))
        .into_iter()
        .flatten()
    {
        let Ok(entry) = entry else { continue };
        let state = fs::read_to_string(entry.path().join("operstate")).unwrap_or_default();
        if state.trim() == "up" {
            up.insert(entry.file_name().to_string_lossy().into_owned());
        }
    }
    // Counters and metrics change without anything having come up, so only what names the route is kept.
    for (file, names) in [("route", [0, 1, 2]), ("ipv6_route", [0, 4, 9])] {
        let table = fs::read_to_string(root.join("proc/net").join(file)).unwrap_or_default();
        for line in table.lines() {
            let fields: Vec<_> = line.split_whitespace().collect();
            let named = names.map(|place| fields.get(place).copied().unwrap_or_default());
            up.insert(named.join(" "));
        }
    }
    up
}

const GLANCE: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    const HEAD: &str = "Iface Destination Gateway Flags RefCnt Use Metric Mask\n";

    #[test]
    fn a_carrier_or_a_route_that_comes_up_is_news_and_what_goes_down_or_counts_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        write(root, "sys/class/net/eth0/operstate", "down\n");
        write(root, "proc/net/route", HEAD);
        let mut roads = Roads::of(root);
        assert!(!roads.look(), "nothing happened");
        write(root, "sys/class/net/eth0/operstate", "up\n");
        assert!(roads.look(), "the cable is in");
        let route = format!("{HEAD}eth0 00000000 0100000A 0003 0 0 100 00000000\n");
        write(root, "proc/net/route", &route);
        assert!(roads.look(), "there is a way to everywhere");
        let busy = route.replace(" 0003 0 0 100", " 0003 4 99 200");
        write(root, "proc/net/route", &busy);
        assert!(!roads.look(), "a counter moved");
        write(root, "sys/class/net/eth0/operstate", "down\n");
        assert!(!roads.look(), "the cable is out");
        write(root, "sys/class/net/eth0/operstate", "up\n");
        assert!(roads.look(), "and in again");
    }

    #[tokio::test]
    async fn whoever_waits_is_woken_by_a_road_that_comes_up() {
        let folder = tempfile::tempdir().unwrap();
        let mut roads = Roads::of(folder.path());
        let plug = async { write(folder.path(), "sys/class/net/wwan0/operstate", "up") };
        tokio::join!(roads.another(), plug);
    }
}
