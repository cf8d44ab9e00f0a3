//! Prints what changes on this device: services that start and stop, updates that arrive.
//!
//!     cargo run --example follow_state          # until interrupted
//!     cargo run --example follow_state -- 30    # for 30 looks

use std::collections::BTreeMap;
use std::time::Duration;

use balena_agent::Balena;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let looks: u64 = std::env::args().nth(1).map_or(Ok(u64::MAX), |looks| looks.parse())?;
    let balena = Balena::from_env()?;
    let mut last = BTreeMap::new();

    for _ in 0..looks {
        // Bridges a supervisor that restarts; every look makes it inspect every container, so look gently.
        let states = balena.supervisor().applications_state().patience(Duration::from_secs(120)).await?;
        let now: BTreeMap<String, String> = states
            .iter()
            .flat_map(|(application, state)| {
                let services = state.services.iter();
                services.map(move |(service, state)| {
                    (format!("{application}/{service}"), state.status.to_string())
                })
            })
            .collect();
        for (service, status) in &now {
            match last.get(service) {
                Some(before) if before == status => {}
                Some(before) => println!("{service}: {before} -> {status}"),
                None => println!("{service}: {status}"),
            }
        }
        last = now;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}
