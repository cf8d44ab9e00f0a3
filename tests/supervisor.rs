//! The recorded exchanges with the real supervisor, played against both ends: ours as its server, and as its client.
#![cfg(feature = "simulator")]

// `cfg(test)`, so that the lints know these files for tests too.
#[cfg(test)]
mod support;

#[test]
fn the_simulator_answers_like_the_recording() {
    support::server_role::run();
}
