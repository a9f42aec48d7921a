//! Whatever a gateway can say arrives as it was said, in one encoding that a second codec makes too.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use wardlink_wire::SCHEMA;
use wardlink_wire::batch::Batch;
use wardlink_wire::decimal::Decimal;
use wardlink_wire::id::{BootId, Epoch};
use wardlink_wire::lane::Lane;
use wardlink_wire::message::{Head, Message, Sealer};
use wardlink_wire::record::{
    Absence, Absent, Body, Event, EventKind, Gap, GapCause, Numeric, Priority, Quality, Record,
    SampleBlock, Samples,
};
use wardlink_wire::sequence::{Sequence, SequenceRange};
use wardlink_wire::stream::{Ratio, Sampling, Stream, StreamKind};
use wardlink_wire::time::{Clock, ClockState, Timestamp};

use crate::examples;

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_batch_arrives_as_it_was(batch in batch()) {
        let bytes = batch.encode().unwrap();
        prop_assert_eq!(Batch::decode(&bytes).unwrap(), batch);
        let value: ciborium::Value = ciborium::from_reader(bytes.as_slice()).unwrap();
        let mut again = Vec::new();
        ciborium::into_writer(&value, &mut again).unwrap();
        prop_assert_eq!(again, bytes);
    }

    #[test]
    fn any_sealed_batch_opens_to_what_was_sealed(batch in batch()) {
        let bytes = batch.encode().unwrap();
        let head = Head::of(&batch).unwrap();
        let message = Message::seal(head, &bytes, &examples::payload_key()).unwrap();
        let arrived = Message::decode(&message.encode().unwrap()).unwrap();
        prop_assert_eq!(arrived.open(&examples::payload_key()).unwrap(), [(batch, bytes)]);
    }

    #[test]
    fn batches_joined_in_one_message_open_to_each_of_them(batch in batch(), more in 1_u64..6) {
        let next = |of: &Batch| of.range().unwrap().last().plus(1);
        let mut batches = vec![Batch { first: Sequence(batch.first.0 / 2), ..batch }];
        for _ in 0..more {
            let last = batches.last().unwrap();
            batches.push(Batch { first: next(last), ..last.clone() });
        }
        let bytes: Vec<_> = batches.iter().map(|batch| batch.encode().unwrap()).collect();
        let parts: Vec<_> = bytes.iter().map(Vec::as_slice).collect();
        let (first, last) = (&batches[0], &batches[batches.len() - 1]);
        let range = SequenceRange::between(first.first, last.range().unwrap().last()).unwrap();
        let key = examples::payload_key();
        let sealer = Sealer::new(first.gateway.clone(), first.epoch, &key).unwrap();
        let sealed = sealer.seal(first.lane, range, &parts).unwrap();
        let arrived = Message::decode(&sealed).unwrap();
        prop_assert_eq!(arrived.head().range, range);
        let expected: Vec<_> = batches.clone().into_iter().zip(bytes.clone()).collect();
        prop_assert_eq!(arrived.open(&key).unwrap(), expected);

        // What leaves a batch out, or has them in another order, is not what it announces.
        let rotated: Vec<_> = parts[1..].iter().chain(&parts[..1]).copied().collect();
        for wrong in [&parts[1..], &parts[..parts.len() - 1], &rotated, &[]] {
            let sealed = sealer.seal(first.lane, range, wrong).unwrap();
            prop_assert!(Message::decode(&sealed).unwrap().open(&key).is_err());
        }
    }

    #[test]
    fn a_batch_cut_anywhere_is_no_batch(batch in batch(), cut in any::<prop::sample::Index>()) {
        let bytes = batch.encode().unwrap();
        prop_assert!(Batch::decode(&bytes[..cut.index(bytes.len())]).is_err());
    }
}

prop_compose! {
    fn batch()(
        gateway in "[A-Za-z0-9][A-Za-z0-9._-]{0,63}",
        epoch in any::<[u8; 16]>(),
        boot in any::<[u8; 16]>(),
        lane in prop::sample::select(Lane::ALL.to_vec()),
        first in 0..u64::MAX - 100,
        descriptions in vec(stream(), 1..5),
        records in vec(record(), 1..20),
    ) -> Batch {
        let streams: Vec<Stream> = (0..)
            .zip(descriptions)
            .map(|(number, stream)| Stream { number, ..stream })
            .collect();
        let count = u32::try_from(streams.len()).unwrap();
        let records = records.into_iter();
        Batch {
            schema: SCHEMA,
            gateway: gateway.parse().unwrap(),
            epoch: Epoch::from_bytes(epoch),
            lane,
            first: Sequence(first),
            boot: BootId::from_bytes(boot),
            records: records.map(|record| Record { stream: record.stream % count, ..record }).collect(),
            streams,
        }
    }
}

prop_compose! {
    fn stream()(
        device in "[A-Za-z0-9][A-Za-z0-9._-]{0,20}",
        name in ".{0,12}",
        code in any::<u32>(),
        unit in ".{0,6}",
        kind in prop::sample::select(vec![StreamKind::Numeric, StreamKind::Waveform, StreamKind::Event]),
        sampling in option::of((1..=u64::MAX, 1..=u64::MAX, decimal(), decimal())),
        simulated in any::<bool>(),
        since_ns in any::<i64>(),
    ) -> Stream {
        let sampling = sampling.map(|(numerator, denominator, scale, offset)| Sampling {
            rate: Ratio::new(numerator, denominator).unwrap(),
            scale,
            offset,
        });
        Stream { number: 0, device: device.parse().unwrap(), name, code, unit, kind, sampling, simulated, since_ns }
    }
}

prop_compose! {
    fn record()(
        stream in any::<u32>(),
        utc_ns in any::<i64>(),
        monotonic_ns in any::<u64>(),
        state in prop_oneof![
            Just(ClockState::Synchronised),
            Just(ClockState::Unsynchronised),
            Just(ClockState::Unset),
        ],
        error_ms in any::<Option<u32>>(),
        device in option::of(".{0,20}"),
        body in body(),
        quality in any::<u32>(),
    ) -> Record {
        Record {
            stream,
            time: Timestamp { utc_ns, monotonic_ns, clock: Clock { state, error_ms }, device },
            body,
            quality: Quality::from_bits(quality),
        }
    }
}

fn decimal() -> impl Strategy<Value = Decimal> {
    any::<(i64, i8)>().prop_map(|(mantissa, exponent)| Decimal::new(mantissa, exponent))
}

fn body() -> impl Strategy<Value = Body> {
    prop_oneof![
        (decimal(), any::<Option<u64>>(), any::<Option<i32>>())
            .prop_map(|(value, index, raw)| Body::Numeric(Numeric { value, index, raw })),
        (any::<u64>(), samples())
            .prop_map(|(first, samples)| Body::Samples(SampleBlock { first, samples })),
        absent().prop_map(Body::Absent),
        gap().prop_map(Body::Gap),
        (event_kind(), ".{0,30}").prop_map(|(kind, text)| Body::Event(Event { kind, text })),
    ]
}

fn samples() -> impl Strategy<Value = Samples> {
    prop_oneof![
        vec(any::<i16>(), 0..300).prop_map(Samples::I16),
        vec(any::<i32>(), 0..300).prop_map(Samples::I32),
    ]
}

fn absent() -> impl Strategy<Value = Absent> {
    let reasons = vec![Absence::MissingSample, Absence::LeadOff, Absence::DeviceOff];
    let reason = prop::sample::select(reasons);
    (
        reason,
        any::<Option<u64>>(),
        any::<u64>(),
        any::<Option<i32>>(),
    )
        .prop_map(|(reason, first, count, raw)| Absent {
            reason,
            first,
            count,
            raw,
        })
}

fn gap() -> impl Strategy<Value = Gap> {
    let lane = prop::sample::select(Lane::ALL.to_vec());
    let cause = prop::sample::select(vec![GapCause::StoreDamaged, GapCause::Retention]);
    let range = option::of(any::<(u64, u64)>());
    (lane, range, any::<Option<u64>>(), cause).prop_map(|(lane, range, count, cause)| Gap {
        lane,
        range: range
            .map(|(a, b)| SequenceRange::between(Sequence(a.min(b)), Sequence(a.max(b))).unwrap()),
        count,
        cause,
    })
}

fn event_kind() -> impl Strategy<Value = EventKind> {
    let priorities = vec![
        Priority::High,
        Priority::Medium,
        Priority::Low,
        Priority::None,
    ];
    prop_oneof![
        Just(EventKind::Started),
        Just(EventKind::ProfileRefused),
        Just(EventKind::BatchSetAside),
        (
            any::<u32>(),
            prop::sample::select(priorities),
            any::<bool>()
        )
            .prop_map(|(code, priority, active)| EventKind::Alarm {
                code,
                priority,
                active,
            }),
    ]
}
