//! The page that tells which call stands for a function of the SDK: `docs/sdk-map.md`.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::cases;
use super::source::{self, Method};

/// Names that are no names in Rust.
const RENAMED: [(&str, &str); 1] = [("models.device.move", "move_to")];

/// What ends a subscription: a stream is unsubscribed by dropping it.
const DROP: [(&str, &str); 3] = [
    ("logs.stop", "drop the streams"),
    ("logs.unsubscribe", "drop the stream that `balena.logs().subscribe(device)` gave"),
    ("logs.unsubscribe_all", "drop the streams, or the one of `balena.logs().subscribe_all(devices)`"),
];

/// The functions of the SDK.
fn functions() -> Vec<String> {
    let table = fs::read_to_string(cases::home().join("functions.tsv")).expect("a table");
    table.lines().skip(1).filter_map(|line| line.split('\t').next()).map(str::to_owned).collect()
}

/// The call that stands for a function: drop `models.`, make a call of each namespace.
fn call(methods: &[Method], function: &str) -> Result<String, String> {
    if function == "Balena" {
        return Ok("`Balena::builder()`, or `Balena::from_env()`".to_owned());
    }
    if let Some((_, instead)) = DROP.iter().find(|(name, _)| *name == function) {
        return Ok((*instead).to_owned());
    }
    let path = function.strip_prefix("models.").unwrap_or(function);
    let renamed = RENAMED.iter().find(|(name, _)| *name == function).map(|(_, rust)| *rust);
    let (namespaces, name) = path.rsplit_once('.').unwrap_or(("", path));
    let (mut call, mut place) = ("balena".to_owned(), "Balena".to_owned());
    for namespace in namespaces.split('.') {
        let method = source::find(methods, &place, namespace)
            .ok_or_else(|| format!("{function}: {place} has no method {namespace}"))?;
        write!(call, ".{namespace}()").expect("text grows");
        place.clone_from(&method.returns);
    }
    let name = renamed.unwrap_or(name);
    let method = source::find(methods, &place, name)
        .ok_or_else(|| format!("{function}: {place} has no method {name}"))?;
    Ok(format!("`{call}.{name}({})`", method.arguments.join(", ")))
}

/// The whole page.
pub(crate) fn page() -> Result<String, String> {
    let methods = source::methods();
    let mut page = "# From the SDK to this library\n\n\
        Every function of the Python SDK 14.5.0 (`balena.models.device.get` …) and the call that stands for it \
        here. One rule leads from one to the other: drop `models.`, turn each namespace into a call, pass what \
        is required, add what is optional by builder methods, and `.await` it.\n\n\
        This page is made from the source by `tests/wire.rs`, which fails when it is not true.\n\n\
        | SDK | here |\n|---|---|\n"
        .to_owned();
    let mut missing = Vec::new();
    for function in functions() {
        match call(&methods, &function) {
            Ok(here) => writeln!(page, "| `{function}` | {here} |").expect("text grows"),
            Err(why) => missing.push(why),
        }
    }
    if missing.is_empty() { Ok(page) } else { Err(missing.join("\n")) }
}

pub(crate) fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/sdk-map.md")
}
