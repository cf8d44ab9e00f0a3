//! `balena-agent device …`: this device, with the names that the SDKs use.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::api::device::{DeviceAction, Devices, Local};
use crate::error::{Error, Result};
use crate::ids::ImageId;
use crate::supervisor::{ApplicationState, JournalQuery, ServiceSelector, UpdateTrigger};

use super::Context;
use super::host_config::HostConfigArguments;
use super::output::{self, Output, Reader};

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(super) enum DeviceCommand {
    /// Ask whether the supervisor answers
    Ping,
    /// Blink the device's LED for 15 s
    Identify,
    /// Show the device's state
    State,
    /// Show the services of every application in the key's scope
    Services,
    /// Reboot the device
    Reboot(Force),
    /// Shut the device down; somebody has to switch it on again by hand
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
    /// Look for an update now
    Update {
        #[command(flatten)]
        force: Force,
        /// End what is being applied or downloaded and start over
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
    /// Restart a service in a new container
    RestartService {
        #[command(flatten)]
        service: Service,
        #[command(flatten)]
        force: Force,
    },
    /// Show the device's name as the supervisor knows it
    Name,
    /// Show the device's tags (the supervisor asks the cloud)
    Tags,
    /// Set tags of the device, as KEY=VALUE; they reach the cloud when it can be reached
    SetTags {
        /// The tags; a key without white space, once
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

// Override update locks.
#[derive(Debug, Args)]
pub(super) struct Force {
    /// Override update locks, whoever holds them
    #[arg(long)]
    pub(super) force: bool,
}

// Consent to what can't be undone.
#[derive(Debug, Args)]
pub(super) struct Yes {
    /// Really do it
    #[arg(long)]
    yes: bool,
}

impl Yes {
    pub(super) fn check(&self, what: &str) -> Result<()> {
        if self.yes {
            Ok(())
        } else {
            Err(Error::argument("--yes", format_args!("it is missing, and this {what}")))
        }
    }
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

#[derive(Debug, Args)]
pub(super) struct Logs {
    /// Go on with new lines as they come
    #[arg(short, long)]
    follow: bool,
    /// The last COUNT lines only
    #[arg(short = 'n', long)]
    count: Option<u32>,
    /// One systemd unit only
    #[arg(long)]
    unit: Option<String>,
    /// One service only
    #[arg(long, conflicts_with = "unit")]
    service: Option<String>,
    /// journalctl's output format: short, json, cat …
    #[arg(long)]
    format: Option<String>,
    /// From this time on, as journalctl takes it: "2026-11-23 12:00:00", -1h
    #[arg(long, allow_hyphen_values = true)]
    since: Option<String>,
    /// Up to this time
    #[arg(long, allow_hyphen_values = true)]
    until: Option<String>,
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
                Output::data(&states)?.rows(SERVICE_COLUMNS, &service_rows(&states))?
            }
            Self::Reboot(force) => {
                let call = device.reboot(Local);
                context.limited(if force.force { call.force() } else { call }).await?;
                Output::done("the device reboots")
            }
            Self::Shutdown { force, yes } => {
                yes.check("switches the device off until somebody switches it on by hand")?;
                let call = device.shutdown(Local);
                context.limited(if force.force { call.force() } else { call }).await?;
                Output::done("the device shuts down")
            }
            Self::Restart(force) => {
                let call = device.restart_application(Local);
                context.limited(if force.force { call.force() } else { call }).await?;
                Output::done("all services are restarted")
            }
            Self::Purge { force, yes } => {
                yes.check("deletes the data in all volumes of the application")?;
                let call = device.purge(Local);
                context.limited(if force.force { call.force() } else { call }).await?;
                Output::done("all services are restarted with empty volumes")
            }
            Self::Update { force, cancel } => update(context, &device, force.force, cancel).await?,
            Self::StartService(service) => {
                context.limited(device.start_service(Local, service.selector())).await?;
                Output::done(format!("{} is started", service.describe()))
            }
            Self::StopService { service, force, until_done } => {
                if until_done.is_some() && service.service.is_none() {
                    return Err(Error::argument("--until-done", "it needs the service's name"));
                }
                let call = device.stop_service(Local, service.selector());
                context.limited(if force.force { call.force() } else { call }).await?;
                match (until_done, &service.service) {
                    (Some(limit), Some(name)) => {
                        let exited = crate::supervisor::ServiceStatus::Exited;
                        context.balena.supervisor().wait_for(name, exited, limit).await?;
                        Output::done(format!("{} has stopped", service.describe()))
                    }
                    _ => Output::done(format!("{} is being stopped", service.describe())),
                }
            }
            Self::RestartService { service, force } => {
                let call = device.restart_service(Local, service.selector());
                context.limited(if force.force { call.force() } else { call }).await?;
                Output::done(format!("{} is restarted", service.describe()))
            }
            Self::Name => Output::data(&context.limited(device.supervisor_device_name(Local)).await?)?,
            Self::Tags => Output::data(&context.limited(device.supervisor_tags(Local)).await?)?,
            Self::SetTags { tags } => {
                let tags = pairs(&tags)?;
                context.limited(device.set_supervisor_tags(Local, tags)).await?;
                Output::done("queued; the supervisor brings them to the cloud")
            }
            Self::Vpn => Output::data(&context.limited(device.vpn_state(Local)).await?)?,
            Self::HostConfig => Output::data(&context.limited(device.host_config(Local)).await?)?,
            Self::SetHostConfig(arguments) => {
                let call = device.set_host_config(Local, &arguments.patch()?);
                context.limited(if arguments.force.force { call.force() } else { call }).await?;
                Output::done("stored; the host applies it, and services may restart")
            }
            Self::Logs(logs) => logs.run(context).await?,
        })
    }
}

async fn update(context: &Context, device: &Devices, force: bool, cancel: bool) -> Result<Output> {
    let mut call = device.update(Local);
    if force {
        call = call.force();
    }
    if cancel {
        call = call.cancel();
    }
    let (word, note) = match context.limited(call).await? {
        UpdateTrigger::Started => ("started", "the supervisor looks for an update"),
        UpdateTrigger::Accepted => ("accepted", "the request was accepted"),
        UpdateTrigger::Ignored => {
            ("ignored", "ignored: instant updates are switched off; --force overrides that")
        }
    };
    Ok(Output::data(&json!({ "update": word }))?.note_only().note(note))
}

impl Logs {
    async fn run(self, context: &Context) -> Result<Output> {
        let mut query = JournalQuery::new();
        if self.follow {
            query = query.follow();
        }
        if let Some(count) = self.count {
            query = query.count(count);
        }
        if let Some(unit) = self.unit {
            query = query.unit(unit);
        }
        if let Some(service) = self.service {
            query = query.container(context.timed(context.balena.supervisor().container_id(&service)).await?);
        }
        if let Some(format) = self.format {
            query = query.format(format);
        }
        if let Some(since) = self.since {
            query = query.since(since);
        }
        if let Some(until) = self.until {
            query = query.until(until);
        }
        let mut lines = context.balena.device().journal_logs(Local, query).await?;
        let mut none = true;
        while let Some(line) = lines.next().await {
            none = false;
            let line = line?;
            let printed = if context.printer.is_json() { json!({ "line": line }).to_string() } else { line };
            if output::line(&printed)? == Reader::Gone {
                break;
            }
        }
        if none {
            // The supervisor answers a failed journalctl with 200 and nothing.
            output::remark("no lines; that is also the answer to a unit, format or time that does not exist");
        }
        Ok(Output::silent())
    }
}

pub(super) const SERVICE_COLUMNS: &[&str] =
    &["application", "service", "status", "progress", "release", "update"];

/// One row a service, for people.
pub(super) fn service_rows(states: &BTreeMap<String, ApplicationState>) -> Vec<Value> {
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
    /// With the deadline of `--timeout`.
    pub(super) fn limited<T, O>(&self, action: DeviceAction<T, O>) -> DeviceAction<T, O> {
        match self.timeout {
            Some(timeout) => action.deadline(timeout),
            None => action,
        }
    }
}
