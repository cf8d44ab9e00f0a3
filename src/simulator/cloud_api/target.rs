//! The target of the device: what it is to run, from the rows of the cloud.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::seed::DEVICE;
use super::tables::{Row, Tables, plain, reference};
use crate::simulator::fixture::Release;
use crate::simulator::lock;
use crate::simulator::machine::{Machine, Offer};
use crate::simulator::model::RunState;
use crate::simulator::settings::{TargetApp, TargetRelease, TargetService};

impl Tables {
    fn row(&self, resource: &str, id: i64) -> Option<&Row> {
        self.of(resource).iter().find(|row| row.get("id").and_then(Value::as_i64) == Some(id))
    }

    /// Returns the release that the device is to run of an app: the one it is pinned to, else the app's.
    fn wanted_release(&self, app: i64) -> Option<i64> {
        let id = |row: Option<&Row>, column: &str| row?.get(column).map(plain)?.as_i64();
        let device = self.row("device", DEVICE);
        let own = id(device, "belongs_to__application") == Some(app);
        let pinned = id(device, "is_pinned_on__release").filter(|_| own);
        pinned.or_else(|| id(self.row("application", app), "should_be_running__release"))
    }

    /// Returns the variables of a service that the owner of the fleet or the device has set.
    fn variables(&self, app: i64, service: i64) -> BTreeMap<String, String> {
        let install = self
            .of("service_install")
            .iter()
            .find(|row| row.get("installs__service").map(plain).and_then(Value::as_i64) == Some(service))
            .and_then(|row| row.get("id").and_then(Value::as_i64));
        let mut variables = BTreeMap::new();
        // A later one replaces an earlier one of the same name.
        for (resource, column, parent) in [
            ("application_environment_variable", "application", Some(app)),
            ("service_environment_variable", "service", Some(service)),
            ("device_environment_variable", "device", Some(DEVICE)),
            ("device_service_environment_variable", "service_install", install),
        ] {
            variables.extend(self.named(resource, column, parent));
        }
        variables
    }

    /// Returns the names and values of the variables of a parent.
    fn named<'a>(
        &'a self,
        resource: &str,
        column: &'a str,
        parent: Option<i64>,
    ) -> impl Iterator<Item = (String, String)> + 'a {
        let text = |row: &Row, name: &str| row.get(name).and_then(Value::as_str).map(str::to_owned);
        let rows = self.of(resource).iter();
        let own = rows.filter(move |row| {
            parent.is_some() && row.get(column).map(plain).and_then(Value::as_i64) == parent
        });
        own.filter_map(move |row| Some((text(row, "name")?, text(row, "value")?)))
    }
}

impl Machine {
    /// See [`offer_update`](crate::simulator::Device::offer_update).
    pub(in crate::simulator) fn offer(&self, app: i64, release: &Release) {
        let target = self.settings(|settings| settings.target.clone());
        let before = target.into_iter().find(|wanted| wanted.id == app).and_then(|wanted| wanted.release);
        let services = release.services.iter().map(|(name, service)| {
            let same = |target: &&TargetService| target.name == *name;
            let before = before.as_ref().and_then(|release| release.services.iter().find(same));
            TargetService {
                name: name.clone(),
                id: service.service_id,
                image_id: service.image_id,
                image: service.image.clone(),
                env: before.map(|before| before.env.clone()).unwrap_or_default(),
                variables: BTreeMap::new(),
                volumes: before.map(|before| before.volumes.clone()).unwrap_or_default(),
                host_network: before.is_some_and(|before| before.host_network),
            }
        });
        let services = services.collect();
        self.offer_target(app, TargetRelease { id: release.id, commit: release.commit.clone(), services });
    }

    /// Makes a release the target of an app.
    pub(in crate::simulator) fn offer_target(&self, app: i64, release: TargetRelease) {
        let mut cloud = lock(&self.cloud);
        cloud.rows.add_release(app, &release, jiff::SignedDuration::ZERO);
        let tracked = Row::from_iter([("should_be_running__release".to_owned(), reference(release.id))]);
        cloud.rows.change("application", &[app], &tracked);
        cloud.releases.retain(|(other, known)| *other != app || known.id != release.id);
        cloud.releases.push((app, release));
        drop(cloud);
        self.retarget();
    }

    /// Offers the device what the rows say now. It learns of it at its next poll.
    pub(in crate::simulator) fn retarget(&self) {
        let target = self.settings(|settings| settings.target.clone());
        let mut cloud = lock(&self.cloud);
        let mut apps: Vec<TargetApp> = cloud.offer.take().map_or(target, |offer| offer.apps);
        for app in &mut apps {
            let wanted = cloud.rows.wanted_release(app.id);
            let known =
                cloud.releases.iter().find(|(of, release)| *of == app.id && Some(release.id) == wanted);
            if let Some((_, release)) = known {
                app.release = Some(release.clone());
            }
            for service in app.release.iter_mut().flat_map(|release| &mut release.services) {
                service.variables = cloud.rows.variables(app.id, service.id);
            }
        }
        let name = cloud.rows.row("device", DEVICE).and_then(|row| row.get("device_name")?.as_str());
        let name = name.unwrap_or_default().to_owned();
        let config = cloud.rows.named("device_config_variable", "device", Some(DEVICE)).collect();
        cloud.offer = Some(Offer { name, config, apps });
    }

    /// Updates the rows of what the device reports: its state, its release and its services.
    pub(in crate::simulator) fn report_to_cloud(&self) {
        let commits = self.settings(|settings| settings.commits.clone());
        let mut cloud = lock(&self.cloud);
        let online = cloud.offline_since.is_none();
        let own = cloud
            .rows
            .row("device", DEVICE)
            .and_then(|row| row.get("belongs_to__application").map(plain)?.as_i64());
        let wanted = own.and_then(|app| cloud.rows.wanted_release(app));
        let reached = own.and_then(|app| commits.get(&app)).and_then(|commit| {
            cloud
                .releases
                .iter()
                .find(|(_, release)| release.commit == *commit)
                .map(|(_, release)| release.id)
        });
        let state = json!({
            "is_online": online,
            "is_connected_to_vpn": online,
            "api_heartbeat_state": if online { "online" } else { "offline" },
            "is_running__release": reached.map(reference),
            "should_be_running__release": wanted.map(reference),
        });
        let state: Row = state.as_object().cloned().unwrap_or_default();
        if cloud
            .rows
            .row("device", DEVICE)
            .is_some_and(|row| state.iter().any(|(name, value)| row.get(name) != Some(value)))
        {
            cloud.rows.change("device", &[DEVICE], &state);
        }
        cloud.rows.clear("image_install");
        for container in self.engine.all_containers() {
            let status = match container.run {
                RunState::Created => "Installed",
                RunState::Running => "Running",
                RunState::Exited => "exited",
            };
            cloud.rows.add(
                "image_install",
                &json!({
                    "device": reference(DEVICE),
                    "image": reference(container.spec.image_id),
                    "is_provided_by__release": reference(container.spec.release_id),
                    "status": status,
                    "install_date": format!("{:.3}", container.created_at),
                }),
            );
        }
    }
}
