//! The target state that supervisors receive.

use std::fmt;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::core::{Core, EndpointRequest};
use crate::error::{Error, ErrorKind, Result};
use crate::resource::json_request::decode;
use crate::resource::keys::{ApplicationKey, DeviceKey};
use crate::resource::request_builder::RequestBuilder;
use crate::rows::{Application, Device};

use super::Devices;
use super::read::{columns, required};

impl Devices {
    /// Reads the target state of a device, including the values of variables (`GET /device/v2/:uuid/state`).
    ///
    /// # Errors
    /// `is_not_found` if the device does not exist.
    #[doc(alias = "getSupervisorTargetState")]
    pub fn get_supervisor_target_state(
        &self,
        device: impl Into<DeviceKey>,
    ) -> RequestBuilder<TargetState, Value> {
        let (core, key) = (self.core.clone(), device.into());
        RequestBuilder::new(move |given| async move {
            let device: Device = core.row_of(key.target::<Device>(columns(["uuid"]))?).await?;
            let uuid = required(device.uuid, "uuid")?;
            let version = given.get("version").and_then(Value::as_u64).unwrap_or(2);
            let path = format!("/device/v{version}/{}/state", encoded(&uuid));
            state(&core, path).await.map_err(|error| match error.status() {
                // A supervisor that polls for changes gets this status for a deleted device.
                Some(304) => Error::new(ErrorKind::NotFound, format!("device {key} not found"))
                    .with_status(304)
                    .with_sent(true)
                    .with_source(error),
                _ => error,
            })
        })
    }

    /// Reads the part of the target state that all devices of an application share
    /// (`GET /device/v3/fleet/:uuid/state/`).
    ///
    /// # Errors
    /// `is_not_found` if the application does not exist; `is_unauthorized` also if it lacks the release.
    #[doc(alias = "getSupervisorTargetStateForApp")]
    pub fn get_supervisor_target_state_for_app(
        &self,
        application: impl Into<ApplicationKey>,
    ) -> RequestBuilder<TargetStateForApp, Value> {
        let (core, key) = (self.core.clone(), application.into());
        RequestBuilder::new(move |given| async move {
            let application: Application = core.row_of(key.target::<Application>(columns(["uuid"]))?).await?;
            let uuid = required(application.uuid, "uuid")?;
            let release = given.get("release").and_then(Value::as_str).unwrap_or_default();
            let (uuid, release) = (encoded(&uuid), encoded(release));
            state(&core, format!("/device/v3/fleet/{uuid}/state/?releaseUuid={release}")).await
        })
    }
}

/// Marker of the request of [`Devices::get_supervisor_target_state`].
#[derive(Debug)]
#[non_exhaustive]
pub struct TargetState;

impl RequestBuilder<TargetState, Value> {
    /// Reads the form for newer supervisors, with every application that the device runs
    /// (`GET /device/v3/:uuid/state`).
    pub fn version_3(self) -> Self {
        self.version(3)
    }

    /// Reads the form of this version; the default is 2 (`GET /device/v<version>/:uuid/state`).
    pub fn version(self, version: u32) -> Self {
        self.set("version", version)
    }
}

/// Marker of the request of [`Devices::get_supervisor_target_state_for_app`].
#[derive(Debug)]
#[non_exhaustive]
pub struct TargetStateForApp;

impl RequestBuilder<TargetStateForApp, Value> {
    /// Reads the state with the release of this commit instead of the tracked one.
    pub fn release(self, commit: impl Into<String>) -> Self {
        self.set("release", commit.into())
    }
}

fn encoded(text: &str) -> impl fmt::Display + '_ {
    utf8_percent_encode(text, NON_ALPHANUMERIC)
}

async fn state(core: &Core, path: String) -> Result<Value> {
    decode(&core.send(EndpointRequest::get(path)).await?)
}
