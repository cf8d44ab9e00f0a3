//! Names of services: the check of one, and the error for one that does not exist.

use std::fmt::Display;

use crate::error::{Error, ErrorKind, Result};

use super::state::Progress;

/// Maximum number of names in an error.
const MAX_LISTED: usize = 20;
/// Edit distance up to which an error suggests a name.
const MAX_TYPOS: usize = 2;
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
    let near = known.iter().find(|known| is_near(known, name));
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

/// Returns whether one name may be a misspelling of the other.
fn is_near(known: &str, name: &str) -> bool {
    let most = MAX_TYPOS.min(known.chars().count() / 2);
    // A much longer name is not compared by letters.
    if name.len() > known.len().saturating_add(MAX_SHOWN) {
        return false;
    }
    let (known, name) = (known.to_lowercase(), name.trim().to_lowercase());
    known == name || distance(&known, &name) <= most
}
/// Returns the Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (line, letter) in a.chars().enumerate() {
        let mut above = std::iter::once(line + 1).collect::<Vec<_>>();
        for (pair, other) in row.windows(2).zip(&b) {
            if let ([diagonal, up], Some(left)) = (pair, above.last()) {
                let changed = diagonal + usize::from(letter != *other);
                above.push(changed.min(up + 1).min(left + 1));
            }
        }
        row = above;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_told() {
        for (known, name, near) in [
            ("main", "mian", true),
            ("main", "Main", true),
            ("main", " main", true),
            ("main", "mains", true),
            ("main", "man", true),
            ("main", "worker", false),
            ("a", "b", false),
            ("ab", "ba", false),
            ("database", "databse", true),
        ] {
            assert_eq!(is_near(known, name), near, "{known} {name}");
        }
        assert_eq!((distance("", "abc"), distance("abc", ""), distance("kitten", "sitting")), (3, 3, 3));
    }
}
