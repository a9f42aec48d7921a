//! The words that stand in exported files for what records say.

use wardlink_wire::record::{Absence, Event, EventKind, Gap, GapCause, Priority, Quality};

/// The status of a value.
#[must_use]
pub fn value(quality: Quality) -> String {
    with_flags("valid".to_owned(), quality)
}

/// The status of a stated absence.
#[must_use]
pub fn absence(reason: Absence, quality: Quality) -> String {
    let word = match reason {
        Absence::MissingSample => "missing-sample",
        Absence::NotAvailable => "not-available",
        Absence::SensorOff => "sensor-off",
        Absence::LeadOff => "lead-off",
        Absence::BadSignal => "bad-signal",
        Absence::Overrun => "overrun",
        Absence::BusError => "bus-error",
        Absence::NoResponse => "no-response",
        Absence::Garbled => "garbled",
        Absence::DeviceOff => "device-off",
    };
    with_flags(word.to_owned(), quality)
}

/// The status of samples that never arrived.
#[must_use]
pub fn missing(causes: &[String]) -> String {
    if causes.is_empty() {
        "gap".to_owned()
    } else {
        format!("gap:{}", causes.join("+"))
    }
}

/// The status of a gap record itself: cause, lane and, if known, places or count.
#[must_use]
pub fn gap(gap: &Gap) -> String {
    let mut status = format!("gap:{}:{}", cause(gap.cause), gap.lane);
    match (gap.range, gap.count) {
        (Some(range), _) => status.push_str(&format!(":{}-{}", range.first(), range.last())),
        (None, Some(count)) => status.push_str(&format!(":{count}")),
        (None, None) => {}
    }
    status
}

/// The word of a gap's cause.
#[must_use]
pub const fn cause(cause: GapCause) -> &'static str {
    match cause {
        GapCause::StoreDamaged => "store-damaged",
        GapCause::StoreFull => "store-full",
        GapCause::StoreFailed => "store-failed",
        GapCause::Retention => "retention",
    }
}

/// The status of an event.
#[must_use]
pub fn event(event: &Event, quality: Quality) -> String {
    let word = match &event.kind {
        EventKind::Started => "started",
        EventKind::Stopped => "stopped",
        EventKind::DeviceStarted => "device-started",
        EventKind::DeviceLost => "device-lost",
        EventKind::DeviceBack => "device-back",
        EventKind::DeviceRemoved => "device-removed",
        EventKind::RecordingEnded => "recording-ended",
        EventKind::ClockStepped => "clock-stepped",
        EventKind::StoreNearlyFull => "store-nearly-full",
        EventKind::StoreFailed => "store-failed",
        EventKind::StoreDamaged => "store-damaged",
        EventKind::CertificateExpiry => "certificate-expiry",
        EventKind::ProfileApplied => "profile-applied",
        EventKind::ProfileRefused => "profile-refused",
        EventKind::BatchSetAside => "batch-set-aside",
        EventKind::Alarm {
            code,
            priority,
            active,
        } => {
            let priority = match priority {
                Priority::High => "high",
                Priority::Medium => "medium",
                Priority::Low => "low",
                Priority::None => "none",
            };
            let state = if *active { "active" } else { "cleared" };
            return with_flags(format!("alarm:{code}:{priority}:{state}"), quality);
        }
    };
    with_flags(word.to_owned(), quality)
}

/// Appends every flag that is set; one that this version does not know as its bit.
fn with_flags(mut status: String, quality: Quality) -> String {
    for bit in 0..u32::BITS {
        if quality.bits() >> bit & 1 == 0 {
            continue;
        }
        status.push('+');
        match usize::try_from(bit).ok().and_then(|bit| FLAGS.get(bit)) {
            Some(word) => status.push_str(word),
            None => status.push_str(&format!("bit-{bit}")),
        }
    }
    status
}

/// In the order of the bits of [`Quality`].
const FLAGS: [&str; 14] = [
    "questionable",
    "invalid",
    "ongoing",
    "calibrating",
    "over-range",
    "under-range",
    "artefact",
    "low-perfusion",
    "early",
    "in-alarm",
    "alarm-inhibited",
    "demo",
    "test",
    "simulated",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_has_its_word_and_unknown_ones_are_not_dropped() {
        assert_eq!(value(Quality::GOOD), "valid");
        let both = Quality::ARTEFACT.with(Quality::SIMULATED);
        assert_eq!(value(both), "valid+artefact+simulated");
        assert_eq!(value(Quality::from_bits(1 << 20)), "valid+bit-20");
        assert_eq!(
            absence(Absence::LeadOff, Quality::QUESTIONABLE),
            "lead-off+questionable"
        );
    }
}
