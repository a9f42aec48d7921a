//! What is said of a store: for people, and as one line of JSON.

use std::fmt::{self, Display, Formatter};
use std::io::{Write, stdout};
use std::process::ExitCode;

use serde::Serialize;
use wardlink_agent::store::tools::{Salvaged, View};
use wardlink_agent::store::{Damage, Settings};

/// A store, as far as it was looked at.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    store: String,
    gateway: String,
    engine: String,
    epoch: String,
    used_bytes: u64,
    budget_bytes: u64,
    lanes: Vec<ShownLane>,
    /// Batches whose seal holds, where they were opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seals: Option<u64>,
    torn_tail_bytes: u64,
    acknowledgements_lost: bool,
    lost: Vec<ShownLoss>,
}

#[derive(Debug, Serialize)]
struct ShownLane {
    lane: String,
    next: u64,
    waiting_records: u64,
    batches: u64,
}

#[derive(Debug, Serialize)]
struct ShownLoss {
    lane: String,
    first: u64,
    last: u64,
    reason: String,
}

impl Shown {
    pub(super) fn of(gateway: &str, settings: &Settings, view: &View, lost: &[Damage]) -> Self {
        let usage = view.usage();
        let lanes = usage.lanes.iter().map(|lane| ShownLane {
            lane: lane.lane.to_string(),
            next: lane.next.0,
            waiting_records: lane.unacknowledged,
            batches: lane.batches,
        });
        Self {
            store: settings.directory.display().to_string(),
            gateway: gateway.to_owned(),
            engine: settings.engine.to_string(),
            epoch: view.epoch().to_string(),
            used_bytes: usage.used,
            budget_bytes: usage.budget,
            lanes: lanes.collect(),
            seals: None,
            torn_tail_bytes: view.recovery().torn_tail_bytes,
            acknowledgements_lost: view.recovery().acknowledgements_lost,
            lost: lost.iter().map(ShownLoss::of).collect(),
        }
    }

    pub(super) fn print(&self, json: bool) -> anyhow::Result<ExitCode> {
        match json {
            true => writeln!(stdout(), "{}", serde_json::to_string(self)?)?,
            false => writeln!(stdout(), "{self}")?,
        }
        Ok(code(self.lost.is_empty()))
    }
}

impl Display for Shown {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "store {}: engine {}", self.store, self.engine)?;
        writeln!(f, "gateway {}, epoch {}", self.gateway, self.epoch)?;
        let (used, budget) = (self.used_bytes, self.budget_bytes);
        writeln!(f, "{used} of {budget} bytes used\n")?;
        write!(
            f,
            "{:<8}{:>14}{:>18}{:>10}",
            "lane", "next place", "records waiting", "batches"
        )?;
        for ShownLane {
            lane,
            next,
            waiting_records,
            batches,
        } in &self.lanes
        {
            write!(f, "\n{lane:<8}{next:>14}{waiting_records:>18}{batches:>10}")?;
        }
        if let Some(seals) = self.seals {
            write!(f, "\n\n{seals} seals hold")?;
        }
        if self.torn_tail_bytes > 0 {
            write!(
                f,
                "\n{} bytes were begun and not finished",
                self.torn_tail_bytes
            )?;
        }
        if self.acknowledgements_lost {
            f.write_str("\nthe acknowledgements are lost: what is here will be sent again")?;
        }
        for loss in &self.lost {
            write!(f, "\nlost: {loss}")?;
        }
        Ok(())
    }
}

impl ShownLoss {
    fn of(damage: &Damage) -> Self {
        Self {
            lane: damage.lane.to_string(),
            first: damage.range.first().0,
            last: damage.range.last().0,
            reason: damage.fault.to_string(),
        }
    }
}

impl Display for ShownLoss {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            lane,
            first,
            last,
            reason,
        } = self;
        write!(f, "lane {lane}, places {first} to {last}: {reason}")
    }
}

/// One loss, for people.
pub(super) fn line(damage: &Damage) -> String {
    ShownLoss::of(damage).to_string()
}

/// Says what came over.
pub(super) fn salvaged(gateway: &str, saved: &Salvaged, json: bool) -> anyhow::Result<ExitCode> {
    let lost: Vec<_> = saved.damage.iter().map(ShownLoss::of).collect();
    let (batches, records) = (saved.batches, saved.records);
    if json {
        let shown = serde_json::json!({
            "gateway": gateway, "batches": batches, "records": records, "lost": lost,
        });
        writeln!(stdout(), "{shown}")?;
    } else {
        writeln!(stdout(), "{records} records in {batches} batches came over")?;
        for loss in &lost {
            writeln!(stdout(), "lost: {loss}")?;
        }
    }
    Ok(code(lost.is_empty()))
}

/// 3 if anything is lost.
pub(super) fn exit_code(damage: &[Damage]) -> ExitCode {
    code(damage.is_empty())
}

fn code(whole: bool) -> ExitCode {
    match whole {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(SOMETHING_LOST),
    }
}

const SOMETHING_LOST: u8 = 3;
