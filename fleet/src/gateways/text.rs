//! Gateways in words, for people. What a gateway said is shown with its control characters spelt out.

use std::io::{self, Write};

use super::report::{HealthReport, Report};

/// One line for each gateway.
pub(super) fn table(reports: &[Report], out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "{:<20} {:<8} {:<20} {:<20} {:<26} revoked",
        "gateway", "state", "groups", "enrolled", "certificate ends"
    )?;
    for report in reports {
        writeln!(
            out,
            "{:<20} {:<8} {:<20} {:<20} {:<26} {}",
            report.gateway,
            report.state.as_str(),
            or_dash(&report.groups.join(",")),
            report.enrolled,
            certificate(report),
            report.revoked.as_deref().unwrap_or("-"),
        )?;
    }
    Ok(())
}

/// Everything that is known of one.
pub(super) fn one(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let tags: Vec<String> = report
        .tags
        .iter()
        .map(|(name, value)| format!("{name}={}", value.escape_debug()))
        .collect();
    writeln!(out, "{}: {}", report.gateway, report.state.as_str())?;
    writeln!(out, "  groups       {}", or_dash(&report.groups.join(", ")))?;
    writeln!(out, "  tags         {}", or_dash(&tags.join(", ")))?;
    writeln!(out, "  enrolled     {}", report.enrolled)?;
    if let Some(revoked) = &report.revoked {
        writeln!(out, "  revoked      {revoked}")?;
    }
    writeln!(out, "  certificate  ends {}", certificate(report))?;
    let agent = report.agent.as_deref().unwrap_or("unknown");
    writeln!(out, "  agent        {}", agent.escape_debug())?;
    let profile = report
        .profile
        .map_or_else(|| "unknown".to_owned(), |profile| profile.to_string());
    writeln!(
        out,
        "  profile      {profile}, last rolled out well {}",
        report.good_profile
    )?;
    match &report.bundle {
        None => writeln!(out, "  last bundle  none heard of")?,
        Some(bundle) => {
            let version = bundle
                .version
                .map_or_else(|| "unknown".to_owned(), |version| version.to_string());
            let outcome = bundle.outcome;
            write!(
                out,
                "  last bundle  version {version} {outcome:?} at {}",
                bundle.at
            )?;
            if !bundle.reason.is_empty() {
                write!(out, ": {}", bundle.reason.escape_debug())?;
            }
            writeln!(out)?;
        }
    }
    if let Some(health) = &report.health {
        said(health, out)?;
    }
    if let Some(audit) = &report.audit {
        writeln!(out, "  audit log    {} entries", audit.entries)?;
        if let (Some(noticed), Some(text)) = (&audit.noticed, &audit.contradiction) {
            let times = audit.contradictions;
            writeln!(
                out,
                "    CONTRADICTS what was known, {times} times; last {noticed}: {}",
                text.escape_debug()
            )?;
        }
    }
    let Some(gaps) = &report.gaps else {
        return Ok(());
    };
    writeln!(
        out,
        "  last gaps    {}",
        if gaps.is_empty() { "none" } else { "" }
    )?;
    for gap in gaps {
        let places = match (gap.first, gap.last) {
            (Some(first), Some(last)) => format!("places {first} to {last}"),
            _ => "no place lost".to_owned(),
        };
        writeln!(
            out,
            "    {} {:<6} {places}: {}",
            gap.received,
            gap.lane,
            gap.cause.escape_debug()
        )?;
    }
    Ok(())
}

fn said(health: &HealthReport, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "  said         {}", health.said)?;
    let error = health
        .clock_error_ms
        .map_or_else(String::new, |error| format!(", within {error} ms"));
    writeln!(out, "  clock        {}{error}", health.clock)?;
    for lane in &health.lanes {
        let oldest = lane
            .oldest_age_s
            .map_or_else(String::new, |age| format!(", the oldest {age} s old"));
        writeln!(
            out,
            "  lane {:<7} {} recorded, {} undelivered{oldest}",
            lane.lane, lane.recorded, lane.backlog
        )?;
    }
    for device in &health.devices_lost {
        writeln!(out, "  lost         {}", device.escape_debug())?;
    }
    for fault in &health.faults {
        writeln!(out, "  fault        {}", fault.escape_debug())?;
    }
    Ok(())
}

fn certificate(report: &Report) -> String {
    match (&report.certificate_ends, report.certificate_days) {
        (Some(ends), Some(days)) => format!("{ends} ({days} d)"),
        _ => "-".to_owned(),
    }
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}
