//! What the command costs as a process, beside curl: wall time of one local call (paired runs), peak resident
//! memory, size of the binary, and what `run` takes when nothing happens.
//!
//!     cargo bench --bench process

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a benchmark stops at what it can't do, and its figures are small"
)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const AGENT: &str = env!("CARGO_BIN_EXE_balena-agent");
const PAIRS: usize = 101;
const IDLE: Duration = Duration::from_secs(30);

/// Ends with the benchmark, whatever happens.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn main() {
    let (_device, environment) = simulated_device();
    println!("binary: {:.2} MB", fs::metadata(AGENT).unwrap().len() as f64 / 1e6);
    one_call(&environment);
    idle(&environment);
}

fn simulated_device() -> (Running, BTreeMap<String, String>) {
    let mut child = Command::new(AGENT)
        .args(["--json", "simulate"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    (Running(child), serde_json::from_str(&line).unwrap())
}

fn one_call(environment: &BTreeMap<String, String>) {
    let address = &environment["BALENA_SUPERVISOR_ADDRESS"];
    let url = format!("{address}/v1/device?apikey={}", environment["BALENA_SUPERVISOR_API_KEY"]);
    let agent = || {
        let mut command = Command::new(AGENT);
        command.args(["device", "state"]).envs(environment);
        command
    };
    let curl = || {
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--fail", &url]);
        command
    };
    println!("one local call: `balena-agent device state` peaks at {} KiB", peak(agent()));
    if Command::new("curl").arg("--version").stdout(Stdio::null()).status().is_err() {
        println!("SKIP: curl is not installed: nothing to compare with");
        return;
    }
    println!("one local call: `curl` peaks at {} KiB", peak(curl()));
    let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        let (a, b) = (wall(agent()), wall(curl()));
        ours.push(a);
        theirs.push(b);
        ratios.push(a / b);
    }
    println!(
        "one local call, {PAIRS} pairs, medians: balena-agent {:.2} ms, curl {:.2} ms, ratio {:.2}",
        median(&mut ours) * 1e3,
        median(&mut theirs) * 1e3,
        median(&mut ratios)
    );
}

fn wall(mut command: Command) -> f64 {
    let start = Instant::now();
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    assert!(status.success(), "{command:?} failed: {status}");
    start.elapsed().as_secs_f64()
}

/// Peak resident memory in KiB. The process writes its result into a full pipe, so it is still there, with all
/// of its work done, when the kernel is asked.
fn peak(mut command: Command) -> u64 {
    let (mut reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(&vec![b'.'; 65536]).unwrap();
    let child = command.stdout(OwnedFd::from(writer)).stderr(Stdio::null()).spawn().unwrap();
    drop(command);
    let mut child = Running(child);
    std::thread::sleep(Duration::from_millis(500));
    let peak = status(child.0.id(), "VmHWM:");
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).unwrap();
    assert!(child.0.wait().unwrap().success());
    peak
}

fn status(pid: u32, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Times that any thread of the process was woken.
fn wake_ups(pid: u32) -> u64 {
    fs::read_dir(format!("/proc/{pid}/task"))
        .unwrap()
        .map(|task| {
            let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
            let line = status.lines().find(|line| line.starts_with("voluntary_ctxt_switches:")).unwrap();
            line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
        })
        .sum()
}

fn idle(environment: &BTreeMap<String, String>) {
    let child = Command::new(AGENT)
        .args(["run", "--listen", "127.0.0.1:0"])
        .envs(environment)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let child = Running(child);
    let pid = child.0.id();
    std::thread::sleep(Duration::from_secs(15));
    let before = wake_ups(pid);
    std::thread::sleep(IDLE);
    let wakes = (wake_ups(pid) - before) as f64 / IDLE.as_secs_f64();
    println!(
        "`run`, idle: {} KiB resident (peak {} KiB), {wakes:.2} wake-ups/s",
        status(pid, "VmRSS:"),
        status(pid, "VmHWM:")
    );
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
