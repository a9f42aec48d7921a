//! HL7 v2 observations, as IHE PCD-01 writes them.

use wardlink_firmware_shim::drivers::hl7::{Session, streams};
use wardlink_firmware_shim::reading::{Absence, Body, Decimal, Reading};

use super::numbers;

const HEAD: &str = "MSH|^~\\&|MONITOR^0012^EUI-64|ICU|GATEWAY|WARD|20261125143510+0100||ORU^R01^ORU_R01|\
                    MSG7|P|2.6\rPID|||ID-OF-A-PATIENT||DOE^JANE\rPV1||I|ICU^1^4\r\
                    OBR|1||5|69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|||20261125143500+0100\r";

fn take(observations: &str) -> (Vec<Reading>, String) {
    let mut readings = Vec::new();
    let text = format!("{HEAD}{observations}");
    let answer = Session::default().take(text.as_bytes(), &mut readings);
    (readings, answer.unwrap())
}

fn spo2(value: &str, flags: &str, status: &str) -> String {
    format!(
        "OBX|1|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.3.1.1|{value}|262688^MDC_DIM_PERCENT^MDC||{flags}|||{status}\r"
    )
}

fn stream(name: &str) -> usize {
    streams()
        .iter()
        .position(|stream| stream.name == name)
        .unwrap()
}

#[test]
fn a_bedsides_numbers_arrive_digit_for_digit_with_the_monitors_time() {
    let (readings, answer) = take(
        "OBX|1||69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|1.0.0.0|||||||X\r\
         OBX|2|NM|147842^MDC_ECG_HEART_RATE^MDC|1.1.1.1|61|{beat}/min^{beat}/min^UCUM||N|||R|||20261125143508+0100\r\
         OBX|3|NM|150364^MDC_TEMP_BODY^MDC|1.2.1.1|36.60|268192^MDC_DIM_DEGC^MDC^Cel^Cel^UCUM|||||R\r\
         OBX|4|NM|8310-5^Body temp^LN^150364^MDC_TEMP_BODY^MDC|1.2.1.2|36.7|Cel^Cel^UCUM|||||R\r\
         OBX|5|ST|0^^|1.2.1.3|free text|||||||R\r",
    );
    assert_eq!(
        numbers(&readings, stream("heart-rate")),
        [Ok(Decimal::new(61, 0))]
    );
    assert_eq!(
        numbers(&readings, stream("body-temperature")),
        [Ok(Decimal::new(3660, -2)), Ok(Decimal::new(367, -1))]
    );
    assert_eq!(readings.len(), 3);
    assert_eq!(
        readings[0].device_time.as_deref(),
        Some("20261125143508+0100")
    );
    assert_eq!(
        readings[1].device_time.as_deref(),
        Some("20261125143500+0100")
    );
    assert!(answer.contains("\rMSA|AA|MSG7\r"), "{answer}");
    assert!(
        answer.starts_with("MSH|^~\\&|GATEWAY|WARD|MONITOR^0012^EUI-64|ICU|"),
        "{answer}"
    );
}

#[test]
fn what_the_monitor_calls_no_value_is_none_whatever_stands_in_the_field() {
    for (value, flags, status, reason) in [
        ("0", "INV", "X", Absence::BadSignal),
        ("97", "INV", "R", Absence::BadSignal),
        ("", "NAV", "X", Absence::NotAvailable),
        ("", "", "R", Absence::NotAvailable),
        ("97", "", "X", Absence::NotAvailable),
        ("97", "OFF", "R", Absence::DeviceOff),
        ("---", "", "R", Absence::Garbled),
        ("9 7", "", "R", Absence::Garbled),
    ] {
        let (readings, _) = take(&spo2(value, flags, status));
        assert_eq!(
            numbers(&readings, stream("spo2")),
            [Err(reason)],
            "{value:?} {flags:?} {status:?}"
        );
    }
}

#[test]
fn a_demonstration_is_marked_as_one_wherever_the_monitor_says_so() {
    for flags in ["DEMO", "TEST", "H~DEMO", "DEMO~QUES"] {
        let (readings, _) = take(&spo2("97", flags, "R"));
        assert!(readings[0].quality.demo, "{flags}");
    }
    // An absence keeps the mark too.
    let (readings, _) = take(&spo2("", "NAV~DEMO", "X"));
    assert!(readings[0].quality.demo);
    let (readings, _) = take(&spo2("97", "", "R"));
    assert!(!readings[0].quality.demo);
    // A message that is no production says it of all.
    let text = format!("{HEAD}{}", spo2("97", "", "R")).replace("|MSG7|P|", "|MSG7|T|");
    let mut readings = Vec::new();
    Session::default().take(text.as_bytes(), &mut readings);
    assert!(readings[0].quality.demo);
}

#[test]
fn doubts_and_limits_are_marked() {
    let (readings, _) = take(&spo2("97", "QUES~CAL", "R"));
    assert!(readings[0].quality.questionable && readings[0].quality.calibrating);
    let (readings, _) = take(&spo2("100", "&gt;".replace("&gt;", ">").as_str(), "R"));
    assert!(readings[0].quality.over_range);
}

#[test]
fn a_value_in_another_unit_or_without_one_is_never_taken() {
    for unit in ["268064^MDC_DIM_FAHR^MDC", "[degF]^[degF]^UCUM", ""] {
        let (readings, _) = take(&format!(
            "OBX|1|NM|150364^MDC_TEMP_BODY^MDC|1.1.1.1|98.6|{unit}|||||R\r"
        ));
        assert_eq!(
            numbers(&readings, stream("body-temperature")),
            [Err(Absence::Garbled)],
            "{unit}"
        );
    }
}

#[test]
fn a_metric_that_has_no_stream_is_said_to_have_come() {
    let (readings, answer) = take(
        "OBX|1|NM|153132^MDC_PRESS_CEREB_PERF^MDC|1.1.1.1|70|266016^MDC_DIM_MMHG^MDC|||||R\r\
         OBX|2|NA|131329^MDC_ECG_ELEC_POTL_I^MDC|1.1.1.2|1^2^3|266418^MDC_DIM_MILLI_VOLT^MDC|||||R\r\
         OBX|3|NM|16770^MDC_ECG_HEART_RATE^|1.1.1.3|61|264864^^MDC|||||R\r",
    );
    let unmapped = stream("unmapped");
    let raw: Vec<_> = readings
        .iter()
        .map(|reading| match reading.body {
            Body::Absent { raw, .. } => (reading.stream, raw),
            _ => panic!("{reading:?}"),
        })
        .collect();
    assert_eq!(
        raw,
        [
            (unmapped, Some(153_132)),
            (unmapped, Some(131_329)),
            (unmapped, None)
        ]
    );
    assert!(answer.contains("MSA|AA|"));
}

#[test]
fn a_second_bed_is_refused_on_the_same_address() {
    let first = format!("{HEAD}{}", spo2("97", "", "R"));
    let mut session = Session::default();
    let mut readings = Vec::new();
    session.take(first.as_bytes(), &mut readings);
    let second = first.replace("ICU^1^4", "ICU^1^5").replace("|97|", "|55|");
    let answer = session.take(second.as_bytes(), &mut readings).unwrap();
    assert!(answer.contains("MSA|AR|MSG7|"), "{answer}");
    assert_eq!(readings.len(), 1);
    let mut named = Session::new(Some("MONITOR^0012^EUI-64@ICU^1^5".to_owned()));
    assert!(
        named
            .take(first.as_bytes(), &mut readings)
            .unwrap()
            .contains("MSA|AR|")
    );
    assert!(
        named
            .take(second.as_bytes(), &mut readings)
            .unwrap()
            .contains("MSA|AA|")
    );
    assert_eq!(readings.len(), 2);
}

#[test]
fn nothing_of_the_patients_identity_is_in_what_comes_out() {
    let (readings, answer) = take(&spo2("97", "", "R"));
    let all = format!("{readings:?}{answer}");
    for secret in ["ID-OF-A-PATIENT", "DOE", "JANE"] {
        assert!(!all.contains(secret), "{secret} in {all}");
    }
}

#[test]
fn other_messages_are_refused_and_what_is_none_is_not_answered() {
    let mut readings = Vec::new();
    let mut session = Session::default();
    let other = HEAD.replace("ORU^R01^ORU_R01", "ADT^A01^ADT_A01");
    let answer = session.take(other.as_bytes(), &mut readings).unwrap();
    assert!(answer.contains("MSA|AR|MSG7|ADT^A01"), "{answer}");
    for none in [
        &b""[..],
        b"MSH",
        b"MSHx",
        b"HELO there",
        b"\xff\xfe|||",
        b"\r\r",
    ] {
        assert_eq!(session.take(none, &mut readings), None);
    }
    // Names in another alphabet are in segments that nobody reads, and do no harm in others.
    let latin = [
        HEAD.as_bytes(),
        b"NTE|1||M\xfcller\r",
        spo2("97", "", "R").as_bytes(),
    ]
    .concat();
    assert!(
        session
            .take(&latin, &mut readings)
            .unwrap()
            .contains("MSA|AA|")
    );
    assert_eq!(readings.len(), 1);
}
