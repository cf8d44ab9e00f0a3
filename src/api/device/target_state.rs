//! What supervisors are told to do.

use std::fmt;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::api::answer::decode;
use crate::api::filled::Filled;
use crate::api::keys::{ApplicationKey, DeviceKey};
use crate::api::rows::{Application, Device};
use crate::core::{Core, Plain};
use crate::error::{Error, ErrorKind, Result};

use super::Devices;
use super::read::{columns, told};

impl Devices {
    /// What the supervisor of a device is told to bring about, with the variables' values
    /// (`GET /device/v2/:uuid/state`).
    ///
    /// # Errors
    /// `is_not_found` when the device is not there.
    #[doc(alias = "getSupervisorTargetState")]
    pub fn get_supervisor_target_state(&self, device: impl Into<DeviceKey>) -> Filled<TargetState, Value> {
        let (core, key) = (self.core.clone(), device.into());
        Filled::new(move |given| async move {
            let device: Device = core.row_of(key.target::<Device>(columns(["uuid"]))?).await?;
            let uuid = told(device.uuid, "uuid")?;
            let version = given.get("version").and_then(Value::as_u64).unwrap_or(2);
            let path = format!("/device/v{version}/{}/state", encoded(&uuid));
            state(&core, path).await.map_err(|error| match error.status() {
                // How the server says that the device is gone, to a supervisor that asks for changes.
                Some(304) => Error::new(ErrorKind::NotFound, format!("device {key} not found"))
                    .with_status(304)
                    .sent(true)
                    .because(error),
                _ => error,
            })
        })
    }

    /// What the supervisors of an application's devices are told to bring about, as far as it is the same for
    /// all of them (`GET /device/v3/fleet/:uuid/state/`).
    ///
    /// # Errors
    /// `is_not_found` when the application is not there; `is_unauthorized` also when it has no such release.
    #[doc(alias = "getSupervisorTargetStateForApp")]
    pub fn get_supervisor_target_state_for_app(
        &self,
        application: impl Into<ApplicationKey>,
    ) -> Filled<TargetStateForApp, Value> {
        let (core, key) = (self.core.clone(), application.into());
        Filled::new(move |given| async move {
            let application: Application = core.row_of(key.target::<Application>(columns(["uuid"]))?).await?;
            let uuid = told(application.uuid, "uuid")?;
            let release = given.get("release").and_then(Value::as_str).unwrap_or_default();
            let (uuid, release) = (encoded(&uuid), encoded(release));
            state(&core, format!("/device/v3/fleet/{uuid}/state/?releaseUuid={release}")).await
        })
    }
}

/// Marks the request of [`Devices::get_supervisor_target_state`].
#[derive(Debug)]
#[non_exhaustive]
pub struct TargetState;

impl Filled<TargetState, Value> {
    /// In the form that newer supervisors ask for, with every application that the device runs
    /// (`GET /device/v3/:uuid/state`).
    pub fn version_3(self) -> Self {
        self.version(3)
    }

    /// In the form of this version, as supervisors ask for it; 2 unless told (`GET /device/v<version>/:uuid/state`).
    pub fn version(self, version: u32) -> Self {
        self.give("version", version)
    }
}

/// Marks the request of [`Devices::get_supervisor_target_state_for_app`].
#[derive(Debug)]
#[non_exhaustive]
pub struct TargetStateForApp;

impl Filled<TargetStateForApp, Value> {
    /// With the release that has this commit, instead of the one that the application tracks.
    pub fn release(self, commit: impl Into<String>) -> Self {
        self.give("release", commit.into())
    }
}

fn encoded(text: &str) -> impl fmt::Display + '_ {
    utf8_percent_encode(text, NON_ALPHANUMERIC)
}

async fn state(core: &Core, path: String) -> Result<Value> {
    decode(&core.plain(Plain::get(path)).await?)
}
