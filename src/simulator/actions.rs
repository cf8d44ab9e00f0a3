//! The actions that a request can start on the device.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::apply::{self, Trigger};
use super::containers::{self, AfterStop};
use super::host_config::Patch;
use super::js_values::Integer;
use super::locks::HeldLocks;
use super::model::RunState;
use super::plan::{CurrentState, Goal};
use super::process::Process;
use super::refusal::Refusal;
use super::routes::ServiceAction;
use super::{Power, lock};

/// How long a request waits for another operation on the same app.
const LOCK_WAIT: Duration = Duration::from_secs(10);

const APP_NOT_FOUND: &str = "App not found: an app needs to be installed for this endpoint to work.
\tIf you've recently moved this device from another app,
\tplease push an app and wait for it to be installed first.";
const SERVICE_NOT_FOUND: &str = "Service not found, a container must exist for this endpoint to work";
const NOT_IN_TARGET: &str = "Service does not exist in target release";
pub(super) const NO_SELECTOR: &str = "serviceName or imageId parameters were not provided or the app is \
multi-container. Use the v2 service action endpoints.";

/// Selects a service. An app with one service ignores it.
#[derive(Debug, Clone, Default)]
pub(super) struct Selector {
    pub(super) name: Option<String>,
    pub(super) image: Option<i64>,
}

/// API generation of the endpoint: v1 answers 400 for a missing object, v2 404.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ApiVersion {
    V1,
    V2,
}

impl ApiVersion {
    fn missing(self, message: &str) -> Refusal {
        match self {
            Self::V1 => Refusal::BadRequest(message.to_owned()),
            Self::V2 => Refusal::NotFound(message.to_owned()),
        }
    }
}

/// Starts, stops or restarts one service. Returns when a stop has been issued, not when it is complete.
pub(super) async fn service(
    process: &Arc<Process>,
    action: ServiceAction,
    app: i64,
    selector: &Selector,
    force: bool,
    generation: ApiVersion,
) -> Result<(), Refusal> {
    let machine = &process.machine;
    if !machine.settings(|settings| settings.wanted().iter().any(|wanted| wanted.id == app)) {
        return Err(Refusal::Unexpected(
            "Cannot read properties of undefined (reading 'volumes')".to_owned(),
        ));
    }
    let now = apply::look(process)?;
    let mut current: Vec<_> =
        now.containers.into_iter().map(|(container, _)| container).filter(|c| c.spec.app == app).collect();
    let container = match current.len() {
        0 => return Err(generation.missing(APP_NOT_FOUND)),
        1 => current.pop(),
        _ if selector.name.is_none() && selector.image.is_none_or(|image| image == 0) => {
            return Err(Refusal::BadRequest(NO_SELECTOR.to_owned()));
        }
        _ => current.into_iter().find(|container| {
            Some(container.spec.image_id) == selector.image
                || Some(&container.spec.service) == selector.name.as_ref()
        }),
    };
    let container = container.ok_or_else(|| generation.missing(SERVICE_NOT_FOUND))?;
    let target = machine
        .wanted_specs()
        .into_iter()
        .filter(|spec| spec.app == app)
        .find(|spec| spec.image_id == container.spec.image_id || spec.service == container.spec.service)
        .ok_or_else(|| Refusal::NotFound(NOT_IN_TARGET.to_owned()))?;
    if action == ServiceAction::Start {
        return containers::start(process, &target, true).await;
    }
    let locks = take_locks(process, &[app], force).await?;
    let done = match action {
        ServiceAction::Stop => {
            containers::kill_detached(process, &container, AfterStop::Keep);
            Ok(())
        }
        ServiceAction::Start | ServiceAction::Restart => {
            containers::kill(process, &container, AfterStop::Remove).await;
            containers::start(process, &target, true).await
        }
    };
    release(process, locks);
    done
}

/// Returns the container id of a single-service app.
pub(super) fn single_container(process: &Arc<Process>, app: i64) -> Result<String, Refusal> {
    let now = apply::look(process)?;
    let mut containers = now.containers.into_iter().filter(|(container, _)| container.spec.app == app);
    containers
        .next()
        .map(|(container, _)| container.id)
        .ok_or_else(|| Refusal::BadRequest(APP_NOT_FOUND.to_owned()))
}

/// Takes the locks of all services of these apps, or none.
async fn take_locks(process: &Arc<Process>, apps: &[i64], force: bool) -> Result<Vec<HeldLocks>, Refusal> {
    let machine = &process.machine;
    let force = force || machine.settings(|settings| settings.lock_override());
    let present = apps.iter().filter(|app| machine.locks.directory(**app, "").exists());
    let taking = present.map(|app| -> Pin<Box<dyn Future<Output = _> + Send + '_>> {
        Box::pin(async move {
            // The supervisor lists the directories before it waits for the lock, too.
            let services = machine.locks.services(*app);
            let turn = process.turns.take(*app, Some(LOCK_WAIT)).await?;
            machine.locks.take(*app, &services, force, turn)
        })
    });
    let mut locks = Vec::new();
    let mut refused = None;
    for taken in apply::join(taking.collect()).await {
        match taken {
            Ok(held) => locks.push(held),
            Err(refusal) => refused = Some(refusal),
        }
    }
    match refused {
        None => Ok(locks),
        Some(refusal) => {
            release(process, locks);
            Err(refusal)
        }
    }
}

fn release(process: &Arc<Process>, locks: Vec<HeldLocks>) {
    for held in locks {
        process.machine.locks.release(held);
    }
}

/// Whether recreating an app keeps or deletes its volumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Volumes {
    Keep,
    Purge,
}

/// Removes and recreates all containers of an app. Preempts any other change of the device.
pub(super) async fn recreate(
    process: &Arc<Process>,
    asked: Integer,
    volumes: Volumes,
    force: bool,
) -> Result<(), Refusal> {
    let app = asked.id();
    let now = apply::look(process)?;
    if !current_apps(process, &now).contains(&app) {
        let message = format!("Application with ID {asked} is not in the current state");
        return Err(Refusal::Unexpected(message));
    }
    let turn = process.runner.exclusive();
    let result = match turn.await {
        None => Err(Refusal::Unexpected("request for lock canceled".to_owned())),
        // As in the real supervisor, preempting an action makes this one fail, because its plan is lost.
        Some(turn) if turn.pushed_aside_an_action => {
            Err(Refusal::Unexpected("Cannot read properties of null (reading 'local')".to_owned()))
        }
        Some(turn) => {
            let purge = volumes == Volumes::Purge;
            let cleared = Goal::Cleared { app, volumes: purge };
            match apply::towards(process, Some(&cleared), force, &turn.abort).await {
                Ok(()) if !turn.abort.is_aborted() => {
                    apply::towards(process, Some(&restored(app, now)), force, &turn.abort).await
                }
                other => other,
            }
        }
    };
    apply::trigger(process, Trigger::default());
    result
}

fn restored(app: i64, before: CurrentState) -> Goal {
    let containers = before.containers.into_iter().map(|(container, _)| container);
    let services = containers.filter(|container| container.spec.app == app);
    let volumes = before.volumes.into_iter().filter(|volume| volume.app == app);
    Goal::Restored {
        app,
        services: services.map(|container| (container.spec, container.run == RunState::Running)).collect(),
        volumes: volumes.map(|volume| volume.name).collect(),
    }
}

/// Returns the apps that have anything on the device: containers, volumes or, outside local mode, at least a network.
fn current_apps(process: &Arc<Process>, now: &CurrentState) -> Vec<i64> {
    let containers = now.containers.iter().map(|(container, _)| container.spec.app);
    let volumes = now.volumes.iter().map(|volume| volume.app);
    let networks = process.machine.settings(|settings| {
        settings.wanted().iter().filter(|app| app.release.is_some()).map(|app| app.id).collect::<Vec<_>>()
    });
    let mut apps: Vec<i64> = containers.chain(volumes).chain(networks).collect();
    // The supervisor locks in this order: ids sorted as text.
    apps.sort_unstable_by_key(ToString::to_string);
    apps.dedup();
    apps
}

/// Reboots or shuts down the host. The locks are released before the power goes off.
pub(super) async fn power(process: &Arc<Process>, power: Power, force: bool) -> Result<(), Refusal> {
    if lock(&process.machine.host).os_update_running && !force {
        return Err(Refusal::Locked("Waiting for Host OS update to finish".to_owned()));
    }
    let now = apply::look(process)?;
    let locks = take_locks(process, &current_apps(process, &now), force).await?;
    process.power(power);
    release(process, locks);
    Ok(())
}

/// Stores the host configuration, under the locks of all apps.
pub(super) async fn configure_host(process: &Arc<Process>, patch: Patch, force: bool) -> Result<(), Refusal> {
    if patch.is_empty() {
        return Ok(());
    }
    let now = apply::look(process)?;
    let locks = take_locks(process, &current_apps(process, &now), force).await?;
    let machine = &process.machine;
    let stored = lock(&machine.host).network.apply(patch, &machine.facts.uuid);
    release(process, locks);
    stored.map_err(Refusal::Unexpected)
}
