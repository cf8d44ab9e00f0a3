//! What is installed on a new device, from its fixture: the supervisor's database, the keys, and the cloud's rows.

use std::collections::BTreeMap;

use super::cloud_api::{Reserved, Tables};
use super::environment;
use super::fixture::{App, Fixture, KeyScope, Release, Service, Tag};
use super::keys::Keys;
use super::machine::Cloud;
use super::settings::{Settings, TargetApp, TargetRelease, TargetService};

/// A fixture, its installed apps, and the cloud whose address their services get.
#[derive(Debug, Clone, Copy)]
pub(super) struct Installation<'a> {
    pub(super) fixture: &'a Fixture,
    pub(super) apps: &'a [App],
    pub(super) cloud: Option<&'a Reserved>,
}

impl Installation<'_> {
    /// Returns the supervisor's database, with further configuration variables.
    pub(super) fn settings(self, config: &BTreeMap<String, String>) -> Settings {
        let facts = &self.fixture.device;
        let mut settings = Settings {
            name: facts.name.clone(),
            config: facts.config.clone(),
            target: self.targets("current"),
            local_target: Vec::new(),
            commits: BTreeMap::new(),
        };
        for (name, value) in config {
            settings.set(name, value);
        }
        settings
    }

    /// Returns a reachable cloud that wants what the settings want. `tags` replace the fixture's.
    pub(super) fn cloud(self, settings: &Settings, tags: Option<&Vec<Tag>>) -> Cloud {
        let facts = &self.fixture.device;
        let of_app = |app: &App| {
            let current = app.releases.get("current");
            let target = |release: &Release| (app.id, self.target_release(app, release, current));
            app.releases.values().map(target).collect::<Vec<_>>()
        };
        let releases: Vec<(i64, TargetRelease)> = self.apps.iter().flat_map(of_app).collect();
        let (version, tags) = (&self.fixture.supervisor_version, tags.unwrap_or(&facts.tags));
        let rows = Tables::of_device(facts, version, tags, &settings.target, &releases);
        Cloud { offline_since: None, rows, releases, offer: None }
    }

    /// Returns the fixture's keys, plus one for every service with the API label and without a key.
    pub(super) fn keys(self) -> Keys {
        let mut keys = Keys::default();
        keys.add("global", KeyScope::Global);
        for (name, scope) in &self.fixture.keys {
            keys.add(name, *scope);
        }
        for app in self.apps {
            let services = app.releases.values().flat_map(|release| &release.services);
            for (name, _) in services.filter(|(_, service)| service.supervisor_api == Some(true)) {
                keys.add(name, KeyScope::App { app: app.id });
            }
        }
        keys
    }

    /// Returns the apps with the release of this name, or else their current one.
    pub(super) fn targets(self, release: &str) -> Vec<TargetApp> {
        let has = |app: &&App| app.releases.contains_key(release) || app.releases.contains_key("current");
        self.apps.iter().filter(has).map(|app| self.target(app, release)).collect()
    }

    fn target(self, app: &App, release: &str) -> TargetApp {
        let current = app.releases.get("current");
        let release = app.releases.get(release).or(current);
        TargetApp {
            id: app.id,
            uuid: app.uuid.clone(),
            name: app.name.clone(),
            release: release.map(|release| self.target_release(app, release, current)),
        }
    }

    fn target_release(self, app: &App, release: &Release, current: Option<&Release>) -> TargetRelease {
        let services = release.services.iter().map(|(name, service)| {
            let before = current.and_then(|current| current.services.get(name));
            self.target_service(app, name, service, before)
        });
        TargetRelease { id: release.id, commit: release.commit.clone(), services: services.collect() }
    }

    /// Returns a service. What it leaves out is taken from the one `before`.
    fn target_service(
        self,
        app: &App,
        name: &str,
        service: &Service,
        before: Option<&Service>,
    ) -> TargetService {
        let inherited = |read: fn(&Service) -> Option<bool>| read(service).or_else(|| before.and_then(read));
        let env = service.env.clone().or_else(|| before.and_then(|before| before.env.clone()));
        let volumes = service.volumes.clone().or_else(|| before.and_then(|before| before.volumes.clone()));
        let with_api = inherited(|service| service.supervisor_api).unwrap_or_default();
        let mut env = env.unwrap_or_else(|| environment::standard(&self.fixture.device, app, name, with_api));
        if let Some(cloud) = self.cloud.filter(|_| with_api) {
            environment::add_cloud(&mut env, cloud.address, &cloud.key);
        }
        TargetService {
            name: name.to_owned(),
            id: service.service_id,
            image_id: service.image_id,
            image: service.image.clone(),
            env,
            variables: BTreeMap::new(),
            volumes: volumes.unwrap_or_default(),
            host_network: inherited(|service| service.host_network).unwrap_or_default(),
        }
    }
}
