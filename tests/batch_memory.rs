//! What a change for many needs is its list and a few words for each of it. Alone in its process: it measures that.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::fs;
use std::sync::Arc;

use balena_agent::transport::{Body, BoxFuture, Request, Response, Transport, TransportError};
use balena_agent::{Balena, RetryPolicy};
use futures_util::stream;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

/// Has every device that it is asked for, and remembers nothing.
#[derive(Debug)]
struct Cloud;

impl Transport for Cloud {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        let query = percent_decode_str(request.uri().query().unwrap_or_default()).decode_utf8_lossy();
        let row = |id: i64| json!({ "id": id, "uuid": format!("{id:032x}") });
        let ids = query.split_once("id in (").filter(|_| !query.contains('\''));
        let rows: Vec<Value> = if let Some((_, ids)) = ids {
            ids.split([',', ')']).filter_map(|id| id.trim().parse().ok()).map(row).collect()
        } else {
            let uuids = query.split('\'').skip(1).step_by(2);
            uuids.map(|uuid| row(i64::from_str_radix(uuid, 16).unwrap())).collect()
        };
        let body = Body::new(stream::iter([Ok(json!({ "d": rows }).to_string().into())]));
        Box::pin(async move { Ok(Response::new(body)) })
    }
}

fn most_in_use() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn what_it_needs_is_the_list() {
    const COUNT: usize = 100_000;
    let balena = Balena::builder().retry(RetryPolicy::never()).transport(Arc::new(Cloud)).build();
    balena.device().set_note(["0".repeat(32)], "n").await.unwrap();
    let start = most_in_use();
    let uuids: Vec<String> = (1..=COUNT).map(|id| format!("{id:032x}")).collect();
    let list = most_in_use() - start;
    let report = balena.device().set_note(uuids, "n").concurrency(4).report().await.unwrap();
    let more = most_in_use() - start - list;
    println!("{COUNT} uuids: the list {list} KiB, the batch {more} KiB, {} bytes each", more * 1024 / COUNT);
    assert!(report.is_complete());
    assert!(more * 1024 / COUNT < 400, "{more} KiB for {COUNT}");
}
