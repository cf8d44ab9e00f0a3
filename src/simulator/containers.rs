//! Operations of the supervisor on one container.

use std::sync::Arc;

use super::engine::Failure;
use super::model::{Container, ContainerSpec, RunState};
use super::process::Process;
use super::refusal::Refusal;

/// Whether a stopped container is also removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AfterStop {
    Keep,
    Remove,
}

/// Stops a container. A failure of the engine is ignored, as by the supervisor.
pub(super) async fn kill(process: &Arc<Process>, container: &Container, then: AfterStop) {
    process.report(&container.id, "Stopping");
    let engine = &process.machine.engine;
    let stopped = match engine.stop(&container.id).await {
        Ok(()) | Err(Failure::NotModified) if then == AfterStop::Remove => engine.remove(&container.id),
        other => other,
    };
    if let Err(Failure::Broken(message)) = stopped {
        tracing::debug!(%message, "the simulated engine failed to stop a container");
    }
    process.report_done(&container.id);
}

/// Stops a container without waiting.
pub(super) fn kill_detached(process: &Arc<Process>, container: &Container, then: AfterStop) {
    // The status is `Stopping` from now on, not only when the task runs.
    process.report(&container.id, "Stopping");
    let (owner, container) = (Arc::clone(process), container.clone());
    process.spawn("stop service", async move { kill(&owner, &container, then).await });
}

/// Starts a service's container, creating it if no equal one exists. With `run` false it is only created.
pub(super) async fn start(process: &Arc<Process>, spec: &ContainerSpec, run: bool) -> Result<(), Refusal> {
    let engine = &process.machine.engine;
    let existing = engine.containers()?.into_iter().find(|container| container.spec.same_container(spec));
    let container = if let Some(container) = existing {
        container
    } else {
        let _ = process.machine.locks.prepare(spec.app, &spec.service, false);
        engine.create(spec, RunState::Created)?
    };
    if !run {
        return Ok(());
    }
    process.report(&container.id, "Starting");
    let started = engine.start(&container.id).await;
    process.report_done(&container.id);
    match started {
        Ok(()) | Err(Failure::NotModified) => Ok(()),
        Err(failure) => Err(failure.into()),
    }
}
