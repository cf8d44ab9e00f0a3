//! The recorded exchanges with the real supervisor, played against both ends: ours as its server, and as its client.
#![cfg(feature = "simulator")]

// `cfg(test)`, so that the lints know these files for tests too.
#[cfg(test)]
mod support;

#[test]
fn the_simulator_answers_like_the_recording() {
    support::server_role::run();
}

#[tokio::test]
async fn the_client_reads_the_recorded_answers() {
    let (passed, failed) = support::client_role::run().await;
    assert_eq!(failed, 0, "exchanges that the client misread");
    assert!(passed > 0, "the files hold no exchange");
}
