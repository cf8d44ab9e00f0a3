//! Supervisor actions on all devices of an application.

use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;

use http::Method;
use serde_json::{Value, json};

use crate::api::supervisor_proxy::{DEADLINE, ProxiedCall, action_result};
use crate::core::{Core, EndpointRequest};
use crate::error::Result;
use crate::resource::key_value::ParentKey;
use crate::resource::keys::ApplicationKey;
use crate::resource::request::Request;
use crate::supervisor::Force;

use super::Applications;

/// A supervisor action on all devices of an application. Nothing is sent before `.await`.
#[derive(Debug)]
#[must_use = "nothing is sent before `.await`"]
pub struct FleetAction {
    core: Arc<Core>,
    application: ApplicationKey,
    path: &'static str,
    force: bool,
}

impl FleetAction {
    /// Overrides the update locks of all devices.
    pub fn force(self) -> Self {
        Self { force: true, ..self }
    }
}

impl IntoFuture for FleetAction {
    type Output = Result<()>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let id = self.application.resolve(self.core.clone()).await?;
            let force = if self.force { Force::Given } else { Force::Offered };
            pass_on(&self.core, self.path, id, json!({ "force": self.force }), force).await
        })
    }
}

impl Applications {
    /// Reboots all devices of an application that are online (`POST /supervisor/v1/reboot`).
    ///
    /// # Errors
    /// `is_device_offline` if none is online; `is_locked` or another kind if devices refuse: the message has their
    /// number, and the other devices reboot.
    pub fn reboot(&self, application: impl Into<ApplicationKey>) -> FleetAction {
        self.action(application, "/v1/reboot")
    }

    /// Shuts down all devices of an application that are online (`POST /supervisor/v1/shutdown`). They must be
    /// switched on again on site.
    ///
    /// # Errors
    /// As [`reboot`](Self::reboot).
    pub fn shutdown(&self, application: impl Into<ApplicationKey>) -> FleetAction {
        self.action(application, "/v1/shutdown")
    }

    fn action(&self, application: impl Into<ApplicationKey>, path: &'static str) -> FleetAction {
        FleetAction { core: self.core.clone(), application: application.into(), path, force: false }
    }

    /// Restarts the services of an application with **empty volumes**, on all devices that are online
    /// (`POST /supervisor/v1/purge`). Their data is lost.
    ///
    /// # Errors
    /// As [`reboot`](Self::reboot).
    pub fn purge(&self, application: impl Into<ApplicationKey>) -> Request<()> {
        let (core, key) = (self.core.clone(), application.into());
        Request::new(async move {
            let id = key.resolve(core.clone()).await?;
            // The supervisor has always received this id as text.
            pass_on(&core, "/v1/purge", id, json!({ "appId": id.to_string() }), Force::NotTaken).await
        })
    }

    /// Restarts the services of an application on all its devices (`POST /application/…/restart`).
    ///
    /// # Errors
    /// `is_not_found` if the application does not exist; `is_locked` if devices hold update locks.
    pub fn restart(&self, application: impl Into<ApplicationKey>) -> Request<()> {
        let (core, key) = (self.core.clone(), application.into());
        Request::new(async move {
            let id = key.clone().resolve(core.clone()).await?;
            let restart = EndpointRequest {
                timeout: Some(DEADLINE),
                ..EndpointRequest::new(Method::POST, format!("/application/{id}/restart"), None)
            };
            let response = core.send(restart).await;
            let response = response.map_err(|error| error.with_subject(format_args!("application {key}")))?;
            action_result(response, Force::NotTaken)
        })
    }
}

async fn pass_on(core: &Core, path: &str, id: i64, data: Value, force: Force) -> Result<()> {
    let body = json!({ "appId": id, "data": data });
    let passed = ProxiedCall { path: path.to_owned(), body, idempotent: false, deadline: None, force };
    action_result(core.send_proxied(passed).await?, force)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::BufferedResponse;

    fn answered(body: &'static str) -> Result<()> {
        action_result(
            BufferedResponse {
                operation: "POST /supervisor/v1/reboot".into(),
                status: 207,
                headers: http::HeaderMap::new(),
                token: None,
                body: body.into(),
            },
            Force::Offered,
        )
    }

    #[test]
    fn every_device_has_to_agree() {
        answered(r#"[{"statusCode":202,"body":"{\"Data\": \"OK\", \"Error\": null}"},{"statusCode":200}]"#)
            .unwrap();
        answered(r#"{"Data":"OK","Error":""}"#).unwrap();
        answered(r#"{"Data":"OK","Error":null}"#).unwrap();
        answered("OK").unwrap();
        answered("").unwrap();
        let error = answered(
            r#"[{"statusCode":202},{"statusCode":423,"body":"{\"Data\":\"\",\"Error\":\"Updates are locked\"}"},{"statusCode":500}]"#,
        )
        .unwrap_err();
        assert!(error.is_locked() && error.was_sent() && error.status() == Some(423), "{error}");
        assert!(
            error
                .to_string()
                .contains("2 of 3 devices refused, the first with status 423: Updates are locked"),
            "{error}"
        );
        assert!(answered(r#"{"Data":"","Error":"no"}"#).unwrap_err().is_rejected());
        assert!(answered(r#"[{"body":"OK"}]"#).unwrap_err().is_decode());
    }
}
