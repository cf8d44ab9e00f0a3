//! A service beside the agent: holds the update lock of the agent's service while a command runs, and prints the events
//! of a moment.
//!
//!     BALENA_AGENT_ADDRESS=unix:/run/balena-agent/agent.sock WORK='sleep 2' cargo run --example sibling
//!
//! `BALENA_AGENT_ADDRESS` is the client's socket or `http://agent:48485`; `BALENA_AGENT_TOKEN` the client's token, which
//! a socket does not need. Ends with 75 if the lock can't be had now, with the code of the command otherwise.

use std::process::ExitCode;
use std::time::Duration;

use balena_agent::service::Client;
use tokio::process::Command;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let agent = Client::from_env()?;
    let asked = agent.lock("sibling-rs").ttl(Duration::from_secs(60)).reason("an example in Rust").await;
    let lease = match asked {
        Ok(lease) => lease,
        Err(error) if error.is_locked() => {
            eprintln!("not now: {error}");
            return Ok(ExitCode::from(75));
        }
        Err(error) => return Err(error.into()),
    };
    println!("locked for {:?} s", lease.lease().ttl);

    let work = std::env::var("WORK").unwrap_or_else(|_| "echo working; sleep 2".to_owned());
    let mut command = Command::new("sh");
    command.arg("-c").arg(work).kill_on_drop(true);
    let status = tokio::select! {
        status = command.status() => status?,
        // Renews the lease meanwhile. Once it is lost, an update or a reboot may come at any time: the work is ended.
        error = lease.lost() => return Err(error.into()),
    };
    lease.release().await?;
    println!("released");

    let mut events = agent.events().await?;
    let follow = async {
        while let Some(event) = events.next().await {
            println!("{}", event?); // one JSON object each
        }
        Ok::<_, balena_agent::Error>(())
    };
    tokio::time::timeout(Duration::from_secs(1), follow).await.unwrap_or(Ok(()))?;

    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
