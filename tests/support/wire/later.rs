//! What is recorded and not promised yet: the one list, with the reason. It has to be empty in the end.

use super::cases::Case;

/// Functions that a later step brings: logins, the settings file, logs, OS versions and updates, builds.
/// A name that ends with a dot stands for all below it.
const FUNCTIONS: [&str; 8] = [
    "auth.",
    "settings.",
    "logs.",
    "models.os.",
    "Balena",
    "models.device.start_os_update",
    "models.device.get_os_update_status",
    "models.release.create_from_url",
];

/// Cases of functions that are there, with something around them that is not.
const CASES: [(&str, &str); 5] = [
    ("auth.refresh_on_pine_request.", "the age-driven renewal of a session token"),
    ("auth.settings_change.", "settings that change after construction"),
    ("errors.rate_limit.retry_on_multipart", "a logo is an upload"),
    ("organization.create.handle_and_logo", "a logo is an upload"),
    ("organization.create.logo_unknown_type", "a logo is an upload"),
];

fn covers(entry: &str, name: &str) -> bool {
    name == entry || (entry.ends_with('.') && name.starts_with(entry))
}

/// Whether a function of the SDK comes later.
pub(crate) fn function(name: &str) -> bool {
    FUNCTIONS.iter().any(|entry| covers(entry, name))
}

/// The entries of the list that have no reason to be there: what they stand for is not recorded, or has a call.
pub(crate) fn pointless(
    functions: &[String],
    cases: &[Case],
    has_call: impl Fn(&str) -> bool,
) -> Vec<String> {
    let idle = |entry: &str| functions.iter().all(|name| !covers(entry, name));
    let without = FUNCTIONS.iter().filter(|entry| idle(entry)).map(|entry| format!("{entry} covers nothing"));
    let unused = |entry: &str| {
        !cases
            .iter()
            .any(|case| covers(entry, &case.id) && !function(&case.function) && case.settings.is_some())
    };
    let cases =
        CASES.iter().filter(|(entry, _)| unused(entry)).map(|(entry, _)| format!("{entry} has no case"));
    let there = functions.iter().filter(|name| function(name) && has_call(name));
    without.chain(cases).chain(there.map(|name| format!("{name} has a call"))).collect()
}

/// Why a case is not run.
pub(crate) fn reason(case: &Case) -> Option<&'static str> {
    if function(&case.function) {
        return Some("the function comes later");
    }
    if case.settings.is_none() {
        return Some("the settings file comes later");
    }
    CASES.iter().find(|(entry, _)| covers(entry, &case.id)).map(|(_, reason)| *reason)
}
