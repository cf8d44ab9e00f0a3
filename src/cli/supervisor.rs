//! `balena-agent supervisor …`: endpoint by endpoint, also those that no SDK has.

use std::time::Duration;

use clap::Subcommand;
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::error::Result;
use crate::supervisor::{Application, Call, ServiceStatus};

use super::Context;
use super::device::{Force, SERVICE_COLUMNS, Yes, service_rows};
use super::output::{self, Output, Reader};

/// How long `wait-ready` and `wait-for` wait unless told otherwise: a supervisor restart takes up to a minute.
const WAIT_LIMIT: &str = "2m";

const CONTAINER_COLUMNS: &[&str] = &["serviceName", "status", "imageId", "createdAt", "containerId"];

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(super) enum SupervisorCommand {
    /// Ask whether it answers (GET /ping)
    Ping,
    /// Ask whether it finds itself healthy, which is about its contact with the cloud (GET /v1/healthy)
    Healthy,
    /// Show its version (GET /v2/version)
    Version,
    /// Show the device's architecture and type (GET /v2/local/device-info)
    DeviceInfo,
    /// Show containers and images of the first application (GET /v2/state/status)
    Status,
    /// Show every application in the key's scope (GET /v2/applications/state)
    Applications,
    /// Show one application's services by image id (GET /v2/applications/:appId/state)
    Application {
        /// Another application than this container's
        #[arg(allow_negative_numbers = true)]
        app_id: Option<i64>,
    },
    /// Show container ids by service (GET /v2/containerId)
    ContainerId {
        /// One service only
        service: Option<String>,
    },
    /// Show the only service of a single-container application (GET /v1/apps/:appId)
    SingleContainer,
    /// Stop the only service of a single-container application (POST /v1/apps/:appId/stop)
    StopSingle(Force),
    /// Start the only service of a single-container application (POST /v1/apps/:appId/start)
    StartSingle,
    /// Restart an application (POST /v2/applications/:appId/restart)
    Restart {
        /// Another application than this container's
        #[arg(allow_negative_numbers = true)]
        app_id: Option<i64>,
        #[command(flatten)]
        force: Force,
    },
    /// Restart an application with EMPTY volumes (POST /v2/applications/:appId/purge)
    Purge {
        /// Another application than this container's
        #[arg(allow_negative_numbers = true)]
        app_id: Option<i64>,
        #[command(flatten)]
        force: Force,
        #[command(flatten)]
        yes: Yes,
    },
    /// Delete volumes that nothing refers to (GET /v2/cleanup-volumes)
    CleanupVolumes {
        #[command(flatten)]
        yes: Yes,
    },
    /// Replace this container's supervisor key (POST /v1/regenerate-api-key); prints the new one
    RegenerateApiKey {
        #[command(flatten)]
        yes: Yes,
    },
    /// Wait until it answers and has loaded its state
    WaitReady {
        /// At most this long
        #[arg(default_value = WAIT_LIMIT, value_parser = super::parse_duration)]
        limit: Duration,
    },
    /// Wait until a service has a status, e.g. `main Running`
    WaitFor {
        /// Name of the service
        service: String,
        /// Running, exited, Stopping …, as `applications` shows it
        status: String,
        /// At most this long
        #[arg(default_value = WAIT_LIMIT, value_parser = super::parse_duration)]
        limit: Duration,
    },
    /// Follow the services' logs in local mode (GET /v2/local/logs)
    LocalLogs,
}

impl SupervisorCommand {
    pub(super) async fn run(self, context: &Context) -> Result<Output> {
        let supervisor = context.balena.supervisor();
        let application = |id: Option<i64>| -> Application {
            id.map_or_else(|| supervisor.application(), |id| supervisor.application_by_id(id))
        };
        Ok(match self {
            Self::Ping => {
                context.timed(supervisor.ping()).await?;
                Output::done("the supervisor answers")
            }
            Self::Healthy => Output::data(&json!({ "healthy": context.timed(supervisor.healthy()).await? }))?,
            Self::Version => Output::data(&context.timed(supervisor.version()).await?)?,
            Self::DeviceInfo => Output::data(&context.timed(supervisor.device_info()).await?)?,
            Self::Status => {
                let status = context.timed(supervisor.state_status()).await?;
                Output::data(&status)?.rows(CONTAINER_COLUMNS, &status.containers)?
            }
            Self::Applications => {
                let states = context.timed(supervisor.applications_state()).await?;
                Output::data(&states)?.rows(SERVICE_COLUMNS, &service_rows(&states))?
            }
            Self::Application { app_id } => Output::data(&context.timed(application(app_id).state()).await?)?,
            Self::ContainerId { service: None } => {
                Output::data(&context.timed(supervisor.container_ids()).await?)?
            }
            Self::ContainerId { service: Some(name) } => {
                Output::data(&context.timed(supervisor.container_id(&name)).await?)?
            }
            Self::SingleContainer => {
                Output::data(&context.timed(application(None).single_container()).await?)?
            }
            Self::StopSingle(force) => {
                let call = application(None).stop_single();
                let id = context.timed(if force.force { call.force() } else { call }).await?;
                Output::data(&json!({ "containerId": id }))?
            }
            Self::StartSingle => {
                let id = context.timed(application(None).start_single()).await?;
                Output::data(&json!({ "containerId": id }))?
            }
            Self::Restart { app_id, force } => {
                let call = application(app_id).restart();
                context.timed(if force.force { call.force() } else { call }).await?;
                Output::done("all services are restarted")
            }
            Self::Purge { app_id, force, yes } => {
                yes.check("deletes the data in all volumes of the application")?;
                let call = application(app_id).purge();
                context.timed(if force.force { call.force() } else { call }).await?;
                Output::done("all services are restarted with empty volumes")
            }
            Self::CleanupVolumes { yes } => {
                yes.check("can delete unused volumes of other applications on this device, too")?;
                context.timed(supervisor.cleanup_volumes()).await?;
                Output::done("unused volumes are deleted")
            }
            Self::RegenerateApiKey { yes } => {
                yes.check("ends the key of this container, which is recreated at the next update")?;
                let key = context.timed(supervisor.regenerate_api_key()).await?;
                Output::data(&key.expose_secret())?.note("this key works now; the old one is refused")
            }
            Self::WaitReady { limit } => {
                supervisor.wait_ready(limit).await?;
                Output::done("the supervisor is ready")
            }
            Self::WaitFor { service, status, limit } => {
                supervisor.wait_for(&service, ServiceStatus::from(status.as_str()), limit).await?;
                Output::done(format!("service {service} is {status}"))
            }
            Self::LocalLogs => {
                let mut logs = supervisor.local_logs().await?;
                while let Some(log) = logs.next().await {
                    let log = log?;
                    let service = log.service_name.as_deref().unwrap_or("supervisor");
                    let line = if context.printer.is_json() {
                        json!(log).to_string()
                    } else {
                        format!("{service}: {}", log.message)
                    };
                    if output::line(&line)? == Reader::Gone {
                        break;
                    }
                }
                Output::silent()
            }
        })
    }
}

impl Context {
    /// With the deadline of `--timeout`.
    pub(super) fn timed<T, O>(&self, call: Call<T, O>) -> Call<T, O> {
        match self.timeout {
            Some(timeout) => call.deadline(timeout),
            None => call,
        }
    }
}
