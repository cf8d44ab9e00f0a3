//! What `/events` costs: memory for each of 1,000 WebSocket clients, and the time to tell all of them one change,
//! beside a bare loop that writes the same bytes to as many sockets.
//!
//!     cargo bench --bench events

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a benchmark stops at what it can't do, and its figures are small"
)]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt as _;
use tokio::sync::mpsc;

const AGENT: &str = env!("CARGO_BIN_EXE_balena-agent");
const CLIENTS: usize = 1000;
/// Source addresses: no single one may take more than half of the places.
const ADDRESSES: u8 = 4;
const ROUNDS: usize = 40;
/// The variable that makes this program the bare loop. Its value is the length of a message.
const BARE: &str = "BALENA_AGENT_BENCH_BARE";

/// Ends with the benchmark, whatever happens.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn main() {
    if let Ok(length) = std::env::var(BARE) {
        return bare_loop(length.parse().unwrap());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stopped = Arc::new(AtomicBool::new(false));
        let supervisor = supervisor(stopped.clone());
        let agent = agent(supervisor);
        let pid = agent.0.0.id();
        std::thread::sleep(Duration::from_secs(3));
        let before = resident(pid);
        let mut clients = Clients::connect(agent.1, Kind::WebSocket).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        clients.drain();
        let each = (resident(pid) - before) as f64 / CLIENTS as f64;
        println!("1,000 WebSocket clients: {each:.1} KiB each ({before} KiB without them)");

        let idle = cpu_for(pid, Duration::from_secs(5)).await;
        let change = || {
            stopped.fetch_xor(true, Ordering::Relaxed);
        };
        let ours = clients.rounds(pid, change).await;
        let length = clients.length;
        drop(clients);

        let (bare, address, mut control) = bare(length);
        let mut clients = Clients::connect(address, Kind::Plain).await;
        let bare_pid = bare.0.id();
        let theirs = clients.rounds(bare_pid, || control.write_all(b"x").unwrap()).await;
        assert_eq!(clients.length, length, "the same bytes");

        // Between two rounds the agent also polls the supervisor; that is in the idle figure.
        let own = ours.cpu - idle * ours.wall;
        println!("one change of {length} bytes for 1,000 clients, medians and means of {ROUNDS}:");
        println!(
            "  from the first client to the last: agent {:.2} ms, bare loop {:.2} ms, ratio {:.2}",
            ours.span * 1e3,
            theirs.span * 1e3,
            ours.span / theirs.span
        );
        println!(
            "  processor time: agent {:.2} ms, bare loop {:.2} ms, ratio {:.2}",
            own * 1e3,
            theirs.cpu * 1e3,
            own / theirs.cpu
        );
    });
}

/// What a round took, in seconds: from the first client to the last, processor time of the server, wall time.
struct Took {
    span: f64,
    cpu: f64,
    wall: f64,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    WebSocket,
    Plain,
}

/// Clients that read everything, and tell when.
struct Clients {
    arrivals: mpsc::Receiver<(Instant, usize)>,
    length: usize,
    _tasks: tokio::task::JoinSet<()>,
}

impl Clients {
    async fn connect(address: SocketAddr, kind: Kind) -> Self {
        let (tell, arrivals) = mpsc::channel(16 * CLIENTS);
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..CLIENTS {
            let last = 1 + u8::try_from(number % usize::from(ADDRESSES)).unwrap();
            let from = IpAddr::from(Ipv4Addr::new(127, 0, 0, last));
            let mut stream = loop {
                let socket = tokio::net::TcpSocket::new_v4().unwrap();
                socket.bind(SocketAddr::new(from, 0)).unwrap();
                match socket.connect(address).await {
                    Ok(stream) => break stream,
                    Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            };
            if kind == Kind::WebSocket {
                upgrade(&mut stream).await;
            }
            let tell = tell.clone();
            tasks.spawn(async move {
                let mut buffer = [0; 4096];
                while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                    let _ = tell.send((Instant::now(), count)).await;
                }
            });
        }
        Self { arrivals, length: 0, _tasks: tasks }
    }

    /// Forgets what came until now.
    fn drain(&mut self) {
        while self.arrivals.try_recv().is_ok() {}
    }

    async fn rounds(&mut self, pid: u32, mut change: impl FnMut()) -> Took {
        let mut spans = Vec::new();
        let (mut cpu_before, mut started) = (0.0, Instant::now());
        // The first round is not counted: what is allocated once is allocated in it.
        for round in 0..=ROUNDS {
            if round == 1 {
                (cpu_before, started) = (cpu(pid), Instant::now());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            change();
            let (mut first, mut last) = (None, None);
            for _ in 0..CLIENTS {
                let (at, count) = self.arrivals.recv().await.unwrap();
                (first, last) = (first.or(Some(at)), last.max(Some(at)));
                self.length = count;
            }
            if round > 0 {
                spans.push(last.unwrap().duration_since(first.unwrap()).as_secs_f64());
            }
        }
        spans.sort_by(f64::total_cmp);
        let each = |sum: f64| sum / ROUNDS as f64;
        Took {
            span: spans[spans.len() / 2],
            cpu: each(cpu(pid) - cpu_before),
            wall: each(started.elapsed().as_secs_f64()),
        }
    }
}

async fn upgrade(stream: &mut tokio::net::TcpStream) {
    use tokio::io::AsyncWriteExt as _;
    let request = "GET /events HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
        sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("an answer"));
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    // The first ping has to be answered, or the place counts as free: a pong without data, masked.
    stream.write_all(&[0x8a, 0x80, 0, 0, 0, 0]).await.unwrap();
}

/// A supervisor with one service, whose status is what the flag says.
fn supervisor(stopped: Arc<AtomicBool>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut line = String::new();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let _ = reader.read_line(&mut line);
            let mut header = String::new();
            while reader.read_line(&mut header).unwrap_or(0) > 2 {
                header.clear();
            }
            let status = if stopped.load(Ordering::Relaxed) { "exited" } else { "Running" };
            let body = if line.contains("/v2/applications/state") {
                format!(
                    "{{\"shop\":{{\"appId\":7,\"commit\":\"aaa\",\"updateStatus\":\"done\",\
                     \"services\":{{\"main\":{{\"status\":\"{status}\",\"releaseId\":3}}}}}}}}"
                )
            } else {
                "{\"os_version\":\"balenaOS 6.5.24\",\"update_downloaded\":false}".to_owned()
            };
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(head.as_bytes());
        }
    });
    address
}

fn agent(supervisor: SocketAddr) -> (Running, SocketAddr) {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let child = Command::new(AGENT)
        .args(["run", "--listen", &address.to_string()])
        .env_clear()
        .env("BALENA_SUPERVISOR_ADDRESS", format!("http://{supervisor}"))
        .env("BALENA_SUPERVISOR_API_KEY", "0123456789abcdef0123456789abcdef")
        .envs([("AGENT_EVENTS_CLIENTS", "1024"), ("AGENT_EVENTS_HEARTBEAT", "60s")])
        .envs([("AGENT_POLL_QUICK", "50ms"), ("AGENT_POLL_SLOW", "50ms")])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    (Running(child), address)
}

/// Starts the bare loop; the last connection controls it.
fn bare(length: usize) -> (Running, SocketAddr, TcpStream) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .env(BARE, length.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let address: SocketAddr = line.trim().parse().unwrap();
    let control = TcpStream::connect(address).unwrap();
    (Running(child), address, control)
}

/// Writes the same bytes to each client whenever the control connection says so.
fn bare_loop(length: usize) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("{}", listener.local_addr().unwrap());
    let (mut control, _) = listener.accept().unwrap();
    let mut clients: Vec<TcpStream> = (0..CLIENTS).map(|_| listener.accept().unwrap().0).collect();
    let message = vec![b'x'; length];
    while control.read_exact(&mut [0]).is_ok() {
        for client in &mut clients {
            client.write_all(&message).unwrap();
        }
    }
}

/// Resident memory in KiB.
fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Processor time of all threads, in seconds.
fn cpu(pid: u32) -> f64 {
    fs::read_dir(format!("/proc/{pid}/task"))
        .unwrap()
        .map(|task| {
            let spent = fs::read_to_string(task.unwrap().path().join("schedstat")).unwrap();
            spent.split_whitespace().next().unwrap().parse::<u64>().unwrap() as f64 / 1e9
        })
        .sum()
}

/// Processor time per second while nothing changes.
async fn cpu_for(pid: u32, time: Duration) -> f64 {
    let before = cpu(pid);
    tokio::time::sleep(time).await;
    (cpu(pid) - before) / time.as_secs_f64()
}
