//! What of a scenario a device can play: each kind of attachment has its own ways to fail.

use wardlink_wire::profile::{Kind, Scenario, ScriptedFault};

/// What of a scenario a device of a kind cannot play, each with its place in the file and the reason. `recorded` is one
/// that takes its signal from a recording.
pub(super) fn refusals(scenario: &Scenario, kind: Kind, recorded: bool) -> Vec<String> {
    let attached = attachment(kind);
    let mut refusals = Vec::new();
    if scenario.clock_drift_ppm != 0
        && matches!(kind, Kind::Max30205 | Kind::Mlx90614 | Kind::Ads1115)
    {
        refusals.push(
            "clock_drift_ppm: nothing of this chip is timed by a clock of its own".to_owned(),
        );
    }
    for (place, fault) in scenario.faults.iter().enumerate() {
        if let Some((word, why)) = refusal(&attached, fault.what) {
            refusals.push(format!("fault[{place}]: {word}: {why}"));
        }
    }
    if recorded || kind == Kind::Frontend {
        for place in 0..scenario.episodes.len() {
            refusals.push(format!(
                "episode[{place}]: nothing happens to the patient of a recording"
            ));
        }
    }
    refusals
}

/// How a device is attached, and what of it can come off or overflow.
struct Attachment {
    wires: Wires,
    fifo: bool,
    /// Electrodes that it tells apart.
    leads: bool,
    /// It knows whether it is on the patient.
    sensor: bool,
}

#[derive(PartialEq, Eq)]
enum Wires {
    /// I2C and SPI.
    Bus,
    Serial,
    Network,
    Radio,
    /// A front end whose wires are not modelled.
    None,
}

fn attachment(kind: Kind) -> Attachment {
    let (wires, fifo, leads, sensor) = match kind {
        Kind::Tmp117
        | Kind::Tmp102
        | Kind::Tmp105
        | Kind::Max30205
        | Kind::Mlx90614
        | Kind::Ads1115 => (Wires::Bus, false, false, false),
        Kind::Max30102 => (Wires::Bus, true, false, true),
        Kind::Ads1292r => (Wires::Bus, true, true, true),
        Kind::Nonin | Kind::Cms50d | Kind::Masimo | Kind::Ivy450c => {
            (Wires::Serial, false, false, true)
        }
        Kind::Board => (Wires::Serial, true, true, true),
        Kind::Hl7 => (Wires::Network, false, false, true),
        Kind::Bluetooth => (Wires::Radio, false, false, true),
        Kind::Frontend => (Wires::None, true, true, true),
    };
    Attachment {
        wires,
        fifo,
        leads,
        sensor,
    }
}

/// The fault's word and why such a device does not have it, if it does not.
fn refusal(device: &Attachment, fault: ScriptedFault) -> Option<(&'static str, &'static str)> {
    let (word, plays, why) = match fault {
        ScriptedFault::NoAcknowledge => ("no-acknowledge", true, ""),
        ScriptedFault::Slow(_) => ("slow", true, ""),
        ScriptedFault::Unplugged => ("unplugged", true, ""),
        ScriptedFault::StuckBus(_) => (
            "stuck-bus",
            !matches!(device.wires, Wires::Serial | Wires::Network),
            "this device is on no bus; take no-acknowledge or unplugged",
        ),
        ScriptedFault::BitFlips(_) => (
            "bit-flips",
            matches!(device.wires, Wires::Bus | Wires::Serial),
            "what comes this way is checked below: no changed bit arrives; take no-acknowledge or unplugged",
        ),
        ScriptedFault::Garbage(_) => (
            "garbage",
            matches!(device.wires, Wires::Serial | Wires::Network),
            "only a serial line or a connection carries bytes between frames",
        ),
        ScriptedFault::FifoOverflow => (
            "fifo-overflow",
            device.fifo,
            "this device holds no samples for the host; take no-acknowledge",
        ),
        ScriptedFault::LeadOff(_) => (
            "lead-off",
            device.leads,
            "this device does not tell the leads of an ECG apart; take sensor-off",
        ),
        ScriptedFault::SensorOff => (
            "sensor-off",
            device.sensor,
            "this chip does not know whether it is on the patient",
        ),
    };
    (!plays).then_some((word, why))
}

#[cfg(test)]
mod tests;
