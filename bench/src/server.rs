//! One server for everyone, with answers that are ready: a thread a connection, for it must never be what is waited for.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::Outcome;
use crate::work::{LINES, ROWS, UUID};

/// Connections accepted, but for those that ask for this number.
static CONNECTIONS: AtomicUsize = AtomicUsize::new(0);
/// Lines of a log that are written together.
const PIECE: usize = 100;

struct Answers {
    device: String,
    devices: String,
    log: Vec<Vec<u8>>,
}

/// Tells the ports of plain HTTP and of TLS, and serves until the other end of its input is gone.
pub(crate) fn run(certificate: &str, key: &str) -> Outcome<()> {
    let answers = Arc::new(Answers {
        device: format!("{{\"d\":[{ROW}]}}"),
        devices: format!("{{\"d\":[{}]}}", vec![ROW; ROWS].join(",")),
        log: (0..LINES / PIECE).map(piece).collect(),
    });
    let certificate = CertificateDer::from_pem_file(certificate)?;
    let key = PrivateKeyDer::from_pem_file(key)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let config = Arc::new(builder.with_no_client_auth().with_single_cert(vec![certificate], key)?);

    let (plain, tls) = (TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?);
    println!("{} {}", plain.local_addr()?.port(), tls.local_addr()?.port());
    let plain_answers = Arc::clone(&answers);
    accept(plain, move |stream| answer(stream, &plain_answers));
    accept(tls, move |stream| {
        let connection = ServerConnection::new(Arc::clone(&config)).map_err(std::io::Error::other)?;
        answer(StreamOwned::new(connection, stream), &answers)
    });
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn accept(listener: TcpListener, serve: impl Fn(TcpStream) -> std::io::Result<()> + Clone + Send + 'static) {
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            CONNECTIONS.fetch_add(1, Ordering::Relaxed);
            let serve = serve.clone();
            std::thread::spawn(move || {
                let _ = stream.set_nodelay(true);
                // A client that goes away has done its work.
                let _ = serve(stream);
            });
        }
    });
}

fn answer<S: Read + Write>(stream: S, answers: &Answers) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut first, mut header) = (String::new(), String::new());
        let (mut length, mut close) = (0, false);
        if reader.read_line(&mut first)? == 0 {
            return Ok(());
        }
        while reader.read_line(&mut header)? > 2 {
            let lower = header.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            close |= lower.starts_with("connection: close");
            header.clear();
        }
        std::io::copy(&mut (&mut reader).take(length), &mut std::io::sink())?;
        if first.contains("/logs?") {
            return log(reader.get_mut(), answers);
        }
        let counted;
        let (status, body) = if first.starts_with("GET /connections ") {
            counted = (CONNECTIONS.fetch_sub(1, Ordering::Relaxed) - 1).to_string();
            ("200 OK", &counted)
        } else if !first.starts_with("GET ") {
            ("201 Created", &CREATED.to_owned())
        } else if first.contains("/application") {
            ("200 OK", &APPLICATION.to_owned())
        } else if first.contains(UUID) || first.contains("/device(") {
            ("200 OK", &answers.device)
        } else {
            ("200 OK", &answers.devices)
        };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let stream = reader.get_mut();
        stream.write_all(&[head.as_bytes(), body.as_bytes()].concat())?;
        stream.flush()?;
        if close {
            return Ok(());
        }
    }
}

/// All lines, and then silence, as of a device that has no more to say.
fn log<S: Read + Write>(stream: &mut S, answers: &Answers) -> std::io::Result<()> {
    stream.write_all(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
    )?;
    for piece in &answers.log {
        stream.write_all(piece)?;
    }
    stream.flush()?;
    stream.read(&mut [0]).map(drop)
}

/// Lines of a log as the cloud sends them, which writes each by itself: a chunk of its own.
fn piece(number: usize) -> Vec<u8> {
    let line = |line: usize| {
        let at = 1_705_314_030_123 + line;
        let text = format!(
            "{{\"createdAt\":{at},\"timestamp\":{at},\"isSystem\":false,\"isStdErr\":{},\"message\":\"2024-01-15T10:20:30.123Z INFO src/sensors/temperature.py: reading {line} taken, 21.5 C, queued for upload\",\"serviceId\":28970}}\n",
            line.is_multiple_of(10)
        );
        format!("{:x}\r\n{text}\r\n", text.len())
    };
    (number * PIECE..(number + 1) * PIECE).map(line).collect::<String>().into_bytes()
}

const APPLICATION: &str =
    r#"{"d":[{"id":1,"app_name":"small-fleet","slug":"me/small-fleet","is_for__device_type":{"__id":58}}]}"#;
const CREATED: &str = r#"{"id":1,"device":{"__id":7654321},"tag_key":"site","value":"1"}"#;
const ROW: &str = include_str!("../../benches/support/device.json");
