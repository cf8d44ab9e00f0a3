//! A connection that is cut again and again, at random bytes: nothing is lost, and nothing comes twice.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use balena_agent::{AllLines, Clock, LogEvent};
use jiff::Timestamp;

use crate::server::{Log, Server};
use crate::{UUID, line};

const CUTS: usize = 100;

/// The same numbers for the same seed (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound).unwrap()
    }
}

/// Real time, but pauses take none.
#[derive(Debug)]
struct Impatient;

impl Clock for Impatient {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep(&self, _: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(std::future::ready(()))
    }
}

/// Lines of which many are equal, times included.
fn lines(random: &mut Random, at: &mut i64, count: usize) -> Vec<(i64, String)> {
    let one = |_| {
        *at += i64::from(random.below(3) == 2);
        // Not always in order.
        let when = *at - i64::from(random.below(40) == 39);
        let message = ["tick", "tock", "ä \"quoted\" line\twith more in it than others"][random.below(3)];
        (when, line(when, message))
    };
    (0..count).map(one).collect()
}

async fn follow(seed: u64, knows_times: bool) {
    let mut random = Random(seed);
    // In the future, so that all of it is after the connection.
    let mut at = Timestamp::now().as_millisecond() + 5000;
    let old = lines(&mut random, &mut 1_000_000, 500);
    // Each connection gets as far as it gets; meanwhile, lines are written that nobody reads at once.
    // A server that knows no times tells all it has each time, which is 200 KB.
    let furthest = if knows_times { 80_000 } else { 400_000 };
    let cuts: Vec<usize> = (0..CUTS).map(|_| 1 + random.below(furthest)).collect();
    let mut meanwhile = Vec::new();
    for _ in 0..CUTS {
        let count = random.below(150);
        meanwhile.push(lines(&mut random, &mut at, count));
    }
    let expected: Vec<String> = meanwhile.iter().flatten().map(|(_, line)| line.clone()).collect();
    // The first one opens.
    let cuts = [vec![200 + random.below(2000)], cuts].concat();
    let log = Log { lines: old, cuts, meanwhile, knows_times, ..Log::default() };
    let server = Server::start([(UUID.to_owned(), log)]);
    let balena = server.builder().clock(Arc::new(Impatient)).build();
    let mut log = balena.logs().subscribe(UUID).await.unwrap();
    let (mut found, mut breaks) = (Vec::new(), 0);
    while found.len() < expected.len() {
        let event = tokio::time::timeout(Duration::from_secs(20), log.next()).await;
        match event.unwrap_or_else(|_| panic!("seed {seed}: {} of {} lines", found.len(), expected.len())) {
            Some(Ok(LogEvent::Line(line))) => found.push(serde_json::to_value(&line).unwrap()),
            Some(Ok(LogEvent::Interrupted(_))) => breaks += 1,
            other => panic!("seed {seed}: {other:?}"),
        }
    }
    for (number, (found, expected)) in found.iter().zip(&expected).enumerate() {
        let expected: serde_json::Value = serde_json::from_str(expected).unwrap();
        assert_eq!(*found, expected, "seed {seed}, line {number}");
    }
    // And no more than these.
    let more = tokio::time::timeout(Duration::from_millis(100), log.next()).await;
    let quiet = !matches!(more, Ok(Some(Ok(LogEvent::Line(_)) | Err(_)) | None));
    assert!(quiet, "seed {seed}: {more:?}");
    let connections = server.logs()[UUID].connections;
    assert!(
        connections > CUTS && breaks > 30,
        "seed {seed}: {connections} connections, {breaks} breaks told"
    );
}

#[tokio::test]
async fn a_hundred_cuts_lose_nothing_and_repeat_nothing() {
    for seed in 0..3 {
        follow(seed, true).await;
    }
}

#[tokio::test]
async fn nor_with_a_server_that_knows_no_times() {
    for seed in 10..13 {
        follow(seed, false).await;
    }
}

#[tokio::test]
async fn lines_from_before_come_once_too() {
    let mut random = Random(77);
    let old = lines(&mut random, &mut 1_000_000, 900);
    let expected: Vec<String> = old.iter().map(|(_, line)| line.clone()).collect();
    let cuts = (0..50).map(|_| 150 + random.below(9000)).collect();
    let log = Log { lines: old, cuts, knows_times: true, ..Log::default() };
    let server = Server::start([(UUID.to_owned(), log)]);
    let balena = server.builder().clock(Arc::new(Impatient)).build();
    let mut log = balena.logs().subscribe(UUID).count(AllLines).await.unwrap();
    let mut found = Vec::new();
    while found.len() < expected.len() {
        match tokio::time::timeout(Duration::from_secs(20), log.next()).await.expect("a line") {
            Some(Ok(LogEvent::Line(line))) => found.push(serde_json::to_value(&line).unwrap()),
            Some(Ok(LogEvent::Interrupted(_))) => {}
            other => panic!("{other:?}"),
        }
    }
    let expected: Vec<serde_json::Value> =
        expected.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(found == expected);
    assert!(server.logs()[UUID].connections > 10);
}
