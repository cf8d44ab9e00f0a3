//! What a refusal of a resource request may mean: the server itself does not say.

use crate::error::Error;
use crate::odata::Address;

/// Names that are told; a query that has more of them is long.
const MAX_NAMES: usize = 24;

/// A server answers with a bare 401 also where it has no such resource, and with a bare 500 where it does not know
/// a name: of the query, or of the fields that were sent.
pub(super) fn explain_empty_error(error: Error, address: &Address, fields: Vec<String>) -> Error {
    if error.body() != Some("") {
        return error;
    }
    match error.status() {
        Some(401) if error.is_unauthorized() => {
            let resource = address.path().split(['(', '/']).next().unwrap_or_default();
            let meaning = "the token is wrong or expired, or it does not cover this";
            error.with_help(format!(
                "{meaning}, or the server does not have it (`{resource}`): it does not tell them apart"
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
