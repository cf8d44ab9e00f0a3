//! The recorded cases. Their format is described in `tests/cases/wire/FORMAT.md`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::args::Args;
use super::js;

/// One recorded call, with the exchanges that belong to it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    /// The file that it stands in.
    #[serde(skip)]
    pub(crate) area: String,
    /// Recorded from the JS SDK: its line has the member `seed`.
    #[serde(skip)]
    pub(crate) of_js: bool,
    /// To be played under version 7 of the API.
    #[serde(skip)]
    pub(crate) under_v7: bool,
    pub(crate) id: String,
    pub(crate) function: String,
    pub(crate) args: Vec<Value>,
    pub(crate) kwargs: Map<String, Value>,
    pub(crate) env: BTreeMap<String, String>,
    /// `None`: none were given, and so the SDK keeps them in a file.
    pub(crate) settings: Option<Map<String, Value>>,
    pub(crate) token: Option<String>,
    #[serde(default)]
    pub(crate) before: Vec<Before>,
    pub(crate) exchange: Vec<Exchange>,
    pub(crate) outcome: Outcome,
    /// In the recordings of the JS SDK, always: the function of the Python SDK with the same purpose, or `null`.
    #[serde(default, deserialize_with = "given")]
    pub(crate) seed: Option<Value>,
    #[serde(default, rename = "seed_case")]
    _same_situation: Option<String>,
    #[serde(default)]
    pub(crate) quirks: Vec<String>,
    #[serde(default)]
    pub(crate) sleeps: Vec<f64>,
    /// What changed besides: only in cases of settings and logins.
    #[serde(default)]
    pub(crate) after: Option<Value>,
    #[serde(default, rename = "clock_dependent")]
    _clock_dependent: Option<String>,
    #[serde(default)]
    pub(crate) files_before: Option<Value>,
    #[serde(default)]
    pub(crate) events: Option<Value>,
    /// Of the streams that are held open, those that the client closed.
    #[serde(default)]
    pub(crate) client_closed_stream: Option<Vec<bool>>,
    #[serde(default, rename = "stderr")]
    _stderr: Option<Value>,
    #[serde(default, rename = "note")]
    _note: Option<String>,
}

/// A call made before, on the same client.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Before {
    pub(crate) function: String,
    pub(crate) args: Vec<Value>,
    pub(crate) kwargs: Map<String, Value>,
    pub(crate) outcome: Outcome,
}

/// A request and its answer.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Exchange {
    pub(crate) request: Request,
    pub(crate) response: Response,
    /// The request may come as soon as so many answers of the case were given; otherwise in its turn.
    #[serde(default)]
    pub(crate) issued_after: Option<usize>,
    /// How strictly it is held against what is sent.
    #[serde(skip)]
    pub(crate) check: Check,
}

/// What of a recorded request is promised.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Check {
    /// It need not be sent at all.
    pub(crate) optional: bool,
    /// Any request will do: what is promised is how the answer is taken.
    pub(crate) any_request: bool,
    /// A member of a body that was left out and one that is `null` are the same.
    pub(crate) absent_is_null: bool,
}

/// A request as it was on the wire.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Request {
    /// Its role: `api`, `builder`, `supervisor` …
    pub(crate) host: String,
    pub(crate) authority: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    /// Of resource requests only.
    pub(crate) canonical_query: Option<Value>,
    pub(crate) auth: Option<Auth>,
    pub(crate) content_type: Option<String>,
    /// `Some(null)` is a body too.
    #[serde(default, deserialize_with = "given")]
    pub(crate) json: Option<Value>,
    #[serde(default)]
    pub(crate) multipart: Option<Value>,
    #[serde(default)]
    pub(crate) text: Option<String>,
    #[serde(default)]
    pub(crate) hex: Option<String>,
    /// Length and checksum of a long body.
    #[serde(default)]
    pub(crate) blob: Option<Value>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Auth {
    pub(crate) scheme: String,
    pub(crate) credential: String,
}

/// What the server answers.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Response {
    pub(crate) status: u16,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "given")]
    pub(crate) json: Option<Value>,
    #[serde(default)]
    pub(crate) text: Option<String>,
    #[serde(default)]
    pub(crate) hex: Option<String>,
    #[serde(default)]
    pub(crate) stream: Vec<String>,
    /// For how long the stream stays open after its last piece, in seconds.
    #[serde(default)]
    pub(crate) hold: f64,
    /// The connection closes instead.
    #[serde(default)]
    pub(crate) abort: bool,
}

/// How the call ended in Python.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    Ok(Value),
    Error(Raised),
}

/// The exception that was raised.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Raised {
    pub(crate) class: String,
    /// The SDK raises what the server said, be it nothing.
    #[serde(deserialize_with = "text_or_null")]
    pub(crate) message: String,
    pub(crate) status: Option<u16>,
}

fn given<'de, D: serde::Deserializer<'de>>(input: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(input).map(Some)
}

fn text_or_null<'de, D: serde::Deserializer<'de>>(input: D) -> Result<String, D::Error> {
    Option::deserialize(input).map(Option::unwrap_or_default)
}

impl Case {
    pub(crate) fn arguments(&self) -> Args {
        Args { positional: self.args.clone(), named: self.kwargs.clone() }
    }

    /// The function of the Python SDK with the same purpose.
    pub(crate) fn seed(&self) -> Option<&str> {
        self.seed.as_ref()?.as_str()
    }

    pub(crate) fn has(&self, quirk: &str) -> bool {
        self.quirks.iter().any(|known| known == quirk)
    }
}

impl Response {
    /// The body's bytes, and the type that goes with them.
    pub(crate) fn body(&self) -> (Vec<u8>, &'static str) {
        if let Some(json) = &self.json {
            (json.to_string().into_bytes(), "application/json; charset=utf-8")
        } else if let Some(hex) = &self.hex {
            (unhex(hex), "application/octet-stream")
        } else if let Some(text) = &self.text {
            (text.clone().into_bytes(), "text/plain; charset=utf-8")
        } else {
            (self.stream.concat().into_bytes(), "application/x-ndjson")
        }
    }
}

pub(crate) fn unhex(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2);
    digits
        .map(|pair| {
            let pair = std::str::from_utf8(pair).expect("hex digits are ASCII");
            u8::from_str_radix(pair, 16).expect("hex digits")
        })
        .collect()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("text grows");
        text
    })
}

/// Where the project's own copies lie.
pub(crate) fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/wire")
}

/// All cases of a folder, area by area, whichever of the SDKs they were recorded from.
pub(crate) fn read(folder: &Path) -> Vec<Case> {
    let listing = fs::read_dir(folder).unwrap_or_else(|why| panic!("{}: {why}", folder.display()));
    let mut files: Vec<PathBuf> = listing.map(|entry| entry.expect("a readable folder").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    files.sort();
    let mut cases = Vec::new();
    for file in files {
        let area = file.file_stem().expect("a file has a name").to_string_lossy().into_owned();
        let text = fs::read_to_string(&file).expect("a readable file");
        for (line, text) in text.lines().enumerate() {
            let mut case: Case = serde_json::from_str(text)
                .unwrap_or_else(|why| panic!("{} line {}: {why}", file.display(), line + 1));
            case.area.clone_from(&area);
            case.of_js = case.seed.is_some();
            if case.of_js {
                js::in_one_form(&mut case);
            }
            cases.push(case);
        }
    }
    cases
}
