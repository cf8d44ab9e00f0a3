use super::*;
use crate::service::clock::BootId;

fn at(second: u64) -> ClockReading {
    ClockReading {
        wall: "2026-11-29T12:00:00Z".parse().unwrap(),
        boot: Duration::from_secs(second),
        boot_id: BootId::from("b1"),
        trusted: true,
    }
}

fn table() -> LeaseTable {
    LeaseTable::new(LeaseLimits { per_client: 2, max_ttl: Duration::from_secs(3600) })
}

fn ask(verb: Verb, name: &str) -> LeaseRequest {
    LeaseRequest {
        verb,
        key: LeaseKey::new("modem", name),
        id: None,
        reason: None,
        term: Term::Ttl(Duration::from_secs(60)),
        not_after: None,
    }
}

fn grant(table: &mut LeaseTable, second: u64, request: &LeaseRequest) -> Lease {
    assert_eq!(table.check(&at(second), request).unwrap(), Step::Grant);
    table.apply(&at(second), request, format!("id{second}")).0
}

#[test]
fn a_repeated_request_renews_the_same_lease() {
    let mut table = table();
    let first = grant(&mut table, 0, &ask(Verb::Post, "a"));
    for verb in [Verb::Put, Verb::Post] {
        assert_eq!(table.check(&at(30), &ask(verb, "a")).unwrap(), Step::Renew);
        let (again, _) = table.apply(&at(30), &ask(verb, "a"), "other".into());
        assert_eq!((again.id, again.deadline), (first.id.clone(), Some(Duration::from_secs(90))));
    }
    assert!(table.expire(&at(89)).is_empty());
    assert_eq!(table.expire(&at(90)).len(), 1);
}

#[test]
fn a_late_renewal_learns_the_reason_and_a_new_request_takes_it_again() {
    let mut table = table();
    let first = grant(&mut table, 0, &ask(Verb::Put, "a"));
    table.expire(&at(60));
    for id in [None, Some(first.id.clone())] {
        let late = LeaseRequest { id, ..ask(Verb::Put, "a") };
        let Refusal::Ended { ended, .. } = table.check(&at(61), &late).unwrap_err() else { panic!() };
        assert_eq!(ended.unwrap().state, LeaseState::Expired);
    }
    grant(&mut table, 62, &ask(Verb::Post, "a"));
    // A renewal of the earlier grant must not renew the later one.
    let late = LeaseRequest { id: Some(first.id), ..ask(Verb::Put, "a") };
    assert!(matches!(table.check(&at(63), &late), Err(Refusal::Ended { ended: None, .. })));
}

#[test]
fn an_end_is_forgotten_after_an_hour_when_acknowledged_or_when_there_are_many() {
    let mut table = table();
    for (second, name) in [(0, "a"), (1, "b"), (2, "c")] {
        grant(&mut table, second, &ask(Verb::Put, name));
        table.lose(&at(second), "forced away");
    }
    grant(&mut table, 3, &ask(Verb::Put, "d"));
    let names = |table: &LeaseTable, second| {
        table.list(&at(second)).map(|lease| lease.key.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&table, 3), ["b", "c", "d"], "as many ended ones as a client may hold");
    let released = table.release(&at(4), &LeaseKey::new("modem", "b")).unwrap();
    assert_eq!(released.state, LeaseState::Lost);
    grant(&mut table, 5, &ask(Verb::Put, "b"));
    assert_eq!(names(&table, 3601), ["b", "c", "d"]);
    assert_eq!(names(&table, 3602), ["b", "d"]);
    assert!(table.release(&at(3602), &LeaseKey::new("modem", "c")).is_none());
}

#[test]
fn a_released_lease_is_granted_again_and_a_second_release_says_the_same() {
    let mut table = table();
    grant(&mut table, 0, &ask(Verb::Put, "a"));
    for _ in 0..2 {
        let released = table.release(&at(1), &LeaseKey::new("modem", "a")).unwrap();
        assert_eq!(released.state, LeaseState::Released);
    }
    grant(&mut table, 2, &ask(Verb::Put, "a"));
    assert!(table.release(&at(2), &LeaseKey::new("camera", "a")).is_none(), "of another client");
}

#[test]
fn limits_and_bad_values_are_refused() {
    let mut table = table();
    let field = |table: &LeaseTable, request: LeaseRequest| match table.check(&at(0), &request) {
        Err(Refusal::Invalid { field, .. }) => field,
        other => panic!("{other:?}"),
    };
    for name in ["", "a/b", "a b", "ü", ".", "..", &"x".repeat(65)] {
        assert_eq!(field(&table, ask(Verb::Post, name)), "name", "{name}");
    }
    for ttl in [Duration::ZERO, Duration::from_millis(999), Duration::from_secs(3601)] {
        assert_eq!(field(&table, LeaseRequest { term: Term::Ttl(ttl), ..ask(Verb::Post, "a") }), "ttl");
    }
    let over = Some(at(0).wall);
    assert_eq!(field(&table, LeaseRequest { not_after: over, ..ask(Verb::Post, "a") }), "not_after");
    let untrusted = ClockReading { trusted: false, ..at(0) };
    let request = LeaseRequest { not_after: over, ..ask(Verb::Post, "a") };
    assert_eq!(table.check(&untrusted, &request).unwrap(), Step::Grant, "nobody knows whether it is over");
    let reason = Some("x".repeat(201));
    assert_eq!(field(&table, LeaseRequest { reason, ..ask(Verb::Post, "a") }), "reason");

    grant(&mut table, 0, &ask(Verb::Post, "a"));
    grant(&mut table, 0, &ask(Verb::Post, "b"));
    assert!(matches!(table.check(&at(0), &ask(Verb::Post, "c")), Err(Refusal::TooMany { limit: 2 })));
    let camera = LeaseRequest { key: LeaseKey::new("camera", "c"), ..ask(Verb::Post, "c") };
    assert_eq!(table.check(&at(0), &camera).unwrap(), Step::Grant);
}

#[test]
fn a_renewal_keeps_reason_and_not_after_unless_it_names_them() {
    let mut table = table();
    let end: jiff::Timestamp = "2026-11-29T13:00:00Z".parse().unwrap();
    let first = LeaseRequest {
        reason: Some("firmware".into()),
        not_after: Some(end),
        term: Term::Keep,
        ..ask(Verb::Put, "a")
    };
    grant(&mut table, 0, &first);
    let (renewed, _) = table.apply(&at(1), &ask(Verb::Put, "a"), "x".into());
    assert_eq!((renewed.reason.as_deref(), renewed.not_after), (Some("firmware"), Some(end)));
    assert_eq!(renewed.deadline, Some(Duration::from_secs(61)), "it may get a TTL");
    let mut later = at(2);
    later.wall = end;
    assert!(table.clone().expire(&ClockReading { trusted: false, ..later.clone() }).is_empty());
    assert_eq!(table.expire(&later).len(), 1, "never beyond not_after");
}

#[test]
fn the_deadline_revokes_leases_after_a_notice_except_those_without_expiry() {
    let mut table = table();
    grant(&mut table, 0, &ask(Verb::Put, "a"));
    grant(&mut table, 0, &LeaseRequest { term: Term::Keep, ..ask(Verb::Put, "k") });
    let announced = table.revoke(&at(1), Duration::from_secs(60));
    assert_eq!(announced.iter().map(|lease| lease.key.name.as_str()).collect::<Vec<_>>(), ["a"]);
    assert!(table.revoke(&at(2), Duration::from_secs(60)).is_empty(), "announced once, and not postponed");
    let (renewed, _) = table.apply(&at(50), &ask(Verb::Put, "a"), "x".into());
    assert_eq!(renewed.left(&at(50)), Some(Duration::from_secs(11)), "a renewal does not postpone it");
    let ended = table.expire(&at(61));
    assert_eq!(ended.iter().map(|lease| lease.state).collect::<Vec<_>>(), [LeaseState::Revoked]);
    assert!(matches!(table.check(&at(62), &ask(Verb::Put, "a")), Err(Refusal::Ended { .. })));
    assert_eq!(table.held().count(), 1);
}

#[test]
fn parked_honours_leases_at_most_one_hour() {
    let mut table = table();
    grant(&mut table, 0, &LeaseRequest { term: Term::Keep, ..ask(Verb::Put, "k") });
    table.set_parked(&at(10), Parked::Yes);
    // A second start of a parked agent does not begin another hour.
    table.set_parked(&at(500), Parked::Yes);
    assert!(matches!(table.check(&at(501), &ask(Verb::Put, "a")), Err(Refusal::Parked)));
    let keep = LeaseRequest { term: Term::Keep, ..ask(Verb::Put, "k") };
    assert_eq!(table.check(&at(501), &keep).unwrap(), Step::Renew);
    table.apply(&at(501), &keep, "x".into());
    assert!(table.expire(&at(3609)).is_empty());
    assert_eq!(table.expire(&at(3610)).len(), 1);
    // Without the fault it goes on without expiry.
    let mut corrected = self::table();
    grant(&mut corrected, 0, &keep);
    corrected.set_parked(&at(10), Parked::Yes);
    corrected.set_parked(&at(20), Parked::No);
    assert_eq!(corrected.next_end(&at(20)), None);
}
