//! Checks of what is written: values that a server takes with success and that break something later.
//!
//! Each check takes the name of the argument that its error names. What the contracts do not show to be broken
//! is left to the server.

mod network;
mod variable;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use serde_json::Value;

use crate::error::{Error, Result, shown};

pub(crate) use network::{host_name, no_proxy, proxy_address, resolver};
pub(crate) use variable::{Fault, base_address, key_fault, token_fault};

/// Characters of a refused value that its error shows.
const SHOWN: usize = 60;
/// Characters of a tag's value (contract of the cloud API, "Limits").
const TAG_VALUE: usize = 10_000;
/// Characters of a variable's value.
const VARIABLE_VALUE: usize = 100_000;
/// Characters of an API key's name.
const KEY_NAME: usize = 50;
/// Characters of an API key's description.
const KEY_DESCRIPTION: usize = 150;
/// Bytes of a request's body: a longer one is answered 413.
const BODY: usize = 512 * 1024;

/// Refuses a value: it is shown, as far as it is short.
fn refuse<T>(argument: &'static str, value: &str, why: &str) -> Result<T> {
    let more = if value.chars().nth(SHOWN).is_some() { "…" } else { "" };
    let head: String = value.chars().take(SHOWN).collect();
    Err(Error::argument(argument, format_args!("\"{}{more}\" {why}", shown(&head))))
}

/// A text of at most so many characters.
fn at_most(argument: &'static str, value: &str, limit: usize) -> Result<()> {
    let length = value.chars().count();
    if length > limit {
        let why = format_args!("it has {length} characters, and the server takes {limit}");
        return Err(Error::argument(argument, why));
    }
    Ok(())
}

/// A name that people read: of one line, and not only of white space.
pub(crate) fn name(argument: &'static str, name: &str) -> Result<()> {
    if name.trim().is_empty() {
        return Err(Error::argument(argument, "it is empty"));
    }
    if name.contains(char::is_control) {
        return refuse(argument, name, "has a line break or another control character in it");
    }
    Ok(())
}

/// A key that names something that is there already, of whatever kind: it is only not empty.
pub(crate) fn any_key(argument: &'static str, key: &str) -> Result<()> {
    if key.is_empty() { Err(Error::argument(argument, "it is empty")) } else { Ok(()) }
}

/// The key of a tag.
pub(crate) fn tag_key(argument: &'static str, key: &str) -> Result<()> {
    any_key(argument, key)?;
    if key.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\u{feff}') {
        return refuse(argument, key, "has white space or a control character in it");
    }
    Ok(())
}

/// The value of a tag.
pub(crate) fn tag_value(argument: &'static str, value: &str) -> Result<()> {
    at_most(argument, value, TAG_VALUE)
}

/// The name of an environment variable of a container.
pub(crate) fn variable_name(argument: &'static str, name: &str) -> Result<()> {
    of_letters(argument, name, "_", "letters, digits and underscores")
}

/// The name of a configuration variable: options of a device's firmware have colons in their names.
pub(crate) fn config_name(argument: &'static str, name: &str) -> Result<()> {
    of_letters(argument, name, "_:", "letters, digits, underscores and colons")
}

fn of_letters(argument: &'static str, name: &str, others: &str, of: &str) -> Result<()> {
    any_key(argument, name)?;
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !starts || name.contains(|c: char| !(c.is_ascii_alphanumeric() || others.contains(c))) {
        let why = format!("is no name of a variable: those are {of}, and do not begin with a digit");
        return refuse(argument, name, &why);
    }
    Ok(())
}

/// The value of a variable.
pub(crate) fn variable_value(argument: &'static str, value: &str) -> Result<()> {
    at_most(argument, value, VARIABLE_VALUE)
}

/// The name of an API key.
pub(crate) fn key_name(argument: &'static str, name: &str) -> Result<()> {
    at_most(argument, name, KEY_NAME)
}

/// The description of an API key.
pub(crate) fn key_description(argument: &'static str, description: &str) -> Result<()> {
    at_most(argument, description, KEY_DESCRIPTION)
}

/// When something stops to work: a time to come.
pub(crate) fn expiry(argument: &'static str, time: Timestamp, now: Timestamp) -> Result<()> {
    if time > now { Ok(()) } else { Err(Error::argument(argument, "it is not in the future")) }
}

/// The same as text. Without a zone it is in UTC; forms that are not of ISO 8601 are left to the server.
pub(crate) fn expiry_text(argument: &'static str, text: &str, now: Timestamp) -> Result<()> {
    let in_utc = || Offset::UTC.to_timestamp(text.parse::<DateTime>().ok()?).ok();
    let time = text.parse::<Timestamp>().ok().or_else(in_utc);
    if let Some(time) = time {
        return expiry(argument, time, now);
    }
    let year = text.trim_start_matches(['+', '-']).bytes().take_while(u8::is_ascii_digit).count();
    if text.trim().is_empty() || year > 4 {
        return refuse(argument, text, "is no time; one looks like 2030-01-31T12:00:00Z");
    }
    Ok(())
}

/// Degrees of latitude or longitude as text, up to this many either way; the empty text takes them away.
pub(crate) fn degrees(argument: &'static str, degrees: &str, limit: f64) -> Result<()> {
    let plain = degrees.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    match degrees.parse::<f64>() {
        _ if degrees.is_empty() => Ok(()),
        Ok(number) if plain && number.abs() <= limit => Ok(()),
        _ => refuse(argument, degrees, &format!("is no number of degrees from -{limit} to {limit}")),
    }
}

/// The public half of an SSH key, as in a `.pub` file.
pub(crate) fn public_key(argument: &'static str, key: &str) -> Result<()> {
    // Nothing of it is shown: it may be the private half.
    let why = if key.trim().is_empty() {
        "it is empty"
    } else if key.contains("-----BEGIN") {
        "it is a private key, or not in the form of OpenSSH: give what the `.pub` file holds"
    } else if key.trim().contains(char::is_control) {
        "it has several lines: give the one line of the `.pub` file"
    } else {
        return Ok(());
    };
    Err(Error::argument(argument, why))
}

/// The columns of a row, whatever they are: the database of the cloud can't hold a NUL.
pub(crate) fn columns(body: &Value) -> Result<()> {
    let Value::Object(columns) = body else { return Ok(()) };
    for (name, value) in columns {
        if value.as_str().is_some_and(|text| text.contains('\0')) {
            let name = shown(name);
            return Err(Error::argument("body", format_args!("{name} has a NUL character in it")));
        }
    }
    Ok(())
}

/// The body of a request, by its length in bytes.
pub(crate) fn body(length: usize) -> Result<()> {
    if length > BODY {
        let why = format_args!("the request has {length} bytes, and the server takes {BODY}");
        return Err(Error::argument("body", why).help("give less text at a time"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
