//! Update locks: one holder, two mechanisms, nothing of others deleted, and words for every trouble.
//!
//! Other processes are this very program again, with a role in its environment (see [`child`]).
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests are tests")]

mod holding;
mod stale;
mod support;
mod trouble;

use std::fs::File;
use std::io::BufRead as _;
use std::path::PathBuf;

use nix::fcntl::{Flock, FlockArg};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use crate::support::{lock_of, race};

/// Not a test: what the other processes do.
#[test]
fn child() {
    let Ok(role) = std::env::var("LOCK_TEST_ROLE") else { return };
    let dir = PathBuf::from(std::env::var_os("LOCK_TEST_DIR").unwrap());
    let path = dir.join("updates.lock");
    let lock = lock_of("main", &path);
    // The test harness leaves its line open.
    println!();
    let wait = || std::io::stdin().lock().read_line(&mut String::new()).unwrap();
    match role.as_str() {
        "hold" => {
            let held = lock.acquire().owner("flasher").reason("firmware").try_now().unwrap();
            println!("> held");
            wait();
            held.release().unwrap();
            println!("> released");
        }
        "try" | "try stale" => {
            let mut acquire = lock.acquire();
            if role == "try stale" {
                acquire = acquire.take_over_stale();
                println!("> ready");
                wait();
            }
            let result = acquire.try_now();
            match &result {
                Ok(held) => println!(
                    "> ok {:?}",
                    lock.status().unwrap().file.and_then(|file| file.owner).map(|_| held.is_held())
                ),
                Err(error) => println!("> {} {error}", error.kind()),
            }
            wait();
        }
        "wait" => {
            let watched = Inotify::init(InitFlags::empty())
                .and_then(|inotify| inotify.add_watch(&dir, AddWatchFlags::IN_DELETE))
                .map_err(std::io::Error::from);
            match watched {
                Ok(_) => println!("> inotify works"),
                Err(error) => println!("> inotify {error}"),
            }
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let held = runtime.block_on(lock.acquire().into_future()).unwrap();
            println!("> got it");
            held.release().unwrap();
        }
        // What the host OS does before it reboots.
        "flock" => match Flock::lock(File::open(&path).unwrap(), FlockArg::LockExclusiveNonblock) {
            Ok(_) => println!("> free"),
            Err((_, errno)) => println!("> {errno}"),
        },
        "race" => {
            println!("> ready");
            wait();
            println!("> {}", race(&lock, &dir));
        }
        _ => panic!("no role {role}"),
    }
}
