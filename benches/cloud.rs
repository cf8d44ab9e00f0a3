//! What the cloud side costs: decoding a large page, calls one after the other and at once, a long list in
//! little memory. The server is this program again, in a process of its own.
//!
//!     cargo bench --bench cloud

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a benchmark stops at what it can't do, and its figures are small"
)]

use std::io::{BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use balena_agent::rows::Device;
use balena_agent::{Balena, RetryPolicy, Settings};
use support::{Server, cpu, peak};

mod support;

const ROWS: usize = 10_000;
const LONG_LIST: usize = 100_000;
const CALLS: u32 = 200;
const AT_ONCE: u32 = 64;

fn main() {
    if support::is_server() {
        return serve();
    }
    let server = Server::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        // First, while nothing else has made the process larger.
        long_list(&server).await;
        one_after_the_other(&server).await;
        at_once(&server).await;
        paced(&server).await;
        large_page(&server).await;
    });
}

impl Server {
    fn client(&self, settings: Settings) -> Balena {
        let settings = Settings { api_endpoint: Some(format!("http://{}", self.address)), ..settings };
        Balena::builder().settings(settings).token("t".to_owned().into()).retry(RetryPolicy::never()).build()
    }

    /// Connections that the server has accepted so far, this one not counted.
    fn connections(&self) -> usize {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "GET /connections HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.rsplit("\r\n\r\n").next().unwrap().parse::<usize>().unwrap() - 1
    }
}

async fn long_list(server: &Server) {
    let mut items = server.client(Settings::default()).device().get_all().items();
    let mut count = 0;
    while let Some(device) = items.next().await {
        device.unwrap();
        count += 1;
    }
    assert_eq!(count, LONG_LIST);
    println!("{LONG_LIST} devices through items(): peak {:.1} MiB resident", peak() as f64 / 1024.0);
}

async fn one_after_the_other(server: &Server) {
    let balena = server.client(Settings::default());
    balena.device().get(1).await.unwrap();
    let (connections, cpu) = (server.connections(), cpu());
    for _ in 0..CALLS {
        balena.device().get(1).await.unwrap();
    }
    let each = (self::cpu() - cpu) / f64::from(CALLS);
    // The count itself takes a connection.
    let new = server.connections() - connections - 1;
    println!("{CALLS} device().get() in sequence: {:.3} ms CPU each, {new} new connections", each * 1e3);
}

async fn at_once(server: &Server) {
    let balena = server.client(Settings::default());
    let connections = server.connections();
    let start = Instant::now();
    for _ in 0..4 {
        let calls: Vec<_> = (0..AT_ONCE).map(|_| balena.device().get(1).into_future()).collect();
        for call in join(calls).await {
            call.unwrap();
        }
    }
    let new = server.connections() - connections - 1;
    println!(
        "4 × {AT_ONCE} device().get() at once: {:.1} ms, {new} connections",
        start.elapsed().as_secs_f64() * 1e3
    );
}

async fn paced(server: &Server) {
    let settings = Settings {
        request_limit: NonZeroU32::new(32),
        request_limit_interval: Duration::from_secs(1),
        ..Settings::default()
    };
    let balena = server.client(settings);
    let start = Instant::now();
    let calls: Vec<_> = (0..AT_ONCE).map(|_| balena.clone().device().get(1).into_future()).collect();
    for call in join(calls).await {
        call.unwrap();
    }
    println!("{AT_ONCE} at once with 32 a second allowed: {:.2} s", start.elapsed().as_secs_f64());
}

async fn large_page(server: &Server) {
    let balena = server.client(Settings::default());
    let bytes = format!("{{\"d\":[{}]}}", vec![ROW; ROWS].join(",")).len();
    let mut rates = Vec::new();
    for _ in 0..7 {
        let before = cpu();
        let devices: Vec<Device> = balena.device().get_by_name("page").await.unwrap();
        rates.push(bytes as f64 / 1e6 / (cpu() - before));
        assert_eq!(devices.len(), ROWS);
    }
    rates.sort_by(f64::total_cmp);
    println!(
        "{ROWS} devices in one page ({:.1} MB): {:.0} MB/s, reading included",
        bytes as f64 / 1e6,
        rates[3]
    );
}

/// All of them, driven together.
async fn join<T>(futures: Vec<impl Future<Output = T> + Unpin>) -> Vec<T> {
    let mut futures: Vec<_> = futures.into_iter().map(|future| (Some(future), None)).collect();
    std::future::poll_fn(|cx| {
        let mut waiting = false;
        for (future, result) in &mut futures {
            if let Some(pending) = future {
                match std::pin::Pin::new(pending).poll(cx) {
                    std::task::Poll::Ready(value) => (*future, *result) = (None, Some(value)),
                    std::task::Poll::Pending => waiting = true,
                }
            }
        }
        if waiting { std::task::Poll::Pending } else { std::task::Poll::Ready(()) }
    })
    .await;
    futures.into_iter().map(|(_, result)| result.unwrap()).collect()
}

fn serve() {
    static CONNECTIONS: AtomicUsize = AtomicUsize::new(0);
    let page: &'static str = Box::leak(format!("{{\"d\":[{}]}}", vec![ROW; ROWS].join(",")).into_boxed_str());
    support::serve(move |stream| {
        CONNECTIONS.fetch_add(1, Ordering::Relaxed);
        stream.set_nodelay(true).unwrap();
        let mut reader = BufReader::new(stream);
        while let Some(request) = support::request(&mut reader) {
            let body = if request.contains("/connections") {
                CONNECTIONS.load(Ordering::Relaxed).to_string()
            } else if request.contains("device_name%20eq%20") {
                page.to_owned()
            } else if request.contains("orderby=id") {
                next_page(&request)
            } else {
                format!("{{\"d\":[{ROW}]}}")
            };
            let close = if request.contains("/connections") { "Connection: close\r\n" } else { "" };
            let head = format!(
                "HTTP/1.1 200 OK\r\n{close}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            let stream = reader.get_mut();
            if stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).is_err()
                || !close.is_empty()
            {
                return;
            }
        }
    });
}

/// The page behind the id that the request names.
fn next_page(request: &str) -> String {
    let number = |before: &str| -> usize {
        let rest = request.split(before).nth(1).unwrap_or_default();
        rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default().parse().unwrap_or(0)
    };
    let (after, size) = (number("id%20gt%20"), number("top="));
    let rows: Vec<String> = (after + 1..=(after + size).min(LONG_LIST))
        .map(|id| ROW.replacen("7654321", &id.to_string(), 1))
        .collect();
    format!("{{\"d\":[{}]}}", rows.join(","))
}

const ROW: &str = include_str!("support/device.json");
