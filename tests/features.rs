//! Who takes the library alone gets the library alone: no command line, no service, no simulator, and no TLS unless it
//! is asked for.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::collections::BTreeSet;
use std::process::Command;

/// The crates that a build with these features takes, and the features of this crate that are on in it.
fn taken(features: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let lines = |more: &[&str]| {
        let mut tree = Command::new(env!("CARGO"));
        tree.args(["tree", "--offline", "--locked", "--edges", "normal", "--prefix", "none", "--no-dedupe"]);
        tree.args(["--no-default-features", "--features", features]).args(more);
        let output = tree.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
        assert!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let words =
        |text: String| text.lines().filter_map(|line| line.split(' ').next().map(str::to_owned)).collect();
    let on = lines(&["--format", "{p}|{f}", "--depth", "0"]);
    let on = on.trim().split_once('|').unwrap().1.split(',').filter(|name| !name.is_empty());
    (words(lines(&[])), on.map(str::to_owned).collect())
}

const CLI: &[&str] = &["clap", "clap_builder", "anstyle"];
const SERVICE: &[&str] = &["tokio-tungstenite", "tungstenite"];
const SIMULATOR: &[&str] = &["tempfile"];
const TLS: &[&str] = &["rustls", "ring", "webpki-roots", "tokio-rustls"];

fn assert_none_of(features: &str, unwanted: &[&[&str]]) {
    let (crates, on) = taken(features);
    assert!(crates.contains("balena-agent") && crates.contains("reqwest"), "{crates:?}");
    let found: Vec<_> = unwanted.concat().into_iter().filter(|name| crates.contains(*name)).collect();
    assert!(found.is_empty(), "{features:?} takes {found:?}");
    assert_eq!(on, features.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect());
}

#[test]
fn the_library_alone_is_the_library_alone() {
    assert_none_of("", &[CLI, SERVICE, SIMULATOR, TLS]);
}

#[test]
fn the_cloud_takes_tls_and_nothing_else() {
    assert_none_of("rustls-ring", &[CLI, SERVICE, SIMULATOR]);
    assert!(TLS.iter().all(|name| taken("rustls-ring").0.contains(*name)));
}

#[test]
fn each_feature_takes_what_is_its_own() {
    assert_none_of("simulator", &[CLI, SERVICE, TLS]);
    assert_none_of("service", &[CLI, SIMULATOR, TLS]);
    // What is looked for above is found where it belongs.
    for (feature, own) in [("cli", CLI), ("service", SERVICE), ("simulator", SIMULATOR)] {
        let (crates, _) = taken(feature);
        assert!(own.iter().all(|name| crates.contains(*name)), "{feature}: {own:?} in {crates:?}");
    }
}

/// What the features stand for is not compiled without them.
#[test]
fn without_its_feature_a_module_is_not_there() {
    let root = include_str!("../src/lib.rs");
    for module in ["cli", "service", "simulator"] {
        let mut lines = root.lines().skip_while(|line| !line.contains(&format!("feature = \"{module}\"")));
        let gate = lines.next().unwrap();
        assert!(gate.starts_with("#[cfg("), "{gate}");
        let next = lines.find(|line| !line.starts_with('#') && !line.starts_with("//")).unwrap();
        assert!(next.ends_with(&format!("mod {module};")), "{next} after {gate}");
    }
}
