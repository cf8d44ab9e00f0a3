//! A simulated device, set up as a case says, and what has become of it in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use balena_agent::simulator::{Device, Fixture, KeyScope, LockEntry, Power};
use serde_json::Value;
use tokio::time::Instant;

use super::cases::{Case, Given, Lock, LockKind, Request, Then};
use super::raw::{self, Limits};

/// Uid of the supervisor's own locks.
const SUPERVISOR_UID: u32 = 65534;

/// Builds the device a case starts from.
pub(crate) async fn set_up(fixture: &Fixture, given: &Given) -> io::Result<Device> {
    let mut builder = Device::builder().fixture(fixture.clone()).apps(&given.apps);
    builder = builder.with_timings(|timings| {
        let set = |place: &mut Duration, millis: Option<u64>| {
            if let Some(millis) = millis {
                *place = Duration::from_millis(millis);
            }
        };
        set(&mut timings.stop, given.stop_ms);
        set(&mut timings.start, given.start_ms);
        set(&mut timings.pull, given.pull_ms);
    });
    for service in &given.stopped {
        builder = builder.stopped(service);
    }
    for (name, value) in &given.config {
        builder = builder.config(name, value);
    }
    if given.local_mode {
        builder = builder.local_mode();
    }
    if given.cloud.as_deref() == Some("offline") {
        builder = builder.offline_for(Duration::from_millis(given.offline_for_ms));
    }
    if let Some(call) = given.engine_fails {
        builder = builder.engine_fails(call);
    }
    if given.update_available {
        builder = builder.update_available();
    }
    if given.host_os_update_running {
        builder = builder.host_os_update_running();
    }
    if let Some(proxy) = &given.proxy {
        builder = builder.proxy(proxy.clone());
    }
    if let Some(tags) = &given.tags {
        builder = builder.tags(tags.clone());
    }
    if let Some(journal) = &given.journal {
        builder = builder.journal(journal.entries);
    }
    let device = builder.start().await?;
    for lock in &given.locks {
        make_lock(&device, lock)?;
    }
    Ok(device)
}

fn make_lock(device: &Device, lock: &Lock) -> io::Result<()> {
    let directory = device.lock_directory(lock.app, lock.service.as_deref().unwrap_or_default());
    fs::create_dir_all(&directory)?;
    let path = directory.join(&lock.file);
    let file = |path| -> io::Result<()> {
        let mut file = fs::File::create_new(path)?;
        io::Write::write_all(&mut file, lock.content.as_bytes())
    };
    match lock.kind {
        LockKind::File => file(path),
        LockKind::Directory => fs::create_dir(path),
        LockKind::DirectoryWithFile => {
            fs::create_dir(&path)?;
            file(path.join("file"))
        }
        LockKind::DanglingSymlink => std::os::unix::fs::symlink("/nonexistent/target", path),
        LockKind::OwnedBySupervisor => {
            file(path.clone())?;
            std::os::unix::fs::chown(path, Some(SUPERVISOR_UID), None)
        }
    }
}

/// Where the device listens.
pub(crate) fn address(device: &Device) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], device.port()))
}

/// Container ids by app and service.
pub(crate) type Containers = BTreeMap<(i64, String), String>;

pub(crate) fn containers(device: &Device) -> Containers {
    device.containers().into_iter().map(|c| ((c.app, c.service), c.id)).collect()
}

/// Waits until everything in `then` is true; the differences that remain when time is up.
pub(crate) async fn settle(
    case: &Case,
    then: &Then,
    device: &Device,
    fixture: &Fixture,
    before: &Containers,
) -> Vec<String> {
    let deadline = Instant::now() + Duration::from_millis(then.within_ms);
    loop {
        let differences = differences(case, then, device, fixture, before).await;
        if differences.is_empty() || Instant::now() >= deadline {
            return differences;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn differences(
    case: &Case,
    then: &Then,
    device: &Device,
    fixture: &Fixture,
    before: &Containers,
) -> Vec<String> {
    let mut found = Vec::new();
    let mut expect = |what: String, expected: String, actual: String| {
        if expected != actual {
            found.push(format!("then {what}: expected {expected}, got {actual}"));
        }
    };
    let statuses = statuses(case, device, fixture).await;
    if let Some(apply) = &then.apply {
        let states: BTreeSet<&str> =
            statuses.iter().filter_map(|status| status["appState"].as_str()).collect();
        expect("apply".to_owned(), format!("{:?}", BTreeSet::from([apply.as_str()])), format!("{states:?}"));
    }
    if let Some(release) = &then.release {
        // The report is on the first app only, and which one that is with two is up to the engine.
        let releases: Vec<&str> = statuses.iter().filter_map(|status| status["release"].as_str()).collect();
        let told = releases.iter().find(|told| **told == release).or(releases.first());
        expect(
            "release".to_owned(),
            release.clone(),
            told.map_or_else(String::new, |told| (*told).to_owned()),
        );
    }
    let reported: BTreeMap<&str, &Value> = statuses
        .iter()
        .flat_map(|status| status["containers"].as_array().into_iter().flatten())
        .filter_map(|container| Some((container["serviceName"].as_str()?, container)))
        .collect();
    for (name, service) in &then.services {
        let container = reported.get(name.as_str()).copied().unwrap_or(&Value::Null);
        let key = (container["appId"].as_i64().unwrap_or_default(), name.clone());
        let id = container["containerId"].as_str().unwrap_or_default();
        let identity = if before.get(&key).is_some_and(|before| before == id) { "same" } else { "new" };
        let status = container["status"].as_str().unwrap_or("absent");
        let expected = format!("{}, {}", service.status, service.container);
        expect(format!("service {name}"), expected, format!("{status}, {identity}"));
    }
    if let Some(locks) = &then.locks {
        let entry =
            |lock: &Lock| LockEntry { app: lock.app, service: lock.service.clone(), file: lock.file.clone() };
        let mut expected: Vec<LockEntry> = locks.iter().map(entry).collect();
        expected.sort();
        expect("locks".to_owned(), format!("{expected:?}"), format!("{:?}", device.locks()));
    }
    let emptied = device.volumes().into_iter().filter(|volume| volume.emptied > 0).map(|volume| volume.name);
    let expected: BTreeSet<String> = then.volumes_emptied.iter().cloned().collect();
    expect(
        "volumes emptied".to_owned(),
        format!("{expected:?}"),
        format!("{:?}", emptied.collect::<BTreeSet<_>>()),
    );
    let power = device.power().map(|power| match power {
        Power::Reboot => "reboot",
        Power::Off => "poweroff",
    });
    expect("power".to_owned(), format!("{:?}", then.power.as_deref()), format!("{power:?}"));
    found
}

/// `GET /v2/state/status` once per installed app, since it tells of one app only.
async fn statuses(case: &Case, device: &Device, fixture: &Fixture) -> Vec<Value> {
    let apps = fixture.apps.get(&case.given.apps).into_iter().flatten();
    let key_of = |app: i64| {
        fixture.keys.iter().find(|(_, scope)| **scope == KeyScope::App { app }).map(|(name, _)| name.clone())
    };
    let mut keys: Vec<String> = apps.filter_map(|app| key_of(app.id)).collect();
    if keys.is_empty() {
        keys.push("global".to_owned());
    }
    let mut statuses = Vec::new();
    for key in keys {
        let Some(mut stream) = raw::connect(address(device)).await else { continue };
        let key = device.key(&key).unwrap_or_default();
        let request = Request {
            method: "GET".to_owned(),
            path: "/v2/state/status".to_owned(),
            query: serde_json::Map::new(),
            headers: BTreeMap::from([("Authorization".to_owned(), format!("Bearer {key}"))]),
            body: None,
            chunked: false,
            omit_host: false,
            http_version: None,
            connection: None,
        };
        let (received, _) = raw::exchange(&mut stream, &request, Limits::default()).await;
        statuses.push(received.value());
    }
    statuses
}
