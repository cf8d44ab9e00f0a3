//! The formats in which endpoints report the state of apps. Each endpoint has its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::engine::Failure;
use super::json::{Json, object};
use super::keys::Access;
use super::lock;
use super::model::{Container, ContainerSpec, Image};
use super::process::Process;

/// An image in a report: present or being downloaded.
struct ShownImage {
    spec: ContainerSpec,
    docker_id: Option<String>,
    progress: Option<u32>,
}

impl ShownImage {
    fn status(&self) -> &'static str {
        if self.progress.is_some() { "Downloading" } else { "Downloaded" }
    }
}

/// Returns images being downloaded first, then those present.
fn shown_images(process: &Process) -> Result<Vec<ShownImage>, Failure> {
    let present = process.machine.engine.images()?;
    let downloads = lock(&process.downloads);
    let mut shown: Vec<ShownImage> = downloads
        .values()
        .map(|(spec, progress)| ShownImage { spec: spec.clone(), docker_id: None, progress: Some(*progress) })
        .collect();
    let settled = present.into_iter().filter(|image| !downloads.contains_key(&image.spec.image));
    shown.extend(settled.map(|Image { spec, docker_id }| ShownImage {
        spec,
        docker_id: Some(docker_id),
        progress: None,
    }));
    Ok(shown)
}

/// Report of an image, with the status of its container if it has one.
struct ImageReport {
    status: &'static str,
    release: i64,
    progress: Option<u32>,
}

/// App id → image id → report.
type ByImage = BTreeMap<i64, BTreeMap<i64, ImageReport>>;

fn by_image(process: &Process) -> Result<ByImage, Failure> {
    let containers = process.machine.engine.containers()?;
    let images = shown_images(process)?;
    let mut apps = ByImage::new();
    for container in containers {
        let status = process.status_of(&container);
        let entry = ImageReport { status, release: container.spec.release_id, progress: None };
        apps.entry(container.spec.app)
            .or_default()
            .entry(container.spec.image_id)
            // With two containers of one image, one is about to replace the other.
            .and_modify(|before| before.status = "Handing over")
            .or_insert(entry);
    }
    for image in images {
        let entry =
            ImageReport { status: image.status(), release: image.spec.release_id, progress: image.progress };
        apps.entry(image.spec.app).or_default().entry(image.spec.image_id).or_insert(entry);
    }
    Ok(apps)
}

fn commit(process: &Process, app: i64) -> Option<String> {
    process.machine.settings(|settings| settings.commits.get(&app).cloned())
}

/// `GET /v1/device`: the device and the first service of the first app.
pub(super) fn device(process: &Process) -> Result<Json, Failure> {
    let apps = by_image(process)?;
    let machine = &process.machine;
    let progress = *lock(&process.progress);
    let mut state = object([
        ("api_port", i64::from(machine.facts.listen_port).into()),
        ("ip_address", "192.0.2.10".into()),
        ("os_version", (&machine.facts.os_version).into()),
        ("mac_address", "02:00:5E:10:00:01".into()),
        ("supervisor_version", (&machine.version).into()),
        ("update_pending", progress.pending.into()),
        ("update_failed", progress.failed.into()),
        ("update_downloaded", progress.downloaded.into()),
    ]);
    let Some((app, services)) = apps.first_key_value() else { return Ok(state) };
    if let Some(commit) = commit(process, *app).filter(|_| !process.runner.in_progress()) {
        state.push("commit", commit);
    }
    if let Some(service) = services.values().next() {
        state.push("status", if service.status == "Running" { "Idle" } else { service.status });
        state.push("download_progress", service.progress.map(i64::from));
    }
    Ok(state)
}

/// `GET /v2/applications/:appId/state`; `None` for an unknown app.
pub(super) fn application(process: &Process, app: i64) -> Result<Option<Json>, Failure> {
    let mut apps = by_image(process)?.into_iter();
    let Some((_, services)) = apps.find(|(id, _)| *id == app) else { return Ok(None) };
    let told = |(id, image): (i64, ImageReport)| {
        let state = object([
            ("status", image.status.into()),
            ("releaseId", image.release.into()),
            ("download_progress", image.progress.map(i64::from).into()),
        ]);
        (id.to_string(), state)
    };
    let services: Json = services.into_iter().map(told).collect();
    let apps = object([(&app.to_string(), object([("services", services)]))]);
    let mut state = object([]);
    if let Some(commit) = commit(process, app) {
        state.push("commit", commit);
    }
    state.push("local", apps);
    Ok(Some(state))
}

/// `GET /v2/applications/state`: the services of each app's target release.
pub(super) fn applications(process: &Process, access: Access) -> Result<Json, Failure> {
    let machine = &process.machine;
    let containers = machine.engine.containers()?;
    let images = shown_images(process)?;
    let local_mode = machine.settings(|settings| settings.local_mode());
    let known = machine.settings(|settings| {
        settings.target.iter().chain(&settings.local_target).cloned().collect::<Vec<_>>()
    });
    let mut result = object([]);
    for app in known.iter().filter(|app| access.covers(app.id)) {
        let release = app.release.as_ref();
        let pending = if local_mode { Vec::new() } else { machine.specs_of(app) };
        let of_release = |spec: &ContainerSpec| {
            spec.app == app.id && Some(&spec.commit) == release.map(|release| &release.commit)
        };
        let mut services = object([]);
        let mut update = "done";
        let mut tell = |spec: &ContainerSpec, status: &str, progress: Option<u32>| {
            let entry = object([
                ("status", status.into()),
                ("image", (&spec.image).into()),
                ("downloadProgress", progress.map(i64::from).into()),
                ("releaseId", spec.release_id.into()),
            ]);
            services.push(&spec.service, entry);
            update = more_important(update, status, progress);
        };
        for spec in &pending {
            if !images.iter().any(|image| image.spec.service == spec.service && of_release(&image.spec)) {
                tell(spec, "Downloading", Some(0));
            }
        }
        for image in images.iter().filter(|image| of_release(&image.spec)) {
            let container =
                containers.iter().find(|c| of_release(&c.spec) && c.spec.service == image.spec.service);
            match container {
                Some(container) => tell(&image.spec, process.status_of(container), image.progress),
                None => tell(&image.spec, image.status(), image.progress),
            }
        }
        let commit = release.map(|release| &release.commit);
        let told = object([
            ("appId", app.id.into()),
            ("appUuid", (&app.uuid).into()),
            ("commit", commit.into()),
            ("updateStatus", update.into()),
            ("services", services),
        ]);
        result.push(&app.name, told);
    }
    Ok(result)
}

/// The status of a release is that of its least advanced service.
fn more_important(before: &'static str, status: &str, progress: Option<u32>) -> &'static str {
    match (before, status.to_lowercase().as_str()) {
        (_, "aborted") | ("aborted", _) => "aborted",
        ("downloading", _) => "downloading",
        _ if progress.is_some_and(|progress| progress != 100) => "downloading",
        ("downloaded", _) | (_, "downloaded") => "downloaded",
        (_, "installing" | "installed" | "awaiting handover") => "applying changes",
        (before, _) => before,
    }
}

/// `GET /v2/state/status`: the first app in the engine's order.
pub(super) fn status(process: &Process, access: Access) -> Result<Json, Failure> {
    let containers: Vec<Container> = scoped_containers(process, access)?;
    let images =
        shown_images(process)?.into_iter().filter(|image| access.covers(image.spec.app)).collect::<Vec<_>>();
    let apps = containers.iter().map(|container| container.spec.app);
    let first = apps.chain(images.iter().map(|image| image.spec.app)).next();
    let progress: Vec<u32> = images.iter().filter_map(|image| image.progress).collect();
    let count = u32::try_from(progress.len()).ok().filter(|count| *count > 0);
    let overall = count.map(|count| f64::from(progress.iter().sum::<u32>()) / f64::from(count));
    let shown_containers =
        containers.iter().filter(|container| Some(container.spec.app) == first).map(|container| {
            object([
                ("status", process.status_of(container).into()),
                ("serviceName", (&container.spec.service).into()),
                ("appId", container.spec.app.into()),
                ("imageId", container.spec.image_id.into()),
                ("serviceId", container.spec.service_id.into()),
                ("containerId", (&container.id).into()),
                ("createdAt", format!("{:.3}", container.created_at).into()),
            ])
        });
    let shown_images = images.iter().filter(|image| Some(image.spec.app) == first).map(|image| {
        let mut entry = object([
            ("name", (&image.spec.image).into()),
            ("appId", image.spec.app.into()),
            ("serviceName", (&image.spec.service).into()),
            ("imageId", image.spec.image_id.into()),
        ]);
        if let Some(docker_id) = &image.docker_id {
            entry.push("dockerImageId", docker_id);
        }
        entry.push("status", image.status());
        entry.push("downloadProgress", image.progress.map(i64::from));
        entry
    });
    let mut state = object([
        ("status", "success".into()),
        ("appState", if process.runner.in_progress() { "applying" } else { "applied" }.into()),
        ("overallDownloadProgress", overall.into()),
        ("containers", shown_containers.collect()),
        ("images", shown_images.collect()),
    ]);
    if let Some(commit) = first.and_then(|app| commit(process, app)) {
        state.push("release", commit);
    }
    Ok(state)
}

/// Returns the containers in a key's scope.
pub(super) fn scoped_containers(process: &Process, access: Access) -> Result<Vec<Container>, Failure> {
    let mut containers = process.machine.engine.containers()?;
    containers.retain(|container| access.covers(container.spec.app));
    Ok(containers)
}

/// `GET /v1/apps/:appId` for a single-service app. Secrets are removed from the environment.
pub(super) fn single_app(process: &Arc<Process>, app: i64, container: &Container) -> Json {
    const SECRETS: [&str; 2] = ["_API_KEY", "_SUPERVISOR_API_KEY"];
    let mut env = process.machine.environment(app, &container.spec.service).unwrap_or_default();
    for secret in SECRETS {
        env.remove(&format!("BALENA{secret}"));
        env.remove(&format!("RESIN{secret}"));
    }
    // The engine's image id, not the number of the same name in other endpoints.
    let image = process.machine.engine.image_id(&container.spec);
    let mut state = object([("appId", app.into())]);
    if let Some(commit) = commit(process, app) {
        state.push("commit", commit);
    }
    state.push("containerId", &container.id);
    state.push("env", env.into_iter().collect::<Json>());
    state.push("imageId", image);
    state.push("releaseId", container.spec.release_id);
    state
}

/// `GET /v2/local/target-state`: the whole target, with the secrets of all services.
pub(super) fn target(process: &Process) -> Json {
    let machine = &process.machine;
    let (name, config, apps) = machine
        .settings(|settings| (settings.name.clone(), settings.config.clone(), settings.wanted().to_vec()));
    let shown = apps.iter().map(|app| {
        let services = app.release.iter().flat_map(|release| &release.services).map(|service| {
            let env = machine.environment(app.id, &service.name);
            let env = env.map(|env| env.into_iter().collect::<Json>());
            let config = object([("image", (&service.image).into()), ("environment", env.into())]);
            object([
                ("serviceName", (&service.name).into()),
                ("serviceId", service.id.into()),
                ("imageId", service.image_id.into()),
                ("config", config),
            ])
        });
        let told = object([
            ("appId", app.id.into()),
            ("appUuid", (&app.uuid).into()),
            ("commit", app.release.as_ref().map(|release| &release.commit).into()),
            ("services", services.collect()),
        ]);
        (app.id.to_string(), told)
    });
    let local = object([
        ("name", name.into()),
        ("config", config.into_iter().collect()),
        ("apps", shown.collect::<Json>()),
    ]);
    object([("status", "success".into()), ("state", object([("local", local)]))])
}
