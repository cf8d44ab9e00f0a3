//! The journal on real files: processes that are killed, other files in the directory, and how commits go on.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{Change, Durability, Journal, Kind, Need, Owner, Recovery};

const TASKS: usize = 4;

/// A state directory, removed on drop.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("agent-journal-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort_unstable();
        names
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn put(kind: Kind, key: &(impl ToString + ?Sized), value: &(impl ToString + ?Sized)) -> Change {
    Change::Put { kind, key: key.to_string(), value: value.to_string().into_bytes() }
}

fn number(journal: &Journal, kind: Kind, key: &(impl ToString + ?Sized)) -> Option<u64> {
    let value = journal.get(kind, &key.to_string())?;
    String::from_utf8(value).unwrap().parse().ok()
}

/// What a process does that `killed_amid_writes_…` starts. Each task counts on from what the journal has. It says
/// `task number outcome` on standard output when a commit was acknowledged. The outcome of a number is random.
#[tokio::test]
async fn child_that_writes() {
    let Ok(directory) = std::env::var("JOURNAL_TEST_DIRECTORY") else { return };
    let directory = PathBuf::from(directory);
    let _owner = Owner::try_take(Some(&directory), None).unwrap();
    let journal = Journal::open(&directory).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..TASKS {
        let journal = journal.clone();
        tasks.spawn(async move {
            let mut next = number(&journal, Kind::BUDGET, &task).map_or(0, |last| last + 1);
            loop {
                let outcome = getrandom::u64().unwrap();
                let changes = vec![
                    put(Kind::BUDGET, &task, &next),
                    put(Kind::ACTION, &format!("{task}-{}", next % 50), &format!("{next} {outcome}")),
                    put(Kind::LEASE, &task, &"x".repeat(usize::try_from(outcome % 9000).unwrap())),
                    Change::Delete { kind: Kind::ACTION, key: format!("{task}-{}", (next + 1) % 50) },
                ];
                assert_eq!(journal.commit(changes, Need::Durable).await, Ok(Durability::Durable));
                let line = format!("ack {task} {next} {outcome}\n");
                std::io::stdout().write_all(line.as_bytes()).unwrap();
                next += 1;
            }
        });
    }
    tasks.join_next().await;
}

#[tokio::test]
async fn killed_amid_writes_nothing_acknowledged_is_lost_or_has_another_outcome() {
    let dir = Dir::new("killed");
    let name = module_path!().split_once("::").unwrap().1.to_owned() + "::child_that_writes";
    let (mut acknowledged, mut in_flight, mut new_files) = (0_usize, 0, 0);
    let mut outcomes: BTreeMap<(usize, u64), u64> = BTreeMap::new();
    let kills = 200;
    for round in 0..kills {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", &name])
            .env("JOURNAL_TEST_DIRECTORY", &dir.0)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut last: BTreeMap<usize, (u64, u64)> = BTreeMap::new();
        let mut note = |line: &str| {
            let mut words = line.split(' ').skip_while(|word| !word.ends_with("ack")).skip(1);
            let mut word = || words.next()?.parse::<u64>().ok();
            let Some(((task, number), outcome)) = word().zip(word()).zip(word()) else { return false };
            last.insert(usize::try_from(task).unwrap(), (number, outcome));
            outcomes.insert((usize::try_from(task).unwrap(), number), outcome);
            acknowledged += 1;
            true
        };
        for line in lines.by_ref().map_while(Result::ok) {
            if note(&line) {
                break;
            }
        }
        std::thread::sleep(Duration::from_micros(137 * (round % 101)));
        child.kill().unwrap();
        child.wait().unwrap();
        for line in lines.map_while(Result::ok) {
            note(&line);
        }

        new_files += usize::from(dir.names().iter().any(|name| name.starts_with(".journal.")));
        let journal = Journal::open(&dir.0).await.unwrap();
        assert!(!journal.recovery().may_have_lost(), "{:?}", journal.recovery());
        for (task, (number_said, outcome)) in last {
            let found = number(&journal, Kind::BUDGET, &task).unwrap();
            assert!(
                found == number_said || found == number_said + 1,
                "task {task}: {found}, said {number_said}"
            );
            in_flight += usize::from(found > number_said);
            let action = journal.get(Kind::ACTION, &format!("{task}-{}", number_said % 50));
            if found == number_said {
                let expected = format!("{number_said} {outcome}");
                assert_eq!(action.as_deref(), Some(expected.as_bytes()), "round {round}, task {task}");
            }
        }
        for (key, value) in journal.entries(Kind::ACTION) {
            let task: usize = key.split('-').next().unwrap().parse().unwrap();
            let text = String::from_utf8(value).unwrap();
            let (number, outcome) = text.split_once(' ').unwrap();
            if let Some(said) = outcomes.get(&(task, number.parse().unwrap())) {
                assert_eq!(said.to_string(), outcome, "another outcome of {key}");
            }
        }
    }
    println!(
        "{kills} kills, {acknowledged} commits acknowledged, {in_flight} found that were not acknowledged yet, {new_files} times killed while a new file was written"
    );
    assert_eq!(dir.names(), [".balena-agent-owner", "journal"]);
}

#[tokio::test]
async fn files_are_private_and_a_damaged_one_is_kept_beside_at_most_three() {
    let dir = Dir::new("damaged");
    let path = dir.0.join("journal");
    fs::File::create(dir.0.join(".journal.0123456789abcdef.tmp")).unwrap();
    for round in 0..5 {
        let journal = Journal::open(&dir.0).await.unwrap();
        let expected = if round == 0 { Recovery::Fresh } else { Recovery::Gap { frames: 1, bytes: 60 } };
        assert_eq!(std::mem::discriminant(&journal.recovery()), std::mem::discriminant(&expected), "{round}");
        for number in 0..3 {
            let commit = journal.commit(vec![put(Kind::LEASE, &number, &round)], Need::Durable);
            assert_eq!(commit.await, Ok(Durability::Durable));
        }
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        // Damages the second of the three commits.
        let mut bytes = fs::read(&path).unwrap();
        let marks: Vec<_> = memchr::memmem::find_iter(&bytes, &super::frame::MARK).collect();
        bytes[marks[marks.len() - 2] + 27] ^= 1;
        crate::fs::write_atomic(&path, &bytes, 0o600).unwrap();
    }
    let names = dir.names();
    assert_eq!(
        names,
        ["journal", "journal.damaged-000002", "journal.damaged-000003", "journal.damaged-000004"]
    );
}

#[tokio::test]
async fn a_newer_format_and_a_file_that_is_none_are_refused_and_left() {
    let dir = Dir::new("newer");
    let path = dir.0.join("journal");
    let mut header = super::frame::encode_header(0, 1);
    header[8] = 9;
    let check = crc32fast::hash(&header[..20]);
    header[20..].copy_from_slice(&check.to_le_bytes());
    crate::fs::write_atomic(&path, &header, 0o600).unwrap();
    let error = Journal::open(&dir.0).await.unwrap_err();
    assert!(error.is_unsupported() && error.to_string().contains("version 9"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), header);
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(Journal::open(&dir.0).await.unwrap_err().is_io());
}

#[tokio::test]
async fn commits_that_wait_together_share_a_sync_and_go_on_without_their_callers() {
    let dir = Dir::new("group");
    let journal = Journal::open(&dir.0).await.unwrap();
    let before = journal.status();
    let commits = (0..200).map(|number| {
        let journal = journal.clone();
        async move { journal.commit(vec![put(Kind::LEDGER, &number, "{}")], Need::Durable).await }
    });
    let mut tasks: tokio::task::JoinSet<_> = commits.collect();
    while let Some(answer) = tasks.join_next().await {
        assert_eq!(answer.unwrap(), Ok(Durability::Durable));
    }
    let status = journal.status();
    assert_eq!((status.commits - before.commits, status.entries, status.durable), (200, 200, true));
    // The same again changes nothing and writes nothing.
    let again = journal.commit(vec![put(Kind::LEDGER, &7, "{}")], Need::Durable).await;
    assert_eq!((again, journal.status().bytes_written), (Ok(Durability::Durable), status.bytes_written));

    // Its future is dropped after the first poll.
    {
        let commit = std::pin::pin!(journal.commit(vec![put(Kind::LEDGER, "gone", "{}")], Need::Durable));
        let _ = tokio::time::timeout(Duration::ZERO, commit).await;
    }
    journal.flush().await.unwrap();
    assert!(journal.get(Kind::LEDGER, "gone").is_some());
    let reopened = Journal::open(&dir.0).await.unwrap();
    assert_eq!(reopened.entries(Kind::LEDGER).len(), 201);
    assert_eq!(reopened.recovery(), Recovery::Clean);
}
