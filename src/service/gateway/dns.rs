//! One question to a name server: the IPv4 addresses of a name. Only for the engine's own server, which answers the
//! names of compose services.
//!
//! The name is absolute, so that no search domain is tried, and the answer is not cached.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::timeout;

/// Time for an answer. The server is in the same machine.
const ANSWER_LIMIT: Duration = Duration::from_millis(500);
/// Longest answer over UDP without extensions, in bytes.
const LONGEST: usize = 512;
const HEADER: usize = 12;
/// Type A, class IN.
const QUESTION_END: [u8; 4] = [0, 1, 0, 1];

/// Asks for the addresses of a name. A name that does not exist has none.
///
/// # Errors
/// If no answer comes in time, or it is none to this question.
pub(crate) async fn lookup(server: SocketAddr, name: &str) -> io::Result<Vec<Ipv4Addr>> {
    let id = u16::try_from(getrandom::u32().map_err(io::Error::from)? & 0xffff).unwrap_or_default();
    let question = encode(id, name).ok_or(io::ErrorKind::InvalidInput)?;
    let any = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).await?;
    // Connected: datagrams of others are dropped by the kernel.
    socket.connect(server).await?;
    socket.send(&question).await?;
    let answered = async {
        let mut buffer = [0; LONGEST];
        loop {
            let length = socket.recv(&mut buffer).await?;
            if let Some(addresses) = decode(&question, buffer.get(..length).unwrap_or_default()) {
                return addresses;
            }
        }
    };
    timeout(ANSWER_LIMIT, answered).await?
}

/// Returns the question for the addresses of a name; `None` if it can't be a name.
fn encode(id: u16, name: &str) -> Option<Vec<u8>> {
    let mut question = Vec::with_capacity(HEADER + name.len() + 6);
    question.extend(id.to_be_bytes());
    // Recursion desired; one question.
    question.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.trim_end_matches('.').split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..=63).contains(length))?;
        question.push(length);
        question.extend(label.bytes());
    }
    question.push(0);
    question.extend(QUESTION_END);
    (question.len() <= 255 + HEADER).then_some(question)
}

/// Reads an answer. `None` if it is not one to this question.
fn decode(question: &[u8], answer: &[u8]) -> Option<io::Result<Vec<Ipv4Addr>>> {
    let (asked_head, asked) = question.split_at_checked(HEADER)?;
    let (head, rest) = answer.split_at_checked(HEADER)?;
    let (&[id1, id2, flags1, flags2, 0, 1, many1, many2, ..], &[own1, own2, ..]) = (head, asked_head) else {
        return None;
    };
    let is_answer = flags1 & 0x80 != 0;
    let (same, records) = rest.split_at_checked(asked.len())?;
    if !is_answer || (id1, id2) != (own1, own2) || !same.eq_ignore_ascii_case(asked) {
        return None;
    }
    let is_cut = flags1 & 0x02 != 0;
    Some(match flags2 & 0x0f {
        0 if !is_cut => {
            read_records(records, u16::from_be_bytes([many1, many2])).ok_or(io::ErrorKind::InvalidData.into())
        }
        // The name does not exist.
        3 => Ok(Vec::new()),
        _ => Err(io::ErrorKind::InvalidData.into()),
    })
}

/// Reads the addresses of the answer section. Other records, e.g. aliases, are skipped.
fn read_records(mut rest: &[u8], count: u16) -> Option<Vec<Ipv4Addr>> {
    let mut addresses = Vec::new();
    for _ in 0..count {
        rest = skip_name(rest)?;
        let (head, after) = rest.split_at_checked(10)?;
        let &[kind1, kind2, class1, class2, _, _, _, _, length1, length2] = head else { return None };
        let (data, after) = after.split_at_checked(u16::from_be_bytes([length1, length2]).into())?;
        rest = after;
        if [kind1, kind2, class1, class2] == QUESTION_END {
            addresses.push(Ipv4Addr::from(<[u8; 4]>::try_from(data).ok()?));
        }
    }
    Some(addresses)
}

/// Skips a name, which may end in a pointer.
fn skip_name(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        let (&length, after) = rest.split_first()?;
        match length {
            0 => return Some(after),
            1..=63 => rest = after.get(usize::from(length)..)?,
            0xc0.. => return after.get(1..),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An answer with these records (type, data), each with a pointer to the name of the question.
    fn answer(question: &[u8], code: u8, records: &[(u8, &[u8])]) -> Vec<u8> {
        let mut answer = question.to_vec();
        answer[2] = 0x84;
        answer[3] = code;
        answer[7] = u8::try_from(records.len()).unwrap();
        for (kind, data) in records {
            answer.extend([0xc0, 12, 0, *kind, 0, 1, 0, 0, 2, 88, 0, u8::try_from(data.len()).unwrap()]);
            answer.extend(*data);
        }
        answer
    }

    fn addresses(question: &[u8], answer: &[u8]) -> Option<Vec<Ipv4Addr>> {
        decode(question, answer)?.ok()
    }

    #[test]
    fn questions_and_answers() {
        let question = encode(0x1234, "web.").unwrap();
        assert_eq!(question, b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x03web\0\0\x01\0\x01");
        let good = answer(&question, 0, &[(5, b"\x03abc\0"), (1, &[172, 18, 0, 2]), (1, &[172, 18, 0, 3])]);
        let both = vec![Ipv4Addr::new(172, 18, 0, 2), Ipv4Addr::new(172, 18, 0, 3)];
        assert_eq!(addresses(&question, &good), Some(both));
        assert_eq!(addresses(&question, &answer(&question, 3, &[])), Some(vec![]));
        assert!(decode(&question, &answer(&question, 2, &[])).unwrap().is_err(), "the server failed");
        let other = encode(0x1235, "web").unwrap();
        assert!(decode(&question, &answer(&other, 0, &[])).is_none(), "of another question");
        assert!(decode(&question, &answer(&encode(0x1234, "wob").unwrap(), 0, &[])).is_none());
        assert!(decode(&question, &question).is_none(), "a question is no answer");
        for bad in ["", ".", "a..b", &"x".repeat(64), &"x.".repeat(200)] {
            assert_eq!(encode(1, bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_breaks_it(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let question = encode(7, "web").unwrap();
            let _ = decode(&question, &bytes);
            let mut answer = answer(&question, 0, &[]);
            answer[7] = 9;
            answer.extend(&bytes);
            let _ = decode(&question, &answer);
        }

        #[test]
        fn a_cut_answer_is_no_address(cut in 0usize..45) {
            let question = encode(7, "web").unwrap();
            let whole = answer(&question, 0, &[(1, &[1, 2, 3, 4])]);
            prop_assume!(cut < whole.len());
            prop_assert_eq!(addresses(&question, &whole[..cut]), None);
        }
    }

    #[tokio::test]
    async fn a_server_is_asked_and_a_silent_one_is_given_up() {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap();
        let serve = async {
            let mut buffer = [0; 512];
            let (length, from) = server.recv_from(&mut buffer).await.unwrap();
            let question = &buffer[..length];
            server.send_to(&answer(question, 0, &[(1, &[9, 9, 9])]), from).await.unwrap();
        };
        let (got, ()) = tokio::join!(lookup(address, "web"), serve);
        assert!(got.is_err(), "an address has four bytes");
        assert_eq!(lookup(address, "web").await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
