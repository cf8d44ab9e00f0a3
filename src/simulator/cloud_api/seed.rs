//! The rows that the cloud has of a device, from its fixture and its state.

use serde_json::{Value, json};

use super::tables::{Row, Tables, reference};
use crate::simulator::fixture::{DeviceFacts, Tag};
use crate::simulator::settings::{TargetApp, TargetRelease};

/// Id of the device.
pub(in crate::simulator) const DEVICE: i64 = 11;
/// Id of its actor, which owns its key.
pub(in crate::simulator) const ACTOR: i64 = 21;
/// Id of the only device type, and of its architecture.
const DEVICE_TYPE: i64 = 1;
/// Time between the creation of two releases.
const RELEASE_INTERVAL: jiff::SignedDuration = jiff::SignedDuration::from_mins(1);

impl Tables {
    /// Creates the rows of a device with these apps. The first app is its own.
    pub(in crate::simulator) fn of_device(
        facts: &DeviceFacts,
        supervisor_version: &str,
        tags: &[Tag],
        apps: &[TargetApp],
        releases: &[(i64, TargetRelease)],
    ) -> Self {
        let mut tables = Self::default();
        tables.add("cpu_architecture", &json!({ "id": DEVICE_TYPE, "slug": facts.arch }));
        tables.add(
            "device_type",
            &json!({
                "id": DEVICE_TYPE,
                "slug": facts.device_type,
                "name": facts.device_type,
                "is_of__cpu_architecture": reference(DEVICE_TYPE),
            }),
        );
        tables.add(
            "device",
            &json!({
                "id": DEVICE,
                "actor": reference(ACTOR),
                "uuid": facts.uuid,
                "device_name": facts.name,
                "is_of__device_type": reference(DEVICE_TYPE),
                "belongs_to__application": apps.first().map(|app| reference(app.id)),
                "is_web_accessible": false,
                "is_undervolted": false,
                "os_version": facts.os_version,
                "os_variant": "prod",
                "supervisor_version": supervisor_version,
                "overall_status": "operational",
                "status": "Idle",
                "ip_address": "192.0.2.10",
                "mac_address": "02:00:5E:10:00:01",
            }),
        );
        for tag in tags {
            tables.add(
                "device_tag",
                &json!({
                    "id": tag.id,
                    "device": reference(DEVICE),
                    "tag_key": tag.name,
                    "value": tag.value,
                }),
            );
        }
        for app in apps {
            tables.add(
                "application",
                &json!({
                    "id": app.id,
                    "actor": reference(app.id + 1000),
                    "app_name": app.name,
                    "slug": format!("simulated/{}", app.name),
                    "uuid": app.uuid,
                    "is_of__class": "fleet",
                    "organization": reference(1),
                    "is_for__device_type": reference(DEVICE_TYPE),
                    "should_track_latest_release": true,
                    "should_be_running__release": app.release.as_ref().map(|release| reference(release.id)),
                    "is_host": false,
                    "is_archived": false,
                    "is_public": false,
                }),
            );
        }
        let mut age = RELEASE_INTERVAL.saturating_mul(i32::try_from(releases.len()).unwrap_or(i32::MAX));
        for (app, release) in releases {
            tables.add_release(*app, release, age);
            age -= RELEASE_INTERVAL;
        }
        tables
    }

    /// Adds a release that was created this long ago, with its services and images, unless it is there.
    pub(in crate::simulator) fn add_release(
        &mut self,
        app: i64,
        release: &TargetRelease,
        age: jiff::SignedDuration,
    ) {
        if self.has("release", release.id) {
            return;
        }
        let now = jiff::Timestamp::now();
        let created = format!("{:.3}", now.checked_sub(age).unwrap_or(now));
        self.add(
            "release",
            &json!({
                "id": release.id,
                "created_at": created,
                "start_timestamp": created,
                "end_timestamp": created,
                "belongs_to__application": reference(app),
                "commit": release.commit,
                "status": "success",
                "source": "cloud",
                "is_invalidated": false,
                "is_final": true,
                "raw_version": format!("0.0.{}", release.id),
                "semver": format!("0.0.{}", release.id),
                "revision": 0,
            }),
        );
        for service in &release.services {
            if !self.has("service", service.id) {
                self.add(
                    "service",
                    &json!({
                        "id": service.id,
                        "application": reference(app),
                        "service_name": service.name,
                    }),
                );
                self.add(
                    "service_install",
                    &json!({
                        "device": reference(DEVICE),
                        "installs__service": reference(service.id),
                    }),
                );
            }
            if !self.has("image", service.image_id) {
                self.add(
                    "image",
                    &json!({
                        "id": service.image_id,
                        "is_a_build_of__service": reference(service.id),
                        "is_stored_at__image_location": service.image,
                    }),
                );
            }
            self.add(
                "release_image",
                &json!({
                    "image": reference(service.image_id),
                    "is_part_of__release": reference(release.id),
                }),
            );
        }
    }

    fn has(&self, resource: &str, id: i64) -> bool {
        self.of(resource).iter().any(|row| row.get("id").and_then(Value::as_i64) == Some(id))
    }

    /// Returns the device's tags, in the order of their creation.
    pub(in crate::simulator) fn tags(&self) -> Vec<Tag> {
        let text =
            |row: &Row, column: &str| row.get(column).and_then(Value::as_str).unwrap_or_default().to_owned();
        let tag = |row: &Row| Tag {
            id: row.get("id").and_then(Value::as_i64).unwrap_or_default(),
            name: text(row, "tag_key"),
            value: text(row, "value"),
        };
        self.of("device_tag").iter().map(tag).collect()
    }

    /// Creates or changes a tag of the device.
    pub(in crate::simulator) fn set_tag(&mut self, name: &str, value: &str) {
        if let Some(tag) = self.tags().into_iter().find(|tag| tag.name == name) {
            let values = Row::from_iter([("value".to_owned(), value.into())]);
            self.change("device_tag", &[tag.id], &values);
        } else {
            let values = json!({ "device": reference(DEVICE), "tag_key": name, "value": value });
            self.add("device_tag", &values);
        }
    }
}
