//! A cluster of three NATS servers with JetStream.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Broker, GATEWAYS, Kind, program, template};
use crate::port::Port;
use crate::wait;

/// One of three servers, <https://nats.io>.
#[derive(Debug)]
pub struct Node {
    name: String,
    client: Port,
    /// Where each server of the cluster speaks to the others; the first is this one's.
    routes: [u16; 3],
    _claim: Port,
}

/// Starts a cluster in a folder and waits until it has agreed on a leader.
#[track_caller]
#[must_use]
pub fn cluster(folder: &Path, identity: &Path) -> [Broker; 3] {
    let claims = [Port::free(), Port::free(), Port::free()];
    let numbers = [0, 1, 2].map(|place: usize| claims[place].number());
    let mut place = 0;
    let mut nodes = claims.map(|claim| {
        let mut routes = numbers;
        routes.rotate_left(place);
        place += 1;
        let node = Node {
            name: format!("n{place}"),
            client: Port::free(),
            routes,
            _claim: claim,
        };
        let own: PathBuf = folder.join(&node.name);
        Broker::ready(node, Port::free(), own, identity)
    });
    for node in &mut nodes {
        node.launch();
    }
    wait::within(super::PATIENCE, "the cluster has a leader", || {
        let agreed = nodes.iter().any(|node| node.log().contains(LEADER));
        agreed.then_some(())
    });
    for node in &nodes {
        wait::within(super::PATIENCE, "a node listens", || {
            std::net::TcpStream::connect(("127.0.0.1", node.port())).ok()
        });
    }
    nodes
}

impl Kind for Node {
    fn configure(&self, folder: &Path, port: u16, identity: &Path) {
        let [own, other, another] = self.routes.map(|port| format!("127.0.0.1:{port}"));
        let users: String = GATEWAYS
            .iter()
            .map(|name| template_of_gateway(name))
            .collect();
        let words = [
            ("@NAME@", self.name.clone()),
            ("@MQTT@", format!("127.0.0.1:{port}")),
            ("@CLIENT@", format!("127.0.0.1:{}", self.client.number())),
            ("@ROUTE@", own),
            ("@OTHER@", other),
            ("@ANOTHER@", another),
            ("@BROKER@", identity.display().to_string()),
            ("@DATA@", folder.join("data").display().to_string()),
            ("@GATEWAYS@", users),
        ];
        fs::write(folder.join("nats.conf"), template("nats.conf", &words))
            .expect("the configuration is written");
    }

    fn commands(&self, folder: &Path) -> Vec<(&'static str, Command)> {
        let install = "apt-get install --no-install-recommends nats-server";
        let mut command = Command::new(program("nats-server", install));
        command.arg("-c").arg(folder.join("nats.conf"));
        vec![("nats", command)]
    }
}

fn template_of_gateway(name: &str) -> String {
    template("nats-gateway.conf", &[("@GATEWAY@", name.to_owned())])
}

/// What a server logs when it leads the cluster's metadata.
const LEADER: &str = "JetStream cluster new metadata leader";
