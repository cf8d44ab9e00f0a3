//! How many requests a second `GET /agent/v1/state` with a token takes, against a bare hyper server with the same bytes:
//! same run, keep-alive, 32 connections.
//!
//! Each server is this program again, in a process of its own. The client is the same for both. Rounds alternate, and
//! the median of their ratios counts.

use std::convert::Infallible;
use std::error::Error;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use balena_agent::service::{self, Config};
use balena_agent::{Balena, Environment};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

type Outcome<T> = Result<T, Box<dyn Error>>;

const CONNECTIONS: usize = 32;
const ROUNDS: usize = 10;
const ROUND: Duration = Duration::from_millis(500);
/// What is promised: the part of the bare server's requests.
const LIMIT: f64 = 0.6;
/// Each has the largest rate that the settings allow.
const CLIENTS: usize = 8;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let done = match arguments.next().as_deref() {
        Some("agent") => run(agent()),
        Some("bare") => run(bare(arguments.next().unwrap_or_default())),
        _ => run(measure()),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(what: impl Future<Output = Outcome<bool>>) -> Outcome<bool> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(what)
}

fn token(client: usize) -> String {
    format!("bench-token-{client}-0123456789abcdef")
}

/// The service, with a supervisor that does not answer.
async fn agent() -> Outcome<bool> {
    let vars = [("BALENA_SUPERVISOR_ADDRESS", "http://127.0.0.1:1"), ("BALENA_SUPERVISOR_API_KEY", "key")];
    let balena = Balena::builder().environment(Environment::from_vars(vars)?).build();
    let mut config = Config::default().listen("127.0.0.1:0").set("AGENT_REQUEST_RATE", "10000");
    for client in 0..CLIENTS {
        let name = format!("AGENT_CLIENT_BENCH{client}");
        config = config.set(&name, "state").set(format!("{name}_TOKEN"), token(client));
    }
    let service = service::bind(balena, config).await?;
    println!("{}", service.address());
    service.run(std::future::pending()).await?;
    Ok(true)
}

/// Hyper alone: the same headers and as many bytes.
async fn bare(body: String) -> Outcome<bool> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let body = Bytes::from(body);
    let mut tasks = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let body = body.clone();
        let answer = service_fn(move |_| {
            let response = http::Response::builder()
                .header("content-type", "application/json")
                .header("cache-control", "no-store")
                .body(Full::new(body.clone()));
            async move { Ok::<_, Infallible>(response.unwrap_or_default()) }
        });
        tasks.spawn(async move {
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), answer)
                .await;
        });
    }
}

struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(arguments: &[&str]) -> Outcome<Self> {
        let mut child =
            Command::new(std::env::current_exe()?).args(arguments).stdout(Stdio::piped()).spawn()?;
        let mut address = String::new();
        BufReader::new(child.stdout.as_mut().ok_or("no output")?).read_line(&mut address)?;
        Ok(Self { child, address: address.trim().to_owned() })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn measure() -> Outcome<bool> {
    let agent = Server::start(&["agent"])?;
    let body = once(&agent.address).await?;
    let bare = Server::start(&["bare", &body])?;
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let (ours, theirs) = (round(&agent.address).await?, round(&bare.address).await?);
        ratios.push(ours / theirs);
        println!("{ours:8.0}/s of {theirs:8.0}/s: {:.2}", ours / theirs);
    }
    ratios.sort_by(f64::total_cmp);
    let median = ratios.get(ROUNDS / 2).copied().unwrap_or_default();
    println!("{} bytes, {CONNECTIONS} connections: {median:.2} of bare hyper, limit {LIMIT}", body.len());
    Ok(median >= LIMIT)
}

/// The body of one response.
async fn once(address: &str) -> Outcome<String> {
    let mut stream = TcpStream::connect(address).await?;
    let head = format!(
        "GET /agent/v1/state HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\nconnection: close\r\n\r\n",
        token(0)
    );
    stream.write_all(head.as_bytes()).await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    Ok(text.split_once("\r\n\r\n").ok_or("no response")?.1.to_owned())
}

/// Requests per second over all connections.
async fn round(address: &str) -> Outcome<f64> {
    let mut tasks = JoinSet::new();
    let started = Instant::now();
    for connection in 0..CONNECTIONS {
        let token = token(connection % CLIENTS);
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tasks.spawn(async move {
            let _ = connection.await;
            Ok(0)
        });
        tasks.spawn(ask(sender, token, started));
    }
    let mut requests = 0_u32;
    while let Some(done) = tasks.join_next().await {
        requests += done??;
    }
    Ok(f64::from(requests) / started.elapsed().as_secs_f64())
}

async fn ask(mut sender: SendRequest<Empty<Bytes>>, token: String, started: Instant) -> Result<u32, String> {
    let mut requests = 0;
    while started.elapsed() < ROUND {
        let request = http::Request::get("/agent/v1/state")
            .header("host", "localhost")
            .header("authorization", format!("Bearer {token}"))
            .body(Empty::new())
            .map_err(|error| error.to_string())?;
        let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
        if response.status() != 200 {
            return Err(format!("status {}", response.status()));
        }
        response.into_body().collect().await.map_err(|error| error.to_string())?;
        requests += 1;
    }
    Ok(requests)
}
