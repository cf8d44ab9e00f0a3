//! What an upload of a release asset promises: short files whole, long ones part by part, nothing half committed.
#![cfg(feature = "service")]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

use std::collections::VecDeque;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use balena_agent::jiff::Timestamp;
use balena_agent::transport::{Body, BoxFuture, Request, Response, Transport, TransportError};
use balena_agent::{Balena, Clock, Error, UploadFile};
use bytes::Bytes;
use futures_util::stream;
use serde_json::{Value, json};

const MIB: usize = 1024 * 1024;
const PART: usize = 5 * MIB;
const API: &str = "api.balena-cloud.com";
const STORAGE: &str = "uploads.example";

/// The API and its storage.
#[derive(Debug, Default)]
struct Cloud {
    /// Whether there is an asset of the name.
    there: bool,
    /// What the storage answers, in turn; then it takes everything.
    storage: Mutex<VecDeque<u16>>,
    /// Asked for instead of what would fit.
    parts: Option<Value>,
    /// Written to with each request to this host.
    file: Option<(&'static str, PathBuf)>,
    asked: Mutex<Vec<String>>,
    received: Mutex<Vec<Bytes>>,
}

impl Cloud {
    fn answer(&self, request: &Request) -> (u16, Value) {
        let path = request.uri().path();
        if let Some((_, file)) = self.file.as_ref().filter(|(host, _)| request.uri().host() == Some(host)) {
            fs::File::options()
                .append(true)
                .open(file)
                .and_then(|mut file| std::io::Write::write_all(&mut file, b"x"))
                .unwrap();
        }
        if request.uri().host() == Some(STORAGE) {
            assert!(!request.headers().contains_key("authorization"), "the token stays with the API");
            let status = self.storage.lock().unwrap().pop_front().unwrap_or(200);
            if status == 200 {
                self.received.lock().unwrap().push(request.body().clone());
            }
            return (status, json!("<Error>"));
        }
        assert!(path.starts_with("/v7/release_asset"), "version 6 has none: {path}");
        if path.ends_with("/beginUpload") {
            let body: Value = serde_json::from_slice(request.body()).unwrap();
            let (size, most) =
                (body["asset"]["size"].as_u64().unwrap(), body["asset"]["chunk_size"].as_u64().unwrap());
            let part = |index: u64| {
                let (number, length) = (index + 1, most.min(size - index * most));
                json!({ "url": format!("https://uploads.example/p?signature={number}"), "partNumber": number, "chunkSize": length })
            };
            // In any order.
            let parts: Value = (0..size.div_ceil(most)).rev().map(part).collect();
            return (
                200,
                json!({ "asset": { "uuid": "u", "uploadParts": self.parts.clone().unwrap_or(parts) } }),
            );
        }
        if path.ends_with("/commitUpload") {
            return (200, json!({}));
        }
        match (request.method().as_str(), path) {
            ("GET", "/v7/release_asset(7)") => (200, json!({ "d": [{ "id": 7, "asset_key": "a" }] })),
            ("GET", _) if self.there => (200, json!({ "d": [{ "id": 7 }] })),
            ("GET", _) => (200, json!({ "d": [] })),
            _ => (201, json!({ "id": 7, "asset_key": "a" })),
        }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Transport for Cloud {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        let path = request.uri().path().trim_start_matches("/v7/release_asset");
        self.asked.lock().unwrap().push(format!("{} {path}", request.method()));
        let (status, body) = self.answer(&request);
        let body = Body::new(stream::iter([Ok(body.to_string().into())]));
        let answer = http::Response::builder().status(status).header("etag", "\"tag\"").body(body).unwrap();
        Box::pin(async { Ok(answer) })
    }
}

impl Clock for Cloud {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }
}

fn client(cloud: Cloud) -> (Balena, Arc<Cloud>) {
    let cloud = Arc::new(cloud);
    let balena = Balena::builder()
        .token("t0ken".to_owned().into())
        .transport(cloud.clone())
        .clock(cloud.clone())
        .build();
    (balena, cloud)
}

/// A file that goes with the test.
struct OnDisk(PathBuf);

impl OnDisk {
    fn of(name: &str, length: usize) -> (Self, Vec<u8>) {
        let path =
            std::env::temp_dir().join(format!("balena-agent-upload-{name}-{}.bin", std::process::id()));
        let content: Vec<u8> = (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect();
        std::io::Write::write_all(&mut fs::File::create(&path).unwrap(), &content).unwrap();
        (Self(path), content)
    }
}

impl Drop for OnDisk {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

async fn upload(balena: &Balena, file: UploadFile) -> Result<(), Error> {
    balena.release().asset().upload(5, "a", file).await.map(drop)
}

#[tokio::test]
async fn a_long_file_goes_part_by_part_and_a_part_may_be_sent_again() {
    let (file, content) = OnDisk::of("long", 2 * PART + 3);
    let (balena, cloud) = client(Cloud { storage: Mutex::new([200, 503].into()), ..Cloud::default() });
    let seen = Arc::new(Mutex::new(Vec::new()));
    let tells = seen.clone();
    let upload = balena.release().asset().upload(5, "a", UploadFile::path(&file.0));
    upload.progress(move |so_far| tells.lock().unwrap().push(so_far.done)).await.unwrap();
    let received = cloud.received.lock().unwrap();
    assert_eq!(received.iter().map(Bytes::len).collect::<Vec<_>>(), [PART, PART, 3]);
    assert!(received.concat() == content);
    assert_eq!(*seen.lock().unwrap(), [5 * 1024 * 1024, 10 * 1024 * 1024, 10 * 1024 * 1024 + 3]);
    assert_eq!(
        cloud.asked(),
        [
            "GET (asset_key='a',release=5)",
            "POST ",
            "POST (7)/beginUpload",
            "PUT /p",
            "PUT /p",
            "PUT /p",
            "PUT /p",
            "POST (7)/commitUpload",
            "GET (7)"
        ]
    );
}

#[tokio::test]
async fn up_to_5_mib_a_file_goes_whole() {
    for (length, whole) in [(0, true), (PART, true), (PART + 1, false)] {
        let (balena, cloud) = client(Cloud::default());
        upload(&balena, UploadFile::bytes("a.bin", vec![1; length])).await.unwrap();
        assert_eq!(cloud.asked().len() == 2, whole, "{length}: {:?}", cloud.asked());
    }
}

#[tokio::test]
async fn what_is_there_stays_unless_told() {
    let (balena, cloud) = client(Cloud { there: true, ..Cloud::default() });
    let error = upload(&balena, UploadFile::bytes("a", "x")).await.unwrap_err();
    assert!(error.is_conflict() && error.advice().unwrap().contains("overwrite"), "{error}");
    assert_eq!(cloud.asked().len(), 1);
    for length in [1, PART + 1] {
        let file = UploadFile::bytes("a", vec![0; length]);
        balena.release().asset().upload(5, "a", file).overwrite().await.unwrap();
        assert!(!cloud.asked().contains(&"POST ".to_owned()), "{:?}", cloud.asked());
    }
}

#[tokio::test]
async fn nothing_is_committed_that_is_not_whole() {
    let committed = |cloud: &Cloud| cloud.asked().iter().any(|asked| asked.ends_with("commitUpload"));
    let long = || UploadFile::bytes("a", vec![0; PART + 1]);
    let (balena, cloud) = client(Cloud { storage: Mutex::new([403].into()), ..Cloud::default() });
    let error = upload(&balena, long()).await.unwrap_err();
    assert_eq!(error.status(), Some(403));
    assert!(!error.to_string().contains("signature") && error.to_string().contains("storage"), "{error}");
    assert!(!committed(&cloud));

    let part =
        |length: usize| json!({ "url": "https://uploads.example/p", "partNumber": 1, "chunkSize": length });
    for parts in [json!([]), json!([part(PART)]), json!([part(PART + 1)]), json!([part(PART), part(2)])] {
        let (balena, cloud) = client(Cloud { parts: Some(parts.clone()), ..Cloud::default() });
        let error = upload(&balena, long()).await.unwrap_err();
        assert!(error.is_decode() && error.advice().unwrap().contains("without a file"), "{parts}: {error}");
        assert!(!cloud.asked().contains(&"PUT /p".to_owned()) && !committed(&cloud));
    }

    for (host, length) in [(STORAGE, PART + 1), (API, 100)] {
        let (file, _) = OnDisk::of("changed", length);
        let (balena, cloud) = client(Cloud { file: Some((host, file.0.clone())), ..Cloud::default() });
        let error = upload(&balena, UploadFile::path(&file.0)).await.unwrap_err();
        assert!(error.is_io() && error.to_string().contains("changed"), "{error}");
        assert!(!committed(&cloud) && (host == STORAGE || cloud.asked().len() == 1), "{:?}", cloud.asked());
    }
}

#[tokio::test]
async fn what_has_no_length_is_no_file() {
    let (balena, cloud) = client(Cloud::default());
    let pipe = std::env::temp_dir().join(format!("balena-agent-upload-pipe-{}", std::process::id()));
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for path in [pipe.clone(), "/dev/zero".into(), std::env::temp_dir()] {
        let upload = upload(&balena, UploadFile::path(path));
        let error = tokio::time::timeout(Duration::from_secs(5), upload).await;
        let error = error.expect("nobody waits for a pipe").unwrap_err();
        assert!(error.is_io(), "{error}");
    }
    fs::remove_file(pipe).unwrap();
    assert!(cloud.asked().is_empty());
}

#[tokio::test]
async fn lengths_that_are_a_number_of_parts_have_no_part_more() {
    let (file, content) = OnDisk::of("exact", 3 * PART);
    let (balena, cloud) = client(Cloud::default());
    upload(&balena, UploadFile::path(&file.0)).await.unwrap();
    let received = cloud.received.lock().unwrap();
    assert_eq!(received.iter().map(Bytes::len).collect::<Vec<_>>(), [PART; 3]);
    assert!(received.concat() == content);
}

#[tokio::test]
async fn bad_arguments_send_nothing() {
    let (balena, cloud) = client(Cloud::default());
    let assets = balena.release().asset();
    let file = || UploadFile::bytes("a", "x");
    let missing = assets.upload(5, "a", UploadFile::path("/does/not/exist")).await.unwrap_err();
    assert!(missing.is_io() && missing.to_string().contains("/does/not/exist"), "{missing}");
    for error in [
        assets.upload(5, " ", file()).await.unwrap_err(),
        assets.upload(0, "a", file()).await.unwrap_err(),
        assets.upload("", "a", file()).await.unwrap_err(),
        assets.upload(5, "a", UploadFile::bytes("", "x")).await.unwrap_err(),
        assets.upload(5, "a", file()).chunk_size(0).await.unwrap_err(),
        assets.upload(5, "a", file()).chunk_size(u64::MAX).await.unwrap_err(),
        assets.get((5, "")).await.unwrap_err(),
        assets.download(0).await.unwrap_err(),
        assets.remove(("", "a")).await.unwrap_err(),
        balena.release().create_from_url(7, "").await.unwrap_err(),
        balena.os().download("raspberrypi3").version("^2.0.0").await.unwrap_err(),
        balena.os().download("").version("2.0.0").await.unwrap_err(),
        balena.os().download("x").version("2.0.0").options(&json!({ "a": [1] })).await.unwrap_err(),
        balena.organization().create("o").logo_image(UploadFile::bytes("", "x")).await.unwrap_err(),
    ] {
        assert!(error.is_invalid_argument() && !error.was_sent(), "{error}");
    }
    assert!(cloud.asked().is_empty(), "{:?}", cloud.asked());
}
