//! The monitor, and what it has.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use wardlink::archive::{Archive, LaneSummary, Summary};
use wardlink_agent::status::Report;

use crate::program::{Program, ours, run_well};
use crate::wait;

/// A monitor that can go away and come back.
#[derive(Debug)]
pub struct Monitor {
    fleet: PathBuf,
    data: PathBuf,
    port: u16,
    mqtt: String,
    running: Option<Program>,
}

impl Monitor {
    /// Starts the monitor of a fleet.
    #[track_caller]
    #[must_use]
    pub fn start(fleet: &Path, data: PathBuf, port: u16) -> Self {
        Self::start_in("3.1.1", fleet, data, port)
    }

    /// Starts the monitor of a fleet, which speaks this MQTT.
    #[track_caller]
    #[must_use]
    pub fn start_in(mqtt: &str, fleet: &Path, data: PathBuf, port: u16) -> Self {
        fs::create_dir_all(&data).expect("a folder for the monitor");
        let mut monitor = Self {
            fleet: fleet.to_owned(),
            data,
            port,
            mqtt: mqtt.to_owned(),
            running: None,
        };
        monitor.come_back();
        monitor
    }

    /// Starts it again.
    #[track_caller]
    pub fn come_back(&mut self) {
        let mut command = ours("wardlink");
        command.arg("monitor").arg("--fleet").arg(&self.fleet);
        command.arg("--data").arg(&self.data);
        command.args(["--mqtt", &self.mqtt]);
        command.args(["--broker", &format!("localhost:{}", self.port)]);
        let mut program = Program::start("monitor", &mut command, &self.data);
        // It says whether it reached the broker once it has its archive and listens to signals.
        wait::until("the monitor is up", || {
            program.assert_running();
            (!program.log().is_empty()).then_some(())
        });
        self.running = Some(program);
    }

    /// Ends it in order.
    #[track_caller]
    pub fn stop(&mut self) {
        let status = self.program().terminate();
        assert!(status.success(), "monitor: {status}");
        self.running = None;
    }

    /// Ends it at once.
    #[track_caller]
    pub fn kill(&mut self) {
        self.running.take().expect("the monitor runs").kill();
    }

    /// Its process.
    #[track_caller]
    pub fn program(&mut self) -> &mut Program {
        self.running.as_mut().expect("the monitor runs")
    }

    /// Its archive.
    #[track_caller]
    #[must_use]
    pub fn archive(&self) -> Archive {
        Archive::read_only(&self.data).expect("an archive")
    }

    /// What it has, in numbers.
    #[track_caller]
    #[must_use]
    pub fn summary(&self) -> Summary {
        self.archive().summary().expect("a summary")
    }

    /// Waits until what it has is as wanted.
    #[track_caller]
    pub fn until(&self, what: &str, mut is_so: impl FnMut(&Summary) -> bool) -> Summary {
        wait::until(format!("the monitor: {what}"), || {
            Some(self.summary()).filter(&mut is_so)
        })
    }

    /// Panics unless it has every record of a gateway's report exactly once, and nothing else of that store.
    #[track_caller]
    pub fn assert_has_all_of(&self, report: &Report) {
        let summary = self.summary();
        assert_eq!(
            report.backlog, 0,
            "records are left in the store: {report:#?}"
        );
        assert_eq!(
            summary.conflicts, 0,
            "a sequence was used twice: {summary:#?}"
        );
        assert_eq!(
            summary.refused, 0,
            "messages were refused: {:?}",
            summary.refusals
        );
        let lanes = lanes_of(&summary, report);
        for lane in &report.lanes {
            let held = lanes.get(lane.lane.as_str());
            let holes = held.map(|held| held.holes.clone()).unwrap_or_default();
            assert_eq!(
                (held.map_or(0, |held| held.records + held.explained), holes),
                (lane.recorded, Vec::new()),
                "lane {}: places held, holes",
                lane.lane
            );
        }
    }

    /// Panics unless it has every record of a report exactly once, none of them explained away by a gap.
    #[track_caller]
    pub fn assert_has_all_of_without_gaps(&self, report: &Report) {
        self.assert_has_all_of(report);
        let summary = self.summary();
        assert_eq!(summary.gaps, 0, "gaps were recorded: {summary:#?}");
        let records: u64 = lanes_of(&summary, report)
            .values()
            .map(|lane| lane.records)
            .sum();
        assert_eq!(records, report.recorded);
    }

    /// Exports everything; each file's lines by its name without `.csv`.
    #[track_caller]
    #[must_use]
    pub fn export(&self) -> BTreeMap<String, Vec<String>> {
        let out = self.data.join("csv");
        run_well(
            ours("wardlink")
                .args(["monitor", "export", "--data"])
                .arg(&self.data)
                .arg("--csv")
                .arg(&out),
        );
        let files = fs::read_dir(&out).expect("exported files");
        let read = |path: PathBuf| {
            let name = path.file_stem()?.to_str()?.to_owned();
            let text = fs::read_to_string(&path).ok()?;
            Some((name, text.lines().map(str::to_owned).collect()))
        };
        files.filter_map(|entry| read(entry.ok()?.path())).collect()
    }
}

fn lanes_of<'a>(summary: &'a Summary, report: &Report) -> BTreeMap<&'a str, &'a LaneSummary> {
    let of_report = |lane: &&LaneSummary| {
        lane.gateway.as_str() == report.gateway && lane.epoch.to_string() == report.epoch
    };
    let lanes = summary.lanes.iter().filter(of_report);
    lanes.map(|lane| (lane.lane.as_str(), lane)).collect()
}
