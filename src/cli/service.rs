//! `balena-agent run` and its clients: `events`, `healthcheck`.

use std::net::SocketAddr;

use clap::Args;
use tracing::level_filters::LevelFilter;

use crate::error::{Error, Result};
use crate::service::{self, Client, Config};

use super::Context;
use super::output::{self, Output};
use super::signals::Signals;

// Where `run` listens.
#[derive(Debug, Args)]
struct ListenOn {
    /// Address and port to listen on, several with commas; default: `AGENT_LISTEN`, else `127.0.0.1:48485`
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = parse_address, value_delimiter = ',')]
    listen: Vec<SocketAddr>,
}

// Where a command finds the service.
#[derive(Debug, Args)]
pub(super) struct Listen {
    /// Address and port of the service; default: `BALENA_AGENT_ADDRESS`, else `AGENT_LISTEN`, else `127.0.0.1:48485`
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = parse_address, value_delimiter = ',')]
    listen: Vec<SocketAddr>,
}

fn config(listen: &[SocketAddr]) -> Config {
    let config = Config::from_env();
    let addresses: Vec<String> = listen.iter().map(SocketAddr::to_string).collect();
    if addresses.is_empty() { config } else { config.listen(addresses.join(",")) }
}

impl Listen {
    /// Returns a client of the service, with `BALENA_AGENT_TOKEN`, else with the admin token if the service is that
    /// of this container and this user can read it.
    pub(super) fn client(&self) -> Result<Client> {
        let config = config(&self.listen);
        let flag = if self.listen.is_empty() { None } else { Some(config.local_address()?) };
        Client::of_command(flag, &config)
    }
}

#[derive(Debug, Args)]
pub(super) struct Events {
    #[command(flatten)]
    listen: Listen,
    /// Print events of these kinds only, e.g. `lease_lost,action_finished`
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    kind: Vec<String>,
    /// Go on after the event with this `id`
    #[arg(long, value_name = "ID")]
    since: Option<String>,
}

fn parse_address(text: &str) -> std::result::Result<SocketAddr, &'static str> {
    text.parse().map_err(
        |_| "must be an address and a port, e.g. 127.0.0.1:48485, or 0.0.0.0:48485 for all interfaces",
    )
}

#[derive(Debug, Args)]
#[command(after_long_help = service::settings_help())]
pub(super) struct RunArguments {
    #[command(flatten)]
    listen: ListenOn,
    /// Exit with 78 if the settings can't work, instead of answering with their faults
    #[arg(long)]
    strict: bool,
    /// Run with a simulated device that gets a new release every 30 s; needs no balena device
    #[cfg(feature = "simulator")]
    #[arg(long)]
    simulate: bool,
    /// A fault of the other variables.
    #[arg(skip)]
    fault: Option<String>,
}

impl RunArguments {
    /// Returns the log level of `AGENT_LOG`.
    pub(super) fn log_level(&self) -> LevelFilter {
        config(&self.listen.listen).log_level()
    }

    /// Adds a fault of the variables that are no settings of the service.
    pub(super) fn add_fault(&mut self, error: &Error) {
        self.fault = Some(error.to_string());
    }

    fn config(&self) -> Config {
        let config = config(&self.listen.listen);
        let config = if self.strict { config.strict() } else { config };
        match &self.fault {
            Some(fault) => config.with_fault("BALENA_*", fault.clone()),
            None => config,
        }
    }

    pub(super) async fn run(self, context: &Context, mut signals: Signals) -> Result<Output> {
        let config = self.config();
        signals
            .run_until_signal(async |asked| {
                let stop = async {
                    let _ = asked.await;
                };
                #[cfg(feature = "simulator")]
                if self.simulate {
                    return simulated(config, stop).await;
                }
                service::run(context.balena.clone(), config, stop).await
            })
            .await?;
        Ok(Output::silent())
    }
}

#[cfg(feature = "simulator")]
async fn simulated(config: Config, stop: impl Future<Output = ()>) -> Result<()> {
    let mut stop = std::pin::pin!(stop);
    let start = async {
        let simulation = super::simulate::Simulation::start(0).await?;
        let service = service::bind(simulation.balena.clone(), config).await?;
        Ok::<_, Error>((simulation, service))
    };
    let (simulation, service) = tokio::select! {
        started = start => started?,
        () = &mut stop => return Ok(()),
    };
    output::remark(&format!("simulated device at {}", simulation.address()));
    output::remark(&format!("try: curl http://{}/status", service.address()));
    tokio::select! {
        result = service.run(stop) => result,
        () = simulation.releases() => Ok(()),
    }
}

impl Events {
    /// Prints the events of a running service, one JSON object per line.
    pub(super) async fn run(self) -> Result<Output> {
        let mut request = self.listen.client()?.events().kinds(self.kind);
        if let Some(id) = self.since {
            request = request.since(id);
        }
        let mut events = request.await?;
        while let Some(event) = events.next().await {
            output::json_line(&event?)?;
        }
        Ok(Output::silent())
    }
}

/// Succeeds if the service is alive. Everyone may ask that: a wrong token must not make a container unhealthy.
pub(super) async fn healthcheck(listen: &Listen) -> Result<Output> {
    listen.client()?.without_token().health().await?;
    Ok(Output::done("the service is alive"))
}
