//! `balena-agent config`: the settings of the service, and their faults.

use clap::Subcommand;

use crate::error::Result;
use crate::service::{self, Config};

use super::Context;
use super::output::Output;

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(super) enum ConfigCommand {
    /// Print all settings of `run` with their values; secrets are masked
    Show(ShowArguments),
    /// Check the settings as `run` does; exit with 78 and all faults if there are any
    Check,
}

#[derive(Debug, clap::Args)]
pub(super) struct ShowArguments {
    /// Also print where each value comes from: default or variable
    #[arg(long)]
    origin: bool,
}

impl ConfigCommand {
    pub(super) fn run(self, context: &Context) -> Result<Output> {
        let config = Config::from_env();
        match self {
            Self::Show(arguments) => {
                let settings = service::settings(&config);
                let columns: &[&str] =
                    if arguments.origin { &["name", "value", "origin"] } else { &["name", "value"] };
                Output::data(&settings)?.rows(columns, &settings, "no settings")
            }
            Self::Check => {
                let set = service::check_settings(&config, &context.balena)?;
                Ok(Output::done(format!("no faults; {set} settings are set")))
            }
        }
    }
}
