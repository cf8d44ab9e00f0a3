//! What is recorded and not promised yet: the one list, with the reason. It has to be empty in the end.

use super::cases::Case;

/// Functions that a later step brings. A name that ends with a dot stands for all below it.
const FUNCTIONS: [&str; 0] = [];

type Around = fn(&Case) -> bool;

/// What is around calls that are there, and comes later itself.
const AROUND: [(&str, Around); 0] = [];

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
    let needed = |around: Around| cases.iter().any(|case| around(case) && !function(&case.function));
    let unused = AROUND.iter().filter(|(_, around)| !needed(*around));
    let unused = unused.map(|(reason, _)| format!("{reason}: no case"));
    let there = functions.iter().filter(|name| function(name) && has_call(name));
    without.chain(unused).chain(there.map(|name| format!("{name} has a call"))).collect()
}

/// Why a case is not run.
pub(crate) fn reason(case: &Case) -> Option<&'static str> {
    if function(&case.function) {
        return Some("the function comes later");
    }
    AROUND.iter().find(|(_, around)| around(case)).map(|(reason, _)| *reason)
}
