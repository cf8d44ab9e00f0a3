//! The update loop: reads the state, plans, acts and waits, until nothing is left to do.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use crate::maps::collect_unsorted;

use super::containers::{self, AfterStop};
use super::engine::Failure;
use super::lock;
use super::plan::{self, CurrentState, Goal, Retention, Step};
use super::process::{Process, Progress};
use super::refusal::Refusal;
use super::runner::Abort;

/// Pause after steps that changed something.
const PAUSE: Duration = Duration::from_millis(200);
/// Pause when all steps are waiting.
const WAIT: Duration = Duration::from_secs(1);
/// Pause after the first failure; it doubles with each further one.
const BACKOFF: Duration = Duration::from_millis(500);

/// How a run of the loop is started.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Trigger {
    /// Removes the locks of services.
    pub(super) force: bool,
    /// Cancels the running loop and all waiting ones.
    pub(super) cancel: bool,
}

/// Queues a run of the loop towards the target apps.
pub(super) fn trigger(process: &Arc<Process>, trigger: Trigger) {
    let turn = process.runner.trigger(trigger.cancel);
    let owner = Arc::clone(process);
    process.spawn("apply", async move {
        if let Some(turn) = turn.await {
            *lock(&owner.applying_since) = Instant::now();
            until_applied(&owner, trigger.force, &turn.abort).await;
        }
    });
}

/// Retries until success or cancellation, with a longer pause after each failure.
async fn until_applied(process: &Arc<Process>, force: bool, abort: &Abort) {
    while let Err(refusal) = towards(process, None, force, abort).await {
        tracing::debug!(?refusal, "the simulated update failed");
        let longest = process.machine.settings(|settings| settings.poll_interval());
        let failures = {
            let mut progress = lock(&process.progress);
            progress.failed = true;
            progress.failures = progress.failures.saturating_add(1);
            progress.failures
        };
        let pause = BACKOFF.saturating_mul(2_u32.saturating_pow(failures)).min(longest);
        if !abort.sleep(pause).await {
            return;
        }
    }
}

/// Works towards this goal, or towards the target apps. Cancellation is not an error.
pub(super) async fn towards(
    process: &Arc<Process>,
    goal: Option<&Goal>,
    force: bool,
    abort: &Abort,
) -> Result<(), Refusal> {
    loop {
        let now = look(process)?;
        let wanted;
        let goal = if let Some(goal) = goal {
            goal
        } else {
            wanted = wanted_apps(process);
            &wanted
        };
        let steps = plan::next(&now, goal);
        let whole = matches!(goal, Goal::Apps { .. });
        if steps.is_empty() {
            if whole {
                *lock(&process.progress) = Progress::default();
            }
            return Ok(());
        }
        if whole {
            lock(&process.progress).pending = true;
        }
        let only_waiting = steps.iter().all(|step| *step == Step::Wait);
        let acting = steps.iter().map(|step| -> Pin<Box<dyn Future<Output = _> + Send + '_>> {
            Box::pin(act(process, step, force, abort))
        });
        for result in join(acting.collect()).await {
            result.map_err(|refusal| told(refusal, &steps))?;
        }
        if !abort.sleep(if only_waiting { WAIT } else { PAUSE }).await {
            return Ok(());
        }
    }
}

/// Returns a lock error unchanged, and adds the failed steps to any other.
fn told(refusal: Refusal, steps: &[Step]) -> Refusal {
    match refusal {
        Refusal::Locked(message) => Refusal::Locked(message),
        other => Refusal::Unexpected(format!(
            "Failed to apply state transition steps. {} Steps:{}",
            other.message(),
            steps.len()
        )),
    }
}

/// Returns the current state of the device.
pub(super) fn look(process: &Arc<Process>) -> Result<CurrentState, Failure> {
    let engine = &process.machine.engine;
    let containers = engine.containers()?;
    let volumes = engine.volumes()?;
    let images = engine.images()?;
    let held = collect_unsorted(lock(&process.held).keys().copied());
    let apps = containers.iter().map(|container| container.spec.app);
    let leftovers = collect_unsorted(apps.filter(|app| process.machine.locks.has_leftovers(*app)));
    let with_status = |container: super::model::Container| {
        let status = process.status_of(&container);
        (container, status)
    };
    Ok(CurrentState {
        containers: containers.into_iter().map(with_status).collect(),
        images,
        volumes,
        held,
        leftovers,
    })
}

fn wanted_apps(process: &Arc<Process>) -> Goal {
    let specs = process.machine.wanted_specs();
    process.machine.settings(|settings| {
        let keep = if settings.local_mode() { Retention::ImagesAndVolumes } else { Retention::Nothing };
        let apps = settings.wanted().iter().map(|app| {
            let commit = app.release.as_ref().map(|release| release.commit.clone());
            (app.id, commit.filter(|commit| settings.commits.get(&app.id) != Some(commit)))
        });
        Goal::Apps { apps: apps.collect(), specs, keep }
    })
}

async fn act(process: &Arc<Process>, step: &Step, force: bool, abort: &Abort) -> Result<(), Refusal> {
    if process.shutting_down.load(Ordering::Relaxed) {
        return Ok(());
    }
    let machine = &process.machine;
    match step {
        Step::SaveImage(spec) => {
            machine.engine.save_image(spec);
        }
        Step::RemoveImage(spec) => machine.engine.remove_image(&spec.image, &spec.commit),
        Step::Fetch(spec) => fetch(process, spec, abort).await?,
        Step::Lock { app, services } => {
            // Unlike a request, the loop waits for the lock without a limit.
            let turn = process.turns.take(*app, None).await?;
            let force = force || machine.settings(|settings| settings.lock_override());
            let held = machine.locks.take(*app, services, force, turn)?;
            lock(&process.held).insert(*app, held);
        }
        Step::Kill(id) => {
            let container = machine.engine.all_containers().into_iter().find(|container| container.id == *id);
            if let Some(container) = container {
                containers::kill_detached(process, &container, AfterStop::Remove);
            }
        }
        Step::Adopt { id, spec } => machine.engine.rename(id, spec),
        Step::Start { spec, run } => containers::start(process, spec, *run).await?,
        Step::CreateVolumes { app, names } => machine.engine.create_volumes(*app, names),
        Step::RemoveVolumes(app) => machine.engine.remove_volumes(|volume| volume.app == *app),
        Step::Commit { app, commit } => {
            machine.settings(|settings| settings.commits.insert(*app, commit.clone()));
        }
        Step::Unlock(app) => {
            let held = lock(&process.held).remove(app);
            if let Some(held) = held {
                machine.locks.release(held);
            }
            machine.locks.clean(*app);
        }
        Step::Wait => {}
    }
    Ok(())
}

async fn fetch(
    process: &Arc<Process>,
    spec: &super::model::ContainerSpec,
    abort: &Abort,
) -> Result<(), Refusal> {
    let downloads = &process.downloads;
    let pull = process.machine.engine.pull(spec, |percentage| {
        lock(downloads).insert(spec.image.clone(), (spec.clone(), percentage));
    });
    let pulled = tokio::select! {
        biased;
        () = abort.aborted() => None,
        pulled = pull => Some(pulled),
    };
    lock(downloads).remove(&spec.image);
    if let Some(pulled) = pulled {
        pulled?;
        lock(&process.progress).downloaded = true;
    }
    Ok(())
}

/// Runs all futures concurrently and waits for all of them.
pub(super) async fn join<T>(mut futures: Vec<Pin<Box<dyn Future<Output = T> + Send + '_>>>) -> Vec<T> {
    let mut results: Vec<Option<T>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        let mut ready = true;
        for (future, result) in futures.iter_mut().zip(&mut results) {
            if result.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(value) => *result = Some(value),
                    std::task::Poll::Pending => ready = false,
                }
            }
        }
        if ready { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    results.into_iter().flatten().collect()
}
