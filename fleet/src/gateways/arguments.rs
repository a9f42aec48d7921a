//! What `wardlink gateways` is told.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use wardlink_wire::id::GatewayId;

use crate::broker_address::BrokerAddress;
use crate::passphrase::PassphraseArguments;

/// What `wardlink gateways` can do.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Show every gateway in a line
    List(ListArguments),
    /// Show all that is known of one gateway
    Show(ShowArguments),
    /// Put a gateway into groups, or take it out
    Group(GroupArguments),
    /// Give a gateway tags, or take them away
    Tag(TagArguments),
}

/// How the fleet is reached.
#[derive(Debug, Clone, Args)]
pub struct Reach {
    /// The fleet directory
    #[arg(long, value_name = "DIR", default_value = ".wardlink")]
    pub fleet: PathBuf,
    /// Where the broker is [default: as in fleet.toml]
    #[arg(long, value_name = "HOST[:PORT]")]
    pub broker: Option<BrokerAddress>,
    /// How long to wait for what the broker keeps; a gateway that never connected costs all of it
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = humantime::parse_duration)]
    pub wait: Duration,
    /// Ask nobody: show what fleet.db knows
    #[arg(long)]
    pub offline: bool,
    /// Where the passphrase of the fleet's keys comes from
    #[command(flatten)]
    pub passphrase: PassphraseArguments,
}

/// What `wardlink gateways list` is told.
#[derive(Debug, Clone, Args)]
pub struct ListArguments {
    /// Only those in this group
    #[arg(long, value_name = "GROUP")]
    pub group: Option<GatewayId>,
    /// Print JSON, for scripts
    #[arg(long)]
    pub json: bool,
    /// How the fleet is reached
    #[command(flatten)]
    pub reach: Reach,
}

/// What `wardlink gateways show` is told.
#[derive(Debug, Clone, Args)]
pub struct ShowArguments {
    /// Which
    pub gateway: GatewayId,
    /// The directory of the monitor's archive, for the last gaps
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Print JSON, for scripts
    #[arg(long)]
    pub json: bool,
    /// How the fleet is reached
    #[command(flatten)]
    pub reach: Reach,
}

/// What `wardlink gateways group` is told.
#[derive(Debug, Clone, Args)]
pub struct GroupArguments {
    /// Which gateway
    pub gateway: GatewayId,
    /// The groups
    #[arg(required = true)]
    pub groups: Vec<GatewayId>,
    /// Take it out of them
    #[arg(long)]
    pub remove: bool,
    /// The fleet directory
    #[arg(long, value_name = "DIR", default_value = ".wardlink")]
    pub fleet: PathBuf,
}

/// What `wardlink gateways tag` is told.
#[derive(Debug, Clone, Args)]
pub struct TagArguments {
    /// Which gateway
    pub gateway: GatewayId,
    /// The tags
    #[arg(value_name = "NAME=VALUE", value_parser = named, required_unless_present = "remove")]
    pub tags: Vec<(String, String)>,
    /// Take a tag away; may be given several times
    #[arg(long, value_name = "NAME")]
    pub remove: Vec<GatewayId>,
    /// The fleet directory
    #[arg(long, value_name = "DIR", default_value = ".wardlink")]
    pub fleet: PathBuf,
}

fn named(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a tag is NAME=VALUE")?;
    let name: GatewayId = name
        .parse()
        .map_err(|error| format!("the name of the tag: {error}"))?;
    Ok((name.to_string(), value.to_owned()))
}
