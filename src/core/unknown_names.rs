//! Help for error responses with an empty body: the names in the request that the server may not know.

use crate::error::Error;
use crate::odata::Address;

/// Maximum number of names in the help text.
const MAX_NAMES: usize = 24;

/// Adds a help text to an error without a body. The server answers an unknown resource with an empty 401, and an
/// unknown column or navigation, in the query or in the body, with an empty 500.
pub(super) fn explain_empty_error(error: Error, address: &Address, fields: Vec<String>) -> Error {
    if error.body() != Some("") {
        return error;
    }
    match error.status() {
        Some(401) if error.is_unauthorized() => {
            let resource = address.path().split(['(', '/']).next().unwrap_or_default();
            let meaning = "the token is wrong or expired, or has no permission for this";
            error.with_help(format!(
                "{meaning}, or the server does not have it (`{resource}`): the server does not tell which"
            ))
        }
        Some(500) => {
            let mut names = address.names();
            for field in fields {
                if !names.contains(&field) {
                    names.push(field);
                }
            }
            match names.len() {
                0 => error,
                count => {
                    names.truncate(MAX_NAMES);
                    let more = if count > MAX_NAMES { ", …" } else { "" };
                    error.with_help(format!(
                        "the server may not know one of these names: {}{more}",
                        names.join(", ")
                    ))
                }
            }
        }
        _ => error,
    }
}
