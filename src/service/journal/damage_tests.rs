//! Files that were cut off, have changed bytes, or were written by a newer release.

use super::bench::{Bench, delete, put};
use super::change::{Durability, Kind, Need};
use super::disk::Disk;
use super::frame::{self, FrameBuilder, HEADER_LENGTH, Op};
use super::live::LiveEntries;
use super::replay::{NewerFormat, replay};
use super::status::Recovery;

/// Frames of a file: end of each, and its operations.
fn frames(bytes: &[u8]) -> Vec<(usize, Vec<Op>)> {
    let mut frames = Vec::new();
    let mut at = HEADER_LENGTH;
    while let Some(frame) = frame::parse_frame(&bytes[at..]) {
        at += frame.length;
        frames.push((at, frame.ops));
    }
    frames
}

/// The entries after these frames, without the one left out.
fn entries(frames: &[(usize, Vec<Op>)], left_out: Option<usize>) -> LiveEntries {
    let mut live = LiveEntries::default();
    for (index, (_, ops)) in frames.iter().enumerate() {
        if Some(index) != left_out {
            for op in ops {
                if let Op::Change(change) = op {
                    live.apply(change);
                }
            }
        }
    }
    live
}

/// A file with a snapshot, commits of all sizes, and removals.
fn recorded() -> Vec<u8> {
    let mut bench = Bench::open(&Disk::new(1));
    for round in 0..25_usize {
        let key = format!("lease-{}", round % 7);
        let value = format!(r#"{{"round":{round},"why":"{}"}}"#, "x".repeat(round * round % 300));
        let changes =
            if round % 5 == 4 { vec![delete(&key)] } else { vec![put(&key, &value), put("last", &value)] };
        assert_eq!(bench.commit(changes, Need::Durable), Ok(Durability::Durable));
    }
    bench.disk.bytes()
}

#[test]
fn cut_at_every_byte_it_has_what_was_whole() {
    let bytes = recorded();
    let frames = frames(&bytes);
    let states: Vec<_> = (0..=frames.len()).map(|count| entries(&frames[..count], None)).collect();
    for cut in 0..=bytes.len() {
        let replayed = replay(&bytes[..cut]).unwrap();
        let whole = frames.iter().filter(|(end, _)| *end <= cut).count();
        assert_eq!(replayed.live, states[whole], "cut at {cut}");
        let is_whole = cut == HEADER_LENGTH || frames.iter().any(|(end, _)| *end == cut);
        match replayed.recovery {
            Recovery::Clean => assert!(is_whole || cut > frames.last().unwrap().0, "cut at {cut}"),
            Recovery::TornTail { .. } => assert!(!is_whole, "cut at {cut}"),
            Recovery::Gap { .. } => assert!(cut < HEADER_LENGTH, "cut at {cut}"),
            Recovery::Fresh => panic!("cut at {cut}"),
        }
        if cut < frames.last().unwrap().0 {
            // And it can be written to again.
            let mut bench = Bench::open(&Disk::with(&bytes[..cut]));
            assert_eq!(bench.commit(vec![put("new", "1")], Need::Durable), Ok(Durability::Durable), "{cut}");
            let again = replay(&bench.disk.power_cut().bytes()).unwrap();
            assert_eq!((again.live, again.recovery), (bench.live(), Recovery::Clean), "cut at {cut}");
        }
    }
    println!("cut at each of {} bytes, {} frames", bytes.len() + 1, frames.len());
}

#[test]
fn with_any_byte_changed_at_most_the_group_that_has_it_is_missing_and_that_is_said() {
    let bytes = recorded();
    let frames = frames(&bytes);
    let end = frames.last().unwrap().0;
    let (whole, mut missing) = (entries(&frames, None), 0);
    let without: Vec<_> = (0..frames.len()).map(|index| entries(&frames, Some(index))).collect();
    for at in 0..bytes.len() {
        // All bits where there is content, one behind it.
        let patterns: Vec<u8> =
            if at < end { (0..8).map(|bit| 1 << bit).chain([255]).collect() } else { vec![1] };
        for pattern in patterns {
            let mut damaged = bytes.clone();
            damaged[at] ^= pattern;
            let replayed = replay(&damaged).unwrap();
            let hit = frames.iter().filter(|(end, _)| *end <= at).count();
            if at < HEADER_LENGTH {
                assert_eq!(replayed.live, whole, "byte {at} ^ {pattern}");
                assert!(replayed.recovery.may_have_lost());
            } else if at < end {
                assert_eq!(replayed.live, without[hit], "byte {at} ^ {pattern}");
                assert!(replayed.recovery.may_have_lost(), "byte {at} ^ {pattern}: {:?}", replayed.recovery);
                missing += 1;
            } else {
                assert_eq!(replayed.live, whole, "byte {at}");
            }
        }
    }
    println!("{} bytes changed; {missing} changes cost one group of commits, each was reported", bytes.len());
}

#[test]
fn what_cannot_be_read_is_kept_aside_and_the_journal_goes_on() {
    let mut bytes = recorded();
    let (from, _) = frames(&bytes)[3];
    bytes[from + 30] ^= 255;
    let disk = Disk::with(&bytes);
    let mut bench = Bench::open(&disk);
    assert!(matches!(bench.recovery, Recovery::Gap { frames: 1, bytes: 1.. }), "{:?}", bench.recovery);
    assert_eq!(disk.state().aside, [bytes]);
    assert_eq!(bench.commit(vec![put("new", "1")], Need::Durable), Ok(Durability::Durable));
    let again = Bench::open(&disk);
    assert_eq!((again.recovery, again.live()), (Recovery::Clean, bench.live()));
}

#[test]
fn kinds_operations_and_minor_versions_of_a_newer_release_are_kept() {
    let mut bytes = frame::encode_header(7, 1);
    let mut newer = FrameBuilder::default();
    newer.put(Kind::from_number(200), "k", b"new");
    newer.change(&put("a", "1"));
    let mut raw = newer.finish(1);
    // An operation with tag 99, as this release can't build it: append it to the operations of a frame.
    let body = b"what only a newer release knows";
    let mut ops = vec![99];
    ops.extend_from_slice(&u32::try_from(body.len()).unwrap().to_le_bytes());
    ops.extend_from_slice(body);
    bytes.append(&mut raw);
    bytes.extend_from_slice(&frame::frame_of_ops(ops, 2));
    let disk = Disk::with(&bytes);
    let mut bench = Bench::open(&disk);
    assert_eq!(bench.recovery, Recovery::Clean);
    // Enough for a new file.
    let before = bench.writer.counts.compactions;
    for round in 0.. {
        bench.commit(vec![put("a", &format!("{round}{}", "y".repeat(5000)))], Need::Durable).unwrap();
        if bench.writer.counts.compactions > before {
            break;
        }
    }
    let bytes = disk.bytes();
    assert_eq!(bytes[9], 7, "the minor version");
    assert!(frames(&bytes).iter().flat_map(|(_, ops)| ops).any(|op| matches!(op, Op::Foreign(_))));
    assert!(bytes.windows(body.len()).any(|part| part == body));
    let again = Bench::open(&disk);
    assert_eq!(
        again.live().get(Kind::from_number(200), "k").map(|value| value.to_vec()),
        Some(b"new".to_vec())
    );

    let mut next_major = frame::encode_header(0, 1);
    next_major[8] = 2;
    let check = crc32fast::hash(&next_major[..20]);
    next_major[20..].copy_from_slice(&check.to_le_bytes());
    assert_eq!(replay(&next_major).unwrap_err(), NewerFormat(2));
}
