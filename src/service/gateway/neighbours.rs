//! Which addresses are containers of a network that this container is in. Pure.

use std::net::Ipv4Addr;

/// Flag of a route that is in use.
const UP: u32 = 1;

/// Returns whether an address is on a network of one of our own interfaces and is not a gateway, by the text of
/// `/proc/net/route`. A gateway is the host: connections of others may come through it.
pub(crate) fn is_neighbour(routes: &str, address: Ipv4Addr) -> bool {
    let routes: Vec<Route> = routes.lines().skip(1).filter_map(Route::parse).collect();
    let is_on_link = routes.iter().any(|route| {
        route.gateway.is_unspecified()
            && route.mask != 0
            && address.to_bits() & route.mask == route.destination.to_bits() & route.mask
    });
    is_on_link && routes.iter().all(|route| route.gateway != address)
}

struct Route {
    destination: Ipv4Addr,
    gateway: Ipv4Addr,
    mask: u32,
}

impl Route {
    /// Parses a line: interface, destination, gateway, flags, three numbers, mask, …; addresses as hexadecimal words
    /// in native byte order.
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace().skip(1);
        let mut number = || u32::from_str_radix(words.next()?, 16).ok();
        let (destination, gateway, flags) = (number()?, number()?, number()?);
        let mask = u32::from_str_radix(words.nth(3)?, 16).ok()?;
        let address = |word: u32| Ipv4Addr::from(word.to_ne_bytes());
        let route = Self {
            destination: address(destination),
            gateway: address(gateway),
            mask: address(mask).to_bits(),
        };
        (flags & UP != 0).then_some(route)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_on_a_network_of_ours_and_no_gateway() {
        let word =
            |text: &str| format!("{:08X}", u32::from_ne_bytes(text.parse::<Ipv4Addr>().unwrap().octets()));
        let line = |to: &str, by: &str, flags: &str, mask: &str| {
            format!("eth0\t{}\t{}\t{flags}\t0\t0\t0\t{}\t0\t0\t0", word(to), word(by), word(mask))
        };
        let table = [
            "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT".to_owned(),
            line("0.0.0.0", "172.18.0.1", "0003", "0.0.0.0"),
            line("172.18.0.0", "0.0.0.0", "0001", "255.255.0.0"),
            line("10.1.0.0", "0.0.0.0", "0000", "255.255.0.0"),
            line("10.2.0.0", "172.18.0.9", "0003", "255.255.0.0"),
            "nonsense".to_owned(),
        ]
        .join("\n");
        let known = |address: &str| is_neighbour(&table, address.parse().unwrap());
        assert!(known("172.18.0.2") && known("172.18.255.254"));
        for other in
            ["172.18.0.1", "172.18.0.9", "172.19.0.2", "10.1.0.2", "10.2.0.2", "8.8.8.8", "127.0.0.1"]
        {
            assert!(!known(other), "{other}");
        }
        assert!(!is_neighbour("", Ipv4Addr::LOCALHOST));
    }
}
