//! Shows what this device is and what runs on it, without any cloud.
//!
//!     cargo run --example on_device_state

use balena_agent::{Balena, Local};

#[tokio::main(flavor = "current_thread")]
async fn main() -> balena_agent::Result<()> {
    let balena = Balena::from_env()?;

    let name = balena.device().supervisor_device_name(Local).await?;
    let device = balena.device().get_supervisor_state(None).await?;
    println!("{name}: {}", device.os_version.as_deref().unwrap_or("unknown OS"));
    if device.update_pending == Some(true) {
        println!("an update is pending");
    }

    for (application, state) in balena.device().application_states(None).await? {
        println!("{application}, release {}", state.commit.as_deref().unwrap_or("none"));
        for (service, state) in state.services {
            println!("  {service}: {}", state.status);
        }
    }
    Ok(())
}
