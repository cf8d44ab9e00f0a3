//! Faults at every call, a full disk, histories with power cuts, and how much is written.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;

use proptest::prelude::*;

use super::bench::{Bench, delete, put};
use super::change::{Change, Durability, Kind, Need};
use super::disk::{Disk, Fault};
use super::error::StorageFault;
use super::group::Answer;
use super::live::LiveEntries;
use super::replay::{Replayed, replay};

/// What may be found after a power cut: for each key the last acknowledged value, and later ones that may be there.
#[derive(Debug, Default)]
struct Allowed(BTreeMap<String, BTreeSet<Option<Vec<u8>>>>);

impl Allowed {
    fn note(&mut self, changes: &[Change], answer: Option<&Answer>) {
        for change in changes {
            let values = self.0.entry(change.target().1.to_owned()).or_insert_with(|| [None].into());
            let value = change.value().map(<[u8]>::to_vec);
            match answer {
                Some(Ok(Durability::Durable)) => *values = [value].into(),
                Some(Err(error)) if !error.is_uncertain() => {}
                _ => drop(values.insert(value)),
            }
        }
    }

    fn check(&self, found: &LiveEntries) {
        for (key, values) in &self.0 {
            let value = found.get(Kind::LEASE, key).map(|value| value.to_vec());
            assert!(values.contains(&value), "{key}: {value:?} is none of {values:?}");
        }
        for (key, _) in found.of_kind(Kind::LEASE) {
            assert!(self.0.contains_key(key), "{key} was never written");
        }
    }
}

/// Commits of one run.
const ROUNDS: usize = 36;

/// Commits of all forms; each puts a pair of keys, or removes it. Returns how many were refused.
fn workload(bench: &mut Bench, allowed: &mut Allowed, rounds: usize) -> usize {
    let mut refused = 0;
    for round in 0..rounds {
        let key = format!("k{}", round % 5);
        let pair = format!("{key}-pair");
        let changes = match round % 4 {
            3 => vec![delete(&key), delete(&pair)],
            form => {
                let value = format!("{round}{}", "z".repeat(form * 15_000));
                vec![put(&key, &value), put(&pair, &value)]
            }
        };
        let need = if round % 3 == 0 { Need::BestEffort } else { Need::Durable };
        let before = bench.live();
        let answer = bench.commit(changes.clone(), need);
        allowed.note(&changes, Some(&answer));
        if let Err(error) = &answer {
            assert_eq!(need, Need::Durable);
            assert!(round % 4 != 3, "a removal was refused: {error}");
            assert_eq!(bench.live(), before, "a refused commit changes nothing");
            refused += 1;
        } else {
            for change in &changes {
                let value = bench.live().get(Kind::LEASE, change.target().1).map(|value| value.to_vec());
                assert_eq!(value.as_deref(), change.value());
            }
        }
    }
    refused
}

fn check_after_power_cuts(bench: &Bench, allowed: &Allowed) {
    for _ in 0..2 {
        let found = Bench::open(&bench.disk.power_cut());
        allowed.check(&found.live());
        assert!(!found.recovery.may_have_lost(), "{:?}", found.recovery);
        for number in 0..5 {
            let value = |key: String| found.live().get(Kind::LEASE, &key).map(|value| value.to_vec());
            assert_eq!(value(format!("k{number}")), value(format!("k{number}-pair")), "all or none");
        }
    }
}

#[test]
fn with_a_fault_at_any_call_nothing_acknowledged_is_lost() {
    let calls = {
        let mut bench = Bench::open(&Disk::new(1));
        workload(&mut bench, &mut Allowed::default(), ROUNDS);
        assert!(bench.writer.counts.compactions > 1, "it covers writing a new file");
        bench.disk.state().calls
    };
    let faults = [
        Fault::Fails(ErrorKind::StorageFull),
        Fault::Fails(ErrorKind::Other),
        Fault::Half(ErrorKind::Other),
        Fault::Short(0),
        Fault::Short(1),
    ];
    let (mut runs, mut refused) = (0, 0);
    for call in 0..calls {
        for (number, fault) in faults.into_iter().enumerate() {
            for length in [1, 3] {
                let disk = Disk::new((call * 10 + number) as u64);
                disk.state().faults.extend((call..call + length).map(|call| (call, fault)));
                let mut bench = Bench::open(&disk);
                let mut allowed = Allowed::default();
                refused += workload(&mut bench, &mut allowed, ROUNDS);
                check_after_power_cuts(&bench, &allowed);
                bench.disk.state().faults.clear();
                bench.commit(vec![put("last", "1")], Need::Durable).unwrap();
                assert!(bench.writer.is_complete(), "it was written when the storage worked again");
                runs += 1;
            }
        }
        // And the power goes at this call.
        let disk = Disk::new(call as u64);
        disk.state().dead_from = Some(call);
        let mut bench = Bench::open(&disk);
        let mut allowed = Allowed::default();
        workload(&mut bench, &mut allowed, ROUNDS);
        check_after_power_cuts(&bench, &allowed);
    }
    println!("{runs} runs with faults at {calls} calls; {refused} commits refused; {calls} power cuts");
}

#[test]
fn on_a_full_disk_removals_are_durable_and_the_rest_comes_back() {
    let disk = Disk::new(5);
    let mut bench = Bench::open(&disk);
    for number in 0..20 {
        bench.commit(vec![put(&format!("lease-{number}"), "{}")], Need::Durable).unwrap();
    }
    disk.state().space = Some(disk.bytes().len());
    let full = (0..1000).find_map(|number| {
        let commit = vec![put(&format!("big-{}", number % 2), &format!("{number}{}", "b".repeat(3000)))];
        bench.commit(commit, Need::Durable).err()
    });
    assert_eq!(full.unwrap().fault(), StorageFault::NoSpace);
    assert_eq!(
        bench.commit(vec![put("kept", &"k".repeat(4000))], Need::BestEffort),
        Ok(Durability::MemoryOnly)
    );
    for number in 0..20 {
        let release = vec![delete(&format!("lease-{number}"))];
        assert_eq!(bench.commit(release, Need::BestEffort), Ok(Durability::Durable), "{number}");
    }
    let together = vec![(vec![put("no", "1")], Need::Durable), (vec![delete("big-0")], Need::Durable)];
    let answers = bench.group(together);
    assert!(answers[0].is_err() && answers[1] == Ok(Durability::Durable), "{answers:?}");
    let after = Bench::open(&disk.power_cut()).live();
    assert!(after.get(Kind::LEASE, "lease-3").is_none() && after.get(Kind::LEASE, "big-0").is_none());

    disk.state().space = None;
    assert_eq!(bench.commit(vec![put("new", "1")], Need::Durable), Ok(Durability::Durable));
    let after = Bench::open(&disk.power_cut()).live();
    assert_eq!(after, bench.live());
    assert!(after.get(Kind::LEASE, "kept").is_some());
}

#[test]
fn a_small_commit_writes_one_or_two_blocks() {
    let disk = Disk::new(9);
    let mut bench = Bench::open(&disk);
    let before = (bench.writer.counts.bytes_written, disk.state().blocks);
    let commits: u64 = 2000;
    for number in 0..commits {
        let value = format!(
            r#"{{"name":"flash","client":"modem","ttl":600,"since":{number},"why":"{}"}}"#,
            "w".repeat(100)
        );
        bench.commit(vec![put(&format!("lease-{}", number % 16), &value)], Need::Durable).unwrap();
    }
    let written = bench.writer.counts.bytes_written - before.0;
    let flash = (disk.state().blocks - before.1) * 4096;
    println!(
        "{commits} commits of about 200 bytes, {} new files: {} bytes written and {} bytes of 4 KiB blocks per commit",
        bench.writer.counts.compactions - 1,
        written / commits,
        flash / commits,
    );
    assert!(flash / commits <= 8 * 1024);
}

#[derive(Debug, Clone)]
enum Step {
    Group(Vec<(u8, u16, Need)>),
    PowerCut,
    Faults(Vec<(usize, Fault)>),
    Space(Option<usize>),
}

fn step() -> impl Strategy<Value = Step> {
    let need = prop_oneof![Just(Need::Durable), Just(Need::BestEffort)];
    let commit = (0..6_u8, prop_oneof![4 => 0..200_u16, 1 => 0..20_000_u16], need);
    let kinds = prop_oneof![Just(ErrorKind::Other), Just(ErrorKind::StorageFull)];
    let fault = prop_oneof![
        kinds.clone().prop_map(Fault::Fails),
        kinds.prop_map(Fault::Half),
        (0..50_usize).prop_map(Fault::Short)
    ];
    prop_oneof![
        10 => proptest::collection::vec(commit, 1..5).prop_map(Step::Group),
        1 => Just(Step::PowerCut),
        2 => proptest::collection::vec((0..12_usize, fault), 1..4).prop_map(Step::Faults),
        1 => proptest::option::of(60_000..300_000_usize).prop_map(Step::Space),
    ]
}

#[test]
fn a_removal_after_an_uncertain_refusal_is_in_the_file() {
    let mut uncertain = 0;
    for second in 2..16 {
        let mut bench = Bench::open(&Disk::new(second));
        let now = bench.disk.state().calls;
        // The sync of the frame fails, and then one call of writing a new file.
        for after in [1, usize::try_from(second).unwrap()] {
            bench.disk.state().faults.insert(now + after, Fault::Fails(ErrorKind::Other));
        }
        let refused = bench.commit(vec![put("k", "refused")], Need::Durable);
        uncertain += usize::from(refused.is_err_and(|error| error.is_uncertain()));
        if bench.commit(vec![delete("k")], Need::Durable) == Ok(Durability::Durable) {
            for _ in 0..8 {
                let found = replay_or_fresh(&bench.disk.power_cut().bytes()).live;
                assert_eq!(found.get(Kind::LEASE, "k"), None, "the fault at call {second}");
            }
        }
    }
    assert!(uncertain > 0, "no fault was at the sync of the directory");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_history_keeps_what_was_acknowledged(steps in proptest::collection::vec(step(), 1..60), seed: u64) {
        let mut bench = Bench::open(&Disk::new(seed));
        let mut allowed = Allowed::default();
        let mut serial = 0;
        for step in steps {
            match step {
                Step::Group(commits) => {
                    let commits: Vec<_> = commits.into_iter().map(|(key, size, need)| {
                        serial += 1;
                        let key = format!("k{key}");
                        let value = format!("{serial}{}", "v".repeat(usize::from(size)));
                        let changes = if size % 5 == 0 { vec![delete(&key)] } else { vec![put(&key, &value)] };
                        (changes, need)
                    }).collect();
                    let answers = bench.group(commits.clone());
                    for ((changes, _), answer) in commits.iter().zip(&answers) {
                        allowed.note(changes, Some(answer));
                    }
                }
                Step::PowerCut => {
                    let disk = bench.disk.power_cut();
                    let found = replay_or_fresh(&disk.bytes());
                    allowed.check(&found.live);
                    prop_assert!(!found.recovery.may_have_lost());
                    bench = Bench::open(&disk);
                    // What was found now counts as acknowledged.
                    for (key, values) in &mut allowed.0 {
                        *values = [found.live.get(Kind::LEASE, key).map(|value| value.to_vec())].into();
                    }
                }
                Step::Faults(faults) => {
                    let mut state = bench.disk.state();
                    let now = state.calls;
                    state.faults.extend(faults.into_iter().map(|(after, fault)| (now + after, fault)));
                }
                Step::Space(space) => bench.disk.state().space = space,
            }
        }
        allowed.check(&replay_or_fresh(&bench.disk.power_cut().bytes()).live);
    }
}

fn replay_or_fresh(bytes: &[u8]) -> Replayed {
    if bytes.is_empty() { Replayed::fresh() } else { replay(bytes).unwrap() }
}
