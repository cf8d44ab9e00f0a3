//! Slots for clients, and which client is replaced when they run out. No client may take the slots of all others.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// Number of slots, in total and for a group of addresses.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SlotLimits {
    /// All slots.
    pub(crate) all: usize,
    /// The last slots, reserved for loopback.
    pub(crate) for_loopback: usize,
    /// Maximum for one address other than loopback.
    pub(crate) for_one_address: usize,
    /// Maximum for all of loopback.
    pub(crate) for_all_of_loopback: usize,
    pub(crate) giving_way: EvictionPolicy,
}

/// Which client is replaced when no slot is free.
#[derive(Debug, Clone, Copy)]
pub(crate) enum EvictionPolicy {
    /// The client without activity for the longest time; first those that were never active for this long. A client
    /// that has just connected is no such client: its request is still on its way.
    Anyone(Duration),
    /// Only a client that was never active, and only this long after it connected.
    Silent(Duration),
}

/// What is counted as one client: an IPv4 address, an IPv6 /64 network, or all of loopback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Peer {
    Loopback,
    Address(IpAddr),
}

impl Peer {
    fn new(ip: IpAddr) -> Self {
        let ip = ip.to_canonical();
        match ip {
            ip if ip.is_loopback() => Self::Loopback,
            // One machine can use any address of its /64 network. Link-local neighbours share the prefix, so there
            // each address counts.
            IpAddr::V6(v6) if !v6.is_unicast_link_local() => {
                let [a, b, c, d, ..] = v6.segments();
                Self::Address(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into())
            }
            ip => Self::Address(ip),
        }
    }
}

/// The slots and their holders. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionSlots(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limits: SlotLimits,
    holders: Mutex<Holders>,
}

#[derive(Debug, Default)]
struct Holders {
    list: Vec<Holder>,
    next_id: u64,
}

#[derive(Debug)]
struct Holder {
    id: u64,
    peer: Peer,
    /// Whether the client was active: it sent a complete request or answered a ping.
    shown: bool,
    /// When the client connected or was last active.
    since: Instant,
    go: Arc<Notify>,
}

/// An occupied slot; dropping it frees the slot.
#[derive(Debug)]
pub(crate) struct ConnectionSlot {
    places: ConnectionSlots,
    id: u64,
    go: Arc<Notify>,
}

/// Why no slot is available.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoSlot {
    /// All slots are taken.
    All,
    /// This address has its maximum.
    Address,
}

/// Whether another client was replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    Free,
    Displaced,
}

impl ConnectionSlots {
    pub(crate) fn new(limits: SlotLimits) -> Self {
        Self(Arc::new(Shared { limits, holders: Mutex::default() }))
    }

    fn holders(&self) -> MutexGuard<'_, Holders> {
        self.0.holders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the number of occupied slots.
    pub(crate) fn held(&self) -> usize {
        self.holders().list.len()
    }

    /// Takes a slot for a client with this address, if need be that of another client.
    pub(crate) fn admit(&self, ip: IpAddr) -> Result<(ConnectionSlot, Admission), NoSlot> {
        let peer = Peer::new(ip);
        let mut holders = self.holders();
        let admission = holders.make_room(peer, &self.0.limits)?;
        let id = holders.next_id;
        holders.next_id += 1;
        let go = Arc::new(Notify::new());
        holders.list.push(Holder { id, peer, shown: false, since: Instant::now(), go: go.clone() });
        Ok((ConnectionSlot { places: self.clone(), id, go }, admission))
    }

    /// Replaces one client, if the rules allow. Returns whether one was replaced.
    pub(crate) fn evict_one(&self) -> bool {
        self.holders().evict(self.0.limits.giving_way, |_| true)
    }
}

impl Holders {
    fn make_room(&mut self, peer: Peer, limits: &SlotLimits) -> Result<Admission, NoSlot> {
        let own = self.list.iter().filter(|holder| holder.peer == peer).count();
        let beyond = self.list.iter().filter(|holder| holder.peer != Peer::Loopback).count();
        let is_loopback = peer == Peer::Loopback;
        let most = if is_loopback { limits.for_all_of_loopback } else { limits.for_one_address };
        let (made, full) = if own >= most {
            (self.evict(limits.giving_way, |holder| holder.peer == peer), NoSlot::Address)
        } else if !is_loopback && beyond >= limits.all.saturating_sub(limits.for_loopback) {
            (self.evict(limits.giving_way, |holder| holder.peer != Peer::Loopback), NoSlot::All)
        } else if self.list.len() >= limits.all {
            (self.evict(limits.giving_way, |_| true), NoSlot::All)
        } else {
            return Ok(Admission::Free);
        };
        if made { Ok(Admission::Displaced) } else { Err(full) }
    }

    fn evict(&mut self, giving_way: EvictionPolicy, among: impl Fn(&Holder) -> bool) -> bool {
        let (EvictionPolicy::Anyone(grace) | EvictionPolicy::Silent(grace)) = giving_way;
        let is_silent = |holder: &Holder| !holder.shown && holder.since.elapsed() >= grace;
        let may_go = |holder: &Holder| matches!(giving_way, EvictionPolicy::Anyone(_)) || is_silent(holder);
        let candidates = self.list.iter().enumerate().filter(|(_, holder)| among(holder) && may_go(holder));
        let Some((index, _)) =
            candidates.min_by_key(|(_, holder)| (!is_silent(holder), holder.since, holder.id))
        else {
            return false;
        };
        self.list.swap_remove(index).go.notify_one();
        true
    }
}

impl ConnectionSlot {
    /// Records that the client was active.
    pub(crate) fn mark_active(&self) {
        let mut holders = self.places.holders();
        if let Some(holder) = holders.list.iter_mut().find(|holder| holder.id == self.id) {
            (holder.shown, holder.since) = (true, Instant::now());
        }
    }

    /// Returns the number of occupied slots, with this one.
    pub(crate) fn held(&self) -> usize {
        self.places.held()
    }

    /// Resolves when another client takes this slot. Supports one waiter at a time.
    pub(crate) async fn evicted(&self) {
        self.go.notified().await;
    }
}

impl ConnectionSlot {
    /// Gives the slot back before it is dropped. The connection then has a slot of another kind.
    pub(crate) fn release(&self) {
        self.places.holders().list.retain(|holder| holder.id != self.id);
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: SlotLimits = SlotLimits {
        all: 8,
        for_loopback: 2,
        for_one_address: 3,
        for_all_of_loopback: 6,
        giving_way: EvictionPolicy::Anyone(GRACE),
    };
    const GRACE: Duration = Duration::from_millis(1500);

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn is_displaced(place: &ConnectionSlot) -> bool {
        !place.places.holders().list.iter().any(|holder| holder.id == place.id)
    }

    /// Takes slots one after the other, a second apart.
    async fn take(places: &ConnectionSlots, addresses: &[&str]) -> Vec<ConnectionSlot> {
        let mut taken = Vec::new();
        for address in addresses {
            taken.push(places.admit(ip(address)).unwrap().0);
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        taken
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_without_a_request_gives_way_then_the_longest_idle() {
        let places = ConnectionSlots::new(LIMITS);
        let mut held = take(&places, &["127.0.0.1"; 6]).await;
        held[0].mark_active();
        for gone in [1, 2, 3, 4, 5, 0] {
            let (newest, admission) = places.admit(ip("127.0.0.1")).unwrap();
            newest.mark_active();
            assert_eq!(admission, Admission::Displaced);
            assert!(is_displaced(&held[gone]), "{gone}");
            assert_eq!(places.held(), 6);
            held.push(newest);
        }
        drop(held);
        assert_eq!(places.held(), 0);
        assert_eq!(places.admit(ip("127.0.0.1")).unwrap().1, Admission::Free);
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_just_connected_is_not_the_first_to_go() {
        let places = ConnectionSlots::new(LIMITS);
        let held = take(&places, &["127.0.0.1"; 6]).await;
        held.iter().take(5).for_each(ConnectionSlot::mark_active);
        // One second is less than the grace: the request of the last one may be on its way.
        let newest = places.admit(ip("127.0.0.1")).unwrap().0;
        assert!(is_displaced(&held[5]), "older than the active ones, and still in the order of age");
        let newer = places.admit(ip("127.0.0.1")).unwrap().0;
        assert!(is_displaced(&held[0]) && !is_displaced(&newest), "an active one goes before a new one");
        tokio::time::advance(GRACE).await;
        newer.mark_active();
        places.admit(ip("127.0.0.1")).unwrap();
        assert!(is_displaced(&newest), "silent for longer than the grace");
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_costs_only_itself_and_loopback_keeps_places() {
        for (first, others, victims) in [
            // The connections in order, and for each further one whose slot it takes.
            (vec!["10.0.0.1"; 3], vec!["10.0.0.1"], vec![Some(0)]),
            (vec!["10.0.0.1"; 3], vec!["10.0.0.2"], vec![None]),
            (vec!["10.0.0.1", "::ffff:10.0.0.1", "10.0.0.1"], vec!["10.0.0.1"], vec![Some(0)]),
            (vec!["2001:db8::1", "2001:db8::2", "2001:db8::3"], vec!["2001:db8::4"], vec![Some(0)]),
            (vec!["fe80::1", "fe80::2", "fe80::3"], vec!["fe80::4"], vec![None]),
            (
                vec!["10.0.0.1", "10.0.0.1", "10.0.0.2", "10.0.0.2", "10.0.0.3", "10.0.0.3"],
                vec!["10.0.0.4"],
                vec![Some(0)],
            ),
            (
                vec!["127.0.0.1", "10.0.0.1", "10.0.0.1", "10.0.0.2", "10.0.0.2", "10.0.0.3", "10.0.0.3"],
                vec!["10.0.0.4", "127.0.0.1", "127.0.0.2"],
                vec![Some(1), None, Some(0)],
            ),
            (
                vec!["127.0.0.1", "::1", "127.0.0.3", "127.0.0.1", "127.0.0.1", "127.0.0.1"],
                vec!["127.0.0.9"],
                vec![Some(0)],
            ),
        ] {
            let places = ConnectionSlots::new(LIMITS);
            let mut held = take(&places, &first).await;
            for (other, victim) in others.iter().zip(victims) {
                let (place, admission) = places.admit(ip(other)).unwrap();
                let gone = held.iter().position(is_displaced);
                assert_eq!(gone, victim, "{other} after {first:?}");
                assert_eq!(admission == Admission::Displaced, victim.is_some());
                match gone {
                    // A replaced client that disconnects must not free the slot of its successor.
                    Some(gone) => held[gone] = place,
                    None => held.push(place),
                }
                assert_eq!(places.held(), held.len());
                tokio::time::advance(Duration::from_secs(1)).await;
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_shows_itself_keeps_its_place() {
        let patience = Duration::from_secs(5);
        let places =
            ConnectionSlots::new(SlotLimits { giving_way: EvictionPolicy::Silent(patience), ..LIMITS });
        let held = take(&places, &["10.0.0.1"; 3]).await;
        held[0].mark_active();
        assert_eq!(places.admit(ip("10.0.0.1")).unwrap_err(), NoSlot::Address);
        tokio::time::advance(patience).await;
        assert!(places.admit(ip("10.0.0.1")).is_ok());
        assert!(is_displaced(&held[1]) && !is_displaced(&held[0]) && !is_displaced(&held[2]));
        let others = take(&places, &["127.0.0.1"; 6]).await;
        others.iter().for_each(ConnectionSlot::mark_active);
        held[2].mark_active();
        assert_eq!(places.admit(ip("10.0.0.2")).unwrap_err(), NoSlot::All);
    }
}
