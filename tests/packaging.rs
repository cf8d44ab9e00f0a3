//! What is said twice is said alike: version, variables, exit codes, in the manifest, the block, the README,
//! the compose file, the settings and the command itself.

#![cfg(all(feature = "cli", feature = "service"))]
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use yaml_rust2::{Yaml, YamlLoader};

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

/// The block, read as balena reads it.
fn block() -> Yaml {
    YamlLoader::load_from_str(&file("balena.yml")).unwrap().remove(0)
}

/// The texts of a list of the block.
fn listed(list: &Yaml) -> Vec<String> {
    list.as_vec().unwrap().iter().map(|item| item.as_str().unwrap().to_owned()).collect()
}

/// The variables that the block sets, with their values.
fn offered() -> Vec<(String, String)> {
    let block = block();
    let variables = block["data"]["applicationEnvironmentVariables"].as_vec().unwrap();
    variables
        .iter()
        .flat_map(|variable| variable.as_hash().unwrap())
        .map(|(name, value)| {
            let number = value.as_i64().map(|number| number.to_string());
            (name.as_str().unwrap().to_owned(), number.unwrap_or_else(|| value.as_str().unwrap().to_owned()))
        })
        .collect()
}

#[test]
fn the_block_is_this_crate() {
    let block = block();
    assert_eq!(block["version"].as_str(), Some(env!("CARGO_PKG_VERSION")));
    assert_eq!(block["name"].as_str(), Some(env!("CARGO_PKG_NAME")));
    assert_eq!(block["type"].as_str(), Some("sw.block"));
    assert!(!block["description"].as_str().unwrap().is_empty());
}

#[test]
fn the_block_is_for_boards_of_every_architecture() {
    let block = block();
    let types = listed(&block["data"]["supportedDeviceTypes"]);
    let different: BTreeSet<_> = types.iter().collect();
    assert_eq!(different.len(), types.len(), "a device type stands twice: {types:?}");
    assert!(different.contains(&block["data"]["defaultDeviceType"].as_str().unwrap().to_owned()));
    // One that everybody knows of each.
    for known in ["raspberrypi4-64", "generic-amd64", "raspberrypi3", "raspberry-pi"] {
        assert!(different.contains(&known.to_owned()), "{known}");
    }
}

/// A setting as `config show` prints it.
struct Setting {
    name: String,
    default: Option<String>,
    kind: String,
    range: Option<String>,
    what: String,
    since: String,
    is_secret: bool,
}

/// All settings, from the command itself, without any variable set.
fn settings() -> Vec<Setting> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_balena-agent"));
    let output = command.env_clear().args(["config", "show", "--json"]).output().unwrap();
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
    let text = |row: &serde_json::Value, name: &str| row[name].as_str().map(str::to_owned);
    rows.iter()
        .map(|row| Setting {
            name: text(row, "name").unwrap(),
            default: text(row, "default"),
            kind: text(row, "type").unwrap(),
            range: text(row, "range"),
            what: text(row, "what").unwrap(),
            since: text(row, "since").unwrap(),
            is_secret: row["secret"].as_bool().unwrap(),
        })
        .collect()
}

/// Compares a table of a page with its rows, and shows what the page should have.
fn assert_table(page: &str, header: &str, rows: &[String]) {
    let text = file(page);
    let found: Vec<&str> = text
        .lines()
        .skip_while(|line| *line != header)
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .collect();
    assert_eq!(found, rows, "the table of {page} has to be\n{}", rows.join("\n"));
}

fn code_or_nothing(text: Option<&String>) -> String {
    text.map(|text| format!("`{text}`")).unwrap_or_default()
}

#[test]
fn every_setting_is_in_the_readme_and_in_the_block_and_no_other() {
    let settings = settings();
    assert!(settings.len() > 20);
    // What every program with the library reads: with the other variables. A block does not offer to give up TLS.
    let library = variables(file("src/env.rs").split("#[cfg(test)]").next().unwrap());
    let (library, own): (Vec<_>, Vec<_>) = settings.iter().partition(|row| library.contains(&row.name));
    assert!(library.iter().all(|row| row.default.is_none()) && !library.is_empty());
    let readme: Vec<String> = own
        .iter()
        .map(|row| {
            let Setting { name, what, .. } = row;
            format!("| `{name}` | {} | {what} |", code_or_nothing(row.default.as_ref()))
        })
        .collect();
    assert_table("README.md", "| setting | default | what |", &readme);
    let others: BTreeSet<String> = table("| variable |").iter().flat_map(|row| variables(&row[0])).collect();
    assert_eq!(others, library.iter().map(|row| row.name.clone()).collect());

    let page: Vec<String> = settings
        .iter()
        .map(|row| {
            let Setting { name, kind, what, since, .. } = row;
            let (default, range) = (code_or_nothing(row.default.as_ref()), row.range.clone());
            let range = range.map(|range| format!(", {range}")).unwrap_or_default();
            format!("| `{name}` | {kind}{range} | {default} | {what} | {since} |")
        })
        .collect();
    assert_table("docs/settings.md", "| setting | type | default | what | since |", &page);

    // The block offers what has a default, with that value, and says what each is; a secret never.
    let offered: Vec<&Setting> = own.iter().copied().filter(|row| row.default.is_some()).collect();
    assert!(offered.iter().all(|row| !row.is_secret));
    let expected: Vec<String> = offered
        .iter()
        .flat_map(|row| {
            let name = &row.name;
            let what = row.what.replace('`', "");
            [format!("# {what}"), format!("- {name}: {}", row.default.as_ref().unwrap())]
        })
        .collect();
    let text = file("balena.yml");
    let block: Vec<&str> = text
        .lines()
        .skip_while(|line| line.trim() != "applicationEnvironmentVariables:")
        .skip(1)
        .take_while(|line| line.starts_with("    "))
        .map(str::trim)
        .collect();
    assert_eq!(block, expected, "the block has to be\n    {}", expected.join("\n    "));
    let pairs = self::offered();
    let values: Vec<_> = offered.iter().map(|row| (row.name.clone(), row.default.clone().unwrap())).collect();
    assert_eq!(pairs, values, "as balena reads them");

    let compose = variables(&file("docker-compose.yml"));
    let clients = |name: &String| name.starts_with("AGENT_CLIENT_");
    let known = |name: &String| clients(name) || own.iter().any(|row| row.name == *name);
    assert!(compose.iter().all(known), "{compose:?}");
}

#[test]
fn the_help_of_run_lists_every_setting_with_its_default() {
    let output = Command::new(env!("CARGO_BIN_EXE_balena-agent")).args(["run", "--help"]).output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    for Setting { name, default, .. } in settings() {
        assert!(help.contains(&format!("\n  {name}\n")), "{name}: {help}");
        assert!(default.is_none_or(|default| help.contains(&format!("[default: {default}]"))), "{name}");
    }
}

#[test]
fn config_show_says_where_a_value_comes_from_and_masks_secrets() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_balena-agent"));
    command
        .env_clear()
        .env("AGENT_POLL_SLOW", "15s")
        .env("AGENT_CLIENT_WEB", "state locks")
        .env("AGENT_CLIENT_WEB_TOKEN", "s3cr3t-0123456789")
        .env("AGENT_CLIENT_BAD", "s3cr3t-0123456789");
    let output = command.args(["config", "show", "--origin"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let row = |name: &str| -> Vec<String> {
        let line = text.lines().find(|line| line.split_whitespace().next() == Some(name));
        line.unwrap().split_whitespace().map(str::to_owned).collect()
    };
    assert_eq!(row("AGENT_POLL_SLOW"), ["AGENT_POLL_SLOW", "15s", "variable"]);
    assert_eq!(row("AGENT_POLL_QUICK"), ["AGENT_POLL_QUICK", "2s", "default"]);
    assert_eq!(row("AGENT_CLIENT_WEB"), ["AGENT_CLIENT_WEB", "state", "locks", "variable"]);
    assert_eq!(row("AGENT_CLIENT_WEB_TOKEN"), ["AGENT_CLIENT_WEB_TOKEN", "***", "variable"]);
    assert_eq!(row("AGENT_CLIENT_BAD"), ["AGENT_CLIENT_BAD", "***", "variable"]);
    assert!(!text.contains("s3cr3t"), "{text}");
}

/// The lines of a Dockerfile's instructions, each whole.
fn instructions(path: &str) -> Vec<String> {
    let text = file(path).replace("\\\n", " ");
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// Where an image has the binary: on the PATH that an engine gives a container whose image names none.
const INSTALLED: &str = "/usr/bin/balena-agent";

/// A section of the README, up to the next one.
fn section(heading: &str) -> String {
    let readme = file("README.md");
    let (_, rest) = readme.split_once(&format!("\n{heading}\n")).unwrap();
    rest.split("\n## ").next().unwrap().to_owned()
}

/// The content of the first block of this language in a text.
fn code<'a>(text: &'a str, language: &str) -> &'a str {
    let (_, rest) = text.split_once(&format!("\n```{language}\n")).unwrap();
    rest.split("\n```").next().unwrap()
}

#[test]
fn a_project_of_ones_own_is_told_what_works_there() {
    let text = section("## On a device");
    let compose = YamlLoader::load_from_str(code(&text, "yaml")).unwrap().remove(0);
    let agent = &compose["services"]["agent"];
    let image = agent["image"].as_str().unwrap();
    assert!(agent["build"].is_badvalue(), "`build: .` builds this repository");
    let label = "io.balena.features.supervisor-api";
    for service in ["agent", "main"] {
        assert_eq!(compose["services"][service]["labels"][label].as_str(), Some("1"), "{service}");
    }
    // The same image, of the architecture that is built for.
    let copy: Vec<&str> = code(&text, "dockerfile").lines().last().unwrap().split(' ').collect();
    let of_block = image.strip_suffix("aarch64").unwrap();
    assert_eq!(copy, ["COPY", &format!("--from={of_block}%%BALENA_ARCH%%"), INSTALLED, INSTALLED]);
    // No shell: what is run is the binary, by the container's name.
    let exec = "balena-engine exec $(balena-engine ps -q --filter name=^agent_) balena-agent doctor";
    for text in [text.clone(), file("balena.yml")] {
        assert!(text.contains(exec) && text.contains("no shell"), "{text}");
        assert!(!text.contains("`/balena-agent"), "that is not where it is: {text}");
        assert!(text.contains("0.0.0.0:48485") && text.contains("http://agent:48485"), "{text}");
    }
    assert!(text.contains("AGENT_LISTEN=0.0.0.0:48485") && text.contains("(#settings-and-faults)"), "{text}");
}

#[test]
fn the_compose_file_gives_the_agent_what_it_needs_and_no_more() {
    let compose = YamlLoader::load_from_str(&file("docker-compose.yml")).unwrap().remove(0);
    let agent = &compose["services"]["agent"];
    let labels: Vec<(&str, &str)> = agent["labels"]
        .as_hash()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.as_str().unwrap(), value.as_str().unwrap()))
        .collect();
    let expected = [
        ("io.balena.features.supervisor-api", "1"),
        ("io.balena.features.balena-api", "1"),
        ("io.balena.update.strategy", "download-then-kill"),
    ];
    assert_eq!(labels, expected);
    assert_eq!(listed(&agent["cap_drop"]), ["ALL"]);
    assert_eq!(listed(&agent["security_opt"]), ["no-new-privileges"]);
    assert_eq!(agent["read_only"].as_bool(), Some(true));
    for absent in ["user", "privileged", "cap_add", "network_mode", "ports", "pid", "healthcheck"] {
        assert!(agent[absent].is_badvalue(), "{absent}");
    }
    // Each mount is a named volume: the state at /data, and for each client one volume that nobody else has.
    let mounts = |service: &Yaml| -> Vec<(String, String)> {
        let pairs = listed(&service["volumes"]).into_iter();
        pairs.map(|text| text.split_once(':').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap()).collect()
    };
    let of_agent = mounts(agent);
    let declared: BTreeSet<&str> =
        compose["volumes"].as_hash().unwrap().keys().map(|name| name.as_str().unwrap()).collect();
    assert_eq!(of_agent.iter().map(|(name, _)| name.as_str()).collect::<BTreeSet<_>>(), declared);
    assert!(of_agent.contains(&("agent-state".to_owned(), "/data".to_owned())));
    let socket = agent["environment"]["AGENT_CLIENT_APP_SOCKET"].as_str().unwrap();
    let (volume, directory) = of_agent.iter().find(|(_, path)| socket.starts_with(path)).unwrap();
    let app = &compose["services"]["app"];
    let (_, there) = mounts(app).into_iter().find(|(name, _)| name == volume).unwrap();
    let seen = socket.replacen(directory, &there, 1);
    assert_eq!(
        app["environment"]["BALENA_AGENT_ADDRESS"].as_str(),
        Some(&*format!("unix:{seen}")),
        "the same socket"
    );
    assert_eq!(mounts(app).len(), 1, "the state is the agent's");
    assert!(app["labels"].is_badvalue(), "the example needs no key of the supervisor");
    let build = Path::new(env!("CARGO_MANIFEST_DIR")).join(app["build"].as_str().unwrap());
    let image = std::fs::read_to_string(build.join("Dockerfile")).unwrap();
    let copied = image.lines().find_map(|line| line.strip_prefix("COPY ")?.split(' ').next()).unwrap();
    assert!(build.join(copied).is_file(), "{copied}");
}

#[test]
fn an_image_is_the_binary_and_nothing_else() {
    let images = ["Dockerfile", "Dockerfile.template", "Dockerfile.rpi"].map(instructions);
    for image in &images {
        let last = image.iter().rposition(|line| line.starts_with("FROM ")).unwrap();
        let (build, image) = image.split_at(last);
        let same = &images[0][images[0].len() - image.len()..];
        assert_eq!(image, same, "the images are alike");
        assert_eq!(image[0], "FROM scratch");
        let adds = |line: &&String| ["COPY", "ADD", "RUN"].iter().any(|word| line.starts_with(word));
        let added: Vec<_> = image.iter().filter(adds).collect();
        assert_eq!(added, [&format!("COPY --from=build /balena-agent {INSTALLED}")]);
        assert!(image.contains(&format!("ENTRYPOINT [\"{INSTALLED}\"]")));
        assert!(image.iter().any(|line| line.ends_with(&format!("CMD [\"{INSTALLED}\", \"healthcheck\"]"))));
        assert!(
            build.iter().any(|line| line.starts_with("RUN ") && line.contains("packaging/build --no-check "))
        );
    }
}

#[test]
fn every_architecture_is_built_everywhere() {
    let script = file("packaging/common.sh");
    let known: Vec<Vec<&str>> = script
        .lines()
        .filter(|line| line.contains("-unknown-linux-musl"))
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(known.len(), 4, "{known:?}");
    let (cross, image) = (file("Cross.toml"), file("Dockerfile"));
    for words in known {
        let (arch, target) = (words[0], words[1]);
        assert!(cross.contains(&format!("[target.{target}]")), "cross does not know {target}");
        assert!(image.contains(&format!(" arch={arch} ")), "the image is not built for {arch}");
    }
}

#[test]
fn the_readme_has_the_exit_codes_of_the_command() {
    let output = Command::new(env!("CARGO_BIN_EXE_balena-agent")).arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let codes = help.lines().skip_while(|line| *line != "Exit codes:").skip(1);
    let row = |code: &str, text: &str| (code.to_owned(), text.trim().to_owned());
    let helped: Vec<_> = codes
        .map_while(|line| line.strip_prefix("  ")?.split_once(' '))
        .map(|(code, text)| row(code, text))
        .collect();
    // `table` splits a cell at its pipe, written `\|`, and trims both parts.
    let told: Vec<_> = table("| exit code |")
        .iter()
        .map(|cells| row(&cells[0], &cells[1..].join("|").replace("\\|", "| ")))
        .collect();
    assert!(helped.len() > 5, "{help}");
    assert_eq!(helped, told);
}
