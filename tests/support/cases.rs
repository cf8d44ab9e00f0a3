//! The cases as they are recorded.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

/// One recorded case.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Case {
    pub(crate) id: String,
    pub(crate) given: Given,
    pub(crate) steps: Vec<Step>,
    pub(crate) then: Option<Then>,
    #[serde(default, rename = "match")]
    pub(crate) rules: BTreeMap<String, Value>,
    /// Depends on how concurrent requests interleave: a mismatch is a warning.
    #[serde(default)]
    pub(crate) timing: bool,
}

impl Case {
    /// The part of the id that cases on one subject share.
    pub(crate) fn group(&self) -> &str {
        self.id.split('/').next().unwrap_or_default()
    }
}

/// The state a case starts from.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Given {
    #[serde(default = "multi")]
    pub(crate) apps: String,
    /// Informative; the requests say which keys they use.
    #[serde(default, rename = "key")]
    pub(crate) _key: Value,
    #[serde(default)]
    pub(crate) stopped: Vec<String>,
    #[serde(default)]
    pub(crate) locks: Vec<Lock>,
    pub(crate) cloud: Option<String>,
    #[serde(default)]
    pub(crate) offline_for_ms: u64,
    #[serde(default)]
    pub(crate) local_mode: bool,
    #[serde(default)]
    pub(crate) config: BTreeMap<String, String>,
    pub(crate) engine_fails: Option<balena_agent::simulator::EngineCall>,
    pub(crate) stop_ms: Option<u64>,
    pub(crate) start_ms: Option<u64>,
    pub(crate) pull_ms: Option<u64>,
    #[serde(default)]
    pub(crate) update_available: bool,
    #[serde(default)]
    pub(crate) host_os_update_running: bool,
    pub(crate) proxy: Option<Value>,
    pub(crate) tags: Option<Vec<balena_agent::simulator::Tag>>,
    pub(crate) journal: Option<Journal>,
}

fn multi() -> String {
    "multi".to_owned()
}

/// An entry in a lock directory.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Lock {
    pub(crate) service: Option<String>,
    pub(crate) file: String,
    #[serde(default = "main_app")]
    pub(crate) app: i64,
    #[serde(default)]
    pub(crate) kind: LockKind,
    #[serde(default)]
    pub(crate) content: String,
}

fn main_app() -> i64 {
    1_234_567
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LockKind {
    #[default]
    File,
    Directory,
    DirectoryWithFile,
    DanglingSymlink,
    #[serde(rename = "owned-by-uid-65534")]
    OwnedBySupervisor,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Journal {
    pub(crate) entries: usize,
}

/// Something a case does.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum Step {
    Exchange(Box<Exchange>),
    Event {
        event: Event,
        #[serde(default)]
        at_ms: u64,
    },
    Concurrent {
        concurrent: Vec<Step>,
    },
}

/// One request and its recorded answer.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Exchange {
    pub(crate) request: Request,
    pub(crate) response: Response,
    #[serde(default)]
    pub(crate) at_ms: u64,
    pub(crate) elapsed_at_least_ms: Option<u64>,
    pub(crate) elapsed_at_most_ms: Option<u64>,
    pub(crate) client_timeout_ms: Option<u64>,
    pub(crate) client_reads_for_ms: Option<u64>,
    pub(crate) repeat_until: Option<RepeatUntil>,
    #[serde(default)]
    pub(crate) capture: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    #[serde(default)]
    pub(crate) query: Map<String, Value>,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Option<RequestBody>,
    #[serde(default)]
    pub(crate) chunked: bool,
    #[serde(default)]
    pub(crate) omit_host: bool,
    pub(crate) http_version: Option<String>,
    pub(crate) connection: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum RequestBody {
    Json { json: Value },
    Text { text: String },
    GzipJson { gzip_json: Value },
    Repeated { prefix: String, repeat: String, times: usize },
}

/// What came back, or how it ended without.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Response {
    pub(crate) status: Option<u16>,
    /// `Some(Null)`: the header is absent.
    #[serde(default, deserialize_with = "present")]
    pub(crate) content_type: Option<Value>,
    pub(crate) body: Option<Value>,
    #[serde(default)]
    pub(crate) headers_of_note: BTreeMap<String, Value>,
    pub(crate) outcome: Option<String>,
}

/// Tells an absent field from one that is null.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct RepeatUntil {
    pub(crate) status: Option<u16>,
    pub(crate) body: Option<BodyCondition>,
    pub(crate) within_ms: u64,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct BodyCondition {
    pub(crate) pointer: String,
    pub(crate) equals: Value,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum Event {
    Wait { ms: u64 },
    LocksRemoved,
    SupervisorStops,
    SupervisorStarts,
    SupervisorRestarts,
    EngineRecovers,
}

/// What is true in the end.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Then {
    pub(crate) within_ms: u64,
    pub(crate) apply: Option<String>,
    pub(crate) release: Option<String>,
    #[serde(default)]
    pub(crate) services: BTreeMap<String, ServiceThen>,
    pub(crate) locks: Option<Vec<Lock>>,
    #[serde(default)]
    pub(crate) volumes_emptied: Vec<String>,
    pub(crate) power: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ServiceThen {
    pub(crate) status: String,
    pub(crate) container: String,
}

/// The files to read: those of the project, or the one that the environment names.
pub(crate) fn files() -> Vec<PathBuf> {
    match std::env::var_os("SUPERVISOR_CASES") {
        Some(file) => vec![file.into()],
        None => ["cases.jsonl", "more.jsonl"].map(|name| own_directory().join(name)).into(),
    }
}

/// The fixture for a file of cases: the one beside it, or the project's.
pub(crate) fn fixture_for(cases: &Path) -> PathBuf {
    let beside = cases.with_file_name("fixture.json");
    if beside.exists() { beside } else { own_directory().join("fixture.json") }
}

fn own_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/supervisor")
}

/// Reads a file of cases, one per line.
pub(crate) fn read(file: &Path) -> Vec<Case> {
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(index, line)| {
            serde_json::from_str(line)
                .unwrap_or_else(|error| panic!("{} line {}: {error}", file.display(), index + 1))
        })
        .collect()
}
