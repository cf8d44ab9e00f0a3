use super::*;

fn put(kind: Kind, key: &str, value: &str) -> Change {
    Change::Put { kind, key: key.to_owned(), value: value.as_bytes().to_vec() }
}

fn delete(kind: Kind, key: &str) -> Change {
    Change::Delete { kind, key: key.to_owned() }
}

#[tokio::test]
async fn a_commit_in_memory_is_all_or_none_and_says_that_it_is_not_durable() {
    let journal = Journal::in_memory();
    let both = vec![put(Kind::LEASE, "b", "2"), put(Kind::LEASE, "a", "1"), put(Kind::BOOT, "a", "0")];
    assert_eq!(journal.commit(both, Need::BestEffort).await, Ok(Durability::MemoryOnly));
    let expected = vec![("a".to_owned(), b"1".to_vec()), ("b".to_owned(), b"2".to_vec())];
    assert_eq!(journal.entries(Kind::LEASE), expected);
    assert_eq!(journal.get(Kind::BOOT, "a"), Some(b"0".to_vec()));

    let refused = journal.commit(vec![delete(Kind::LEASE, "a"), put(Kind::LEASE, "c", "3")], Need::Durable);
    assert_eq!(refused.await.unwrap_err().fault(), StorageFault::NoDirectory);
    let large = vec![delete(Kind::LEASE, "a"), put(Kind::LEASE, "c", &"x".repeat(ENTRY_LIMIT))];
    let refused = journal.commit(large, Need::BestEffort).await.unwrap_err();
    assert_eq!(refused.fault(), StorageFault::TooLarge);
    assert!(refused.to_string().contains("at most 65536"), "{refused}");
    assert_eq!(journal.entries(Kind::LEASE), expected);

    assert_eq!(
        journal.commit(vec![delete(Kind::LEASE, "a")], Need::Durable).await,
        Ok(Durability::MemoryOnly)
    );
    assert_eq!(journal.entries(Kind::LEASE).len(), 1);
    let status = journal.status();
    assert_eq!((status.durable, status.entries, status.commits), (false, 2, 2));
}

#[tokio::test]
async fn the_sum_of_all_entries_is_bounded_and_removing_always_works() {
    let journal = Journal::in_memory();
    let value = "x".repeat(60 * 1024);
    let mut count = 0;
    while journal.commit(vec![put(Kind::LEDGER, &count.to_string(), &value)], Need::BestEffort).await.is_ok()
    {
        count += 1;
    }
    assert!(journal.status().live_bytes <= LIVE_LIMIT);
    assert!(journal.status().live_bytes + 61 * 1024 > LIVE_LIMIT, "{count} entries");
    journal.commit(vec![delete(Kind::LEDGER, "0")], Need::BestEffort).await.unwrap();
    journal.commit(vec![put(Kind::LEDGER, "new", &value)], Need::BestEffort).await.unwrap();
}

#[test]
fn debug_shows_no_value() {
    let shown = format!("{:?}", [put(Kind::LEASE, "a", "secret"), delete(Kind::from_number(99), "b")]);
    assert_eq!(shown, r#"[Put(LEASE "a", 6 bytes), Delete(Kind(99) "b")]"#);
}
