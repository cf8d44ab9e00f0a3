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
