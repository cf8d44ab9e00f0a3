//! Two agents of one service, as during the supervisor's hand-over: one acts, the other waits and takes over.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::place::{Place, call};
use crate::support::{Fake, Process, eventually, get};

/// Ends of the acting agent.
const ENDS: usize = 20;
/// Time for the waiting agent to take over.
const TAKE_OVER_LIMIT: Duration = Duration::from_secs(3);

/// A number that looks random, below `limit`.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// Looks at the lock file all the time, as long as it has to be there.
struct LockFileWatch {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<(u64, u64)>,
}

impl LockFileWatch {
    fn start(path: PathBuf) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let (mut looks, mut missing) = (0, 0);
            while !stopped.load(Ordering::Relaxed) {
                looks += 1;
                missing += u64::from(!path.exists());
                std::thread::sleep(Duration::from_micros(300));
            }
            (looks, missing)
        });
        Self { stop, thread }
    }

    fn end(self) -> (u64, u64) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// Names and ids of the held leases that this agent tells; `None` if it does not act.
async fn leases(agent: &Process) -> Option<BTreeMap<String, String>> {
    let answer = call(agent.address, "GET", "/agent/v1/locks", "").await?;
    if answer.status != 200 {
        return None;
    }
    let list = answer.json()["leases"].as_array().unwrap().clone();
    let held = list.iter().filter(|lease| lease["state"] == "held");
    let text = |lease: &serde_json::Value, field| lease[field].as_str().unwrap().to_owned();
    Some(held.map(|lease| (text(lease, "name"), text(lease, "id"))).collect())
}

/// What a client knows of its leases: the id, or `None` for a released one. A lease whose request was not answered is
/// not in it.
#[derive(Default)]
struct Known(BTreeMap<String, Option<String>>);

impl Known {
    /// Asks for a lease or releases one.
    async fn change(&mut self, agent: &Process, random: &mut Random) {
        let name = format!("w{}", random.below(8));
        let path = format!("/agent/v1/locks/{name}");
        let release = random.below(3) == 0;
        self.0.remove(&name);
        let (method, body) = if release { ("DELETE", "") } else { ("PUT", r#"{"ttl":"10m"}"#) };
        let Some(answer) = call(agent.address, method, &path, body).await else { return };
        match (release, answer.status) {
            (true, 200 | 204 | 404) => drop(self.0.insert(name, None)),
            (false, 200 | 201) => {
                assert_eq!(answer.json()["durable"], true, "{}", answer.body);
                let id = answer.json()["id"].as_str().unwrap().to_owned();
                self.0.insert(name, Some(id));
            }
            (_, 503) => {}
            (_, status) => panic!("{method} {path}: {status} {}", answer.body),
        }
    }

    fn check(&self, held: &BTreeMap<String, String>, when: &str) {
        for (name, id) in &self.0 {
            assert_eq!(held.get(name), id.as_ref(), "{name} {when}");
        }
    }
}

#[tokio::test]
async fn the_second_agent_waits_and_does_nothing() {
    let fake = Fake::start().await;
    let place = Place::new(&fake);
    let socket = place.root.join("socket");
    std::fs::create_dir(&socket).unwrap();
    let socket = socket.join("web.sock");
    let start = || {
        let mut command = place.agent();
        command.env("AGENT_CLIENT_WEB", "state").env("AGENT_CLIENT_WEB_SOCKET", &socket);
        Process::start(command)
    };
    let first = start();
    first.ready().await;
    let bound = std::fs::metadata(&socket).unwrap();
    let grant = call(first.address, "PUT", "/agent/v1/locks/a", r#"{"ttl":"10m"}"#).await.unwrap();
    assert_eq!(grant.status, 201, "{}", grant.body);
    let token = std::fs::read(place.state.join("admin-token")).unwrap();
    let lock = std::fs::metadata(place.lock_file()).unwrap();

    let second = start();
    eventually("it waits", async || {
        let answer = call(second.address, "GET", "/ready", "").await?;
        answer.body.contains("another agent owns").then_some(())
    })
    .await;
    assert_eq!(get(second.address, "/live").await.status, 200);
    let ready = get(second.address, "/ready").await;
    assert_eq!(ready.status, 503, "{}", ready.body);
    for (method, path) in [
        ("GET", "/agent/v1/locks"),
        ("GET", "/agent/v1/state"),
        ("GET", "/agent/v1/ledger"),
        ("GET", "/status"),
        ("GET", "/metrics"),
        ("GET", "/events"),
        ("PUT", "/agent/v1/locks/b"),
        ("DELETE", "/agent/v1/locks/a"),
        ("POST", "/agent/v1/restart"),
    ] {
        let body = if matches!(method, "PUT" | "POST") { r#"{"ttl":"10m"}"# } else { "" };
        let answer = call(second.address, method, path, body).await.unwrap();
        let kind = answer.json()["kind"].as_str().unwrap().to_owned();
        assert_eq!((answer.status, kind.as_str()), (503, "standby"), "{method} {path}");
    }
    assert_eq!(std::fs::metadata(&socket).unwrap().ino(), bound.ino(), "it binds no socket");
    assert_eq!(std::fs::metadata(place.lock_file()).unwrap().ino(), lock.ino(), "it takes no lock");
    assert_eq!(std::fs::read(place.state.join("admin-token")).unwrap(), token);
    let before = leases(&first).await.unwrap();
    assert_eq!(before.len(), 1);

    // One that ends while it waits changes nothing.
    let (code, log) = second.end(Signal::SIGTERM).await;
    assert_eq!(code, Some(0), "{log}");
    assert_eq!(leases(&first).await.unwrap(), before);
    assert!(place.lock_file().exists() && socket.exists());
}

#[tokio::test]
async fn leases_go_on_and_there_is_never_a_second_owner() {
    let fake = Fake::start().await;
    let place = Place::new(&fake);
    let mut random = Random(u64::from(std::process::id()));
    let mut agents = [Process::start(place.agent()), Process::start(place.agent())];
    let mut acting = eventually("one of them to act", async || {
        for (index, agent) in agents.iter().enumerate() {
            if leases(agent).await.is_some() {
                return Some(index);
            }
        }
        None
    })
    .await;
    let first =
        call(agents[acting].address, "PUT", "/agent/v1/locks/first", r#"{"ttl":"1h"}"#).await.unwrap();
    assert_eq!(first.status, 201, "{}", first.body);
    let first = first.json()["id"].as_str().unwrap().to_owned();
    let watch = LockFileWatch::start(place.lock_file());
    let mut known = Known::default();
    let mut longest = Duration::ZERO;
    for end in 0..ENDS {
        let other = 1 - acting;
        let pause = Duration::from_micros(random.below(300_000));
        let work = async {
            loop {
                known.change(&agents[acting], &mut random).await;
                // In this order: an answer of both is two owners only if the first one still acts after the second.
                if leases(&agents[acting]).await.is_some()
                    && leases(&agents[other]).await.is_some()
                    && leases(&agents[acting]).await.is_some()
                {
                    panic!("two owners");
                }
            }
        };
        let _ = tokio::time::timeout(pause, work).await;
        let signal = if end % 3 == 0 { Signal::SIGTERM } else { Signal::SIGKILL };
        // Amid a request; while an orderly stop goes on, too.
        let pid = agents[acting].pid();
        nix::sys::signal::kill(pid, signal).unwrap();
        let ended = Instant::now();
        known.change(&agents[acting], &mut random).await;
        let held = eventually("the other one to act", async || {
            let held = leases(&agents[other]).await;
            assert!(held.is_none() || leases(&agents[acting]).await.is_none(), "two owners at a hand-over");
            held
        })
        .await;
        longest = longest.max(ended.elapsed());
        known.check(&held, &format!("after {signal} number {end}"));
        assert_eq!(held.get("first"), Some(&first), "after {signal} number {end}");
        let new = Process::start(place.agent());
        let (code, log) = std::mem::replace(&mut agents[acting], new).wait().await;
        assert!(code == Some(0) || signal == Signal::SIGKILL, "{log}");
        // Sometimes the next end comes before the new one waits.
        if random.below(2) == 0 {
            eventually("the new one to wait", async || {
                call(agents[acting].address, "GET", "/live", "").await
            })
            .await;
        }
        acting = other;
    }
    let (looks, missing) = watch.end();
    assert_eq!(missing, 0, "of {looks} looks at the lock file");
    println!(
        "{ENDS} ends, longest time until the other one acted {longest:?}, {looks} looks at the lock file"
    );
    assert!(longest < TAKE_OVER_LIMIT, "{longest:?}");
    let acting = &agents[acting];
    for name in leases(acting).await.unwrap().keys() {
        let path = format!("/agent/v1/locks/{name}");
        let answer = call(acting.address, "DELETE", &path, "").await.unwrap();
        assert!(answer.status < 300, "{}", answer.body);
    }
    assert!(!place.lock_file().exists(), "the last lease takes the file with it");
}

#[tokio::test]
async fn a_stop_amid_the_start_loses_no_lease() {
    let fake = Fake::start().await;
    let place = Place::new(&fake);
    let mut random = Random(u64::from(std::process::id()));
    let agent = Process::start(place.agent());
    agent.ready().await;
    let grant = call(agent.address, "PUT", "/agent/v1/locks/a", r#"{"ttl":"1h"}"#).await.unwrap();
    let id = grant.json()["id"].as_str().unwrap().to_owned();
    agent.end(Signal::SIGKILL).await;
    let watch = LockFileWatch::start(place.lock_file());
    for number in 0..30 {
        let agent = Process::start(place.agent());
        tokio::time::sleep(Duration::from_micros(random.below(60_000))).await;
        let signal = if number % 4 == 0 { Signal::SIGKILL } else { Signal::SIGTERM };
        agent.end(signal).await;
    }
    let agent = Process::start(place.agent());
    agent.ready().await;
    assert_eq!(leases(&agent).await.unwrap().get("a"), Some(&id));
    agent.end(Signal::SIGTERM).await;
    assert_eq!(watch.end().1, 0);
}
