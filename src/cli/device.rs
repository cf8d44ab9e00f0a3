//! `balena-agent device …`: this device, with the function names of the SDKs.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::api::device::{DeviceAction, Devices, Local};
use crate::error::{Error, Result};
use crate::ids::ImageId;
use crate::supervisor::{ApplicationState, Confirmation, ServiceSelector, UpdateTrigger};

use super::Context;
use super::flags::{Force, Yes};
use super::host_config::HostConfigArguments;
use super::journal::Logs;
use super::output::Output;

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(super) enum DeviceCommand {
    /// Check whether the supervisor answers
    Ping,
    /// Blink the device's LED for 15 s
    Identify,
    /// Show the device's state
    State,
    /// Show the services of every application in the key's scope
    Services,
    /// Reboot the device
    Reboot(Force),
    /// Shut the device down; it must be switched on again by hand
    Shutdown {
        #[command(flatten)]
        force: Force,
        #[command(flatten)]
        yes: Yes,
    },
    /// Restart all services of the application
    Restart(Force),
    /// Restart all services of the application with EMPTY volumes
    Purge {
        #[command(flatten)]
        force: Force,
        #[command(flatten)]
        yes: Yes,
    },
    /// Check for an update now
    Update {
        /// Override update locks; implies --cancel, because --force alone has no effect on a
        /// locked update that is being retried
        #[arg(long)]
        force: bool,
        /// Cancel the running download or update and start again
        #[arg(long)]
        cancel: bool,
    },
    /// Start a service
    StartService(Service),
    /// Stop a service; with --until-done, wait until it has stopped
    StopService {
        #[command(flatten)]
        service: Service,
        #[command(flatten)]
        force: Force,
        /// Wait until the service has stopped, at most this long
        #[arg(long, value_name = "DURATION", value_parser = super::parse_duration)]
        until_done: Option<std::time::Duration>,
    },
    /// Restart a service in a new container; compares the container ids before and after
    RestartService {
        #[command(flatten)]
        service: Service,
        #[command(flatten)]
        force: Force,
    },
    /// Show the device's name as stored by the supervisor
    Name,
    /// Show the device's tags (the supervisor requests them from the cloud API)
    Tags,
    /// Set tags of the device, as KEY=VALUE; the supervisor sends them when the cloud is reachable
    SetTags {
        /// The tags; keys without white space, each only once
        #[arg(required = true, value_name = "KEY=VALUE")]
        tags: Vec<String>,
    },
    /// Show whether the VPN is on and connected
    Vpn,
    /// Show the host's network settings
    HostConfig,
    /// Change the host's network settings
    SetHostConfig(Box<HostConfigArguments>),
    /// Show the host's journal
    Logs(Logs),
}

#[derive(Debug, Args)]
pub(super) struct Service {
    /// Name of the service in the compose file
    #[arg(required_unless_present = "image_id", conflicts_with = "image_id")]
    service: Option<String>,
    /// Id of the service's image instead of its name
    #[arg(long, value_name = "ID", allow_negative_numbers = true)]
    image_id: Option<i64>,
}

impl Service {
    pub(super) fn selector(&self) -> ServiceSelector {
        match self.image_id {
            Some(id) => ServiceSelector::Image(ImageId::new(id)),
            None => ServiceSelector::name(self.service.clone().unwrap_or_default()),
        }
    }

    fn describe(&self) -> String {
        match (&self.service, self.image_id) {
            (Some(name), _) => format!("service {name}"),
            (None, id) => format!("the service of image {}", id.unwrap_or_default()),
        }
    }
}

impl DeviceCommand {
    pub(super) async fn run(self, context: &Context) -> Result<Output> {
        let device = context.balena.device();
        Ok(match self {
            Self::Ping => {
                context.limited(device.ping(Local)).await?;
                Output::done("the supervisor answers")
            }
            Self::Identify => {
                context.limited(device.identify(Local)).await?;
                Output::done("the LED blinks for 15 s, if there is one")
            }
            Self::State => Output::data(&context.limited(device.get_supervisor_state(Local)).await?)?,
            Self::Services => {
                let states = context.limited(device.application_states(Local)).await?;
                services(&states)?
            }
            Self::Reboot(force) => {
                let call = device.reboot(Local);
                context.limited(if force.force { call.force() } else { call }).await?;
                Output::done("the device reboots")
            }
            Self::Shutdown { force, yes } => {
                yes.check("shuts the device down; it must be switched on again by hand")?;
                let call = device.shutdown(Local);
                context.limited(if force.force { call.force() } else { call }).await?;
                Output::done("the device shuts down")
            }
            Self::Restart(force) => {
                let call = context.limited(device.restart_application(Local));
                let call = if force.force { call.force() } else { call };
                recreated(&call.confirm().await?, "all services are restarted")?
            }
            Self::Purge { force, yes } => {
                yes.check("deletes the data in all volumes of the application")?;
                let call = context.limited(device.purge(Local));
                let call = if force.force { call.force() } else { call };
                recreated(&call.confirm().await?, "all services are restarted with empty volumes")?
            }
            Self::Update { force, cancel } => update(context, &device, force, cancel).await?,
            Self::StartService(service) => {
                context.limited(device.start_service(Local, service.selector()).checked()).await?;
                Output::done(format!("{} is started", service.describe()))
            }
            Self::StopService { service, force, until_done } => {
                if until_done.is_some() && service.service.is_none() {
                    return Err(Error::argument("--until-done", "requires the service's name"));
                }
                let call = device.stop_service(Local, service.selector()).checked();
                context.limited(if force.force { call.force() } else { call }).await?;
                match (until_done, &service.service) {
                    (Some(limit), Some(name)) => {
                        let exited = crate::supervisor::ServiceStatus::Exited;
                        context.balena.supervisor().wait_for(name, exited, limit).await?;
                        Output::done(format!("{} has stopped", service.describe()))
                    }
                    _ => Output::done(format!(
                        "{} is being stopped; --until-done 1m waits until it has stopped",
                        service.describe()
                    )),
                }
            }
            Self::RestartService { service, force } => {
                let call = context.limited(device.restart_service(Local, service.selector()).checked());
                let call = if force.force { call.force() } else { call };
                recreated(&call.confirm().await?, format!("{} is restarted", service.describe()))?
            }
            Self::Name => Output::data(&context.limited(device.supervisor_device_name(Local)).await?)?,
            Self::Tags => Output::data(&context.limited(device.supervisor_tags(Local)).await?)?,
            Self::SetTags { tags } => {
                let tags = pairs(&tags)?;
                context.limited(device.set_supervisor_tags(Local, tags)).await?;
                Output::done("queued; the supervisor sends them to the cloud")
            }
            Self::Vpn => Output::data(&context.limited(device.vpn_state(Local)).await?)?,
            Self::HostConfig => Output::data(&context.limited(device.host_config(Local)).await?)?,
            Self::SetHostConfig(arguments) => arguments.run(context).await?,
            Self::Logs(logs) => logs.run(context).await?,
        })
    }
}

/// Returns the output of a restart: whether new containers were confirmed.
pub(super) fn recreated(confirmation: &Confirmation, done: impl Into<String>) -> Result<Output> {
    let mut note = done.into();
    if let Confirmation::NotConfirmed(why) = confirmation {
        let _ = write!(note, ", according to the supervisor; not confirmed: {}", why.summary());
    }
    let data = json!({ "ok": true, "confirmed": confirmation.is_confirmed() });
    Ok(Output::data(&data)?.note_only().note(note))
}

async fn update(context: &Context, device: &Devices, force: bool, cancel: bool) -> Result<Output> {
    let mut call = device.update(Local);
    if force {
        call = call.force();
    }
    // While a locked update is being retried, force alone changes nothing (reference section 8).
    if cancel || force {
        call = call.cancel();
    }
    let (word, note) = match context.limited(call).await? {
        UpdateTrigger::Started => ("started", "the supervisor checks for an update"),
        UpdateTrigger::Accepted => ("accepted", "the request was accepted"),
        UpdateTrigger::Ignored => {
            ("ignored", "ignored: instant updates are switched off; --force overrides that")
        }
    };
    Ok(Output::data(&json!({ "update": word }))?.note_only().note(note))
}

const SERVICE_COLUMNS: &[&str] = &["application", "service", "status", "progress", "release", "update"];

/// Shows one row per service.
pub(super) fn services(states: &BTreeMap<String, ApplicationState>) -> Result<Output> {
    let none = "no services: nothing is installed, or the key covers none of the applications on this device";
    Output::data(states)?.rows(SERVICE_COLUMNS, &service_rows(states), none)
}

fn service_rows(states: &BTreeMap<String, ApplicationState>) -> Vec<Value> {
    let mut rows = Vec::new();
    for (name, application) in states {
        for (service, state) in &application.services {
            rows.push(json!({
                "application": name,
                "service": service,
                "status": state.status,
                "progress": state.download_progress,
                "release": state.release_id,
                "update": application.update_status,
            }));
        }
    }
    rows
}

fn pairs(tags: &[String]) -> Result<BTreeMap<String, String>> {
    let mut pairs = BTreeMap::new();
    for tag in tags {
        let refuse =
            |why: &str| Error::argument("KEY=VALUE", format_args!("\"{}\" {why}", tag.escape_debug()));
        let (key, value) = tag.split_once('=').ok_or_else(|| refuse("has no ="))?;
        if pairs.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(refuse("has a key that was given before"));
        }
    }
    Ok(pairs)
}

impl Context {
    /// Applies the deadline of `--timeout`.
    pub(super) fn limited<T, O>(&self, action: DeviceAction<T, O>) -> DeviceAction<T, O> {
        match self.timeout {
            Some(timeout) => action.deadline(timeout),
            None => action,
        }
    }
}
