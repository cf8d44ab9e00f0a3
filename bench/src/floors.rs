//! The works with nothing but an HTTP client: bytes come, and are read as JSON of no known shape.

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::try_join_all;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::Value;

use crate::Outcome;
use crate::work::{AT_ONCE, GETS, LINES, ROWS, Spent, Started, TAGS, TOKEN, UUID, Work};

fn device() -> String {
    format!("/v6/device?$filter=uuid%20eq%20'{UUID}'")
}

fn log() -> String {
    format!("/device/v2/{UUID}/logs?stream=1&count={LINES}")
}

/// One connection, one request after the other: what is done at once needs more than bare hyper.
pub(crate) async fn hyper(work: Work, url: &str) -> Outcome<Spent> {
    let host = url.strip_prefix("http://").ok_or("bare hyper has no TLS")?;
    let stream = tokio::net::TcpStream::connect(host).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It goes on beside the requests, until this is over.
    let mut beside = tokio::task::JoinSet::new();
    beside.spawn(connection);
    ask(&mut sender, host, "GET", &device(), "").await?;
    let started = Started::now()?;
    match work {
        Work::Gets => {
            for _ in 0..GETS {
                ask(&mut sender, host, "GET", &device(), "").await?;
            }
        }
        Work::List => {
            let devices =
                ask(&mut sender, host, "GET", "/v6/device?$filter=belongs_to__application%20eq%201", "")
                    .await?;
            assert_eq!(devices["d"].as_array().map(Vec::len), Some(ROWS));
        }
        Work::Tags => {
            for number in 0..TAGS {
                ask(&mut sender, host, "GET", &device(), "").await?;
                let tag = format!(r#"{{"device":1,"tag_key":"site","value":"{number}"}}"#);
                ask(&mut sender, host, "POST", "/v6/device_tag", &tag).await?;
            }
        }
        Work::Logs => {
            let request = request(host, "GET", &log(), "")?;
            let mut body = sender.send_request(request).await?.into_body();
            let mut lines = Lines::default();
            while lines.count < LINES {
                let frame = body.frame().await.ok_or("the log ended")??;
                lines.take(frame.data_ref().ok_or("no data")?)?;
            }
        }
        Work::AtOnce => return Err("bare hyper has one connection".into()),
    }
    started.done()
}

fn request(host: &str, method: &str, path: &str, body: &str) -> Outcome<hyper::Request<Full<Bytes>>> {
    let request = hyper::Request::builder().method(method).uri(path).header("host", host);
    let request =
        request.header("authorization", format!("Bearer {TOKEN}")).header("content-type", "application/json");
    Ok(request.body(Full::new(Bytes::from(body.to_owned())))?)
}

async fn ask(
    sender: &mut SendRequest<Full<Bytes>>,
    host: &str,
    method: &str,
    path: &str,
    body: &str,
) -> Outcome<Value> {
    let request = request(host, method, path, body)?;
    sender.ready().await?;
    let response = sender.send_request(request).await?;
    if !response.status().is_success() {
        return Err(format!("{method} {path}: {}", response.status()).into());
    }
    Ok(serde_json::from_slice(&response.into_body().collect().await?.to_bytes())?)
}

pub(crate) async fn reqwest(work: Work, url: &str) -> Outcome<Spent> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder();
    if let Ok(file) = std::env::var("BALENA_EXTRA_CA_CERTS") {
        builder = builder.tls_certs_only([reqwest::Certificate::from_pem(&std::fs::read(file)?)?]);
    }
    let client = builder.build()?;
    let get = async |path: String| -> Outcome<Value> {
        let response =
            client.get(format!("{url}{path}")).bearer_auth(TOKEN).send().await?.error_for_status()?;
        Ok(serde_json::from_slice(&response.bytes().await?)?)
    };
    get(device()).await?;
    let started = Started::now()?;
    match work {
        Work::Gets => {
            for _ in 0..GETS {
                get(device()).await?;
            }
        }
        Work::AtOnce => {
            try_join_all((0..AT_ONCE).map(|_| get(device()))).await?;
        }
        Work::List => {
            let devices = get("/v6/device?$filter=belongs_to__application%20eq%201".to_owned()).await?;
            assert_eq!(devices["d"].as_array().map(Vec::len), Some(ROWS));
        }
        Work::Tags => {
            for number in 0..TAGS {
                get(device()).await?;
                let tag = format!(r#"{{"device":1,"tag_key":"site","value":"{number}"}}"#);
                let request = client.post(format!("{url}/v6/device_tag")).bearer_auth(TOKEN);
                let request = request.header("content-type", "application/json").body(tag);
                let answer = request.send().await?.error_for_status()?.bytes().await?;
                serde_json::from_slice::<Value>(&answer)?;
            }
        }
        Work::Logs => {
            let response = client.get(format!("{url}{}", log())).bearer_auth(TOKEN).send().await?;
            let mut body = response.bytes_stream();
            let mut lines = Lines::default();
            while lines.count < LINES {
                lines.take(&body.next().await.ok_or("the log ended")??)?;
            }
        }
    }
    started.done()
}

/// Lines of a log, each read as JSON.
#[derive(Debug, Default)]
struct Lines {
    rest: Vec<u8>,
    count: usize,
}

impl Lines {
    fn take(&mut self, piece: &[u8]) -> Outcome<()> {
        self.rest.extend_from_slice(piece);
        let end = self.rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        for line in
            self.rest.drain(..end).as_slice().split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
        {
            serde_json::from_slice::<Value>(line)?;
            self.count += 1;
        }
        Ok(())
    }
}
