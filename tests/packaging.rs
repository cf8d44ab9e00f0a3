//! What is said twice is said alike: version, variables, exit codes, in the manifest, the block, the README,
//! the compose file, the settings and the command itself.

#![cfg(all(feature = "cli", feature = "service"))]
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

fn file(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// Every word of this text that begins with `AGENT_`.
fn variables(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_uppercase() && c != '_');
    words.filter(|word| word.starts_with("AGENT_") && word.len() > 6).map(str::to_owned).collect()
}

/// The rows of the README's table under this header, by cells.
fn table(header: &str) -> Vec<Vec<String>> {
    let readme = file("README.md");
    let rows = readme.lines().skip_while(|line| !line.starts_with(header)).skip(2);
    rows.take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect())
        .collect()
}

#[test]
fn the_block_has_the_crates_version() {
    let block = file("balena.yml");
    let version = block.lines().find_map(|line| line.strip_prefix("version: "));
    assert_eq!(version, Some(env!("CARGO_PKG_VERSION")));
}

#[test]
fn every_setting_is_in_the_readme_and_no_other() {
    let code = file("src/service/config.rs");
    // The settings themselves, without the tests, which have others to refuse.
    let code = variables(code.split("#[cfg(test)]").next().unwrap());
    assert!(code.contains("AGENT_LISTEN") && code.len() > 1, "{code:?}");
    let rows = table("| variable |");
    let names: BTreeSet<String> = rows.iter().flat_map(|row| variables(&row[0])).collect();
    assert_eq!(names, code);
    for offered in ["balena.yml", "docker-compose.yml"] {
        let offered_names = variables(&file(offered));
        assert!(offered_names.is_subset(&code), "{offered}: {offered_names:?}");
    }
}

#[test]
fn the_readme_has_the_exit_codes_of_the_command() {
    let output = Command::new(env!("CARGO_BIN_EXE_balena-agent")).arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let codes = help.lines().skip_while(|line| *line != "Exit codes:").skip(1);
    let words =
        |code: &str, text: &str| (code.to_owned(), text.split_whitespace().next().unwrap().to_owned());
    let helped: Vec<_> = codes
        .map_while(|line| line.strip_prefix("  ")?.split_once(' '))
        .map(|(code, text)| words(code, text))
        .collect();
    let told: Vec<_> = table("| exit code |").iter().map(|row| words(&row[0], &row[1])).collect();
    assert!(helped.len() > 5, "{help}");
    // The words differ in length; that they begin alike keeps a code from changing its meaning in one place.
    assert_eq!(
        helped,
        told.into_iter().map(|(code, word)| (code, word.replace(':', ""))).collect::<Vec<_>>()
    );
}
