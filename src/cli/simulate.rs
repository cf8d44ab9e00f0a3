//! `balena-agent simulate`: a balena device in a box.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use crate::error::{Error, ErrorKind, Result};
use crate::fs;
use crate::simulator::{Device, Fixture, Release};
use crate::{Balena, Environment};

use super::Context;
use super::output::{self, Output};
use super::signals::Signals;

/// The service whose container we pretend to be.
const SERVICE: &str = "main";
/// Between two releases of the story.
const NEXT_RELEASE: Duration = Duration::from_secs(30);
/// A device does not download in an instant.
const DOWNLOAD: Duration = Duration::from_secs(8);
const START_OR_STOP: Duration = Duration::from_millis(800);

#[derive(Debug, Args)]
pub(super) struct SimulateArguments {
    /// Port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Write the variables to this file instead, as NAME=value lines for `docker run --env-file`; it appears when the device is ready
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
    /// Every 30 s a new release comes, is downloaded and applied
    #[arg(long)]
    releases: bool,
}

impl SimulateArguments {
    pub(super) async fn run(self, context: &Context, mut signals: Signals) -> Result<Output> {
        let simulation = Simulation::start(self.port).await?;
        match &self.env_file {
            Some(path) => simulation.write_variables(path)?,
            None => simulation.print_variables(context)?,
        }
        if self.releases {
            tokio::select! {
                () = simulation.releases() => {}
                () = signals.next() => {}
            }
        } else {
            signals.next().await;
        }
        Ok(Output::silent())
    }
}

/// A simulated device and what a container on it would see.
pub(super) struct Simulation {
    device: Device,
    variables: BTreeMap<String, String>,
    pub(super) balena: Balena,
}

impl Simulation {
    pub(super) async fn start(port: u16) -> Result<Self> {
        let device = Device::builder()
            .port(port)
            .journal(20)
            .with_timings(|timings| {
                timings.pull = DOWNLOAD;
                timings.start = START_OR_STOP;
                timings.stop = START_OR_STOP;
            })
            .start()
            .await
            .map_err(|cause| {
                Error::new(ErrorKind::Io, format!("can't start the simulated device on port {port}: {cause}"))
                    .help("choose another --port, or leave it out")
            })?;
        let variables = device.environment(SERVICE).unwrap_or_default();
        let balena = Balena::builder().environment(Environment::from_vars(variables.clone())?).build();
        Ok(Self { device, variables, balena })
    }

    fn print_variables(&self, context: &Context) -> Result<()> {
        if context.printer.is_json() {
            output::line(&serde_json::json!(self.variables).to_string())?;
        } else {
            for (name, value) in &self.variables {
                output::line(&format!("export {name}='{}'", value.replace('\'', r"'\''")))?;
            }
        }
        output::remark(
            "the simulated device runs until interrupted; export these variables in another terminal",
        );
        Ok(())
    }

    /// For `docker run --env-file`, which takes values as they are, without quotes; a shell would not, and
    /// has the printed form. Nobody else may read it: a key is in it.
    fn write_variables(&self, path: &Path) -> Result<()> {
        let lines: String =
            self.variables.iter().map(|(name, value)| [name, "=", value, "\n"].concat()).collect();
        fs::write_atomic(path, lines.as_bytes(), fs::PRIVATE)?;
        output::remark(&format!(
            "the simulated device runs until interrupted; its variables are in {}",
            path.display()
        ));
        Ok(())
    }

    #[cfg(feature = "service")]
    pub(super) fn address(&self) -> String {
        self.device.address()
    }

    /// Something to look at, for ever: a new release comes, is downloaded and applied.
    pub(super) async fn releases(&self) {
        for number in 2.. {
            tokio::time::sleep(NEXT_RELEASE).await;
            for (app, release) in next_releases(number) {
                self.device.offer_update(app, &release);
            }
            // What the cloud does when a release is finished: it pokes the device.
            if let Err(error) = self.balena.supervisor().update().await {
                tracing::debug!(%error, "the simulated device could not be told of its release");
            }
        }
    }
}

/// The small fleet's release of this number; only `main` has new content.
fn next_releases(number: i64) -> Vec<(i64, Release)> {
    let apps = Fixture::small().apps.into_values().flatten();
    apps.filter_map(|mut app| {
        let mut release = app.releases.remove("update")?;
        release.id = number;
        release.commit = format!("{number:032x}");
        for (name, service) in &mut release.services {
            service.image_id = number * 1000 + service.service_id;
            if name == SERVICE {
                service.image = format!("registry.example.com/v2/{name}{number}@sha256:{name}{number}");
            }
        }
        Some((app.id, release))
    })
    .collect()
}
