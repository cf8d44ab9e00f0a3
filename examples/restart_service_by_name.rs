//! Restarts a service by its name in the compose file and waits until it runs again.
//!
//!     cargo run --example restart_service_by_name -- main

use std::time::Duration;

use balena_agent::supervisor::{ServiceSelector, ServiceStatus};
use balena_agent::{Balena, Local};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let service = std::env::args().nth(1).ok_or("usage: restart_service_by_name SERVICE")?;
    let balena = Balena::from_env()?;

    let before = balena.supervisor().container_id(&service).await?;
    match balena.device().restart_service(Local, ServiceSelector::name(&service)).await {
        // The answer can get lost although the restart happens; the container id tells.
        Err(error) if error.is_unknown_outcome() => eprintln!("{error}"),
        result => result?,
    }
    balena.supervisor().wait_for(&service, ServiceStatus::Running, Duration::from_secs(120)).await?;
    let after = balena.supervisor().container_id(&service).await?;

    println!("{service} runs in {} container", if before == after { "the same" } else { "a new" });
    Ok(())
}
