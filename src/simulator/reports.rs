//! The shapes in which the supervisor tells the state of its apps. Each endpoint has its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::engine::Failure;
use super::keys::Access;
use super::lock;
use super::parts::{Container, Image, Spec};
use super::process::Process;

/// An image as reports show it: present, or on its way.
struct ShownImage {
    spec: Spec,
    docker_id: Option<String>,
    progress: Option<u32>,
}

impl ShownImage {
    fn status(&self) -> &'static str {
        if self.progress.is_some() { "Downloading" } else { "Downloaded" }
    }
}

/// Downloads first, then what is there.
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

/// Sets a field of an object.
fn put(object: &mut Value, name: &str, value: impl Into<Value>) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(name.to_owned(), value.into());
    }
}

/// App id → image id → what is told of it.
type ByImage = BTreeMap<i64, BTreeMap<i64, Value>>;

fn by_image(process: &Process) -> Result<ByImage, Failure> {
    let containers = process.machine.engine.containers()?;
    let images = shown_images(process)?;
    let mut apps = ByImage::new();
    for container in containers {
        let status = process.status_of(&container);
        let entry =
            json!({"status": status, "releaseId": container.spec.release_id, "download_progress": null});
        apps.entry(container.spec.app)
            .or_default()
            .entry(container.spec.image_id)
            // Two containers of one image: one is about to replace the other.
            .and_modify(|before| put(before, "status", "Handing over"))
            .or_insert(entry);
    }
    for image in images {
        let entry = json!({
            "status": image.status(), "releaseId": image.spec.release_id, "download_progress": image.progress,
        });
        apps.entry(image.spec.app).or_default().entry(image.spec.image_id).or_insert(entry);
    }
    Ok(apps)
}

fn commit(process: &Process, app: i64) -> Option<String> {
    process.machine.settings(|settings| settings.commits.get(&app).cloned())
}

/// `GET /v1/device`: the device, and the first service of the first app.
pub(super) fn device(process: &Process) -> Result<Value, Failure> {
    let apps = by_image(process)?;
    let machine = &process.machine;
    let progress = *lock(&process.progress);
    let mut state = json!({
        "api_port": machine.facts.listen_port,
        "ip_address": "192.0.2.10",
        "mac_address": "02:00:5E:10:00:01",
        "os_version": machine.facts.os_version,
        "supervisor_version": machine.version,
        "update_pending": progress.pending,
        "update_failed": progress.failed,
        "update_downloaded": progress.downloaded,
    });
    let Some((app, services)) = apps.first_key_value() else { return Ok(state) };
    if let Some(commit) = commit(process, *app).filter(|_| !process.runner.in_progress()) {
        put(&mut state, "commit", commit);
    }
    if let Some(service) = services.values().next() {
        let status = service["status"].as_str().unwrap_or_default();
        put(&mut state, "status", if status == "Running" { "Idle" } else { status });
        put(&mut state, "download_progress", service["download_progress"].clone());
    }
    Ok(state)
}

/// `GET /v2/applications/:appId/state`; `None` if there is no such app.
pub(super) fn application(process: &Process, app: i64) -> Result<Option<Value>, Failure> {
    let mut apps = by_image(process)?;
    let Some(services) = apps.remove(&app) else { return Ok(None) };
    let services: BTreeMap<String, Value> =
        services.into_iter().map(|(id, state)| (id.to_string(), state)).collect();
    let mut state = json!({"local": {app.to_string(): {"services": services}}});
    if let Some(commit) = commit(process, app) {
        put(&mut state, "commit", commit);
    }
    Ok(Some(state))
}

/// `GET /v2/applications/state`: the services of the wanted release of each app.
pub(super) fn applications(process: &Process, access: Access) -> Result<Value, Failure> {
    let machine = &process.machine;
    let containers = machine.engine.containers()?;
    let images = shown_images(process)?;
    let local_mode = machine.settings(|settings| settings.local_mode());
    let known = machine.settings(|settings| {
        settings.target.iter().chain(&settings.local_target).cloned().collect::<Vec<_>>()
    });
    let mut result = Map::new();
    for app in known.iter().filter(|app| access.covers(app.id)) {
        let release = app.release.as_ref();
        let pending = if local_mode { Vec::new() } else { machine.specs_of(app) };
        let of_release =
            |spec: &Spec| spec.app == app.id && Some(&spec.commit) == release.map(|release| &release.commit);
        let mut services = Map::new();
        let mut update = "done";
        let mut tell = |spec: &Spec, status: &str, progress: Option<u32>| {
            let entry = json!({
                "status": status, "image": spec.image, "downloadProgress": progress, "releaseId": spec.release_id,
            });
            services.insert(spec.service.clone(), entry);
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
        result.insert(
            app.name.clone(),
            json!({"appId": app.id, "appUuid": app.uuid, "commit": commit, "updateStatus": update, "services": services}),
        );
    }
    Ok(result.into())
}

/// The release's status is that of the service furthest behind.
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

/// `GET /v2/state/status`: the first app in the engine's order, whichever that is.
pub(super) fn status(process: &Process, access: Access) -> Result<Value, Failure> {
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
            json!({
                "status": process.status_of(container),
                "serviceName": container.spec.service,
                "appId": container.spec.app,
                "imageId": container.spec.image_id,
                "serviceId": container.spec.service_id,
                "containerId": container.id,
                "createdAt": format!("{:.3}", container.created_at),
            })
        });
    let shown_images = images.iter().filter(|image| Some(image.spec.app) == first).map(|image| {
        let mut entry = json!({
            "name": image.spec.image,
            "appId": image.spec.app,
            "serviceName": image.spec.service,
            "imageId": image.spec.image_id,
            "status": image.status(),
            "downloadProgress": image.progress,
        });
        if let Some(docker_id) = &image.docker_id {
            put(&mut entry, "dockerImageId", docker_id.clone());
        }
        entry
    });
    let mut state = json!({
        "status": "success",
        "appState": if process.runner.in_progress() { "applying" } else { "applied" },
        "overallDownloadProgress": overall,
        "containers": shown_containers.collect::<Vec<_>>(),
        "images": shown_images.collect::<Vec<_>>(),
    });
    if let Some(commit) = first.and_then(|app| commit(process, app)) {
        put(&mut state, "release", commit);
    }
    Ok(state)
}

/// The containers a key may know of.
pub(super) fn scoped_containers(process: &Process, access: Access) -> Result<Vec<Container>, Failure> {
    let mut containers = process.machine.engine.containers()?;
    containers.retain(|container| access.covers(container.spec.app));
    Ok(containers)
}

/// What `GET /v1/apps/:appId` tells of a single-service app; the environment without its secrets.
pub(super) fn single_app(process: &Arc<Process>, app: i64, container: &Container) -> Value {
    const SECRETS: [&str; 2] = ["_API_KEY", "_SUPERVISOR_API_KEY"];
    let mut env = process.machine.environment(app, &container.spec.service).unwrap_or_default();
    for secret in SECRETS {
        env.remove(&format!("BALENA{secret}"));
        env.remove(&format!("RESIN{secret}"));
    }
    // The engine's id, not the number that other endpoints call so.
    let image = process.machine.engine.image_id(&container.spec);
    let mut state = json!({
        "appId": app,
        "containerId": container.id,
        "env": env,
        "imageId": image,
        "releaseId": container.spec.release_id,
    });
    if let Some(commit) = commit(process, app) {
        put(&mut state, "commit", commit);
    }
    state
}

/// `GET /v2/local/target-state`: everything, secrets of all services included.
pub(super) fn target(process: &Process) -> Value {
    let machine = &process.machine;
    let (name, config, apps) = machine
        .settings(|settings| (settings.name.clone(), settings.config.clone(), settings.wanted().to_vec()));
    let shown = apps.iter().map(|app| {
        let services = app.release.iter().flat_map(|release| &release.services).map(|service| {
            json!({
                "serviceName": service.name,
                "serviceId": service.id,
                "imageId": service.image_id,
                "config": {"image": service.image, "environment": machine.environment(app.id, &service.name)},
            })
        });
        let commit = app.release.as_ref().map(|release| &release.commit);
        let services = services.collect::<Vec<_>>();
        (
            app.id.to_string(),
            json!({"appId": app.id, "appUuid": app.uuid, "commit": commit, "services": services}),
        )
    });
    json!({"status": "success", "state": {"local": {"name": name, "config": config, "apps": shown.collect::<Map<_, _>>()}}})
}
