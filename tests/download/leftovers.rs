//! What lies beside the place of a file until it is whole.

use std::fs;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use balena_agent::RetryPolicy;

use crate::file_server::{FileServer, Turn};
use crate::{Dir, MIB, bytes, client, is, open, save};

#[tokio::test]
async fn what_a_former_process_left_is_gone_on_with() {
    let (dir, turn) = (Dir::new(), Turn::of(40 * MIB));
    let server = FileServer::start([turn.clone().breaks_after(20 * MIB)]);
    let (once, _) = client(server.address, RetryPolicy::never());
    let error = once.release().asset().download(1).await.unwrap().to_file(dir.file()).await.unwrap_err();
    assert!(error.is_unreachable() && error.to_string().contains("to resume"), "{error}");
    assert!(!dir.file().exists());
    let part = dir.part();

    // What lies behind the last place that was made sure of may be anything after a power cut.
    let mut left = fs::read(&part).unwrap();
    assert!(left.len() > usize::try_from(16 * MIB).unwrap());
    left[usize::try_from(16 * MIB).unwrap()..].fill(0);
    fs::File::options()
        .write(true)
        .open(&part)
        .and_then(|mut file| std::io::Write::write_all(&mut file, &left))
        .unwrap();
    server.then([turn.clone()]);
    save(&server, &dir.file()).await.unwrap();
    is(&dir.file(), &turn);
    assert_eq!(server.asked().last().unwrap(), "bytes=16777216- if \"one\"");
    assert_eq!(dir.names(), ["balena.img"]);
}

#[tokio::test]
async fn what_was_left_of_another_file_is_removed() {
    let (dir, turn) = (Dir::new(), Turn::of(40 * MIB));
    let server = FileServer::start([turn.clone().breaks_after(20 * MIB)]);
    let (once, _) = client(server.address, RetryPolicy::never());
    let save_once = async || once.release().asset().download(1).await.unwrap().to_file(dir.file()).await;
    save_once().await.unwrap_err();
    dir.part();
    let neighbour = dir.0.join(".balena.img.txt.part");
    fs::File::create(&neighbour).unwrap();

    let other = Turn { seed: 2, ..Turn::of(MIB) }.header("etag", "\"two\"");
    server.then([other.clone()]);
    save_once().await.unwrap();
    is(&dir.file(), &other);
    assert_eq!(server.asked().last().unwrap(), "whole");
    assert_eq!(dir.names(), [".balena.img.txt.part", "balena.img"]);
}

#[tokio::test]
async fn a_leftover_is_checked_too() {
    let (dir, turn) = (Dir::new(), Turn::of(40 * MIB));
    let crc = {
        let mut hash = crc32fast::Hasher::new();
        hash.update(&bytes(&turn));
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, hash.finalize().to_be_bytes())
    };
    let turn = turn.header("x-amz-checksum-crc32", crc);
    let server = FileServer::start([turn.clone().breaks_after(20 * MIB)]);
    let (once, _) = client(server.address, RetryPolicy::never());
    let save_once = async || once.release().asset().download(1).await.unwrap().to_file(dir.file()).await;
    save_once().await.unwrap_err();
    let mut left = fs::read(dir.part()).unwrap();
    left[5] ^= 1;
    fs::File::options()
        .write(true)
        .open(dir.part())
        .and_then(|mut file| std::io::Write::write_all(&mut file, &left))
        .unwrap();
    server.then([turn.clone()]);
    let error = save_once().await.unwrap_err();
    assert!(error.is_decode(), "{error}");
    assert_eq!(dir.names(), [""; 0]);
    save_once().await.unwrap();
    is(&dir.file(), &turn);
}

#[tokio::test]
async fn a_file_is_replaced_only_when_the_new_one_is_whole() {
    let (dir, old) = (Dir::new(), Turn::of(MIB));
    save(&FileServer::start([old.clone()]), &dir.file()).await.unwrap();
    let new = Turn { seed: 2, ..Turn::of(2 * MIB) };
    let server = FileServer::start([Turn { hangs: true, ..new.clone().breaks_after(MIB) }]);
    let seen = Arc::new(tokio::sync::Notify::new());
    let tells = seen.clone();
    let download = open(&server).await.unwrap().progress(move |progress| {
        if progress.done == MIB {
            tells.notify_one();
        }
    });
    // Dropped in the middle.
    tokio::select! {
        done = download.to_file(dir.file()) => panic!("{done:?}"),
        () = seen.notified() => {}
    }
    is(&dir.file(), &old);

    // A link is replaced; what it led to stays.
    let link = dir.0.join("link");
    std::os::unix::fs::symlink(dir.file(), &link).unwrap();
    server.then([new.clone()]);
    save(&server, &link).await.unwrap();
    is(&link, &new);
    is(&dir.file(), &old);
    assert!(!link.is_symlink());
}

#[tokio::test]
async fn dropped_in_the_middle_there_is_no_file() {
    let (dir, turn) = (Dir::new(), Turn::of(30 * MIB));
    let server = FileServer::start([Turn { hangs: true, ..turn.clone().breaks_after(20 * MIB) }]);
    let dropped = async || {
        let seen = Arc::new(tokio::sync::Notify::new());
        let tells = seen.clone();
        let download = open(&server).await.unwrap().progress(move |progress| {
            if progress.done >= 20 * MIB {
                tells.notify_one();
            }
        });
        tokio::select! {
            done = download.to_file(dir.file()) => panic!("{done:?}"),
            () = seen.notified() => {}
        }
        assert!(!dir.file().exists());
    };
    dropped().await;
    // And right behind it, while its last write may still be under way.
    server.then([turn.clone()]);
    save(&server, &dir.file()).await.unwrap();
    is(&dir.file(), &turn);
    assert_eq!(dir.names(), ["balena.img"]);
}

#[tokio::test]
async fn two_do_not_write_one_file() {
    let (dir, turn) = (Dir::new(), Turn::of(2 * MIB));
    let slow = Turn { hangs: true, ..turn.clone().breaks_after(MIB) };
    let server = FileServer::start([slow, turn.clone()]);
    let first = open(&server).await.unwrap();
    let second = open(&server).await.unwrap();
    let error = tokio::select! {
        done = first.to_file(dir.file()) => panic!("{done:?}"),
        second = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            second.to_file(dir.file()).await
        } => second.unwrap_err(),
    };
    assert!(error.is_conflict() && error.to_string().contains("already"), "{error}");
    assert!(!dir.file().exists());
}

#[tokio::test]
async fn dropped_at_any_place_there_is_the_whole_file_or_none() {
    let (dir, turn) = (Dir::new(), Turn::of(MIB / 2));
    let server = FileServer::start([turn.clone()]);
    for most in 0.. {
        let mut polls = 0;
        let path = dir.file();
        let mut whole = Box::pin(save(&server, &path));
        let end = std::future::poll_fn(|cx| {
            polls += 1;
            if polls > most { Poll::Ready(None) } else { whole.as_mut().poll(cx).map(Some) }
        });
        let end = end.await;
        drop(whole);
        if path.exists() {
            is(&path, &turn);
        }
        if let Some(length) = end {
            assert_eq!(length.unwrap(), turn.length);
            break;
        }
        let _ = fs::remove_file(&path);
    }
    is(&dir.file(), &turn);
    assert_eq!(dir.names(), ["balena.img"]);
}
