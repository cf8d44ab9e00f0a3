//! `balena-agent token`: the admin token of the service in this container.

use std::path::Path;

use clap::Subcommand;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use crate::error::Result;
use crate::service::{Config, own_admin_token};

use super::output::Output;

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(super) enum TokenCommand {
    /// Print the admin token of the service in this container
    Show,
    /// Make a new admin token and print it; the old one is not accepted any more
    Rotate,
}

impl TokenCommand {
    pub(super) fn run(self) -> Result<Output> {
        let file = own_admin_token(&Config::from_env())?;
        match self {
            Self::Show => shown(file.path(), &file.read()?),
            Self::Rotate => {
                let token = file.rotate()?;
                Ok(shown(file.path(), &token)?.note("the old token is not accepted any more"))
            }
        }
    }
}

fn shown(file: &Path, token: &SecretString) -> Result<Output> {
    let token = token.expose_secret();
    Ok(Output::data(&json!({ "file": file, "token": token }))?.text(token.to_owned()))
}
