//! Connections that break, fall silent, or are refused.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use balena_agent::transport::{Body, BoxFuture, Request, Response, Transport, TransportError};
use balena_agent::{Balena, Progress, RetryPolicy};
use futures_util::stream::{self, StreamExt as _};

use crate::file_server::{FileServer, Turn};
use crate::{Dir, MIB, bytes, client, is, open, save};

#[tokio::test]
async fn a_broken_connection_is_gone_on_with() {
    let (dir, turn) = (Dir::new(), Turn::of(64 * MIB));
    let server = FileServer::start([turn.clone().breaks_after(3 * MIB)]);
    let (balena, clock) = client(server.address, RetryPolicy::standard());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let keeps = seen.clone();
    let download = balena.release().asset().download(1).await.unwrap();
    let download = download.progress(move |progress: Progress| keeps.lock().unwrap().push(progress));
    assert_eq!(download.to_file(dir.file()).await.unwrap(), turn.length);
    is(&dir.file(), &turn);
    assert_eq!(dir.names(), ["balena.img"]);

    let asked = server.asked();
    assert_eq!(asked.len(), 22, "{asked:?}");
    assert_eq!(asked[0], "whole");
    for (times, range) in (1..).zip(&asked[1..]) {
        // No byte twice.
        assert_eq!(*range, format!("bytes={}- if \"one\"", times * 3 * MIB));
    }
    let seen = seen.lock().unwrap();
    assert!(seen.is_sorted_by_key(|progress| progress.done));
    assert_eq!(
        seen.last().map(|progress| (progress.done, progress.total)),
        Some((turn.length, Some(turn.length)))
    );
    let slept = clock.0.lock().unwrap();
    assert_eq!(slept.len(), 21);
    assert!(
        slept.iter().all(|pause| *pause <= Duration::from_millis(500)),
        "what brings something costs no patience"
    );
}

#[tokio::test]
async fn a_server_without_ranges_begins_again() {
    let (dir, turn) = (Dir::new(), Turn { ranges: false, ..Turn::of(9 * MIB) });
    let broken = |at| turn.clone().breaks_after(at);
    let server = FileServer::start([broken(MIB), broken(5 * MIB), broken(2 * MIB), turn.clone()]);
    save(&server, &dir.file()).await.unwrap();
    is(&dir.file(), &turn);
    assert_eq!(dir.names(), ["balena.img"]);
    assert_eq!(server.asked().len(), 4);

    // A connection that never brings more than the last one is given up.
    let server = FileServer::start([broken(MIB)]);
    let error = save(&server, &dir.0.join("other")).await.unwrap_err();
    assert!(error.is_unreachable() && error.to_string().contains("1048576 of 9437184 bytes"), "{error}");
    assert_eq!(server.asked().len(), 9, "the first, and eight that brought nothing new");
    assert!(!dir.0.join("other").exists());
}

#[tokio::test]
async fn a_stream_gives_every_byte_once() {
    let turn = Turn::of(5 * MIB);
    let forgets = Turn { ranges: false, ..turn.clone() };
    let server =
        FileServer::start([turn.clone().breaks_after(MIB), forgets.breaks_after(3 * MIB), turn.clone()]);
    let mut stream = open(&server).await.unwrap().stream();
    let mut all = Vec::new();
    while let Some(piece) = stream.next().await {
        all.extend_from_slice(&piece.unwrap());
    }
    assert!(all == bytes(&turn));
    assert_eq!(server.asked().len(), 3);
}

/// Says so much of ten bytes with each connection, and then nothing more.
#[derive(Debug)]
struct Silent(usize);

impl Transport for Silent {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        if request.uri().path() != "/file" {
            let row = r#"{"d":[{"asset":{"href":"https://assets.example/file"}}]}"#;
            let body = Body::new(stream::iter([Ok(row.into())]));
            return Box::pin(async { Ok(http::Response::new(body)) });
        }
        let range = request.headers().get("range").map(|range| range.to_str().unwrap().to_owned());
        let start = range.map_or(0, |range| range["bytes=".len()..range.len() - 1].parse().unwrap());
        let some: Vec<_> = (start..(start + self.0).min(10))
            .map(|at| Ok(vec![b'0' + u8::try_from(at).unwrap()].into()))
            .collect();
        let rest = stream::iter(some).chain(stream::pending());
        let answer = http::Response::builder().header("etag", "\"one\"");
        let answer = match start {
            0 => answer.header("content-length", 10),
            _ => answer.status(206).header("content-range", format!("bytes {start}-9/10")),
        };
        Box::pin(async { Ok(answer.body(Body::new(rest)).unwrap()) })
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_falls_silent_is_given_up_for_another() {
    let silent = async |bytes| {
        let transport = Arc::new(Silent(bytes));
        let balena = Balena::builder().token("t0ken".to_owned().into()).transport(transport).build();
        let mut stream = balena.release().asset().download(1).await.unwrap().stream();
        let (mut all, started) = (Vec::new(), tokio::time::Instant::now());
        loop {
            match stream.next().await {
                Some(Ok(piece)) => all.extend_from_slice(&piece),
                end => return (all, end.map(Result::unwrap_err), started.elapsed().as_secs() / 90),
            }
        }
    };
    let (all, error, silences) = silent(4).await;
    assert_eq!((String::from_utf8(all).unwrap().as_str(), silences), ("0123456789", 2));
    assert!(error.is_none(), "{error:?}");
    // Nothing at all, nine times.
    let (all, error, silences) = silent(0).await;
    assert!(all.is_empty() && error.unwrap().is_timeout() && (9..12).contains(&silences), "{silences}");
}

#[tokio::test]
async fn files_of_all_lengths() {
    for tells_length in [true, false] {
        for length in [0, 1, 65_536, 16 * MIB, 16 * MIB + 1, 33 * MIB] {
            let (dir, turn) = (Dir::new(), Turn { tells_length, ..Turn::of(length) });
            let breaks = turn.clone().breaks_after(length / 2);
            let server = FileServer::start([breaks, turn.clone()]);
            let download = open(&server).await.unwrap();
            assert_eq!(download.length(), tells_length.then_some(length));
            assert_eq!(download.to_file(dir.file()).await.unwrap(), length);
            is(&dir.file(), &turn);
        }
    }
}

#[tokio::test]
async fn what_the_server_refuses_is_no_reason_to_go_on() {
    let (dir, turn) = (Dir::new(), Turn::of(3 * MIB));
    for (status, times) in [(403, 2), (404, 2), (500, 9)] {
        let refuses = Turn { status, headers: vec![], ..turn.clone() };
        let server = FileServer::start([turn.clone().breaks_after(MIB), refuses]);
        let error = save(&server, &dir.file()).await.unwrap_err();
        assert_eq!(error.status(), Some(status), "{error}");
        assert!(!error.to_string().contains("signature") && !error.to_string().contains("t0ken"), "{error}");
        assert_eq!(server.asked().len(), times, "{status}");
        assert!(!dir.file().exists());
    }
    // A part that nobody asked for, and more than there is.
    let server = FileServer::start([Turn { status: 206, ..turn.clone() }]);
    assert!(open(&server).await.unwrap_err().is_decode());
}
