use super::error::StorageFault;
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

#[tokio::test(start_paused = true)]
async fn what_is_in_memory_only_is_written_when_the_storage_works_again() {
    let disk = disk::Disk::new(3);
    let journal = Journal::open_storage(Box::new(disk.clone()), None, FIRST_PAUSE).unwrap();
    let tasks = tasks::TaskSet::new();
    let (running, stop) = (journal.clone(), tasks.stop_signal());
    tasks.spawn("journal", async move { running.run(stop).await.unwrap() }).unwrap();

    disk.state().dead_from = Some(0);
    let kept = vec![put(Kind::LEASE, "a", "1")];
    assert_eq!(journal.commit(kept, Need::BestEffort).await, Ok(Durability::MemoryOnly));
    assert!(!journal.status().durable && journal.status().last_error.unwrap().contains("the power is off"));
    let refused = journal.commit(vec![put(Kind::LEASE, "b", "1")], Need::Durable).await.unwrap_err();
    assert_eq!(refused.fault(), StorageFault::Io);
    // The pauses between the attempts grow: an hour costs few of them.
    let before = disk.state().calls;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let attempts = disk.state().calls - before;
    assert!((10..=25).contains(&attempts), "{attempts}");

    disk.state().dead_from = None;
    tokio::time::sleep(Duration::from_secs(301)).await;
    let status = journal.status();
    assert!(status.durable && status.last_error.is_none(), "{status:?}");
    assert_eq!(replay(&disk.power_cut().bytes()).unwrap().live.count(), 1);
    assert!(tasks.drain(Duration::from_secs(5)).await);
}
