//! The report as text for a person.

use std::fmt;

use super::Report;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            gateway,
            agent,
            link,
            ..
        } = self;
        writeln!(f, "gateway   {gateway} (agent {agent}), {link}")?;
        match self.profile {
            0 => writeln!(f, "profile   the one it was enrolled with")?,
            version => writeln!(f, "profile   version {version}")?,
        }
        let (used, budget) = (self.store_bytes >> 20, self.store_budget >> 20);
        writeln!(f, "store     {used} of {budget} MiB, epoch {}", self.epoch)?;
        writeln!(
            f,
            "uplink    {} messages taken by the broker, {} receipts, {} gaps recorded",
            self.published, self.receipts, self.gaps
        )?;
        writeln!(f)?;
        writeln!(
            f,
            "{:<8} {:>12} {:>12} {:>12} {:>12}",
            "lane", "recorded", "delivered", "backlog", "oldest"
        )?;
        for lane in &self.lanes {
            writeln!(
                f,
                "{:<8} {:>12} {:>12} {:>12} {:>12}",
                lane.lane,
                lane.recorded,
                lane.acknowledged,
                lane.backlog,
                lane.oldest_s
                    .map_or_else(|| "-".to_owned(), |age| format!("{age} s"))
            )?;
        }
        writeln!(f)?;
        writeln!(
            f,
            "{:<20} {:<10} {:<9} {:>9}",
            "device", "driver", "state", "readings"
        )?;
        for device in &self.devices {
            writeln!(
                f,
                "{:<20} {:<10} {:<9} {:>9}",
                device.id, device.driver, device.state, device.readings
            )?;
            if let Some(fault) = &device.fault {
                writeln!(f, "{:<20} {fault}", "")?;
            }
        }
        if self.faults.is_empty() {
            return write!(f, "\nno faults");
        }
        write!(f, "\nfaults")?;
        self.faults
            .iter()
            .try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}
