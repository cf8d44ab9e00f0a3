//! The engine's name server: answers the names of running services with the addresses of their containers.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Mutex;

use tokio::net::UdpSocket;

use super::lock;

/// Network of the containers. All of 127.0.0.0/8 is on the loopback interface, so a test can use these addresses.
const NETWORK: [u8; 3] = [127, 77, 0];
/// Last byte of the first container's address; `.1` is the gateway.
const FIRST: u8 = 2;
/// Longest query, in bytes.
const LONGEST: usize = 512;
/// Size of a message's header, in bytes.
const HEADER: usize = 12;
/// Time to live that the engine's name server gives, in seconds.
const TTL: u32 = 600;

const TYPE_A: u16 = 1;
const CLASS_IN: u16 = 1;
/// Response code of a name that does not exist.
const NO_SUCH_NAME: u8 = 3;

/// Addresses of the services' containers, by name of the service.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    own: Mutex<BTreeMap<String, Ipv4Addr>>,
    /// Answers that a test set instead.
    replaced: Mutex<BTreeMap<String, Vec<Ipv4Addr>>>,
}

impl Addresses {
    /// Returns the address of a service's container, which stays the same.
    pub(super) fn of(&self, service: &str) -> Ipv4Addr {
        let mut own = lock(&self.own);
        let next = u8::try_from(own.len()).unwrap_or(u8::MAX).saturating_add(FIRST);
        let [a, b, c] = NETWORK;
        *own.entry(service.to_owned()).or_insert_with(|| Ipv4Addr::new(a, b, c, next))
    }

    pub(super) fn replace(&self, name: &str, answer: Vec<Ipv4Addr>) {
        lock(&self.replaced).insert(name.to_ascii_lowercase(), answer);
    }

    /// Returns the answer for a name in lower case, given the running services; `None` if there is no such name.
    pub(super) fn find(&self, running: &[String], name: &str) -> Option<Vec<Ipv4Addr>> {
        if let Some(answer) = lock(&self.replaced).get(name) {
            return Some(answer.clone()).filter(|answer| !answer.is_empty());
        }
        let found = running.iter().find(|service| service.eq_ignore_ascii_case(name));
        found.map(|service| vec![self.of(service)])
    }
}

/// Answers queries with what `find` has for a name in lower case. Never returns.
pub(super) async fn serve(socket: UdpSocket, find: impl Fn(&str) -> Option<Vec<Ipv4Addr>>) {
    let mut query = [0; LONGEST];
    loop {
        let Ok((length, client)) = socket.recv_from(&mut query).await else {
            // An ICMP error of an earlier answer, whose client is gone.
            tokio::task::yield_now().await;
            continue;
        };
        if let Some(answer) = answer(query.get(..length).unwrap_or_default(), &find) {
            // The client may be gone.
            let _ = socket.send_to(&answer, client).await;
        }
    }
}

/// Returns the response to a query; `None` if it is not a query of one question.
fn answer(query: &[u8], find: impl Fn(&str) -> Option<Vec<Ipv4Addr>>) -> Option<Vec<u8>> {
    let (name, end) = question(query)?;
    let kind = u16::from_be_bytes(query.get(end..end + 2)?.try_into().ok()?);
    let class = u16::from_be_bytes(query.get(end + 2..end + 4)?.try_into().ok()?);
    let found = find(&name);
    let addresses = match &found {
        Some(addresses) if kind == TYPE_A && class == CLASS_IN => addresses.as_slice(),
        _ => &[],
    };
    let code = if found.is_some() { 0 } else { NO_SUCH_NAME };
    let recursion_desired = query.get(2)? & 0x01;
    let mut answer = Vec::with_capacity(LONGEST);
    answer.extend_from_slice(query.get(..2)?);
    answer.extend([0x80 | recursion_desired, 0x80 | code, 0, 1]);
    answer.extend(u16::try_from(addresses.len()).ok()?.to_be_bytes());
    answer.extend([0; 4]);
    answer.extend_from_slice(query.get(HEADER..end + 4)?);
    for address in addresses {
        // The name is a pointer to the question's.
        answer.extend([0xc0, 0x0c]);
        answer.extend(TYPE_A.to_be_bytes());
        answer.extend(CLASS_IN.to_be_bytes());
        answer.extend(TTL.to_be_bytes());
        answer.extend([0, 4]);
        answer.extend(address.octets());
    }
    Some(answer)
}

/// Returns the name of the only question, in lower case and without the last dot, and the position after it.
fn question(query: &[u8]) -> Option<(String, usize)> {
    let is_query = query.get(2)? & 0x80 == 0;
    if !is_query || query.get(4..6)? != [0, 1] {
        return None;
    }
    let mut labels: Vec<String> = Vec::new();
    let mut at = HEADER;
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        match length {
            0 => return Some((labels.join("."), at)),
            1..=63 => labels.push(String::from_utf8_lossy(query.get(at..at + length)?).to_ascii_lowercase()),
            // A pointer has no place in a question.
            _ => return None,
        }
        at += length;
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::answer;

    fn query(name: &str, kind: u8) -> Vec<u8> {
        let mut query = vec![0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            query.push(u8::try_from(label.len()).expect("short"));
            query.extend(label.as_bytes());
        }
        query.extend([0, 0, kind, 0, 1]);
        query
    }

    fn find(name: &str) -> Option<Vec<Ipv4Addr>> {
        (name == "main").then(|| vec![Ipv4Addr::new(127, 77, 0, 2)])
    }

    #[test]
    fn a_service_has_an_address_and_others_do_not_exist() {
        let found = answer(&query("Main", 1), find).expect("an answer");
        assert_eq!(found[..8], [0xab, 0xcd, 0x81, 0x80, 0, 1, 0, 1]);
        assert!(found.ends_with(&[0, 4, 127, 77, 0, 2]));
        // It has no IPv6 address, but it exists.
        assert_eq!(answer(&query("main", 28), find).expect("an answer")[3..8], [0x80, 0, 1, 0, 0]);
        assert_eq!(answer(&query("main.example", 1), find).expect("an answer")[3], 0x83);
    }

    #[test]
    fn what_is_no_query_gets_no_answer() {
        let whole = query("main", 1);
        for length in 0..whole.len() {
            assert_eq!(answer(&whole[..length], find), None, "{length}");
        }
        let mut response = whole.clone();
        response[2] |= 0x80;
        assert_eq!(answer(&response, find), None);
        let mut pointer = whole;
        pointer[12] = 0xc0;
        assert_eq!(answer(&pointer, find), None);
    }
}
