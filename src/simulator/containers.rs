//! What the supervisor does with one container.

use std::sync::Arc;

use super::actions::Refusal;
use super::engine::Failure;
use super::parts::{Container, Run, Spec};
use super::process::Process;

/// Whether a stopped container is removed as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    Keep,
    Remove,
}

/// Stops a container. An engine that fails is not mentioned to anybody.
pub(super) async fn kill(process: &Arc<Process>, container: &Container, then: Then) {
    process.report(&container.id, "Stopping");
    let engine = &process.machine.engine;
    let stopped = match engine.stop(&container.id).await {
        Ok(()) | Err(Failure::NotModified) if then == Then::Remove => engine.remove(&container.id),
        other => other,
    };
    if let Err(Failure::Broken(message)) = stopped {
        tracing::debug!(%message, "the simulated engine failed to stop a container");
    }
    process.report_done(&container.id);
}

/// The same without waiting for it.
pub(super) fn kill_detached(process: &Arc<Process>, container: &Container, then: Then) {
    // Shown as stopping from now on, not from when the task gets to run.
    process.report(&container.id, "Stopping");
    let (owner, container) = (Arc::clone(process), container.clone());
    process.spawn("stop service", async move { kill(&owner, &container, then).await });
}

/// Starts a service's container, making it if there is none like it. `run` false: only makes it.
pub(super) async fn start(process: &Arc<Process>, spec: &Spec, run: bool) -> Result<(), Refusal> {
    let engine = &process.machine.engine;
    let existing = engine.containers()?.into_iter().find(|container| container.spec.same_container(spec));
    let container = if let Some(container) = existing {
        container
    } else {
        let _ = process.machine.locks.prepare(spec.app, &spec.service, false);
        engine.create(spec, Run::Created)?
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
