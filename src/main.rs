//! The `balena-agent` command.
fn main() {}
