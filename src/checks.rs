//! Checks of values before they are written: values that a server accepts and that break something later.
//!
//! Each check takes the argument's name for its error. Values that are not known to break anything are left to the
//! server.

mod network;
mod variable;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use serde_json::Value;

use crate::error::{Error, Result, escaped};

pub(crate) use network::{host_name, no_proxy, proxy_address, resolver};
pub(crate) use variable::{Fault, base_address, key_fault, token_fault};

/// Number of characters of a rejected value that its error shows.
const SHOWN: usize = 60;
/// Longest value of a tag, in characters (contract of the cloud API, "Limits").
const TAG_VALUE: usize = 10_000;
/// Longest value of a variable, in characters.
const VARIABLE_VALUE: usize = 100_000;
/// Longest name of an API key, in characters.
const KEY_NAME: usize = 50;
/// Longest description of an API key, in characters.
const KEY_DESCRIPTION: usize = 150;
/// Largest request body, in bytes; the API answers 413 to a larger one.
const BODY: usize = 512 * 1024;

/// Returns the error for a value, which quotes its beginning.
fn reject<T>(argument: &'static str, value: &str, why: &str) -> Result<T> {
    let more = if value.chars().nth(SHOWN).is_some() { "…" } else { "" };
    let head: String = value.chars().take(SHOWN).collect();
    Err(Error::argument(argument, format_args!("\"{}{more}\" {why}", escaped(&head))))
}

/// Checks that a text has at most `limit` characters.
fn at_most(argument: &'static str, value: &str, limit: usize) -> Result<()> {
    let length = value.chars().count();
    if length > limit {
        let why = format_args!("it has {length} characters; the server accepts {limit}");
        return Err(Error::argument(argument, why));
    }
    Ok(())
}

/// Checks a display name: a single line, and not only white space.
pub(crate) fn name(argument: &'static str, name: &str) -> Result<()> {
    if name.trim().is_empty() {
        return Err(Error::argument(argument, "it is empty"));
    }
    if name.contains(char::is_control) {
        return reject(argument, name, "contains a line break or another control character");
    }
    Ok(())
}

/// Checks the key of an existing row of any kind: it must not be empty.
pub(crate) fn non_empty(argument: &'static str, key: &str) -> Result<()> {
    if key.is_empty() { Err(Error::argument(argument, "it is empty")) } else { Ok(()) }
}

/// Checks the uuid of a device to register. The server takes any text.
pub(crate) fn new_uuid(argument: &'static str, uuid: &str) -> Result<()> {
    non_empty(argument, uuid)?;
    if !matches!(uuid.len(), 32 | 62) || uuid.contains(|c: char| !matches!(c, '0'..='9' | 'a'..='f')) {
        return reject(
            argument,
            uuid,
            "is no uuid: those are 32 or 62 of the digits 0-9 and a-f, in lowercase",
        );
    }
    Ok(())
}

/// Checks a key or token of the cloud. The error does not show it.
pub(crate) fn token(argument: &'static str, token: &str) -> Result<()> {
    let fault = token_fault(token);
    fault.map_or(Ok(()), |fault| Err(Error::argument(argument, fault.why).with_help(fault.remedy)))
}

/// Checks the key of a tag.
pub(crate) fn tag_key(argument: &'static str, key: &str) -> Result<()> {
    non_empty(argument, key)?;
    if key.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\u{feff}') {
        return reject(argument, key, "contains white space or a control character");
    }
    Ok(())
}

/// Checks the value of a tag.
pub(crate) fn tag_value(argument: &'static str, value: &str) -> Result<()> {
    at_most(argument, value, TAG_VALUE)
}

/// Checks the name of an environment variable.
pub(crate) fn variable_name(argument: &'static str, name: &str) -> Result<()> {
    of_letters(argument, name, "_", "letters, digits and underscores")
}

/// Checks the name of a configuration variable, which may contain colons: options of a device's firmware do.
pub(crate) fn config_name(argument: &'static str, name: &str) -> Result<()> {
    of_letters(argument, name, "_:", "letters, digits, underscores and colons")
}

fn of_letters(argument: &'static str, name: &str, others: &str, of: &str) -> Result<()> {
    non_empty(argument, name)?;
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !starts || name.contains(|c: char| !(c.is_ascii_alphanumeric() || others.contains(c))) {
        let why = format!("is not a variable name: it must consist of {of} and must not begin with a digit");
        return reject(argument, name, &why);
    }
    Ok(())
}

/// Checks the value of a variable.
pub(crate) fn variable_value(argument: &'static str, value: &str) -> Result<()> {
    at_most(argument, value, VARIABLE_VALUE)
}

/// Checks the name of an API key.
pub(crate) fn key_name(argument: &'static str, name: &str) -> Result<()> {
    at_most(argument, name, KEY_NAME)
}

/// Checks the description of an API key.
pub(crate) fn key_description(argument: &'static str, description: &str) -> Result<()> {
    at_most(argument, description, KEY_DESCRIPTION)
}

/// Checks an expiry time: it must be in the future.
pub(crate) fn expiry(argument: &'static str, time: Timestamp, now: Timestamp) -> Result<()> {
    if time > now { Ok(()) } else { Err(Error::argument(argument, "it is not in the future")) }
}

/// Checks an expiry time in text. Without a zone it is in UTC. Formats other than ISO 8601 are left to the server.
pub(crate) fn expiry_text(argument: &'static str, text: &str, now: Timestamp) -> Result<()> {
    let in_utc = || Offset::UTC.to_timestamp(text.parse::<DateTime>().ok()?).ok();
    let time = text.parse::<Timestamp>().ok().or_else(in_utc);
    if let Some(time) = time {
        return expiry(argument, time, now);
    }
    let year = text.trim_start_matches(['+', '-']).bytes().take_while(u8::is_ascii_digit).count();
    if text.trim().is_empty() || year > 4 {
        return reject(argument, text, "is not a time such as 2030-01-31T12:00:00Z");
    }
    Ok(())
}

/// Checks a latitude or longitude as text: degrees from `-limit` to `limit`, or empty to clear it.
pub(crate) fn degrees(argument: &'static str, degrees: &str, limit: f64) -> Result<()> {
    let plain = degrees.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    match degrees.parse::<f64>() {
        _ if degrees.is_empty() => Ok(()),
        Ok(number) if plain && number.abs() <= limit => Ok(()),
        _ => reject(argument, degrees, &format!("is not a number of degrees from -{limit} to {limit}")),
    }
}

/// Checks a public SSH key in the format of a `.pub` file.
pub(crate) fn public_key(argument: &'static str, key: &str) -> Result<()> {
    // The value is not shown: it may be a private key.
    let why = if key.trim().is_empty() {
        "it is empty"
    } else if key.contains("-----BEGIN") {
        "it is a private key or not in OpenSSH format: use the content of the `.pub` file"
    } else if key.trim().contains(char::is_control) {
        "it has several lines: use the single line of the `.pub` file"
    } else {
        return Ok(());
    };
    Err(Error::argument(argument, why))
}

/// Checks the columns of a row: the API's database can't store NUL characters.
pub(crate) fn columns(body: &Value) -> Result<()> {
    let Value::Object(columns) = body else { return Ok(()) };
    for (name, value) in columns {
        if value.as_str().is_some_and(|text| text.contains('\0')) {
            let name = escaped(name);
            return Err(Error::argument("body", format_args!("{name} contains a NUL character")));
        }
    }
    Ok(())
}

/// Checks the length of a request body, in bytes.
pub(crate) fn body(length: usize) -> Result<()> {
    if length > BODY {
        let why = format_args!("the request has {length} bytes; the server accepts {BODY}");
        return Err(Error::argument("body", why).with_help("write less data per request"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
