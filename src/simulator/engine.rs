//! The container engine: containers, images, volumes, and the duration of operations.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};

use tokio::sync::oneshot;

use super::journal::Journal;
use super::model::{Container, ContainerSpec, EngineCall, Image, RunState, Timings, Volume};
use super::workloads::Workloads;
use super::{lock, random_hex};
use crate::tasks::TaskSet;

/// Why an engine call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// The object is already in that state.
    NotModified,
    /// No such object.
    Missing(String),
    /// Any other failure.
    Broken(String),
}

#[derive(Debug, Default)]
struct Contents {
    containers: Vec<Container>,
    images: Vec<Image>,
    volumes: Vec<Volume>,
    /// Number of removals of each volume.
    emptied: BTreeMap<(i64, String), u32>,
    failing: Option<EngineCall>,
}

/// The engine. Operations continue when the supervisor that requested them ends.
#[derive(Debug)]
pub(super) struct Engine {
    contents: Mutex<Contents>,
    timings: Arc<Mutex<Timings>>,
    /// Receives the lines of starts and stops.
    journal: Arc<Journal>,
    /// Directory of the volumes' directories.
    volume_root: PathBuf,
    pub(super) workloads: Workloads,
    /// Gives the variables of a container that is started.
    environment: OnceLock<Environment>,
    tasks: TaskSet,
}

/// A function that returns the variables of a container.
type VariablesOf = dyn Fn(&Container) -> BTreeMap<String, String> + Send + Sync;

/// Where the variables of containers come from.
pub(super) struct Environment(pub(super) Box<VariablesOf>);

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Environment")
    }
}

impl Engine {
    pub(super) fn new(
        timings: Arc<Mutex<Timings>>,
        journal: Arc<Journal>,
        volume_root: PathBuf,
        workloads: Workloads,
    ) -> Self {
        let (contents, environment, tasks) = (Mutex::default(), OnceLock::new(), TaskSet::new());
        Self { contents, timings, journal, volume_root, workloads, environment, tasks }
    }

    pub(super) fn fail(&self, call: Option<EngineCall>) {
        lock(&self.contents).failing = call;
    }

    pub(super) fn fails(&self, call: EngineCall) -> bool {
        lock(&self.contents).failing == Some(call)
    }

    fn check(&self, call: EngineCall) -> Result<(), Failure> {
        if self.fails(call) {
            // Word order and trailing space are those of the real engine client.
            return Err(Failure::Broken(
                "(HTTP code 500) server error - injected engine failure ".to_owned(),
            ));
        }
        Ok(())
    }

    pub(super) fn containers(&self) -> Result<Vec<Container>, Failure> {
        self.check(EngineCall::ListContainers)?;
        let containers = self.all_containers();
        if !containers.is_empty() {
            self.check(EngineCall::InspectContainer)?;
        }
        Ok(containers)
    }

    /// Returns all containers, also while engine calls fail.
    pub(super) fn all_containers(&self) -> Vec<Container> {
        lock(&self.contents).containers.clone()
    }

    /// Returns the names of the services whose containers run.
    pub(super) fn running_services(&self) -> Vec<String> {
        let containers = self.all_containers().into_iter();
        let running = containers.filter(|container| container.run == RunState::Running);
        running.map(|container| container.spec.service).collect()
    }

    pub(super) fn images(&self) -> Result<Vec<Image>, Failure> {
        self.check(EngineCall::ListImages)?;
        Ok(lock(&self.contents).images.clone())
    }

    pub(super) fn volumes(&self) -> Result<Vec<Volume>, Failure> {
        self.check(EngineCall::ListVolumes)?;
        Ok(self.all_volumes())
    }

    pub(super) fn all_volumes(&self) -> Vec<Volume> {
        lock(&self.contents).volumes.clone()
    }

    /// Stores an image under another name. Returns `false` if its content is missing.
    pub(super) fn save_image(&self, spec: &ContainerSpec) -> bool {
        let mut contents = lock(&self.contents);
        let Some(docker_id) = contents
            .images
            .iter()
            .find(|image| image.spec.content() == spec.content())
            .map(|image| image.docker_id.clone())
        else {
            return false;
        };
        contents.images.push(Image { spec: spec.clone(), docker_id });
        true
    }

    pub(super) fn add_image(&self, spec: &ContainerSpec) {
        if !self.save_image(spec) {
            let docker_id = format!("sha256:{}", random_hex(64));
            lock(&self.contents).images.push(Image { spec: spec.clone(), docker_id });
        }
    }

    /// Returns the engine's id of the image of a container.
    pub(super) fn image_id(&self, spec: &ContainerSpec) -> Option<String> {
        let contents = lock(&self.contents);
        let image = contents.images.iter().find(|image| image.spec.content() == spec.content());
        image.map(|image| image.docker_id.clone())
    }

    pub(super) fn remove_image(&self, name: &str, commit: &str) {
        lock(&self.contents).images.retain(|image| image.spec.image != name || image.spec.commit != commit);
    }

    /// Pulls an image. Calls `progress` with the percentage several times.
    pub(super) async fn pull(
        &self,
        spec: &ContainerSpec,
        mut progress: impl FnMut(u32),
    ) -> Result<(), Failure> {
        const STEPS: u32 = 20;
        self.check(EngineCall::PullImage)?;
        for step in 0..STEPS {
            progress(step * 100 / STEPS);
            let pull = lock(&self.timings).pull;
            tokio::time::sleep(pull / STEPS).await;
        }
        self.add_image(spec);
        Ok(())
    }

    pub(super) fn create(&self, spec: &ContainerSpec, run: RunState) -> Result<Container, Failure> {
        self.check(EngineCall::CreateContainer)?;
        let mut contents = lock(&self.contents);
        if !contents.images.iter().any(|image| image.spec.content() == spec.content()) {
            let message = format!("(HTTP code 404) no such image - No such image: {} ", spec.image);
            return Err(Failure::Missing(message));
        }
        // These make up the container's name. A container with the same name and other properties is a conflict.
        let name = |spec: &ContainerSpec| {
            (spec.service.clone(), spec.image_id, spec.release_id, spec.commit.clone())
        };
        if contents.containers.iter().any(|container| name(&container.spec) == name(spec)) {
            let message = "(HTTP code 409) unexpected - Conflict. The container name is already in use ";
            return Err(Failure::Broken(message.to_owned()));
        }
        let container =
            Container { id: random_hex(64), spec: spec.clone(), created_at: jiff::Timestamp::now(), run };
        contents.containers.push(container.clone());
        drop(contents);
        if run == RunState::Running {
            self.journal.started(&container);
        }
        Ok(container)
    }

    /// Keeps a container running under the ids of another release.
    pub(super) fn rename(&self, id: &str, spec: &ContainerSpec) {
        if let Some(container) =
            lock(&self.contents).containers.iter_mut().find(|container| container.id == id)
        {
            container.spec = spec.clone();
        }
    }

    fn run_of(&self, id: &str) -> Result<RunState, Failure> {
        let missing =
            || Failure::Missing(format!("(HTTP code 404) no such container - No such container: {id} "));
        let contents = lock(&self.contents);
        contents
            .containers
            .iter()
            .find(|container| container.id == id)
            .map(|container| container.run)
            .ok_or_else(missing)
    }

    fn set_run(&self, id: &str, run: RunState) {
        let changed = {
            let mut contents = lock(&self.contents);
            let container = contents.containers.iter_mut().find(|container| container.id == id);
            container.map(|container| {
                container.run = run;
                container.clone()
            })
        };
        match (changed, run) {
            (Some(container), RunState::Running) => {
                self.journal.started(&container);
                self.start_workload(&container);
            }
            (Some(container), RunState::Exited) => self.journal.stopped(&container),
            (_, RunState::Created) | (None, _) => {}
        }
    }

    /// Sets where the variables of containers come from.
    pub(super) fn set_environment(&self, environment: Environment) {
        if self.environment.set(environment).is_err() {
            tracing::debug!("the simulated engine knows its variables already");
        }
    }

    /// Starts the process of a running container, if its service has one.
    pub(super) fn start_workload(&self, container: &Container) {
        let variables =
            self.environment.get().map(|environment| environment.0(container)).unwrap_or_default();
        self.workloads.start(container, &variables);
    }

    /// Starts a container. The operation continues when the caller stops waiting.
    pub(super) async fn start(self: &Arc<Self>, id: &str) -> Result<(), Failure> {
        let (engine, id) = (Arc::clone(self), id.to_owned());
        self.detached("start container", async move {
            engine.check(EngineCall::StartContainer)?;
            if engine.run_of(&id)? == RunState::Running {
                return Err(Failure::NotModified);
            }
            let start = lock(&engine.timings).start;
            tokio::time::sleep(start).await;
            engine.run_of(&id)?;
            engine.set_run(&id, RunState::Running);
            Ok(())
        })
        .await
    }

    /// Stops a container. The operation continues when the caller stops waiting.
    pub(super) async fn stop(self: &Arc<Self>, id: &str) -> Result<(), Failure> {
        let (engine, id) = (Arc::clone(self), id.to_owned());
        self.detached("stop container", async move {
            engine.check(EngineCall::StopContainer)?;
            if engine.run_of(&id)? != RunState::Running {
                return Err(Failure::NotModified);
            }
            let Timings { stop, stop_grace, .. } = *lock(&engine.timings);
            if !engine.workloads.stop(&id, stop_grace).await {
                tokio::time::sleep(stop).await;
            }
            engine.run_of(&id)?;
            engine.set_run(&id, RunState::Exited);
            Ok(())
        })
        .await
    }

    pub(super) fn remove(&self, id: &str) -> Result<(), Failure> {
        self.check(EngineCall::RemoveContainer)?;
        lock(&self.contents).containers.retain(|container| container.id != id);
        Ok(())
    }

    /// Returns the directory that holds the files of a volume.
    pub(super) fn volume_directory(&self, app: i64, name: &str) -> PathBuf {
        self.volume_root.join(format!("{app}_{name}"))
    }

    /// Creates the missing volumes. A removed volume becomes empty.
    pub(super) fn create_volumes(&self, app: i64, names: &[String]) {
        let mut contents = lock(&self.contents);
        for name in names {
            let same = |volume: &Volume| volume.app == app && volume.name == *name;
            if contents.volumes.iter().any(same) {
                continue;
            }
            let emptied = contents.emptied.get(&(app, name.clone())).copied().unwrap_or_default();
            if let Err(error) = std::fs::create_dir_all(self.volume_directory(app, name)) {
                tracing::warn!(%error, volume = name, "the simulated engine could not make a volume");
            }
            contents.volumes.push(Volume { app, name: name.clone(), emptied });
        }
    }

    pub(super) fn remove_volumes(&self, which: impl Fn(&Volume) -> bool) {
        let mut contents = lock(&self.contents);
        let (removed, kept): (Vec<Volume>, Vec<Volume>) =
            std::mem::take(&mut contents.volumes).into_iter().partition(|volume| which(volume));
        contents.volumes = kept;
        for volume in removed {
            if let Err(error) = std::fs::remove_dir_all(self.volume_directory(volume.app, &volume.name)) {
                tracing::warn!(%error, volume = volume.name, "the simulated engine could not remove a volume");
            }
            *contents.emptied.entry((volume.app, volume.name)).or_default() += 1;
        }
    }

    /// Power-off: pending operations and processes are lost, every container stops.
    pub(super) async fn power_off(&self) {
        self.tasks.cancel_all().await;
        self.workloads.kill_all().await;
        for container in &mut lock(&self.contents).containers {
            if container.run == RunState::Running {
                container.run = RunState::Exited;
            }
        }
    }

    /// Boot: the engine's restart policy starts every container that was ever started.
    pub(super) fn boot(&self) {
        let exited = self.all_containers().into_iter().filter(|container| container.run == RunState::Exited);
        exited.for_each(|container| self.set_run(&container.id, RunState::Running));
    }

    pub(super) fn abort(&self) {
        self.tasks.abort_all();
        self.workloads.abort();
    }

    async fn detached(
        &self,
        name: &'static str,
        call: impl Future<Output = Result<(), Failure>> + Send + 'static,
    ) -> Result<(), Failure> {
        let (sender, receiver) = oneshot::channel();
        let started = self.tasks.spawn(name, async move {
            // The caller may have stopped waiting.
            let _ = sender.send(call.await);
        });
        if started.is_err() {
            return Err(Failure::Broken(format!("the engine is shut down and can't {name}")));
        }
        receiver
            .await
            .unwrap_or_else(|_| Err(Failure::Broken("the engine went down during the call".to_owned())))
    }
}
