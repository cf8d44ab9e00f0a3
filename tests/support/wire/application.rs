//! Calls of the recorded functions: application.

use balena_agent::Balena;

use super::args::{Args, Outcome};

/// Makes the call; `None` if it is not one of these.
pub(crate) async fn call(_balena: &Balena, _function: &str, _args: &Args) -> Option<Outcome> {
    None
}
