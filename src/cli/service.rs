//! `balena-agent run`, and what speaks to it: `events`, `healthcheck`.

use std::net::SocketAddr;

use clap::Args;

use crate::error::{ErrorKind, Result};
use crate::service::{self, Config};

use super::Context;
use super::output::{self, Output};

/// Where the service answers.
#[derive(Debug, Args)]
pub(super) struct Listen {
    /// Address and port of the service, e.g. 127.0.0.1:48485
    #[arg(
        long,
        env = "AGENT_LISTEN",
        value_name = "ADDRESS",
        default_value = "127.0.0.1:48485",
        hide_env_values = true
    )]
    listen: SocketAddr,
}

#[derive(Debug, Args)]
pub(super) struct RunArguments {
    #[command(flatten)]
    listen: Listen,
    /// Run against a simulated device; no balena device is needed
    #[cfg(feature = "simulator")]
    #[arg(long)]
    simulate: bool,
}

impl RunArguments {
    pub(super) async fn run(self, context: &Context) -> Result<Output> {
        let config = Config::new(self.listen.listen);
        #[cfg(feature = "simulator")]
        if self.simulate {
            let stop = super::stop()?;
            let simulation = super::simulate::Simulation::start(0).await?;
            output::remark(&format!("simulated device at {}", simulation.address()));
            output::remark(&format!("try: curl http://{}/status", self.listen.listen));
            tokio::select! {
                result = service::run(simulation.balena.clone(), config, stop) => result?,
                () = simulation.releases() => {}
            }
            return Ok(Output::silent());
        }
        service::run(context.balena.clone(), config, super::stop()?).await?;
        Ok(Output::silent())
    }
}

/// Prints the events of a running service, one JSON object a line.
pub(super) async fn events(context: &Context, listen: &Listen) -> Result<Output> {
    let mut events = service::subscribe(listen.listen).await?;
    while let Some(event) = events.next().await {
        match output::line(&event?) {
            // `… | head` has seen enough: that is success.
            Err(error) if error.kind() == ErrorKind::Cancelled => break,
            result => result?,
        }
    }
    Ok(Output::silent())
}

/// Succeeds when the service lives.
pub(super) async fn healthcheck(listen: &Listen) -> Result<Output> {
    service::health(listen.listen).await?;
    Ok(Output::done("the service lives"))
}
