//! A log that comes packed, as the cloud sends it to whoever takes that.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::time::Duration;

use balena_agent::{Balena, Settings};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::pretended::words;
use crate::{UUID, line};

/// Lines, packed one by one, each in a piece of its own.
fn packed(lines: &[String]) -> Vec<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let one = |line: &String| {
        encoder.write_all(line.as_bytes()).unwrap();
        encoder.flush().unwrap();
        std::mem::take(encoder.get_mut())
    };
    lines.iter().map(one).collect()
}

#[tokio::test]
async fn lines_are_told_as_they_come_and_a_cut_within_the_packing_is_a_break() {
    let lines: Vec<String> = (1..=4).map(|at| line(at, &format!("line {at}"))).collect();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = Settings {
        api_endpoint: Some(format!("http://{}", listener.local_addr().unwrap())),
        ..Settings::default()
    };
    std::thread::spawn(move || {
        let mut cuts = [5_usize, usize::MAX].into_iter();
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            loop {
                let (mut request, mut header, mut takes) = (String::new(), String::new(), false);
                if reader.read_line(&mut request).unwrap_or(0) == 0 {
                    break;
                }
                while reader.read_line(&mut header).unwrap_or(0) > 2 {
                    takes |= header.to_ascii_lowercase().starts_with("accept-encoding: gzip");
                    header.clear();
                }
                let stream = reader.get_mut();
                if !request.contains("/logs") {
                    let rows = format!(r#"{{"d":[{{"uuid":"{UUID}"}}]}}"#);
                    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{rows}", rows.len())
                        .unwrap();
                    continue;
                }
                assert!(takes, "packed it is a third as long");
                let head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n";
                stream.write_all(head.as_bytes()).unwrap();
                let cut = cuts.next().unwrap();
                // The third line is cut in its middle, once.
                for (number, piece) in packed(&lines).iter().enumerate() {
                    let piece = if number == 2 { piece.get(..cut).unwrap_or(piece) } else { piece };
                    write!(stream, "{:x}\r\n", piece.len()).unwrap();
                    stream.write_all(piece).and_then(|()| stream.write_all(b"\r\n")).unwrap();
                    if piece.len() == cut {
                        break;
                    }
                }
                if cut == usize::MAX {
                    std::thread::sleep(Duration::from_secs(60));
                }
                break;
            }
        }
    });
    let balena = Balena::builder().settings(settings).token("t0ken".to_owned().into()).build();
    let mut log = balena.logs().subscribe(UUID).await.unwrap();
    let told = tokio::time::timeout(Duration::from_secs(20), words(&mut log, 5)).await.expect("lines");
    assert_eq!(told, ["line 1", "line 2", "interrupted: unreachable", "line 3", "line 4"]);
}
