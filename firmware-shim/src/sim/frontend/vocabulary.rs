//! What recordings call things, in the words of the nomenclatures.
//!
//! Owns names, ISO/IEEE 11073-10101 codes and UCUM units. Refuses to guess: what is not known for certain
//! has code 0, and an unknown unit is kept as an annotation, which states no quantity.

use std::collections::HashSet;

use crate::reading::{StreamKind, StreamSpec};
use crate::recording::Signal;

/// The codes of the leads that a scenario can take off.
pub(super) const LEAD_I: u32 = 131_329;
pub(super) const LEAD_II: u32 = 131_330;

/// Names that streams may have, one for each signal and each only once.
pub(super) fn stream_names(signals: &[Signal]) -> Vec<String> {
    let mut taken = HashSet::new();
    let mut names = Vec::with_capacity(signals.len());
    for signal in signals {
        let plain: String = signal
            .name
            .chars()
            .map(|c| if is_allowed(c) { c } else { '-' })
            .collect();
        let mut name = plain.clone();
        let mut count = 1;
        while !taken.insert(name.clone()) {
            count += 1;
            name = format!("{plain}-{count}");
        }
        names.push(name);
    }
    names
}

fn is_allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

/// The description a signal had before its name was made unique.
pub(super) fn description<'a>(signal: &'a Signal, signals: &[Signal]) -> &'a str {
    match signal.name.rsplit_once('-') {
        Some((plain, count))
            if count.parse::<u32>().is_ok() && signals.iter().any(|s| s.name == plain) =>
        {
            plain
        }
        _ => &signal.name,
    }
}

/// The code of a signal by its description; 0 where none is certain.
pub(super) fn code(description: &str, kind: StreamKind) -> u32 {
    let name = letters(description);
    match kind {
        StreamKind::Waveform => waveform_code(&name),
        StreamKind::Numeric => numeric_code(&name),
        StreamKind::Event => 0,
    }
}

fn waveform_code(name: &str) -> u32 {
    // EDF+ puts the kind of a signal before its name.
    match name
        .strip_prefix("ECG")
        .filter(|lead| !lead.is_empty())
        .unwrap_or(name)
    {
        "I" => LEAD_I,
        "II" => LEAD_II,
        "III" => 131_389,
        "AVR" => 131_390,
        "AVL" => 131_391,
        "AVF" => 131_392,
        "V1" => 131_331,
        "V2" => 131_332,
        "V3" => 131_333,
        "V4" => 131_334,
        "V5" => 131_335,
        "V6" => 131_336,
        // An ECG for certain, but of no lead that the others name: an unnumbered chest lead, and the
        // modified leads of long-term recorders, whose electrodes stand elsewhere.
        "V" | "MLI" | "MLII" | "MLIII" | "ECG" => 131_328,
        "PLETH" => 150_452,
        "ABP" => 150_036,
        "ART" => 150_032,
        "PAP" => 150_044,
        "CVP" => 150_084,
        "ICP" => 153_608,
        _ => 0,
    }
}

fn numeric_code(name: &str) -> u32 {
    match name {
        "HR" => 147_842,
        "PULSE" => 149_530,
        "RESP" => 151_562,
        "SPO2" => 150_456,
        "NBPSYS" => 150_021,
        "NBPDIAS" => 150_022,
        "NBPMEAN" => 150_023,
        "ABPSYS" => 150_037,
        "ABPDIAS" => 150_038,
        "ABPMEAN" => 150_039,
        "PAPSYS" => 150_045,
        "PAPDIAS" => 150_046,
        "PAPMEAN" => 150_047,
        _ => 0,
    }
}

/// The UCUM unit of a recording's unit.
pub(super) fn unit(text: &str) -> String {
    let known = match text {
        "mV" | "mv" => "mV",
        "uV" | "µV" | "μV" => "uV",
        "V" => "V",
        "mmHg" | "mmhg" | "mm[Hg]" => "mm[Hg]",
        "cmH2O" => "cm[H2O]",
        "kPa" => "kPa",
        "bpm" | "BPM" | "pm" | "/min" | "beats/min" | "breaths/min" => "/min",
        "%" => "%",
        "NU" | "nu" | "1" => "1",
        "degC" | "DegC" | "Deg.C" | "Cel" | "°C" => "Cel",
        "degF" | "DegF" => "[degF]",
        "L/min" | "l/min" | "lpm" => "L/min",
        "L" | "l" => "L",
        "mL" | "ml" => "mL",
        "ms" => "ms",
        "Ohm" | "ohm" | "ohms" => "Ohm",
        _ => return annotation(text),
    };
    known.to_owned()
}

/// An unknown unit as UCUM lets anything be said: in braces, printable ASCII, without further braces.
fn annotation(text: &str) -> String {
    let inner: String = text
        .chars()
        .map(|c| match c {
            '{' | '}' => '_',
            c if c.is_ascii_graphic() => c,
            _ => '_',
        })
        .collect();
    format!("{{{inner}}}")
}

/// Whether the source of a numeric writes 0 where it has no value. Monitors do so for rates, saturations
/// and systemic arterial pressures, of which none can be measured as 0; a count of extrasystoles or of
/// apnoeas can, and so can pressures elsewhere.
pub(super) fn zero_is_none(signal: &Signal, stream: &StreamSpec) -> bool {
    let name = letters(&signal.name);
    let counts_events = ["PVC", "PVE", "VPB", "VPC", "APNEA", "APNOEA", "ARR"]
        .iter()
        .any(|event| name.contains(event));
    let is_rate = stream.unit == "/min" && !counts_events;
    let is_named = [
        "HR", "PULSE", "RESP", "SPO2", "SAO2", "SVO2", "SCVO2", "STO2", "ABP", "ART", "NBP", "NIBP",
    ]
    .iter()
    .any(|start| name.starts_with(start));
    stream.kind == StreamKind::Numeric && (is_rate || is_named)
}

/// A description without what its writers differ in: case, blanks, signs.
fn letters(description: &str) -> String {
    description
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_uppercase())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_ucum_and_an_unknown_one_states_no_quantity() {
        for (text, expected) in [
            ("mV", "mV"),
            ("mmHg", "mm[Hg]"),
            ("bpm", "/min"),
            ("pm", "/min"),
            ("%", "%"),
            ("NU", "1"),
            ("furlong", "{furlong}"),
            ("a{b}ü", "{a_b__}"),
        ] {
            assert_eq!(unit(text), expected);
        }
    }

    #[test]
    fn the_same_word_means_another_metric_in_a_waveform_than_in_a_numeric() {
        assert_eq!(code("RESP", StreamKind::Numeric), 151_562);
        assert_eq!(code("RESP", StreamKind::Waveform), 0);
        assert_eq!(code("NBP Sys", StreamKind::Numeric), 150_021);
        assert_eq!(code("aVF", StreamKind::Waveform), 131_392);
        assert_eq!(code("SpO2", StreamKind::Numeric), 150_456);
    }

    #[test]
    fn a_lead_as_edf_writes_it_is_that_lead() {
        assert_eq!(code("ECG II", StreamKind::Waveform), 131_330);
        assert_eq!(code("ECG", StreamKind::Waveform), 131_328);
    }
}
