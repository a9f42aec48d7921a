//! The account of a run: two independent counts side by side, and the verdict.
//!
//! `recorded` comes from the agent, counted when it committed; `delivered` from the monitor's archive,
//! counted after it opened, verified and de-duplicated. The verdict is good only if they agree in every
//! lane and nothing is there twice.

use serde::Serialize;

/// The numbers of one run, in the order and under the names of the JSON line.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Tally {
    /// Records the agent committed.
    pub recorded: u64,
    /// Records in the monitor's archive, each place counted once.
    pub delivered: u64,
    /// Records the agent committed and the archive does not have, summed over the lanes.
    pub lost: u64,
    /// Records the archive holds more than once.
    pub duplicates: u64,
    /// Gap records in the archive: statements of what was not measured or could not be kept.
    pub gaps: u64,
    /// How long the broker's process was down: from its kill until it listened again, seconds.
    pub outage_seconds: f64,
    /// The largest backlog of the agent that was seen, four looks a second.
    pub max_backlog_records: u64,
    /// Records that arrived again and were recognised, before they could be stored twice.
    pub resent_duplicates: u64,
    /// Records that arrived again with other content; the first was kept.
    pub conflicts: u64,
    /// Messages the monitor did not take.
    pub refused: u64,
    /// From the agent's first record until it was told to stop, seconds.
    pub seconds: f64,
    /// The most memory the agent's process ever held (VmHWM), KiB.
    pub agent_peak_rss_kib: Option<u64>,
    /// Which gateway.
    pub gateway: String,
    /// Which store.
    pub epoch: String,
    /// This program's version.
    pub version: String,
    /// Where the simulation's random numbers began.
    pub seed: u64,
    /// Per lane.
    pub lanes: Vec<LaneTally>,
    /// Devices that never gave a reading, and why.
    pub mute_devices: Vec<String>,
}

/// The numbers of one lane.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct LaneTally {
    /// Its word.
    pub lane: String,
    /// Records the agent committed.
    pub recorded: u64,
    /// Records in the monitor's archive.
    pub delivered: u64,
}

impl Tally {
    /// Fills in what follows from the lanes.
    #[must_use]
    pub fn of_lanes(lanes: Vec<LaneTally>) -> Self {
        let sum = |of: fn(&LaneTally) -> u64| lanes.iter().map(of).sum();
        Self {
            recorded: sum(|lane| lane.recorded),
            delivered: sum(|lane| lane.delivered),
            lost: sum(|lane| lane.recorded.saturating_sub(lane.delivered)),
            lanes,
            ..Self::default()
        }
    }

    /// Why the run was not good, in words; empty when it was.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.recorded == 0 {
            faults.push("the agent recorded nothing".to_owned());
        }
        faults.extend(self.mute_devices.iter().cloned());
        for lane in &self.lanes {
            let (recorded, delivered) = (lane.recorded, lane.delivered);
            if delivered < recorded {
                let lost = recorded - delivered;
                faults.push(format!(
                    "{lost} of {recorded} {} records did not arrive",
                    lane.lane
                ));
            }
            if delivered > recorded {
                faults.push(format!(
                    "the archive has {delivered} {} records and the agent recorded {recorded}",
                    lane.lane
                ));
            }
        }
        if self.duplicates > 0 {
            faults.push(format!(
                "{} records are in the archive more than once",
                self.duplicates
            ));
        }
        if self.conflicts > 0 {
            faults.push(format!(
                "{} records arrived again with other content",
                self.conflicts
            ));
        }
        faults
    }

    /// The account for a person.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: String| {
            text.push_str(&format!("  {name:<22}{value}\n"));
        };
        line("recorded", format!("{} by the agent", self.recorded));
        line("delivered", format!("{} in the archive", self.delivered));
        for lane in self
            .lanes
            .iter()
            .filter(|lane| lane.recorded + lane.delivered > 0)
        {
            line(
                &format!("  {}", lane.lane),
                format!("{} recorded, {} delivered", lane.recorded, lane.delivered),
            );
        }
        line("lost", self.lost.to_string());
        line(
            "duplicates",
            format!(
                "{} ({} arrived again and were recognised)",
                self.duplicates, self.resent_duplicates
            ),
        );
        line("gaps", self.gaps.to_string());
        if self.refused > 0 {
            line(
                "refused",
                format!("{} messages by the monitor", self.refused),
            );
        }
        if self.outage_seconds > 0.0 {
            line("broker down", format!("{:.1} s", self.outage_seconds));
        }
        line(
            "largest backlog",
            format!("{} records", self.max_backlog_records),
        );
        line("duration", format!("{:.1} s", self.seconds));
        if let Some(peak) = self.agent_peak_rss_kib {
            line("agent's peak memory", format!("{peak} KiB"));
        }
        line(
            "gateway, epoch",
            format!("{}, {}", self.gateway, self.epoch),
        );
        line("seed", self.seed.to_string());
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(lane: &str, recorded: u64, delivered: u64) -> LaneTally {
        LaneTally {
            lane: lane.to_owned(),
            recorded,
            delivered,
        }
    }

    #[test]
    fn a_surplus_in_one_lane_does_not_hide_a_loss_in_another() {
        let tally = Tally::of_lanes(vec![lane("vital", 10, 8), lane("wave", 10, 12)]);
        assert_eq!((tally.recorded, tally.delivered, tally.lost), (20, 20, 2));
        let faults = tally.faults().join("\n");
        assert!(
            faults.contains("2 of 10 vital records did not arrive"),
            "{faults}"
        );
        assert!(faults.contains("12 wave records"), "{faults}");
    }

    #[test]
    fn only_a_complete_run_without_duplicates_is_good() {
        let good = Tally::of_lanes(vec![lane("vital", 10, 10)]);
        assert_eq!(good.faults(), Vec::<String>::new());
        let twice = Tally {
            duplicates: 1,
            ..good.clone()
        };
        assert_eq!(twice.faults().len(), 1);
        assert_eq!(Tally::of_lanes(Vec::new()).faults().len(), 1);
        let mute = Tally {
            mute_devices: vec!["ecg (ads1292r) is lost".to_owned()],
            ..good.clone()
        };
        assert_eq!(mute.faults(), ["ecg (ads1292r) is lost"]);
        let resent = Tally {
            resent_duplicates: 5,
            ..good
        };
        assert!(resent.faults().is_empty());
    }

    #[test]
    fn the_json_line_has_the_promised_names_on_one_line() {
        let line = serde_json::to_string(&Tally::of_lanes(vec![lane("vital", 1, 1)])).unwrap();
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        for name in [
            "recorded",
            "delivered",
            "lost",
            "duplicates",
            "gaps",
            "outage_seconds",
            "max_backlog_records",
        ] {
            assert!(
                value.get(name).is_some_and(serde_json::Value::is_number),
                "{name}"
            );
        }
        assert!(!line.contains('\n'));
    }
}
