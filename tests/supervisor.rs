//! The recorded exchanges with the real supervisor, played against both ends: ours as its server, and as its client.
#![cfg(feature = "simulator")]

mod support;

#[test]
fn the_simulator_answers_like_the_recording() {
    support::server_role::run();
}
