//! The planner: returns the next steps from a state to a goal. No side effects.

use std::collections::BTreeSet;

use crate::maps::collect_unsorted;

use super::model::{Container, ContainerSpec, Image, RunState, Volume};

/// State of the device at one time.
#[derive(Debug, Default)]
pub(super) struct CurrentState {
    /// Containers with their statuses.
    pub(super) containers: Vec<(Container, &'static str)>,
    pub(super) images: Vec<Image>,
    pub(super) volumes: Vec<Volume>,
    /// Apps whose locks the loop holds.
    pub(super) held: BTreeSet<i64>,
    /// Apps with locks that an earlier supervisor left behind.
    pub(super) leftovers: BTreeSet<i64>,
}

/// The goal of a plan.
#[derive(Debug)]
pub(super) enum Goal {
    /// The target apps: id, the commit to reach if it differs, and the containers.
    Apps { apps: Vec<(i64, Option<String>)>, specs: Vec<ContainerSpec>, keep: Retention },
    /// One app without containers and, with `volumes`, without volumes.
    Cleared { app: i64, volumes: bool },
    /// One app with these containers (`true`: running, `false`: only created) and volumes.
    Restored { app: i64, services: Vec<(ContainerSpec, bool)>, volumes: Vec<String> },
}

/// What must not be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Retention {
    Nothing,
    /// Images and volumes, which local mode keeps for the return to the cloud's apps.
    ImagesAndVolumes,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    SaveImage(ContainerSpec),
    RemoveImage(ContainerSpec),
    Fetch(ContainerSpec),
    Lock {
        app: i64,
        services: Vec<String>,
    },
    Kill(String),
    Adopt {
        id: String,
        spec: ContainerSpec,
    },
    Start {
        spec: ContainerSpec,
        run: bool,
    },
    CreateVolumes {
        app: i64,
        names: Vec<String>,
    },
    RemoveVolumes(i64),
    Commit {
        app: i64,
        commit: String,
    },
    Unlock(i64),
    /// Another operation is in progress.
    Wait,
}

impl CurrentState {
    fn of_app(&self, app: i64) -> impl Iterator<Item = &(Container, &'static str)> {
        self.containers.iter().filter(move |(container, _)| container.spec.app == app)
    }

    fn locked(&self, app: i64) -> bool {
        self.held.contains(&app) || self.leftovers.contains(&app)
    }

    fn missing_volumes(&self, app: i64, names: &[String]) -> Option<Step> {
        let has = |name: &String| self.volumes.iter().any(|volume| volume.app == app && volume.name == *name);
        let names: Vec<String> = names.iter().filter(|name| !has(name)).cloned().collect();
        (!names.is_empty()).then_some(Step::CreateVolumes { app, names })
    }

    fn kill(container: &Container, status: &str) -> Step {
        if status == "Stopping" { Step::Wait } else { Step::Kill(container.id.clone()) }
    }
}

/// Returns the next steps; none when the goal is reached.
pub(super) fn next(now: &CurrentState, goal: &Goal) -> Vec<Step> {
    match goal {
        Goal::Apps { apps, specs, keep } => {
            let images = images(now, specs, *keep);
            if !images.is_empty() {
                return images;
            }
            let ids = now.containers.iter().map(|(container, _)| container.spec.app);
            let ids = ids.chain(now.volumes.iter().map(|volume| volume.app));
            let ids: BTreeSet<i64> = collect_unsorted(ids.chain(apps.iter().map(|(id, _)| *id)));
            ids.into_iter().flat_map(|id| app(now, id, apps, specs, *keep)).collect()
        }
        Goal::Cleared { app, volumes } => cleared(now, *app, *volumes),
        Goal::Restored { app, services, volumes } => restored(now, *app, services, volumes),
    }
}

fn images(now: &CurrentState, specs: &[ContainerSpec], keep: Retention) -> Vec<Step> {
    let same = |image: &Image, spec: &ContainerSpec| {
        image.spec.image == spec.image
            && image.spec.commit == spec.commit
            && image.spec.service == spec.service
    };
    let missing = specs.iter().filter(|spec| !now.images.iter().any(|image| same(image, spec)));
    let (at_hand, to_fetch): (Vec<&ContainerSpec>, Vec<&ContainerSpec>) =
        missing.partition(|spec| now.images.iter().any(|image| image.spec.content() == spec.content()));
    let unused = now.images.iter().filter(|image| {
        let wanted = specs.iter().any(|spec| same(image, spec));
        let in_use = now.containers.iter().any(|(container, _)| same(image, &container.spec));
        // A delta update needs the old image.
        let source =
            to_fetch.iter().any(|spec| spec.service == image.spec.service && spec.app == image.spec.app);
        keep == Retention::Nothing && !wanted && !in_use && !source
    });
    let mut steps: Vec<Step> = at_hand.into_iter().cloned().map(Step::SaveImage).collect();
    steps.extend(unused.map(|image| Step::RemoveImage(image.spec.clone())));
    if steps.is_empty() {
        steps.extend(to_fetch.into_iter().cloned().map(Step::Fetch));
    }
    steps
}

fn app(
    now: &CurrentState,
    id: i64,
    apps: &[(i64, Option<String>)],
    specs: &[ContainerSpec],
    keep: Retention,
) -> Vec<Step> {
    let wanted: Vec<&ContainerSpec> = specs.iter().filter(|spec| spec.app == id).collect();
    let mut changes = Vec::new();
    let mut steps = Vec::new();
    for (container, status) in now.of_app(id) {
        match wanted.iter().find(|spec| spec.service == container.spec.service) {
            Some(spec) if !spec.same_container(&container.spec) => {
                changes.push(CurrentState::kill(container, status));
            }
            None => changes.push(CurrentState::kill(container, status)),
            Some(_) if *status == "Stopping" => steps.push(Step::Wait),
            Some(spec) if spec.commit != container.spec.commit => {
                changes.push(Step::Adopt { id: container.id.clone(), spec: (*spec).clone() });
            }
            Some(spec) if container.run == RunState::Created => {
                steps.push(Step::Start { spec: (*spec).clone(), run: true });
            }
            Some(_) => {}
        }
    }
    if !changes.is_empty() && !now.held.contains(&id) {
        let names = now.of_app(id).map(|(container, _)| &container.spec.service);
        let names: BTreeSet<&String> = collect_unsorted(names.chain(wanted.iter().map(|spec| &spec.service)));
        steps.push(Step::Lock { app: id, services: names.into_iter().cloned().collect() });
    } else {
        steps.extend(changes);
    }
    let exists =
        |spec: &ContainerSpec| now.of_app(id).any(|(container, _)| container.spec.service == spec.service);
    let absent = wanted.iter().filter(|spec| !exists(spec));
    steps.extend(absent.map(|spec| Step::Start { spec: (*spec).clone(), run: true }));
    let volumes: Vec<String> = wanted.iter().flat_map(|spec| spec.volumes.clone()).collect();
    steps.extend(now.missing_volumes(id, &volumes));

    let target = apps.iter().find(|(app, _)| *app == id);
    let has_volumes = now.volumes.iter().any(|volume| volume.app == id);
    if steps.is_empty() && target.is_none() && keep == Retention::Nothing && has_volumes {
        steps.push(Step::RemoveVolumes(id));
    }
    if steps.is_empty() {
        let commit = target.and_then(|(_, commit)| commit.clone());
        steps.extend(commit.map(|commit| Step::Commit { app: id, commit }));
        steps.extend(now.locked(id).then_some(Step::Unlock(id)));
    }
    steps
}

fn cleared(now: &CurrentState, app: i64, volumes: bool) -> Vec<Step> {
    let containers: Vec<_> = now.of_app(app).collect();
    if !containers.is_empty() && !now.held.contains(&app) {
        let services = containers.iter().map(|(container, _)| container.spec.service.clone()).collect();
        return vec![Step::Lock { app, services }];
    }
    if !containers.is_empty() {
        return containers
            .into_iter()
            .map(|(container, status)| CurrentState::kill(container, status))
            .collect();
    }
    if volumes && now.volumes.iter().any(|volume| volume.app == app) {
        return vec![Step::RemoveVolumes(app)];
    }
    now.locked(app).then_some(Step::Unlock(app)).into_iter().collect()
}

fn restored(
    now: &CurrentState,
    app: i64,
    services: &[(ContainerSpec, bool)],
    volumes: &[String],
) -> Vec<Step> {
    let container =
        |spec: &ContainerSpec| now.of_app(app).find(|(container, _)| container.spec.same_container(spec));
    let missing = services.iter().filter(|(spec, run)| {
        container(spec).is_none_or(|(container, _)| *run && container.run == RunState::Created)
    });
    let mut steps: Vec<Step> = now.missing_volumes(app, volumes).into_iter().collect();
    steps.extend(missing.map(|(spec, run)| Step::Start { spec: spec.clone(), run: *run }));
    steps
}

#[cfg(test)]
mod tests {
    use super::{CurrentState, Goal, Retention, Step, next};
    use crate::simulator::model::{Container, ContainerSpec, Image, RunState};

    fn spec(release: i64, digest: &str) -> ContainerSpec {
        ContainerSpec {
            app: 1,
            app_uuid: "a".to_owned(),
            service: "main".to_owned(),
            service_id: 1,
            image_id: release * 1000,
            image: format!("registry/{release}@{digest}"),
            release_id: release,
            commit: format!("c{release}"),
            key: None,
            hostname: None,
            volumes: Vec::new(),
            variables: std::collections::BTreeMap::new(),
        }
    }

    fn running(spec: ContainerSpec) -> CurrentState {
        let image = Image { spec: spec.clone(), docker_id: String::new() };
        let created_at = jiff::Timestamp::UNIX_EPOCH;
        let container = Container { id: "id".to_owned(), spec, created_at, run: RunState::Running };
        CurrentState {
            containers: vec![(container, "Running")],
            images: vec![image],
            ..CurrentState::default()
        }
    }

    fn goal(spec: &ContainerSpec, commit: Option<&str>) -> Goal {
        let apps = vec![(1, commit.map(str::to_owned))];
        Goal::Apps { apps, specs: vec![spec.clone()], keep: Retention::Nothing }
    }

    #[test]
    fn an_update_downloads_first_then_locks_then_kills() {
        let (old, new) = (spec(1, "x"), spec(2, "y"));
        let goal = goal(&new, Some("c2"));
        let mut now = running(old);
        assert_eq!(next(&now, &goal), [Step::Fetch(new.clone())]);
        now.images.push(Image { spec: new, docker_id: String::new() });
        assert_eq!(next(&now, &goal), [Step::Lock { app: 1, services: vec!["main".to_owned()] }]);
        now.held.insert(1);
        assert_eq!(next(&now, &goal), [Step::Kill("id".to_owned())]);
        now.containers[0].1 = "Stopping";
        assert_eq!(next(&now, &goal), [Step::Wait]);
    }

    #[test]
    fn the_same_content_is_saved_and_adopted() {
        let (old, new) = (spec(1, "x"), spec(2, "x"));
        let goal = goal(&new, Some("c2"));
        let mut now = running(old);
        assert_eq!(next(&now, &goal), [Step::SaveImage(new.clone())]);
        now.images.push(Image { spec: new.clone(), docker_id: String::new() });
        now.held.insert(1);
        assert_eq!(next(&now, &goal), [Step::Adopt { id: "id".to_owned(), spec: new }]);
    }

    #[test]
    fn a_stopped_service_is_left_alone_and_a_new_one_started() {
        let spec = spec(1, "x");
        let mut now = running(spec.clone());
        now.containers[0].0.run = RunState::Exited;
        assert_eq!(next(&now, &goal(&spec, None)), []);
        now.containers[0].0.run = RunState::Created;
        assert_eq!(next(&now, &goal(&spec, None)), [Step::Start { spec, run: true }]);
    }
}
