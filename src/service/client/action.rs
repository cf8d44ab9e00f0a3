//! Actions that a running service does for its clients: restart, reboot and so on.

use std::future::IntoFuture;
use std::pin::Pin;
use std::time::Duration;

use http::Method;
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::error::{Error, ErrorKind, Result};

use super::Client;
use super::call::Call;

/// The service answers after 30 s at the latest, with the id of an action that goes on.
const DEADLINE: Duration = Duration::from_secs(45);

/// An action that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Action {
    /// For [`Client::action`].
    pub id: String,
    /// The client that asked.
    pub client: String,
    /// `start`, `stop`, `restart`, `purge`, `reboot`, `shutdown`, `update` or `identify`.
    pub action: String,
    /// The service; `None` if it is of the application or the device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// `given` if the locks of others were to be deleted, else `no`.
    #[serde(default)]
    pub force: String,
    /// Why, in the client's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// `running`, `done`, `failed` or `unknown`: the service ended, or got no answer. An unknown one is never repeated.
    pub state: String,
    /// When it was asked for, by the clock of the device.
    pub asked: Timestamp,
    /// When its end was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// A word for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

impl Action {
    /// Returns whether it has not ended: ask again with [`Client::action`].
    pub fn is_running(&self) -> bool {
        self.state == "running"
    }
}

/// The actions. Each needs its scope, e.g. `actions:reboot`, or `actions:restart:web` for one service.
impl Client {
    /// Restarts a service of the application.
    pub fn restart_service(&self, service: &str) -> ActionRequest {
        self.ask_service(service, "restart")
    }

    /// Starts a service of the application.
    pub fn start_service(&self, service: &str) -> ActionRequest {
        self.ask_service(service, "start")
    }

    /// Stops a service of the application.
    pub fn stop_service(&self, service: &str) -> ActionRequest {
        self.ask_service(service, "stop")
    }

    /// Restarts all services of the application, the agent's own too.
    pub fn restart(&self) -> ActionRequest {
        self.ask("/agent/v1/restart".to_owned(), None)
    }

    /// Deletes the volumes of the application, the agent's own too, and restarts its services. `confirm` is the name
    /// or the uuid of the device.
    pub fn purge(&self, confirm: impl Into<String>) -> ActionRequest {
        self.ask("/agent/v1/purge".to_owned(), Some(confirm.into()))
    }

    /// Reboots the device. `confirm` is its name or uuid.
    pub fn reboot(&self, confirm: impl Into<String>) -> ActionRequest {
        self.ask("/agent/v1/reboot".to_owned(), Some(confirm.into()))
    }

    /// Shuts the device down. `confirm` is its name or uuid.
    pub fn shutdown(&self, confirm: impl Into<String>) -> ActionRequest {
        self.ask("/agent/v1/shutdown".to_owned(), Some(confirm.into()))
    }

    /// Makes the supervisor look for an update now. With [`force`](ActionRequest::force) it overrides update locks.
    pub fn update(&self) -> ActionRequest {
        self.ask("/agent/v1/update".to_owned(), None)
    }

    /// Blinks the LED of the device.
    pub fn identify(&self) -> ActionRequest {
        self.ask("/agent/v1/identify".to_owned(), None)
    }

    /// Returns an action that this client asked for (`GET /agent/v1/actions/{id}`). The service remembers the last 64.
    ///
    /// # Errors
    /// `is_not_found` if it is not remembered; the errors of [`health`](Self::health).
    pub async fn action(&self, id: &str) -> Result<Action> {
        self.call(Call::get(format!("/agent/v1/actions/{}", utf8_percent_encode(id, NON_ALPHANUMERIC)))).await
    }

    fn ask_service(&self, service: &str, action: &str) -> ActionRequest {
        let service = utf8_percent_encode(service, NON_ALPHANUMERIC);
        self.ask(format!("/agent/v1/services/{service}/{action}"), None)
    }

    fn ask(&self, path: String, confirm: Option<String>) -> ActionRequest {
        let body = confirm.map(|confirm| ("confirm".to_owned(), json!(confirm)));
        ActionRequest { client: self.clone(), path, body: body.into_iter().collect(), idempotency_key: None }
    }
}

/// The request for an action. Nothing is sent before `.await`.
#[derive(Debug, Clone)]
#[must_use = "nothing is sent before `.await`"]
pub struct ActionRequest {
    client: Client,
    path: String,
    body: Map<String, Value>,
    idempotency_key: Option<String>,
}

impl ActionRequest {
    /// Deletes the update locks of others. Needs the scope `force` too.
    pub fn force(mut self) -> Self {
        self.body.insert("force".to_owned(), json!(true));
        self
    }

    /// Sets why, for the ledger. Up to 200 characters.
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.body.insert("reason".to_owned(), json!(reason.into()));
        self
    }

    /// Sets a key of 1 to 128 visible ASCII characters: the same request with the same key is done once, also after
    /// this program has restarted. By default each request has a new one.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    async fn send(self) -> Result<Action> {
        let key = match self.idempotency_key {
            Some(key) => key,
            None => getrandom::u64().map(|key| format!("{key:016x}")).map_err(|cause| {
                Error::new(ErrorKind::Io, format!("no random numbers for a request ({cause})"))
            })?,
        };
        let call = Call::new(Method::POST, self.path).body(Value::Object(self.body));
        self.client.call(call.deadline(DEADLINE).idempotency_key(&key)).await
    }
}

impl IntoFuture for ActionRequest {
    type Output = Result<Action>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    /// Resolves when the action has ended, or after 30 s, or at once if it ends the service itself: then
    /// [`is_running`](Action::is_running).
    ///
    /// # Errors
    /// `is_locked` if a lease is held or the supervisor refuses because of an update lock; `is_not_found` for a service
    /// that the application does not have; `is_invalid_argument` if the confirmation is not that of the device;
    /// `is_unauthorized` without the scope; `is_conflict` if the idempotency key was used for another request;
    /// `is_server` if the action failed. The errors of [`Client::health`].
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
