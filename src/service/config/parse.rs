//! The values of the settings: each type is parsed by one function. An error is what the value has to be, with an
//! example.

use std::net::SocketAddr;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use jiff::SignedDuration;
use tracing::level_filters::LevelFilter;

use super::checked::Checked;
use super::table::{Kind, Setting};
use crate::service::scope::is_service_name;

/// Most addresses to listen on, and most host names.
const MOST_LISTED: usize = 16;
/// Longest host name.
const LONGEST_HOST: usize = 253;
/// What an address is.
const ADDRESS: &str = "it has to be address:port, e.g. 127.0.0.1:48485, or 0.0.0.0:48485 for everyone";

/// Parses the value of a setting and sets the field.
///
/// # Errors
/// What the value has to be, with an example.
pub(crate) fn apply(setting: &Setting, text: &str, to: &mut Checked) -> Result<(), String> {
    let range = || format!("{}, e.g. {}", setting.range_text(), setting.default);
    match setting.kind {
        Kind::Addresses(set) => set(to, addresses(text)?),
        Kind::Hosts(set) => set(to, hosts(text)?),
        Kind::Directory(set) => set(to, absolute_path(text, "/data/balena-agent")?),
        Kind::Duration(least, most, set) => match duration(text) {
            Some(value) if (least..=most).contains(&value) => set(to, value),
            Some(_) => return Err(format!("it has to be {}", range())),
            None => return Err(format!("it has to be a duration with a unit, from {}", range())),
        },
        Kind::Number(least, most, set) => match text.parse() {
            Ok(value) if (least..=most).contains(&value) => set(to, value),
            _ => return Err(format!("it has to be a whole number, from {}", range())),
        },
        Kind::Size(least, most, set) => match size(text) {
            Some(value) if (least..=most).contains(&value) => set(to, value),
            _ => return Err(format!("it has to be a size in B, KiB or MiB, from {}", range())),
        },
        Kind::LogLevel(set) => set(to, log_level(text)?),
        Kind::Library | Kind::Client(_) => {}
    }
    Ok(())
}

/// Splits a list at commas and white space.
fn listed(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty())
}

/// Returns the addresses that can be parsed, each once. For a service that is parked because others can't be.
pub(crate) fn valid_addresses(text: &str) -> Vec<SocketAddr> {
    let mut found = Vec::new();
    for address in listed(text).filter_map(|word| word.parse::<SocketAddr>().ok()) {
        if !found.contains(&address) && found.len() < MOST_LISTED {
            found.push(address);
        }
    }
    found
}

fn addresses(text: &str) -> Result<Vec<SocketAddr>, String> {
    let words = listed(text).count();
    if words == 0 || words > MOST_LISTED {
        return Err(format!("it has to be 1 to {MOST_LISTED} times address:port, e.g. 127.0.0.1:48485"));
    }
    match listed(text).find(|word| word.parse::<SocketAddr>().is_err()) {
        Some(wrong) if words > 1 => Err(format!("\"{}\" is wrong: {ADDRESS}", wrong.escape_debug())),
        Some(_) => Err(ADDRESS.to_owned()),
        None => Ok(valid_addresses(text)),
    }
}

fn hosts(text: &str) -> Result<Vec<String>, String> {
    let hosts: Vec<String> = listed(text).map(str::to_ascii_lowercase).collect();
    if hosts.is_empty() || hosts.len() > MOST_LISTED {
        return Err(format!("it has to be 1 to {MOST_LISTED} host names, e.g. agent.local"));
    }
    match hosts.iter().find(|host| !is_host(host)) {
        Some(wrong) => Err(format!(
            "\"{}\" is no host name: it has to be names without port, scheme and `*`, e.g. agent.local",
            wrong.escape_debug()
        )),
        None => Ok(hosts),
    }
}

fn is_host(text: &str) -> bool {
    text.len() <= LONGEST_HOST && text.split('.').all(is_service_name)
}

/// Parses an absolute path without `..`.
///
/// # Errors
/// What it has to be, with this example.
pub(crate) fn absolute_path(text: &str, example: &str) -> Result<PathBuf, String> {
    let path = Path::new(text);
    let is_plain = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    if path.is_absolute() && is_plain && path.file_name().is_some() && !text.contains(char::is_control) {
        return Ok(path.components().collect());
    }
    Err(format!("it has to be an absolute path without `..`, e.g. {example}"))
}

/// Parses `500ms`, `2s`, `1h 30m` or `PT5M`. A bare number is none, because its unit is unclear.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let parsed: SignedDuration = text.parse().ok()?;
    Duration::try_from(parsed).ok()
}

/// Parses `256KiB`, `1 MiB`, `65536B` or `65536`.
fn size(text: &str) -> Option<usize> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    let unit = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kib" => 1024,
        "mib" => 1024 * 1024,
        _ => return None,
    };
    number.parse::<usize>().ok()?.checked_mul(unit)
}

pub(crate) fn log_level(text: &str) -> Result<LevelFilter, String> {
    let levels = [("warn", LevelFilter::WARN), ("info", LevelFilter::INFO), ("debug", LevelFilter::DEBUG)];
    let level = levels.iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
    level.map(|(_, level)| *level).ok_or_else(|| "it has to be warn, info or debug, e.g. info".to_owned())
}
