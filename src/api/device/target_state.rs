//! What supervisors are told to do.

use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::api::keys::{ApplicationKey, DeviceKey};
use crate::api::read::unreadable;
use crate::api::request::Request;
use crate::api::rows::{Application, Device};
use crate::core::{Core, Plain};
use crate::error::{Error, ErrorKind, Result};
use crate::json;

use super::Devices;
use super::read::{columns, told};

impl Devices {
    /// What the supervisor of a device is told to bring about, with the variables' values
    /// (`GET /device/v2/:uuid/state`).
    ///
    /// # Errors
    /// `is_not_found` when the device is not there.
    #[doc(alias = "getSupervisorTargetState")]
    pub fn get_supervisor_target_state(&self, device: impl Into<DeviceKey>) -> Request<Value> {
        let (core, key) = (self.core.clone(), device.into());
        Request::new(async move {
            let device: Device = core.row_of(key.target::<Device>(columns(["uuid"]))?).await?;
            let uuid = told(device.uuid, "uuid")?;
            let path = format!("/device/v2/{}/state", encoded(&uuid));
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
    ) -> TargetStateForApp {
        let release = String::new();
        TargetStateForApp { core: self.core.clone(), application: application.into(), release }
    }
}

/// A request for the target state of an application. Nothing is sent before `.await`.
#[must_use = "nothing is sent before `.await`"]
pub struct TargetStateForApp {
    core: Arc<Core>,
    application: ApplicationKey,
    release: String,
}

impl TargetStateForApp {
    /// With the release that has this commit, instead of the one that the application tracks.
    pub fn release(self, commit: impl Into<String>) -> Self {
        Self { release: commit.into(), ..self }
    }

    async fn send(self) -> Result<Value> {
        let target = self.application.target::<Application>(columns(["uuid"]))?;
        let application: Application = self.core.row_of(target).await?;
        let uuid = told(application.uuid, "uuid")?;
        let (uuid, release) = (encoded(&uuid), encoded(&self.release));
        state(&self.core, format!("/device/v3/fleet/{uuid}/state/?releaseUuid={release}")).await
    }
}

impl fmt::Debug for TargetStateForApp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TargetStateForApp").field("application", &self.application).finish_non_exhaustive()
    }
}

impl IntoFuture for TargetStateForApp {
    type Output = Result<Value>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<Value>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

fn encoded(text: &str) -> impl fmt::Display + '_ {
    utf8_percent_encode(text, NON_ALPHANUMERIC)
}

async fn state(core: &Core, path: String) -> Result<Value> {
    let reply = core.plain(Plain::get(path)).await?;
    json::decode(&reply.body).map_err(|misfit| unreadable(&reply, &misfit))
}
