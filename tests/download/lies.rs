//! Servers that say one thing and send another.

use std::collections::VecDeque;
use std::fs;
use std::sync::{Arc, Mutex};

use balena_agent::transport::{Body, BoxFuture, Request, Response, Transport, TransportError};
use balena_agent::{Balena, Download, Error};
use futures_util::stream;

use crate::{Dir, Hasty};

/// What a request for the file is answered with: status, headers, and a body that ends or breaks.
type Answer = (u16, Vec<(&'static str, &'static str)>, &'static str, End);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Ends,
    Breaks,
}
use End::{Breaks, Ends};

const WHOLE: &str = "0123456789";
const ONE: (&str, &str) = ("etag", "\"one\"");
const TEN: (&str, &str) = ("content-length", "10");

/// Gives its answers in turn, the last one for ever, and remembers which ranges it was asked for.
#[derive(Debug)]
struct Liar {
    answers: Mutex<VecDeque<Answer>>,
    asked: Mutex<Vec<String>>,
    clock: Arc<Hasty>,
}

impl Liar {
    fn new(answers: impl IntoIterator<Item = Answer>) -> Arc<Self> {
        let answers = Mutex::new(answers.into_iter().collect());
        Arc::new(Self { answers, asked: Mutex::default(), clock: Arc::default() })
    }

    async fn open(self: &Arc<Self>) -> Result<Download, Error> {
        let builder = Balena::builder().token("t0ken".to_owned().into());
        let balena = builder.transport(self.clone()).clock(self.clock.clone()).build();
        balena.release().asset().download(1).await
    }

    async fn save(self: &Arc<Self>, dir: &Dir) -> Result<u64, Error> {
        self.open().await?.to_file(dir.file()).await
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Transport for Liar {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        let (status, headers, body, end) = if request.uri().path() == "/file" {
            let range = request.headers().get("range").map_or("whole", |range| range.to_str().unwrap());
            self.asked.lock().unwrap().push(range.to_owned());
            let mut answers = self.answers.lock().unwrap();
            if answers.len() > 1 { answers.pop_front().unwrap() } else { answers[0].clone() }
        } else {
            (200, vec![], r#"{"d":[{"asset":{"href":"https://assets.example/file"}}]}"#, Ends)
        };
        let mut answer = http::Response::builder().status(status);
        for (name, value) in headers {
            answer = answer.header(name, value);
        }
        let broken = TransportError { sent: true, reused: false, cause: "it broke".into() };
        let pieces = [Ok(body.into())].into_iter().chain((end == Breaks).then_some(Err(broken)));
        let body = Body::new(stream::iter(pieces.collect::<Vec<_>>()));
        Box::pin(async { Ok(answer.body(body).unwrap()) })
    }
}

#[tokio::test]
async fn what_is_no_part_of_this_file_is_not_put_behind_it() {
    let ranged = |range| vec![ONE, ("content-range", range)];
    for headers in [
        ranged("bytes 4-9/10"),
        ranged("bytes 0-9/10"),
        ranged("bytes 5-9/11"),
        ranged("bytes */10"),
        vec![ONE, ("content-type", "multipart/byteranges; boundary=x")],
        vec![("etag", "\"two\""), ("content-range", "bytes 5-9/10")],
        // Who has a tag has to repeat it.
        vec![("content-range", "bytes 5-9/10")],
        [ranged("bytes 5-9/10"), vec![("content-encoding", "gzip")]].concat(),
    ] {
        let dir = Dir::new();
        let liar = Liar::new([
            (200, vec![ONE, TEN], "01234", Breaks),
            (206, headers.clone(), "XXXXX", Ends),
            (200, vec![ONE, TEN], WHOLE, Ends),
        ]);
        liar.save(&dir).await.unwrap();
        assert_eq!(fs::read_to_string(dir.file()).unwrap(), WHOLE, "{headers:?}");
        assert_eq!(liar.asked(), ["whole", "bytes=5-", "whole"], "{headers:?}");
    }
}

#[tokio::test]
async fn a_part_of_what_was_asked_for_is_not_the_end() {
    let begins = (200, vec![ONE], "01234", Breaks);
    let dir = Dir::new();
    let liar = Liar::new([
        begins.clone(),
        (206, vec![ONE, ("content-range", "bytes 5-6/10")], "56", Ends),
        (206, vec![ONE, ("content-range", "bytes 7-9/10")], "789", Ends),
    ]);
    assert_eq!(liar.save(&dir).await.unwrap(), 10);
    assert_eq!(fs::read_to_string(dir.file()).unwrap(), WHOLE);
    assert_eq!(liar.asked(), ["whole", "bytes=5-", "bytes=7-"]);

    // Where nobody tells how long it is, nobody can tell whether this is the end.
    let dir = Dir::new();
    let liar = Liar::new([
        begins,
        (206, vec![ONE, ("content-range", "bytes 5-6/*")], "56", Ends),
        (200, vec![ONE], WHOLE, Ends),
    ]);
    assert_eq!(liar.save(&dir).await.unwrap(), 10);
    assert_eq!(fs::read_to_string(dir.file()).unwrap(), WHOLE);
}

#[tokio::test]
async fn an_answer_without_a_file_is_no_file() {
    for status in [202, 204] {
        let dir = Dir::new();
        Liar::new([(200, vec![], "old", Ends)]).save(&dir).await.unwrap();
        let error = Liar::new([(status, vec![], "", Ends)]).save(&dir).await.unwrap_err();
        assert!(error.is_decode() && error.status() == Some(status), "{error}");
        let liar = Liar::new([(200, vec![ONE, TEN], "01234", Breaks), (status, vec![], "soon", Ends)]);
        assert!(liar.save(&dir).await.unwrap_err().is_decode());
        assert_eq!(fs::read_to_string(dir.file()).unwrap(), "old");
        assert_eq!(dir.names(), ["balena.img"]);
    }
}

#[tokio::test]
async fn a_stream_does_not_end_before_what_it_has_given() {
    for shorter in [vec![ONE, ("content-length", "3")], vec![ONE]] {
        let liar = Liar::new([(200, vec![ONE, TEN], "01234", Breaks), (200, shorter, "012", Ends)]);
        let mut stream = liar.open().await.unwrap().stream();
        assert_eq!(stream.next().await.unwrap().unwrap(), "01234");
        let error = stream.next().await.expect("an error, and no end").unwrap_err();
        assert!(error.to_string().contains("the same file"), "{error}");
        assert!(stream.next().await.is_none());
    }
}

#[tokio::test]
async fn who_is_told_to_come_back_at_once_takes_his_time() {
    for told in ["0", "Sat, 15 Jun 2014 12:00:00 GMT"] {
        let dir = Dir::new();
        let liar =
            Liar::new([(200, vec![ONE, TEN], "01234", Breaks), (500, vec![("retry-after", told)], "", Ends)]);
        assert!(liar.save(&dir).await.unwrap_err().is_server());
        let slept = liar.clock.0.lock().unwrap();
        assert!(slept.len() == 8 && slept[1..].iter().all(|pause| !pause.is_zero()), "{slept:?}");
    }
}

#[tokio::test]
async fn more_than_there_is_is_damage() {
    let dir = Dir::new();
    let liar = Liar::new([
        (200, vec![ONE, TEN], "01234", Breaks),
        (206, vec![ONE, ("content-range", "bytes 5-9/10")], "56789X", Ends),
    ]);
    assert!(liar.save(&dir).await.unwrap_err().is_decode());
    assert_eq!(dir.names(), [""; 0]);
}
