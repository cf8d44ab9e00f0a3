//! Reboots the device as soon as no service holds an update lock, and never by force.
//!
//!     cargo run --example reboot_when_unlocked

use std::time::Duration;

use balena_agent::{Balena, Local};

#[tokio::main(flavor = "current_thread")]
async fn main() -> balena_agent::Result<()> {
    let balena = Balena::from_env()?;
    loop {
        match balena.device().reboot(Local).patience(Duration::from_secs(120)).await {
            Ok(()) => {
                println!("the device reboots");
                return Ok(());
            }
            Err(error) if error.is_locked() => {
                let holder = error.lock_holder().map_or("somebody".into(), ToString::to_string);
                println!("not now: {holder} holds an update lock");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Err(error) => return Err(error),
        }
    }
}
