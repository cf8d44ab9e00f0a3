//! What the client makes of everything that goes wrong between it and the supervisor.

#[cfg(test)]
#[path = "faults/arguments.rs"]
mod arguments;
#[cfg(test)]
#[path = "faults/broken.rs"]
mod broken;
#[cfg(test)]
#[path = "support/client_calls.rs"]
mod client_calls;
#[cfg(test)]
#[path = "faults/decoding.rs"]
mod decoding;
#[cfg(test)]
#[path = "faults/locks.rs"]
mod locks;
#[cfg(test)]
#[path = "faults/names.rs"]
mod names;
#[cfg(test)]
#[path = "faults/patience.rs"]
mod patience;
#[cfg(test)]
#[path = "faults/pool.rs"]
mod pool;
#[cfg(test)]
#[path = "support/scripted.rs"]
mod scripted;
#[cfg(feature = "cli")]
#[cfg(test)]
#[path = "faults/secrets.rs"]
mod secrets;
#[cfg(test)]
#[path = "faults/streams.rs"]
mod streams;
#[cfg(test)]
#[path = "faults/turns.rs"]
mod turns;

/// A client of the supervisor at this address.
#[cfg(test)]
fn client(url: &str) -> balena_agent::supervisor::Supervisor {
    balena_agent::supervisor::Supervisor::new(&client_calls::environment(url, "f1e2d3c4b5a6"))
}
