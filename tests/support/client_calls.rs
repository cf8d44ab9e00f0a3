//! The client's call for each endpoint, with its result as JSON again.
#![allow(dead_code, reason = "each suite uses its part of it")]

use std::time::Duration;

use balena_agent::secrecy::ExposeSecret as _;
use balena_agent::supervisor::{
    Call, HostConfigPatch, JournalQuery, LocalTarget, ServiceSelector, Supervisor, UpdateTrigger,
};
use balena_agent::{Environment, Error};
use serde::Serialize;
use serde_json::{Value, json};

/// The id of "our" application.
pub(crate) const APP: &str = "1234567";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    Read,
    /// A read whose handler can take the supervisor down (7.4).
    Fragile,
    /// Changes something; the same however often it arrives (7.5 rule 3: start; 3.3: tags).
    Repeatable,
    Change,
}
use Effect::{Change, Fragile, Read, Repeatable};

impl Effect {
    pub(crate) fn changes(self) -> bool {
        matches!(self, Repeatable | Change)
    }
}

pub(crate) type Endpoint = (&'static str, &'static str, Effect);

/// The endpoints of the reference (section 3), and what a call of them does.
pub(crate) const ENDPOINTS: &[Endpoint] = &[
    ("GET", "/ping", Read),
    ("GET", "/v1/healthy", Read),
    ("POST", "/v1/blink", Change),
    ("POST", "/v1/update", Change),
    ("POST", "/v1/reboot", Change),
    ("POST", "/v1/shutdown", Change),
    ("POST", "/v1/regenerate-api-key", Change),
    ("GET", "/v1/device", Read),
    ("GET", "/v1/device/host-config", Read),
    ("PATCH", "/v1/device/host-config", Change),
    ("GET", "/v2/version", Read),
    ("GET", "/v2/device/name", Fragile),
    ("GET", "/v2/device/tags", Read),
    ("PATCH", "/v2/device/tags", Repeatable),
    ("GET", "/v2/device/vpn", Fragile),
    ("GET", "/v2/local/device-info", Read),
    ("POST", "/v1/restart", Change),
    ("POST", "/v1/purge", Change),
    ("POST", "/v2/applications/:app/restart", Change),
    ("POST", "/v2/applications/:app/purge", Change),
    ("POST", "/v2/applications/:app/restart-service", Change),
    ("POST", "/v2/applications/:app/stop-service", Change),
    ("POST", "/v2/applications/:app/start-service", Repeatable),
    ("POST", "/v1/apps/:app/stop", Change),
    ("POST", "/v1/apps/:app/start", Repeatable),
    ("GET", "/v1/apps/:app", Read),
    ("GET", "/v2/applications/state", Read),
    ("GET", "/v2/applications/:app/state", Read),
    ("GET", "/v2/state/status", Fragile),
    ("GET", "/v2/containerid", Fragile),
    // A GET by name only (3.6).
    ("GET", "/v2/cleanup-volumes", Change),
    ("POST", "/v2/journal-logs", Read),
    ("GET", "/v2/local/target-state", Fragile),
    ("POST", "/v2/local/target-state", Change),
    ("GET", "/v2/local/logs", Read),
];

/// A supervisor at this address, and an environment like that of a service container.
pub(crate) fn environment(address: &str, key: &str) -> Environment {
    let vars = [
        ("BALENA_SUPERVISOR_ADDRESS", address),
        ("BALENA_SUPERVISOR_API_KEY", key),
        ("BALENA_APP_ID", APP),
        ("BALENA_DEVICE_UUID", "8deb12a58e3b6d3920db1c2b6303d1ff"),
    ];
    Environment::from_vars(vars).expect("an environment")
}

/// How a call is made.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Options {
    pub(crate) deadline: Option<Duration>,
    pub(crate) patience: Option<Duration>,
}

impl Options {
    pub(crate) fn deadline(limit: Duration) -> Self {
        Self { deadline: Some(limit), patience: None }
    }

    pub(crate) fn patience(limit: Duration) -> Self {
        Self { deadline: None, patience: Some(limit) }
    }

    async fn send<T: Send + 'static, O: 'static>(self, mut call: Call<T, O>) -> Result<T, Error> {
        if let Some(deadline) = self.deadline {
            call = call.deadline(deadline);
        }
        if let Some(patience) = self.patience {
            call = call.patience(patience);
        }
        call.await
    }

    async fn json<T: Serialize + Send + 'static, O: 'static>(self, call: Call<T, O>) -> Result<Value, Error> {
        self.send(call).await.map(|value| serde_json::to_value(value).expect("JSON"))
    }
}

/// Makes the call for an endpoint, and no other: names are not looked up. `service` is for the one that can ask for one container or for all.
/// A stream gives the lines that come without a pause, and its end as an error if it broke.
pub(crate) async fn perform(
    supervisor: &Supervisor,
    (method, path, _): Endpoint,
    service: Option<&str>,
    with: Options,
) -> Result<Value, Error> {
    let app = supervisor.application();
    let main = || ServiceSelector::name("main");
    match (method, path) {
        ("GET", "/ping") => with.json(supervisor.ping()).await,
        ("GET", "/v1/healthy") => supervisor.healthy().await.map(Value::from),
        ("POST", "/v1/blink") => with.json(supervisor.blink()).await,
        ("POST", "/v1/update") => with.send(supervisor.update()).await.map(|trigger| match trigger {
            UpdateTrigger::Started => json!("Started"),
            UpdateTrigger::Ignored => json!("Ignored"),
            UpdateTrigger::Accepted => json!("Accepted"),
            other => json!(format!("{other:?}")),
        }),
        ("POST", "/v1/reboot") => with.json(supervisor.reboot()).await,
        ("POST", "/v1/shutdown") => with.json(supervisor.shutdown()).await,
        ("POST", "/v1/regenerate-api-key") => {
            with.send(supervisor.regenerate_api_key()).await.map(|key| json!(key.expose_secret()))
        }
        ("GET", "/v1/device") => with.json(supervisor.device()).await,
        ("GET", "/v1/device/host-config") => with.json(supervisor.host_config()).await,
        ("PATCH", "/v1/device/host-config") => {
            // As it was recorded: without a look at what is stored.
            let mut call = supervisor.set_host_config(&HostConfigPatch::new().remove_proxy()).unchecked();
            if let Some(deadline) = with.deadline {
                call = call.deadline(deadline);
            }
            if let Some(patience) = with.patience {
                call = call.patience(patience);
            }
            call.await.map(|_| Value::Null)
        }
        ("GET", "/v2/version") => with.json(supervisor.version()).await,
        ("GET", "/v2/device/name") => with.json(supervisor.device_name()).await,
        ("GET", "/v2/device/tags") => with.json(supervisor.tags()).await,
        ("PATCH", "/v2/device/tags") => with.json(supervisor.set_tags([("colour", "red")])).await,
        ("GET", "/v2/device/vpn") => with.json(supervisor.vpn()).await,
        ("GET", "/v2/local/device-info") => with.json(supervisor.device_info()).await,
        ("POST", "/v1/restart") => with.json(app.restart_v1()).await,
        ("POST", "/v1/purge") => with.json(app.purge_v1()).await,
        ("POST", "/v2/applications/:app/restart") => with.json(app.restart()).await,
        ("POST", "/v2/applications/:app/purge") => with.json(app.purge()).await,
        ("POST", "/v2/applications/:app/restart-service") => {
            with.json(app.restart_service(main()).unchecked()).await
        }
        ("POST", "/v2/applications/:app/stop-service") => {
            with.json(app.stop_service(main()).unchecked()).await
        }
        ("POST", "/v2/applications/:app/start-service") => {
            with.json(app.start_service(main()).unchecked()).await
        }
        ("POST", "/v1/apps/:app/stop") => with.json(app.stop_single()).await,
        ("POST", "/v1/apps/:app/start") => with.json(app.start_single()).await,
        ("GET", "/v1/apps/:app") => with.json(app.single_container()).await,
        ("GET", "/v2/applications/state") => with.json(supervisor.applications_state()).await,
        ("GET", "/v2/applications/:app/state") => with.json(app.state()).await,
        ("GET", "/v2/state/status") => with.json(supervisor.state_status()).await,
        ("GET", "/v2/containerid") => match service {
            Some(service) => with.json(supervisor.container_id(service)).await,
            None => with.json(supervisor.container_ids()).await,
        },
        ("GET", "/v2/cleanup-volumes") => with.json(supervisor.cleanup_volumes()).await,
        ("GET", "/v2/local/target-state") => with.json(supervisor.local_target_state()).await,
        ("POST", "/v2/local/target-state") => {
            let target = LocalTarget { config: Some([].into()), ..LocalTarget::default() };
            with.json(supervisor.set_local_target_state(&target)).await
        }
        ("POST", "/v2/journal-logs") => {
            let mut lines = supervisor.journal_logs(JournalQuery::new()).await?;
            let mut all = Vec::new();
            while let Ok(Some(line)) = tokio::time::timeout(QUIET, lines.next()).await {
                all.push(json!(line?));
            }
            Ok(all.into())
        }
        ("GET", "/v2/local/logs") => {
            let mut logs = supervisor.local_logs().await?;
            let mut all = Vec::new();
            while let Ok(Some(log)) = tokio::time::timeout(QUIET, logs.next()).await {
                all.push(serde_json::to_value(log?).expect("JSON"));
            }
            Ok(all.into())
        }
        other => panic!("no call for {other:?}"),
    }
}

/// A stream that is silent for so long has nothing more to say now.
const QUIET: Duration = Duration::from_millis(300);
