//! A download over a connection that breaks: whether it arrives whole, and in how much memory. It is done by a
//! process of its own, which does nothing else; the server is this one.
//!
//!     cargo bench --bench download

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a benchmark stops at what it can't do, and its figures are small"
)]

use std::fs;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use balena_agent::{Balena, Settings};
use file_server::{FileServer, Turn, content};
use sha2::{Digest as _, Sha256};

#[path = "../tests/support/file_server.rs"]
#[expect(dead_code, reason = "the tests need more of it")]
mod file_server;

/// Set in the process that downloads: the server's address, and where to.
const FROM: &str = "BALENA_AGENT_BENCH_FROM";
const TO: &str = "BALENA_AGENT_BENCH_TO";
const MIB: u64 = 1024 * 1024;

fn main() {
    if let (Ok(from), Some(to)) = (std::env::var(FROM), std::env::var_os(TO)) {
        return download(&from, to.into());
    }
    let turn = Turn::of(1024 * MIB);
    let expected = sum_of(&turn);
    measured("1 GiB, broken every 50 MiB", turn.clone().breaks_after(50 * MIB), &expected);
    measured("1 GiB in one piece", turn, &expected);
}

fn measured(what: &str, turn: Turn, expected: &[u8]) {
    let length = turn.length;
    let server = FileServer::start([turn]);
    let to = std::env::temp_dir().join(format!("balena-agent-bench-{}.img", std::process::id()));
    let started = Instant::now();
    let output = Command::new(std::env::current_exe().unwrap())
        .env(FROM, server.address.to_string())
        .env(TO, &to)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let seconds = started.elapsed().as_secs_f64();
    let mut file = fs::File::open(&to).unwrap();
    let (mut sum, mut block) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        let count = file.read(&mut block).unwrap();
        if count == 0 {
            break;
        }
        sum.update(&block[..count]);
    }
    fs::remove_file(&to).unwrap();
    assert_eq!(&sum.finalize()[..], expected, "{what}: another file");
    println!(
        "{what}: {} connections, whole (sha-256 compared), {} KiB resident at most, {:.0} MB/s",
        server.asked().len(),
        String::from_utf8_lossy(&output.stdout).trim(),
        length as f64 / 1e6 / seconds
    );
}

fn sum_of(turn: &Turn) -> Vec<u8> {
    let (mut sum, mut block) = (Sha256::new(), vec![0; 1 << 20]);
    for at in (0..turn.length).step_by(block.len()) {
        content(turn.seed, at, &mut block);
        sum.update(&block);
    }
    sum.finalize().to_vec()
}

/// In the process that does nothing else: prints its peak of resident memory in KiB.
fn download(from: &str, to: PathBuf) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let settings = Settings { api_endpoint: Some(format!("http://{from}")), ..Settings::default() };
        let balena = Balena::builder().settings(settings).token("t0ken".to_owned().into()).build();
        balena.release().asset().download(1).await.unwrap().to_file(to).await.unwrap();
    });
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    println!("{}", peak.split_whitespace().next().unwrap());
}
