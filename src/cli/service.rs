//! `balena-agent run`, and what speaks to it: `events`, `healthcheck`.

use clap::Args;

use crate::error::{ErrorKind, Result};
use crate::service::{self, Config};

use super::Context;
use super::output::{self, Output};

/// Where the service answers.
#[derive(Debug, Args)]
pub(super) struct Listen {
    /// Address and port of the service; else `AGENT_LISTEN`, else `127.0.0.1:48485`
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
}

impl Listen {
    fn config(&self) -> Config {
        let config = Config::from_env();
        match &self.listen {
            Some(address) => config.listen(address),
            None => config,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct RunArguments {
    #[command(flatten)]
    listen: Listen,
    /// Run against a simulated device, to which a new release comes every 30 s; no balena device is needed
    #[cfg(feature = "simulator")]
    #[arg(long)]
    simulate: bool,
}

impl RunArguments {
    pub(super) async fn run(self, context: &Context) -> Result<Output> {
        let stop = super::stop()?;
        let config = self.listen.config();
        #[cfg(feature = "simulator")]
        if self.simulate {
            let simulation = super::simulate::Simulation::start(0).await?;
            let service = service::bind(simulation.balena.clone(), config).await?;
            output::remark(&format!("simulated device at {}", simulation.address()));
            output::remark(&format!("try: curl http://{}/status", service.address()));
            tokio::select! {
                result = service.run(stop) => result?,
                () = simulation.releases() => {}
            }
            return Ok(Output::silent());
        }
        service::run(context.balena.clone(), config, stop).await?;
        Ok(Output::silent())
    }
}

/// Prints the events of a running service, one JSON object a line.
pub(super) async fn events(listen: &Listen) -> Result<Output> {
    let mut events = service::subscribe(listen.config().local_address()?).await?;
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
    service::health(listen.config().local_address()?).await?;
    Ok(Output::done("the service lives"))
}
