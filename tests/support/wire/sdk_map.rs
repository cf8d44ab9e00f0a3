//! The page that tells which call stands for a function of the SDK: `docs/sdk-map.md`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::source::{self, Method};
use super::{cases, js};

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

/// The recorded functions of the JS SDK that the Python SDK lacks, or calls otherwise, and what the latter calls
/// them.
fn functions_of_js() -> BTreeMap<String, Option<String>> {
    let recorded = cases::read(&js::home()).into_iter();
    let named = recorded.map(|case| (case.function.clone(), case.seed().map(str::to_owned)));
    named.filter(|(name, seed)| seed.as_ref() != Some(&snake_case(name))).collect()
}

/// `models.deviceType.getName` → `models.device_type.get_name`.
fn snake_case(name: &str) -> String {
    let letters = name.chars().flat_map(|c| {
        let bar = c.is_ascii_uppercase().then_some('_');
        bar.into_iter().chain([c.to_ascii_lowercase()])
    });
    letters.collect()
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
    let mut row = |page: &mut String, function: &str, ours: &str| match call(&methods, ours) {
        Ok(here) => writeln!(page, "| `{function}` | {here} |").expect("text grows"),
        Err(why) => missing.push(why),
    };
    for function in functions() {
        row(&mut page, &function, &function);
    }
    page += "\n## What the JS SDK has beside these\n\n\
        Functions of the JS SDK 23 that the Python SDK lacks, or calls otherwise. Their names are written as the \
        Python SDK would.\n\n\
        | JS SDK | here |\n|---|---|\n";
    for (function, seed) in functions_of_js() {
        row(&mut page, &function, &seed.unwrap_or_else(|| snake_case(&function)));
    }
    if missing.is_empty() { Ok(page) } else { Err(missing.join("\n")) }
}

pub(crate) fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/sdk-map.md")
}
