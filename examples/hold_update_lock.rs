//! Holds this service's update lock while something runs that no update and no reboot may interrupt.
//!
//!     cargo run --example hold_update_lock

use std::time::Duration;

use balena_agent::Balena;

#[tokio::main(flavor = "current_thread")]
async fn main() -> balena_agent::Result<()> {
    let balena = Balena::from_env()?;
    let held = balena.update_lock().acquire().timeout(Duration::from_secs(60)).await?;
    println!("locked");

    for step in 1..=3 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        // Somebody may override the lock; then it is better to know.
        println!("step {step} of 3{}", if held.is_held() { "" } else { ", and the lock was taken away" });
    }

    held.release()?;
    println!("unlocked");
    Ok(())
}
