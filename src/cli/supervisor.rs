//! `balena-agent supervisor …`: every endpoint of the supervisor API, also those that no SDK has.

use std::time::Duration;

use clap::Subcommand;
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::error::{Error, Result};
use crate::supervisor::{Application, Call, Progress, ServiceStatus, check_service_name, no_such_service};

use super::Context;
use super::device::{recreated, services};
use super::exit;
use super::flags::{Force, Yes};
use super::output::{self, Output};

/// Default limit of `wait-ready` and `wait-for`: a supervisor restart takes up to a minute.
const WAIT_LIMIT: Duration = Duration::from_secs(120);

const CONTAINER_COLUMNS: &[&str] = &["serviceName", "status", "imageId", "createdAt", "containerId"];
const IMAGE_COLUMNS: &[&str] =
    &["name", "serviceName", "status", "downloadProgress", "imageId", "dockerImageId"];

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(super) enum SupervisorCommand {
    /// Check whether the supervisor answers (GET /ping)
    Ping,
    /// Check whether the supervisor reports itself healthy, mainly its contact with the cloud (GET /v1/healthy); ends
    /// with 1 if not
    Healthy,
    /// Show the supervisor's version (GET /v2/version)
    Version,
    /// Show the device's architecture and type (GET /v2/local/device-info)
    DeviceInfo,
    /// Show release, progress, containers and images of the first application (GET /v2/state/status)
    Status,
    /// Show every application in the key's scope (GET /v2/applications/state)
    Applications,
    /// Show one application's services by image id (GET /v2/applications/:appId/state)
    Application {
        /// Id of the application; default: this container's
        #[arg(allow_negative_numbers = true)]
        app_id: Option<i64>,
    },
    /// Show container ids by service (GET /v2/containerId)
    ContainerId {
        /// Show only this service
        service: Option<String>,
    },
    /// Show the only service of a single-container application (GET /v1/apps/:appId)
    SingleContainer {
        /// Id of the application; default: this container's
        #[arg(allow_negative_numbers = true)]
        app_id: Option<i64>,
    },
    /// Stop the only service of a single-container application (POST /v1/apps/:appId/stop)
    StopSingle {
        /// Id of the application; default: this container's
        #[arg(allow_negative_numbers = true)]
        app_id: Option<i64>,
        #[command(flatten)]
        force: Force,
    },
    /// Start the only service of a single-container application (POST /v1/apps/:appId/start)
    StartSingle {
        /// Id of the application; default: this container's
        #[arg(allow_negative_numbers = true)]
        app_id: Option<i64>,
    },
    /// Restart an application (POST /v2/applications/:appId/restart)
    Restart {
        /// Id of the application; default: this container's
        #[arg(allow_negative_numbers = true)]
        app_id: Option<i64>,
        #[command(flatten)]
        force: Force,
    },
    /// Restart an application with EMPTY volumes (POST /v2/applications/:appId/purge)
    Purge {
        /// Id of the application; default: this container's
        #[arg(allow_negative_numbers = true)]
        app_id: Option<i64>,
        #[command(flatten)]
        force: Force,
        #[command(flatten)]
        yes: Yes,
    },
    /// Delete unused volumes (GET /v2/cleanup-volumes)
    CleanupVolumes {
        #[command(flatten)]
        yes: Yes,
    },
    /// Replace this container's supervisor key and print the new one (POST /v1/regenerate-api-key)
    RegenerateApiKey {
        #[command(flatten)]
        yes: Yes,
    },
    /// Wait until the supervisor answers and has loaded its state
    WaitReady {
        /// Longest wait; default is --timeout, else 2m
        #[arg(value_parser = super::parse_duration)]
        limit: Option<Duration>,
    },
    /// Wait until a service has a status, e.g. `main Running`
    WaitFor {
        /// Name of the service
        service: String,
        /// The status as `applications` shows it: Running, exited, Stopping …
        status: String,
        /// Longest wait; default is --timeout, else 2m
        #[arg(value_parser = super::parse_duration)]
        limit: Option<Duration>,
    },
    /// Follow the services' logs in local mode (GET /v2/local/logs)
    LocalLogs,
}

impl SupervisorCommand {
    /// Returns the output and the exit code.
    pub(super) async fn run(self, context: &Context) -> Result<(Output, u8)> {
        let supervisor = context.balena.supervisor();
        let application = |id: Option<i64>| -> Application {
            id.map_or_else(|| supervisor.application(), |id| supervisor.application_by_id(id))
        };
        let output = match self {
            Self::Ping => {
                context.timed(supervisor.ping()).await?;
                Output::done("the supervisor answers")
            }
            Self::Healthy => {
                let healthy = context.timed(supervisor.healthy()).await?;
                let code = if healthy { exit::OK } else { exit::FAILED };
                return Ok((Output::data(&json!({ "healthy": healthy }))?, code));
            }
            Self::Version => Output::data(&context.timed(supervisor.version()).await?)?,
            Self::DeviceInfo => Output::data(&context.timed(supervisor.device_info()).await?)?,
            Self::Status => {
                let status = context.timed(supervisor.state_status()).await?;
                let fields = json!({
                    "release": status.release,
                    "appState": status.app_state,
                    "overallDownloadProgress": status.overall_download_progress,
                });
                Output::data(&status)?
                    .fields(&fields)?
                    .rows(CONTAINER_COLUMNS, &status.containers, "no containers")?
                    .rows(IMAGE_COLUMNS, &status.images, "no images")?
            }
            Self::Applications => services(&context.timed(supervisor.applications_state()).await?)?,
            Self::Application { app_id } => Output::data(&context.timed(application(app_id).state()).await?)?,
            Self::ContainerId { service: None } => {
                Output::data(&context.timed(supervisor.container_ids()).await?)?
            }
            Self::ContainerId { service: Some(name) } => {
                check_service_name("SERVICE", &name)?;
                Output::data(&context.container_of(&name).await?)?
            }
            Self::SingleContainer { app_id } => {
                Output::data(&context.timed(application(app_id).single_container()).await?)?
            }
            Self::StopSingle { app_id, force } => {
                let call = application(app_id).stop_single();
                let id = context.timed(if force.force { call.force() } else { call }).await?;
                Output::data(&json!({ "containerId": id }))?
            }
            Self::StartSingle { app_id } => {
                let id = context.timed(application(app_id).start_single()).await?;
                Output::data(&json!({ "containerId": id }))?
            }
            Self::Restart { app_id, force } => {
                let call = context.timed(application(app_id).restart());
                let call = if force.force { call.force() } else { call };
                recreated(&call.confirm().await?, "all services are restarted")?
            }
            Self::Purge { app_id, force, yes } => {
                yes.check("deletes the data in all volumes of the application")?;
                let call = context.timed(application(app_id).purge());
                let call = if force.force { call.force() } else { call };
                recreated(&call.confirm().await?, "all services are restarted with empty volumes")?
            }
            Self::CleanupVolumes { yes } => {
                yes.check("can delete unused volumes of other applications on this device, too")?;
                context.timed(supervisor.cleanup_volumes()).await?;
                Output::done("unused volumes are deleted")
            }
            Self::RegenerateApiKey { yes } => {
                yes.check(
                    "invalidates the key of this container; the container is recreated at the next update",
                )?;
                let key = context.timed(supervisor.regenerate_api_key()).await?;
                Output::data(&key.expose_secret())?
                    .note("this key is valid from now on; the old one is rejected")
            }
            Self::WaitReady { limit } => {
                supervisor.wait_ready(context.wait_limit(limit)).await?;
                Output::done("the supervisor is ready")
            }
            Self::WaitFor { service, status, limit } => {
                let status = known(&status)?;
                supervisor.wait_for(&service, ServiceStatus::from(status), context.wait_limit(limit)).await?;
                Output::done(format!("service {service} is {status}"))
            }
            Self::LocalLogs => {
                let mut logs = context.within("GET /v2/local/logs", supervisor.local_logs()).await?;
                while let Some(log) = logs.next().await {
                    let log = log?;
                    let service = log.service_name.as_deref().unwrap_or("supervisor");
                    if context.printer.is_json() {
                        output::json_line(&json!(log).to_string())?;
                    } else {
                        output::line(&format!("{service}: {}", output::plain(&log.message)))?;
                    }
                }
                Output::silent()
            }
        };
        Ok((output, exit::OK))
    }
}

/// Returns the canonical spelling of a service status; case is ignored.
fn known(word: &str) -> Result<&'static str> {
    let plain = |text: &str| text.trim().replace(['-', '_'], " ").to_ascii_lowercase();
    let known = ServiceStatus::KNOWN.iter().copied().find(|known| plain(known) == plain(word));
    known.ok_or_else(|| {
        let all = ServiceStatus::KNOWN.join(", ");
        Error::argument(
            "STATUS",
            format_args!("\"{}\" is not a service status; use one of {all}", word.escape_debug()),
        )
    })
}

impl SupervisorCommand {
    /// Whether the command waits for something. A limit of zero then means one check.
    pub(super) fn waits(&self) -> bool {
        matches!(self, Self::WaitReady { .. } | Self::WaitFor { .. })
    }
}

impl Context {
    /// Returns the limit of a wait: the shorter one of the command's own and `--timeout`.
    fn wait_limit(&self, own: Option<Duration>) -> Duration {
        own.into_iter().chain(self.timeout).min().unwrap_or(WAIT_LIMIT)
    }

    /// Returns the id of a service's container.
    pub(super) async fn container_of(&self, service: &str) -> Result<String> {
        // All ids are requested so that an error can list the services.
        let mut ids = self.timed(self.balena.supervisor().container_ids()).await?;
        ids.remove(service).ok_or_else(|| {
            let missing = no_such_service(&"this device", service, ids.keys(), Progress::Settled);
            missing.with_operation("GET /v2/containerId").with_sent(true)
        })
    }

    /// Applies the deadline of `--timeout`.
    pub(super) fn timed<T, O>(&self, call: Call<T, O>) -> Call<T, O> {
        match self.timeout {
            Some(timeout) => call.deadline(timeout),
            None => call,
        }
    }
}
