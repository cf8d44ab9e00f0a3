//! The `balena-agent` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    balena_agent::cli::main(std::env::args_os())
}
