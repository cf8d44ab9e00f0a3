//! The command line as scripts and people meet it: output, errors, exit codes, signals.
#![cfg(all(feature = "cli", feature = "service", feature = "simulator"))]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at what it can't do")]

mod admin_token;
mod arguments;
mod asked_actions;
mod beside_agent;
mod commands;
mod hints;
mod inside;
mod lock_run;
mod refusals;
mod running;
mod service_status;
mod services;
mod simulated;
mod simulated_parts;
mod support;
mod surroundings;
mod updating;
mod visible;
