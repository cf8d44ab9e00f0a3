//! Random histories of the leases, held against a plain model: what a reader of the contract would expect, written
//! down another way (time left instead of deadlines).

mod fake;
mod plain;

use std::time::Duration;

use self::fake::{FakeFile, FileOwner, World};
use self::plain::Plain;
use super::adopt::Records;
use super::holder::SharedLock;
use super::lease::{Lease, LeaseKey, LeaseState, Term};
use super::leases::Leases;
use super::request::{LeaseRequest, Refusal, Verb};
use super::table::{LeaseLimits, Parked, Step};
use crate::service::clock::{BootId, ClockReading};

const HISTORIES: u64 = 100_000;
const LIMITS: LeaseLimits = LeaseLimits { per_client: 2, max_ttl: Duration::from_secs(4000) };
const TTLS: [u64; 4] = [1, 60, 900, 4000];
const PAUSES: [u64; 6] = [0, 1, 30, 200, 700, 3700];

/// Xorshift: small, and the same everywhere, so that a failing history can be repeated by its number.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }

    fn of<T: Copy>(&mut self, values: &[T]) -> T {
        values[usize::try_from(self.below(values.len() as u64)).unwrap()]
    }
}

/// Adds to the history, if it is wanted.
macro_rules! note {
    ($device:expr, $($text:tt)*) => {
        if let Some(done) = &mut $device.done {
            done.push(format!($($text)*));
        }
    };
}

/// A device with an agent, its journal, and what else touches the lock.
struct Device {
    random: Random,
    world: World,
    now: ClockReading,
    boots: u64,
    agent: Leases,
    /// Number of the agent's process.
    process: u64,
    journal: Vec<(String, Vec<u8>)>,
    plain: Plain,
    /// An agent of another service that uses the same file.
    other: Leases,
    ids: u64,
    /// What was done; `None` unless the history is repeated because it failed.
    done: Option<Vec<String>>,
}

impl Device {
    fn new(seed: u64, done: Option<Vec<String>>) -> Self {
        let world = World::default();
        let now = ClockReading {
            wall: "2026-11-29T12:00:00Z".parse().unwrap(),
            boot: Duration::from_secs(20),
            boot_id: BootId::from("0"),
            trusted: true,
        };
        let start = |process| {
            let lock = SharedLock::new(Box::new(FakeFile::new(&world, process)));
            Leases::start(lock, LIMITS, &[], Records::Complete, Parked::No, &now)
        };
        let random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let (agent, other) = (start(2), start(1));
        let journal = Vec::new();
        Self {
            random,
            world,
            now,
            boots: 0,
            agent,
            process: 2,
            journal,
            plain: Plain::default(),
            other,
            ids: 0,
            done,
        }
    }

    fn step(&mut self) {
        match self.random.below(20) {
            0..6 => self.request(),
            6..8 => self.release(),
            8..11 => self.pass(),
            11 => self.force(),
            12 => self.foreign(),
            13 => self.jump(),
            14 => self.other_agent(),
            15 => self.restart(Ending::Killed),
            16 => self.restart(Ending::KilledBeforeTheCommit),
            17 => self.restart(Ending::Stopped),
            18 => self.reboot(Ending::Stopped),
            _ => self.reboot(Ending::Killed),
        }
    }

    fn request(&mut self) {
        let key = self.key();
        let term = match self.random.below(5) {
            0 => Term::Keep,
            _ => Term::Ttl(Duration::from_secs(self.random.of(&TTLS))),
        };
        let later = Duration::from_secs(1 + self.random.of(&PAUSES));
        let not_after = (self.random.below(4) == 0).then(|| self.now.wall + later);
        let verb = self.random.of(&[Verb::Post, Verb::Put]);
        let request = LeaseRequest { verb, key: key.clone(), id: None, reason: None, term, not_after };
        self.ids += 1;
        self.plain.settle(&self.world, self.process, &self.now);
        let answer = self.agent.request(&self.now, &request, self.ids.to_string());
        note!(self, "{verb:?} {key} {term:?} {not_after:?}: {answer:?}");
        let was_held = self.plain.is_held(&key);
        match answer {
            Ok((step, lease)) => {
                assert_eq!(step == Step::Renew, was_held);
                assert!(self.world.is_held_by(self.process), "said to be held");
                let is_within = was_held || self.plain.held_of(&key.client) < LIMITS.per_client;
                assert!(is_within, "more leases than allowed");
                self.plain.grant(&lease, not_after);
            }
            Err(Refusal::NotHeld(error)) => {
                assert!(!was_held && error.is_locked() && !self.plain.holds_any());
                let owner = self.world.owner();
                assert!(owner.is_some_and(|owner| owner != FileOwner::Agent(self.process)));
            }
            Err(Refusal::TooMany { .. }) => {
                assert!(!was_held && self.plain.held_of(&key.client) >= LIMITS.per_client);
            }
            Err(Refusal::Ended { .. }) => {
                let state = self.plain.state(&key);
                let is_final = matches!(state, Some(LeaseState::Lost | LeaseState::Expired));
                assert!(verb == Verb::Put && is_final, "{state:?}");
            }
            Err(refusal) => panic!("{refusal:?}"),
        }
    }

    fn release(&mut self) {
        let key = self.key();
        self.plain.settle(&self.world, self.process, &self.now);
        let released = self.agent.release(&self.now, &key).map(|lease| lease.state);
        note!(self, "release {key}: {released:?}");
        assert!(!self.plain.is_held(&key) || released == Some(LeaseState::Released));
        // An end that is forgotten can't be acknowledged.
        if released.is_some() {
            self.plain.release(&key);
        }
    }

    fn key(&mut self) -> LeaseKey {
        LeaseKey::new(self.random.of(&["modem", "camera"]), self.random.of(&["a", "b", "c"]))
    }

    fn pass(&mut self) {
        let time = Duration::from_secs(self.random.of(&PAUSES));
        note!(self, "{time:?} pass");
        self.now.boot += time;
        self.now.wall += time;
        self.plain.pass(time);
    }

    /// The wall clock is set. It can't be set back unnoticed while it is trusted.
    fn jump(&mut self) {
        let years = Duration::from_secs(10 * 365 * 86_400);
        let (forward, trusted) = self.random.of(&[(true, true), (false, false), (true, false)]);
        self.now.wall = if forward { self.now.wall + years } else { self.now.wall - years };
        self.now.trusted = trusted;
        note!(self, "the wall clock jumps to {}, trusted: {trusted}", self.now.wall);
    }

    fn force(&mut self) {
        note!(self, "the lock file is forced away");
        self.world.remove();
    }

    fn foreign(&mut self) {
        let owner = self.random.of(&[None, Some(FileOwner::Foreign), Some(FileOwner::Supervisor)]);
        note!(self, "foreign: {owner:?}");
        self.world.foreign(owner);
    }

    /// The other agent takes or lets go, and may be killed, which leaves its file.
    fn other_agent(&mut self) {
        let key = LeaseKey::new("other", "x");
        let what = self.random.below(3);
        let request = LeaseRequest {
            verb: Verb::Post,
            key: key.clone(),
            id: None,
            reason: None,
            term: Term::Keep,
            not_after: None,
        };
        let answer = if what == 0 {
            self.other.release(&self.now, &key).is_some()
        } else {
            self.other.request(&self.now, &request, "o".to_owned()).is_ok()
        };
        note!(self, "the other agent {}: {answer}", if what == 0 { "lets go" } else { "asks" });
        assert!(what == 0 || answer == self.world.is_held_by(1));
    }

    /// The agent's process ends and the next one starts, in the same boot. Things happen in between.
    fn restart(&mut self, ending: Ending) {
        self.end(ending);
        if self.random.below(3) == 0 {
            self.force();
        }
        self.foreign();
        self.pass();
        self.start();
    }

    fn reboot(&mut self, ending: Ending) {
        self.end(ending);
        self.boots += 1;
        self.now.boot = Duration::from_secs(self.random.of(&PAUSES));
        self.now.boot_id = BootId::from(self.boots.to_string().as_str());
        self.world.remove();
        self.plain.reboot();
        self.other = self.agent_on(1, &[]);
        self.foreign();
        self.start();
    }

    fn end(&mut self, ending: Ending) {
        note!(self, "{ending:?}");
        match ending {
            Ending::KilledBeforeTheCommit => {}
            Ending::Killed => self.commit(),
            Ending::Stopped => {
                self.plain.settle(&self.world, self.process, &self.now);
                self.agent.stop(&self.now);
                self.commit();
                self.plain.stop();
            }
        }
        self.world.end(self.process);
    }

    fn start(&mut self) {
        self.process += 1;
        let left_behind = self.world.is_left_behind();
        self.agent = self.agent_on(self.process, &self.journal);
        let is_free = self.world.owner().is_none_or(|owner| owner == FileOwner::Agent(self.process));
        self.plain.start(left_behind, is_free, &self.now);
        note!(self, "started in boot {} at {:?}", self.now.boot_id, self.now.boot);
    }

    fn agent_on(&self, process: u64, journal: &[(String, Vec<u8>)]) -> Leases {
        let lock = SharedLock::new(Box::new(FakeFile::new(&self.world, process)));
        Leases::start(lock, LIMITS, journal, Records::Complete, Parked::No, &self.now)
    }

    fn commit(&mut self) {
        for (key, value) in self.agent.take_entries(&self.now) {
            self.journal.retain(|(other, _)| *other != key);
            self.journal.extend(value.map(|value| (key, value)));
        }
        self.plain.commit();
    }

    fn check(&mut self) {
        self.plain.settle(&self.world, self.process, &self.now);
        self.agent.settle(&self.now);
        let held: Vec<&Lease> = self.agent.table().held().collect();
        assert_eq!(held.is_empty(), !self.world.is_held_by(self.process), "held leases and the file differ");
        let other = self.other.table().held().count() > 0 && self.world.is_held_by(1);
        assert!(held.is_empty() || !other, "two owners");
        for lease in &held {
            let left = lease.deadline.map_or(u64::MAX, |end| end.saturating_sub(self.now.boot).as_secs());
            assert_eq!(self.plain.left(&lease.key), Some(left), "{}", lease.key);
        }
        assert_eq!(held.len(), self.plain.held(), "the model holds others");
        for lease in self.agent.table().list(&self.now) {
            assert_eq!(Some(lease.state), self.plain.state(&lease.key), "{}", lease.key);
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Ending {
    Killed,
    KilledBeforeTheCommit,
    Stopped,
}

/// Prints the history when it fails.
struct Tell(u64, Device);

impl Drop for Tell {
    fn drop(&mut self) {
        if let Some(done) = &self.1.done
            && std::thread::panicking()
        {
            eprintln!("history {}:\n{}\n{:#?}", self.0, done.join("\n"), self.1.plain);
        }
    }
}

fn play(history: u64, done: Option<Vec<String>>) -> u64 {
    let mut tell = Tell(history, Device::new(history, done));
    let device = &mut tell.1;
    let length = 4 + device.random.below(14);
    for _ in 0..length {
        device.step();
        device.check();
        // What is not committed when the agent is killed had no answer.
        if device.random.below(4) != 0 {
            device.commit();
        }
    }
    length
}

fn play_all(histories: std::ops::Range<u64>) {
    let (mut steps, count) = (0, histories.end - histories.start);
    for history in histories {
        let played = std::panic::catch_unwind(|| play(history, None));
        steps += played.unwrap_or_else(|_| play(history, Some(Vec::new())));
    }
    println!("{count} histories, {steps} steps");
}

#[test]
fn random_histories_agree_with_the_plain_model() {
    play_all(0..HISTORIES / 2);
}

#[test]
fn more_random_histories_agree_with_the_plain_model() {
    play_all(HISTORIES / 2..HISTORIES);
}
