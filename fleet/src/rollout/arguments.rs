//! What `wardlink profile` is told.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Subcommand};
use wardlink_wire::bundle::Trial;
use wardlink_wire::id::GatewayId;

use crate::broker_address::BrokerAddress;
use crate::passphrase::PassphraseArguments;

/// What `wardlink profile` can do.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Read a profile with the gateway's own code and name every fault in it
    #[command(alias = "lint")]
    Check {
        /// The profile
        file: PathBuf,
    },
    /// Say in plain words what a profile changes on each gateway
    Diff(DiffArguments),
    /// Sign a profile for a gateway and write the bundle to a file
    Sign(SignArguments),
    /// Show a signed bundle and add the signature of another operator
    Cosign(CosignArguments),
    /// Sign a profile, publish it and wait for the answer of one gateway, or of a group wave by wave
    Push(PushArguments),
    /// Show how far a rollout is
    Status(StatusArguments),
    /// Send the gateways of a finished rollout back to the profiles that they had before it
    Rollback(RollbackArguments),
}

/// What `wardlink profile diff` is told.
#[derive(Debug, Clone, Args)]
pub struct DiffArguments {
    /// The profile
    pub file: PathBuf,
    /// The gateway it is for
    #[arg(long, value_name = "ID", required_unless_present = "group")]
    pub gateway: Option<GatewayId>,
    /// The group it is for
    #[arg(long, value_name = "GROUP", conflicts_with = "gateway")]
    pub group: Option<GatewayId>,
    /// The fleet directory
    #[arg(long, value_name = "DIR", default_value = ".wardlink")]
    pub fleet: PathBuf,
}

/// What `wardlink profile sign` is told.
#[derive(Debug, Clone, Args)]
#[command(after_help = SIGN_EXAMPLES)]
pub struct SignArguments {
    /// The gateway it is for
    #[arg(long, value_name = "ID")]
    pub gateway: GatewayId,
    /// The profile
    pub file: PathBuf,
    /// The bundle to write; a file that exists is not overwritten
    #[arg(long, value_name = "BUNDLE")]
    pub out: PathBuf,
    /// The fleet directory
    #[arg(long, value_name = "DIR", default_value = ".wardlink")]
    pub fleet: PathBuf,
    /// How long gateways take it
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = humantime::parse_duration)]
    pub valid: Duration,
    /// How it has to prove itself
    #[command(flatten)]
    pub trial: TrialArguments,
    /// Where the passphrase of the fleet's keys comes from
    #[command(flatten)]
    pub passphrase: PassphraseArguments,
}

/// What `wardlink profile cosign` is told.
#[derive(Debug, Clone, Args)]
pub struct CosignArguments {
    /// The bundle that others signed
    pub bundle: PathBuf,
    /// This operator's private key, as `wardlink init` writes `operator/operator.key`
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// The bundle to write; a file that exists is not overwritten
    #[arg(long, value_name = "BUNDLE")]
    pub out: PathBuf,
    /// Where the passphrase of the key comes from
    #[command(flatten)]
    pub passphrase: PassphraseArguments,
}

/// How a profile has to prove itself on the gateway.
#[derive(Debug, Clone, Copy, Args)]
pub struct TrialArguments {
    /// The gateway confirms it no earlier, seconds after it was applied
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub soak: u32,
    /// The gateway rolls it back if it is not healthy by then, seconds after it was applied
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    pub deadline: u32,
}

impl TrialArguments {
    /// As the bundle says it.
    #[must_use]
    pub const fn trial(&self) -> Trial {
        Trial {
            soak: self.soak,
            deadline: self.deadline,
        }
    }
}

/// What `wardlink profile push` is told.
#[derive(Debug, Clone, Args)]
#[command(after_help = PUSH_EXAMPLES)]
pub struct PushArguments {
    /// The gateway it is for
    #[arg(long, value_name = "ID", required_unless_present_any = ["group", "resume"])]
    pub gateway: Option<GatewayId>,
    /// The group it is for: wave after wave, and back if one fails
    #[arg(long, value_name = "GROUP", conflicts_with_all = ["gateway", "bundle"])]
    pub group: Option<GatewayId>,
    /// How many gateways are the first wave: a number, or a share such as 5%. Each wave after it is four
    /// times as large as the one before
    #[arg(long, value_name = "COUNT", default_value = "5%")]
    pub canary: Canary,
    /// Go on with the rollout that did not end
    #[arg(long, conflicts_with_all = ["gateway", "group", "bundle", "file"])]
    pub resume: bool,
    /// The profile
    #[arg(required_unless_present_any = ["bundle", "resume"], conflicts_with = "bundle")]
    pub file: Option<PathBuf>,
    /// A bundle that was signed before, published as it is
    #[arg(long, value_name = "BUNDLE")]
    pub bundle: Option<PathBuf>,
    /// The fleet directory
    #[arg(long, value_name = "DIR", default_value = ".wardlink")]
    pub fleet: PathBuf,
    /// Where the broker is [default: as in fleet.toml]
    #[arg(long, value_name = "HOST[:PORT]")]
    pub broker: Option<BrokerAddress>,
    /// How long gateways take it
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = humantime::parse_duration)]
    pub valid: Duration,
    /// How it has to prove itself
    #[command(flatten)]
    pub trial: TrialArguments,
    /// How long to wait for the answer of the gateway, or of a wave [default: 30s, 10m for a wave]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub wait: Option<Duration>,
    /// Where the passphrase of the fleet's keys comes from
    #[command(flatten)]
    pub passphrase: PassphraseArguments,
}

impl PushArguments {
    /// How long to wait.
    #[must_use]
    pub fn patience(&self, unless_told: Duration) -> Duration {
        self.wait.unwrap_or(unless_told)
    }
}

/// What `wardlink profile status` is told.
#[derive(Debug, Clone, Args)]
pub struct StatusArguments {
    /// The rollout's number [default: the newest]
    pub rollout: Option<i64>,
    /// The fleet directory
    #[arg(long, value_name = "DIR", default_value = ".wardlink")]
    pub fleet: PathBuf,
}

/// What `wardlink profile rollback` is told.
#[derive(Debug, Clone, Args)]
pub struct RollbackArguments {
    /// The rollout's number [default: the newest]
    pub rollout: Option<i64>,
    /// How many gateways are the first wave: a number, or a share such as 5%
    #[arg(long, value_name = "COUNT", default_value = "100%")]
    pub canary: Canary,
    /// The fleet directory
    #[arg(long, value_name = "DIR", default_value = ".wardlink")]
    pub fleet: PathBuf,
    /// Where the broker is [default: as in fleet.toml]
    #[arg(long, value_name = "HOST[:PORT]")]
    pub broker: Option<BrokerAddress>,
    /// How long a wave may take
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = humantime::parse_duration)]
    pub wait: Duration,
    /// Where the passphrase of the fleet's keys comes from
    #[command(flatten)]
    pub passphrase: PassphraseArguments,
}

/// How many gateways are the first wave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Canary {
    /// So many.
    Count(usize),
    /// So many of a hundred, rounded up.
    Percent(usize),
}

impl Canary {
    /// How many that are of a number of gateways; at least one.
    #[must_use]
    pub fn of(self, gateways: usize) -> usize {
        let count = match self {
            Self::Count(count) => count,
            Self::Percent(percent) => gateways.saturating_mul(percent).div_ceil(100),
        };
        count.clamp(1, gateways.max(1))
    }
}

impl FromStr for Canary {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is neither a number above 0 nor a share from 1% to 100%");
        let (digits, percent) = match text.strip_suffix('%') {
            Some(digits) => (digits, true),
            None => (text, false),
        };
        match digits.parse() {
            Ok(count @ 1..=100) if percent => Ok(Self::Percent(count)),
            Ok(count @ 1..) if !percent => Ok(Self::Count(count)),
            _ => Err(wrong()),
        }
    }
}

const SIGN_EXAMPLES: &str = "\
Example:
  wardlink profile sign --gateway gw-0001 icu.toml --out icu.bundle";

const PUSH_EXAMPLES: &str = "\
Examples:
  wardlink profile push --gateway gw-0001 icu.toml
  wardlink profile push --gateway gw-0001 icu.toml --valid 1h --wait 2m
  wardlink profile push --gateway gw-0001 --bundle icu.bundle
  wardlink profile push --group ward-3 --canary 5% --wait 10m icu.toml
  wardlink profile push --resume

Exit code: 0 applied, 1 refused or failed, 2 faults in the input, 3 no answer in time.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canaries_are_at_least_one_and_never_more_than_there_are() {
        let canary = |text: &str| text.parse::<Canary>();
        assert_eq!(canary("5%").unwrap().of(8), 1);
        assert_eq!(canary("5%").unwrap().of(101), 6);
        assert_eq!(canary("100%").unwrap().of(7), 7);
        assert_eq!(canary("3").unwrap().of(2), 2);
        for wrong in ["0", "0%", "101%", "-1", "five", "%", ""] {
            assert!(canary(wrong).is_err(), "{wrong}");
        }
    }
}
