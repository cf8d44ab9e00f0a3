//! The cases as they are recorded.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

/// One recorded case.
#[derive(Debug, Clone, Deserialize)]
pub struct Case {
    pub id: String,
    pub given: Given,
    pub steps: Vec<Step>,
    pub then: Option<Then>,
    #[serde(default, rename = "match")]
    pub rules: BTreeMap<String, Value>,
    /// Depends on how concurrent requests interleave: a mismatch is a warning.
    #[serde(default)]
    pub timing: bool,
}

impl Case {
    /// The part of the id that cases on one subject share.
    pub fn group(&self) -> &str {
        self.id.split('/').next().unwrap_or_default()
    }
}

/// The state a case starts from.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Given {
    #[serde(default = "multi")]
    pub apps: String,
    /// Informative; the requests say which keys they use.
    #[serde(default, rename = "key")]
    pub _key: Value,
    #[serde(default)]
    pub stopped: Vec<String>,
    #[serde(default)]
    pub locks: Vec<Lock>,
    pub cloud: Option<String>,
    #[serde(default)]
    pub offline_for_ms: u64,
    #[serde(default)]
    pub local_mode: bool,
    #[serde(default)]
    pub config: BTreeMap<String, String>,
    pub engine_fails: Option<balena_agent::simulator::EngineCall>,
    pub stop_ms: Option<u64>,
    pub start_ms: Option<u64>,
    pub pull_ms: Option<u64>,
    #[serde(default)]
    pub update_available: bool,
    #[serde(default)]
    pub host_os_update_running: bool,
    pub proxy: Option<Value>,
    pub tags: Option<Vec<balena_agent::simulator::Tag>>,
    pub journal: Option<Journal>,
}

fn multi() -> String {
    "multi".to_owned()
}

/// An entry in a lock directory.
#[derive(Debug, Clone, Deserialize)]
pub struct Lock {
    pub service: Option<String>,
    pub file: String,
    #[serde(default = "main_app")]
    pub app: i64,
    #[serde(default)]
    pub kind: LockKind,
    #[serde(default)]
    pub content: String,
}

fn main_app() -> i64 {
    1_234_567
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LockKind {
    #[default]
    File,
    Directory,
    DirectoryWithFile,
    DanglingSymlink,
    #[serde(rename = "owned-by-uid-65534")]
    OwnedBySupervisor,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Journal {
    pub entries: usize,
}

/// Something a case does.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Step {
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
pub struct Exchange {
    pub request: Request,
    pub response: Response,
    #[serde(default)]
    pub at_ms: u64,
    pub elapsed_at_least_ms: Option<u64>,
    pub elapsed_at_most_ms: Option<u64>,
    pub client_timeout_ms: Option<u64>,
    pub client_reads_for_ms: Option<u64>,
    pub repeat_until: Option<RepeatUntil>,
    #[serde(default)]
    pub capture: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    pub method: String,
    pub path: String,
    #[serde(default)]
    pub query: Map<String, Value>,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    pub body: Option<RequestBody>,
    #[serde(default)]
    pub chunked: bool,
    #[serde(default)]
    pub omit_host: bool,
    pub http_version: Option<String>,
    pub connection: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum RequestBody {
    Json { json: Value },
    Text { text: String },
    GzipJson { gzip_json: Value },
    Repeated { prefix: String, repeat: String, times: usize },
}

/// What came back, or how it ended without.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Response {
    pub status: Option<u16>,
    #[serde(default, deserialize_with = "present")]
    pub content_type: Option<Option<String>>,
    pub body: Option<Value>,
    #[serde(default)]
    pub headers_of_note: BTreeMap<String, Value>,
    pub outcome: Option<String>,
}

/// Tells an absent field from one that is null.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

#[derive(Debug, Clone, Deserialize)]
pub struct RepeatUntil {
    pub status: Option<u16>,
    pub body: Option<BodyCondition>,
    pub within_ms: u64,
}

#[derive(Debug, Clone, Deserialize)]
pub struct BodyCondition {
    pub pointer: String,
    pub equals: Value,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Event {
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
pub struct Then {
    pub within_ms: u64,
    pub apply: Option<String>,
    pub release: Option<String>,
    #[serde(default)]
    pub services: BTreeMap<String, ServiceThen>,
    pub locks: Option<Vec<Lock>>,
    #[serde(default)]
    pub volumes_emptied: Vec<String>,
    pub power: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct ServiceThen {
    pub status: String,
    pub container: String,
}

/// The files to read: those of the project, or the one that the environment names.
pub fn files() -> Vec<PathBuf> {
    match std::env::var_os("SUPERVISOR_CASES") {
        Some(file) => vec![file.into()],
        None => ["cases.jsonl", "more.jsonl"].map(|name| own_directory().join(name)).into(),
    }
}

/// The fixture for a file of cases: the one beside it, or the project's.
pub fn fixture_for(cases: &Path) -> PathBuf {
    let beside = cases.with_file_name("fixture.json");
    if beside.exists() { beside } else { own_directory().join("fixture.json") }
}

fn own_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/supervisor")
}

/// Reads a file of cases, one per line.
pub fn read(file: &Path) -> Vec<Case> {
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
