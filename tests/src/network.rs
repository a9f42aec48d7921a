//! Roads of a test's own: its process, and the agent, in network namespaces with a router between them that
//! is narrow, loses packets, or has its cable pulled.
//!
//! What the kernel does is real here: interfaces, carrier, routes, TCP's own resends. Takes root, `unshare`,
//! `ip` (network_namespaces(7)), `tc` (tc-tbf(8)) and `nft`; a test without them says that it is not run.
//! Everything goes with the test's process, whatever happens.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;

use crate::program::run_well;

/// The way from the agent through the router to this process.
#[derive(Debug)]
pub struct Road(());

/// Runs the rest of a test in a network of its own: gives the road in the process that is to go on, and none
/// in the one that only started it. `test` is the test's full name.
#[must_use]
pub fn private(test: &str) -> Option<Road> {
    if std::env::var_os(INSIDE).is_some() {
        return Some(Road::build());
    }
    if let Some(missing) = missing() {
        println!("NOT RUN: a network of its own takes {missing}");
        return None;
    }
    let ran = Command::new("unshare")
        .args(UNSHARE)
        .arg(std::env::current_exe().expect("a process knows its program"))
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .status();
    assert!(
        ran.expect("it was there a moment ago").success(),
        "{test} failed in its network"
    );
    None
}

fn missing() -> Option<&'static str> {
    let works = |program: &str, arguments: &[&str]| {
        let ran = Command::new(program).args(arguments).output();
        ran.is_ok_and(|output| output.status.success())
    };
    let inside = |probe: &[&str]| works("unshare", &[&UNSHARE, probe].concat());
    if !inside(&["true"]) {
        return Some("root, and unshare");
    }
    if !inside(&["ip", "link", "set", "lo", "up"]) || !inside(&["tc", "qdisc"]) {
        return Some("ip and tc: apt-get install iproute2");
    }
    if !inside(&["nft", "add", "table", "ip", "probe"]) {
        return Some("nft, and a kernel that has it: apt-get install nftables");
    }
    None
}

impl Road {
    fn build() -> Self {
        ip("link set lo up");
        // The namespaces that others have are not to be seen here, nor these there.
        if !Path::new("/run/netns").is_dir() {
            std::fs::create_dir_all("/run/netns").expect("the folder of namespaces");
        }
        run_well(Command::new("mount").args(["-t", "tmpfs", "none", "/run/netns"]));
        ip("netns add router");
        ip("netns add gateway");
        ip("link add near type veth peer name far netns router");
        ip("-n router link add cable type veth peer name eth0 netns gateway");
        for (place, interface, address) in [
            (None, "near", "198.18.0.1/30"),
            (Some("router"), "far", "198.18.0.2/30"),
            (Some("router"), "cable", "198.18.0.5/30"),
            (Some(AGENT), "eth0", "198.18.0.6/30"),
        ] {
            let place = place.map_or_else(String::new, |name| format!("-n {name} "));
            ip(&format!("{place}address add {address} dev {interface}"));
            ip(&format!("{place}link set {interface} up"));
        }
        ip("route add 198.18.0.4/30 via 198.18.0.2");
        ip("-n gateway link set lo up");
        ip("-n gateway route add default via 198.18.0.5");
        in_router(&["sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"]);
        in_router(&["nft", "add table ip road"]);
        let hook = "add chain ip road through { type filter hook forward priority 0; }";
        in_router(&["nft", hook]);
        Self(())
    }

    /// Where this process is for the agent.
    pub const HERE: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);

    /// The namespace for the agent.
    pub const AGENT: &'static str = AGENT;

    /// So many bits a second each way from now on, with a queue of 400 ms.
    pub fn narrow(&self, kilobits: u32) {
        let rate = format!("{kilobits}kbit");
        for interface in ["far", "cable"] {
            let shape = ["qdisc", "replace", "dev", interface, "root", "tbf"];
            let size = ["rate", &rate, "burst", "4kb", "latency", "400ms"];
            in_router(&[&["tc"], &shape[..], &size].concat());
        }
    }

    /// Of a thousand packets, whichever way, so many are lost from now on, at random.
    pub fn lose(&self, of_thousand: u32) {
        let rule = format!("add rule ip road through numgen random mod 1000 < {of_thousand} drop");
        in_router(&["nft", &rule]);
    }

    /// Wide, and nothing is lost any more.
    pub fn mend(&self) {
        in_router(&["nft", "flush chain ip road through"]);
        for interface in ["far", "cable"] {
            in_router(&["tc", "qdisc", "del", "dev", interface, "root"]);
        }
    }

    /// Pulls the cable out of the router: the agent's interface loses its carrier.
    pub fn pull(&self) {
        ip("-n router link set cable down");
    }

    /// Puts it in again.
    pub fn plug(&self) {
        ip("-n router link set cable up");
    }
}

#[track_caller]
fn ip(arguments: &str) {
    run_well(Command::new("ip").args(arguments.split(' ')));
}

#[track_caller]
fn in_router(command: &[&str]) {
    run_well(
        Command::new("ip")
            .args(["netns", "exec", "router"])
            .args(command),
    );
}

const AGENT: &str = "gateway";
const INSIDE: &str = "WARDLINK_TEST_NETWORK";
const UNSHARE: [&str; 5] = ["--net", "--mount", "--propagation", "private", "--"];
