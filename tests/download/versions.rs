//! What tells one version of a file from another, and a whole one from a damaged one.

use crate::file_server::{FileServer, Turn};
use crate::{Dir, MIB, bytes, is, open, save};

#[tokio::test]
async fn a_file_that_changes_in_the_middle_is_never_mixed() {
    let turn = Turn::of(5 * MIB);
    let other = Turn { seed: 2, length: 4 * MIB, ..Turn::of(0) }.header("etag", "\"two\"");
    let longer = Turn { length: 6 * MIB, ..other.clone() };
    let careless = Turn { careless: true, ..longer.clone() };
    let shrunk = Turn { length: MIB, careless: true, ..other.clone() };
    for then in [other, longer, careless, shrunk] {
        let dir = Dir::new();
        let server = FileServer::start([turn.clone().breaks_after(2 * MIB), then.clone()]);
        assert_eq!(save(&server, &dir.file()).await.unwrap(), then.length);
        is(&dir.file(), &then);
        assert_eq!(dir.names(), ["balena.img"]);

        let server = FileServer::start([turn.clone().breaks_after(2 * MIB), then.clone()]);
        let mut stream = open(&server).await.unwrap().stream();
        let mut all = Vec::new();
        let error = loop {
            match stream.next().await.expect("an error before the end") {
                Ok(piece) => all.extend_from_slice(&piece),
                Err(error) => break error,
            }
        };
        assert!(error.to_string().contains("the same file"), "{error}");
        assert!(all == bytes(&turn)[..all.len()], "what was given out is of one file");
        assert!(stream.next().await.is_none());
    }
}

#[tokio::test]
async fn without_a_validator_nothing_is_gone_on_with() {
    let bare = Turn { headers: vec![], ..Turn::of(3 * MIB) };
    let weak = bare.clone().header("etag", "W/\"one\"");
    for turn in [bare, weak] {
        let dir = Dir::new();
        let server = FileServer::start([turn.clone().breaks_after(MIB), turn.clone()]);
        save(&server, &dir.file()).await.unwrap();
        is(&dir.file(), &turn);
        assert_eq!(server.asked(), ["whole", "whole"]);
    }
    let dated = Turn { headers: vec![], ..Turn::of(3 * MIB) }
        .header("last-modified", "Sat, 15 Jun 2024 12:00:00 GMT")
        .header("date", "Sat, 15 Jun 2024 13:00:00 GMT");
    let dir = Dir::new();
    let server = FileServer::start([dated.clone().breaks_after(MIB), dated.clone()]);
    save(&server, &dir.file()).await.unwrap();
    is(&dir.file(), &dated);
    assert_eq!(server.asked()[1], "bytes=1048576- if Sat, 15 Jun 2024 12:00:00 GMT");
}

#[tokio::test]
async fn a_checksum_is_held_against_what_came() {
    let sha256 = |turn: &Turn| {
        use sha2::Digest as _;
        let sum = sha2::Sha256::digest(bytes(turn));
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, sum)
    };
    let turn = Turn::of(3 * MIB);
    let told = |turn: Turn, sum: &str| turn.header("repr-digest", format!("sha-256=:{sum}:"));
    let right = told(turn.clone(), &sha256(&turn));
    let wrong = told(turn.clone(), &sha256(&Turn { seed: 2, ..turn.clone() }));

    let dir = Dir::new();
    let server = FileServer::start([right.clone().breaks_after(MIB), right.clone()]);
    save(&server, &dir.file()).await.unwrap();
    is(&dir.file(), &turn);

    // The file that was there stays.
    let server = FileServer::start([wrong.clone()]);
    let error = save(&server, &dir.file()).await.unwrap_err();
    assert!(error.is_decode() && error.to_string().contains("sha-256"), "{error}");
    is(&dir.file(), &turn);
    assert_eq!(dir.names(), ["balena.img"]);

    let mut stream = open(&server).await.unwrap().stream();
    let mut last = None;
    while let Some(piece) = stream.next().await {
        last = Some(piece);
    }
    assert!(last.unwrap().unwrap_err().is_decode());
}

#[tokio::test]
async fn what_is_packed_stays_packed() {
    let turn = Turn::of(MIB).header("content-encoding", "gzip").header("content-type", "application/x-img");
    let turn = turn.header("content-disposition", "attachment; filename=\"../a.img.gz\"");
    let dir = Dir::new();
    let server = FileServer::start([turn.clone().breaks_after(1000), turn.clone()]);
    let download = open(&server).await.unwrap();
    assert_eq!(download.length(), Some(MIB));
    assert_eq!(download.content_encoding(), Some("gzip"));
    assert_eq!(download.content_type(), Some("application/x-img"));
    assert_eq!(download.filename().as_deref(), Some("a.img.gz"));
    download.to_file(dir.file()).await.unwrap();
    is(&dir.file(), &turn);
}
