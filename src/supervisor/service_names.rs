//! Names of services: the check of one, and the error for one that does not exist.

use std::fmt::Display;

use crate::error::{Error, ErrorKind, Result};
use crate::similar::is_similar;

use super::state::Progress;

/// Maximum number of names in an error.
const MAX_LISTED: usize = 20;
/// Maximum length of a name in an error, in characters.
const MAX_SHOWN: usize = 64;

/// Checks the name of a service, which is this argument.
///
/// # Errors
/// `is_invalid_argument` if it is empty.
pub(crate) fn check_service_name(argument: &'static str, name: &str) -> Result<()> {
    if !name.trim().is_empty() {
        return Ok(());
    }
    Err(Error::argument(argument, "the name is empty")
        .with_help("`balena-agent device services` lists the services"))
}

/// Returns the error for a service that is not among the `known` ones, with a suggestion.
pub(crate) fn no_such_service(
    place: &dyn Display,
    name: &str,
    known: impl Iterator<Item = impl AsRef<str>>,
    progress: Progress,
) -> Error {
    let known: Vec<String> = known.map(|known| known.as_ref().to_owned()).collect();
    let near = known.iter().find(|known| is_similar(known, name));
    let near = near.map_or_else(String::new, |near| format!("did you mean {}? ", quoted(near)));
    let all = match (known.is_empty(), progress) {
        (true, _) => "it has none".to_owned(),
        (false, Progress::Settled) => format!("its services are {}", listed(&known)),
        (false, Progress::Updating) => format!(
            "an update is running, and only services whose download has started are listed: {}",
            listed(&known)
        ),
    };
    Error::new(ErrorKind::NotFound, format!("{place} has no service {}", quoted(name)))
        .with_help(format!("{near}{all}"))
}

/// Returns the name in quotes, cut if it is long.
pub(crate) fn quoted(name: &str) -> String {
    let shown: String = name.chars().take(MAX_SHOWN).flat_map(char::escape_debug).collect();
    let rest = if name.chars().nth(MAX_SHOWN).is_some() { "…" } else { "" };
    format!("\"{shown}{rest}\"")
}

pub(super) fn listed(names: &[String]) -> String {
    let mut text: Vec<String> =
        names.iter().take(MAX_LISTED).map(|name| name.escape_debug().to_string()).collect();
    if names.len() > MAX_LISTED {
        text.push(format!("and {} more", names.len() - MAX_LISTED));
    }
    text.join(", ")
}
