//! What one warm call to the supervisor costs in CPU time, against bare hyper doing the same.
//!
//! The same tiny server runs in another process (this program again), on the same kind of socket. Both
//! clients send the same requests in turn, many rounds of each, and the median of the rounds' ratios counts.
//! All of it runs on one core: to wake a thread on another one costs more than a call, and which of the two
//! clients has to is a matter of luck.

use std::error::Error;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use balena_agent::Environment;
use balena_agent::supervisor::{DeviceState, Supervisor};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{UsageWho, getrusage};
use nix::unistd::Pid;
use serde::Deserialize;

type Outcome<T> = Result<T, Box<dyn Error>>;

const SERVE: &str = "serve";
const ROUNDS: usize = 60;
const CALLS: u32 = 400;
/// What a local call may cost at most, against bare hyper.
const LIMIT: f64 = 1.3;
const KEY: &str = "0123456789abcdef0123456789abcdef";
const VERSION: &str = r#"{"status":"success","version":"19.0.5"}"#;
const DEVICE: &str = r#"{"api_port":48484,"ip_address":"192.0.2.10","os_version":"balenaOS 6.5.24","mac_address":"02:00:5E:10:00:01","supervisor_version":"19.0.5","update_pending":false,"update_failed":false,"update_downloaded":false,"commit":"c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0","status":"Idle","download_progress":null}"#;

fn main() -> ExitCode {
    let done = if std::env::args().nth(1).as_deref() == Some(SERVE) { serve() } else { measure() };
    match done {
        Ok(good) if good => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Answers as the supervisor does, header for header, until the other end of its input is gone.
fn serve() -> Outcome<bool> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer(stream));
        }
    });
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(true)
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut unread = Vec::new();
    let mut piece = [0; 4096];
    loop {
        while let Some(end) = unread.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let head: Vec<u8> = unread.drain(..end + 4).collect();
            let body = if head.starts_with(b"GET /v1/device?") { DEVICE } else { VERSION };
            let answer = format!(
                "HTTP/1.1 200 OK\r\nX-Powered-By: Express\r\nContent-Type: application/json; charset=utf-8\r\n\
                 Content-Length: {}\r\nETag: W/\"27-DYk/taL0ihCekFTpXS1s/oZD+2k\"\r\n\
                 Date: Mon, 23 Nov 2026 12:00:00 GMT\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes())?;
        }
        match stream.read(&mut piece)? {
            0 => return Ok(()),
            count => unread.extend(piece.iter().take(count)),
        }
    }
}

struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start() -> Outcome<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(SERVE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut address = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut address)?;
        Ok(Self { child, address: address.trim().to_owned() })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        if let Err(error) = self.child.wait() {
            println!("the server: {error}");
        }
    }
}

fn measure() -> Outcome<bool> {
    stay_on_one_core()?;
    let server = Server::start()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let worst = runtime.block_on(compare(&server.address))?;
    println!("limit {LIMIT}");
    Ok(worst <= LIMIT)
}

fn stay_on_one_core() -> Outcome<()> {
    let allowed = sched_getaffinity(Pid::from_raw(0))?;
    let first = (0..CpuSet::count()).find(|core| allowed.is_set(*core).unwrap_or(false));
    let mut one = CpuSet::new();
    one.set(first.ok_or("no core")?)?;
    // The server inherits it.
    Ok(sched_setaffinity(Pid::from_raw(0), &one)?)
}

async fn compare(address: &str) -> Outcome<f64> {
    let url = format!("http://{address}");
    let vars = [("BALENA_SUPERVISOR_ADDRESS", url.as_str()), ("BALENA_SUPERVISOR_API_KEY", KEY)];
    let supervisor = Supervisor::new(&Environment::from_vars(vars)?);
    let mut bare = Bare::connect(address).await?;

    let mut version = Vec::new();
    let mut device = Vec::new();
    for round in 0..ROUNDS + 2 {
        let ours = cpu(async || supervisor.version().await.map(drop)).await?;
        let theirs = cpu(async || bare.version().await.map(drop)).await?;
        let ours_device = cpu(async || supervisor.device().await.map(drop)).await?;
        let theirs_device = cpu(async || bare.device().await.map(drop)).await?;
        // The first rounds warm up.
        if round >= 2 {
            version.push((ours, theirs));
            device.push((ours_device, theirs_device));
        }
    }
    Ok(report("version", &version).max(report("device", &device)))
}

/// CPU time of this process for one call, on average of a round.
async fn cpu<E: Into<Box<dyn Error>>>(mut call: impl AsyncFnMut() -> Result<(), E>) -> Outcome<Duration> {
    let before = spent()?;
    for _ in 0..CALLS {
        call().await.map_err(Into::into)?;
    }
    Ok(spent()?.saturating_sub(before) / CALLS)
}

fn spent() -> Outcome<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let micros = [usage.user_time(), usage.system_time()]
        .map(|time| i128::from(time.tv_sec()) * 1_000_000 + i128::from(time.tv_usec()));
    Ok(Duration::from_micros(u64::try_from(micros.iter().sum::<i128>())?))
}

fn report(name: &str, rounds: &[(Duration, Duration)]) -> f64 {
    let ratio = median(rounds.iter().map(|(ours, theirs)| ours.as_secs_f64() / theirs.as_secs_f64()));
    let micros =
        |times: &mut dyn Iterator<Item = Duration>| median(times.map(|time| time.as_secs_f64() * 1e6));
    let ours = micros(&mut rounds.iter().map(|(ours, _)| *ours));
    let theirs = micros(&mut rounds.iter().map(|(_, theirs)| *theirs));
    println!("{name}: {ours:.1} µs of CPU a call, bare hyper {theirs:.1} µs, median ratio {ratio:.3}");
    ratio
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// hyper as its documentation shows it: a connection task beside the requests.
struct Bare {
    sender: SendRequest<Empty<Bytes>>,
    host: String,
    _connection: tokio::task::JoinSet<()>,
}

impl Bare {
    async fn connect(address: &str) -> Outcome<Self> {
        let stream = tokio::net::TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, driver) = http1::handshake(TokioIo::new(stream)).await?;
        let mut connection = tokio::task::JoinSet::new();
        connection.spawn(async move {
            if let Err(error) = driver.await {
                println!("bare hyper: {error}");
            }
        });
        Ok(Self { sender, host: address.to_owned(), _connection: connection })
    }

    async fn get(&mut self, path: &str) -> Outcome<Bytes> {
        let request = hyper::Request::get(format!("{path}?apikey={KEY}"))
            .header(hyper::header::HOST, self.host.as_str())
            .header(hyper::header::USER_AGENT, "balena-agent/0.1.0")
            .body(Empty::new())?;
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        if response.status() != 200 {
            return Err(response.status().as_str().into());
        }
        Ok(response.into_body().collect().await?.to_bytes())
    }

    async fn version(&mut self) -> Outcome<String> {
        #[derive(Deserialize)]
        struct Version {
            version: String,
        }
        Ok(serde_json::from_slice::<Version>(&self.get("/v2/version").await?)?.version)
    }

    async fn device(&mut self) -> Outcome<DeviceState> {
        Ok(serde_json::from_slice(&self.get("/v1/device").await?)?)
    }
}
