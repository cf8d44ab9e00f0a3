//! Actions on one device. Building one sends nothing; `.await` does.

use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::http::BoxFuture;
use crate::resource::request::Request;
use crate::supervisor::{
    Call, Confirmation, MakesContainers, NamesService, PendingCall, SupervisorResponse, TakesForce,
    UpdateOptions,
};

use super::remote::{self, RequiredFields};
use super::target::Route;

/// An action on a device. Nothing is sent before `.await`. `O` determines its options.
///
/// For this device it is sent to the supervisor. For another device the API forwards it (`POST /supervisor/…`),
/// after a request that looks up the device. Each attempt has a timeout of 60 s, and only actions that read are
/// retried.
///
/// # Errors
/// Through the API, besides those of the action: `is_not_found` or `is_ambiguous` for the device itself,
/// `is_device_offline` if the API can't reach it, `is_unauthorized` if the token has no access to it.
#[derive(Debug)]
#[must_use = "nothing is sent before `.await`"]
pub struct DeviceAction<T, O = ()> {
    core: Arc<Core>,
    way: Result<Route>,
    needs: RequiredFields,
    call: Call<T, O>,
}

impl<T, O> DeviceAction<T, O> {
    pub(super) fn new(core: &Arc<Core>, way: Result<Route>, needs: RequiredFields, call: Call<T, O>) -> Self {
        Self { core: core.clone(), way, needs, call }
    }

    fn map(self, change: impl FnOnce(Call<T, O>) -> Call<T, O>) -> Self {
        Self { call: change(self.call), ..self }
    }

    /// Sets the patience, as [`Call::patience`]. Has no effect through the API.
    pub fn patience(self, patience: Duration) -> Self {
        self.map(|call| call.patience(patience))
    }

    /// Sets the timeout of each attempt, as [`Call::deadline`].
    pub fn deadline(self, deadline: Duration) -> Self {
        self.map(|call| call.deadline(deadline))
    }
}

impl<T, O: TakesForce> DeviceAction<T, O> {
    /// Overrides update locks, as [`Call::force`].
    pub fn force(self) -> Self {
        self.map(Call::<T, O>::force)
    }
}

impl<T, O: NamesService> DeviceAction<T, O> {
    /// Skips the check of the service's name, as [`Call::unchecked`]. For another device there is no check.
    pub fn unchecked(self) -> Self {
        self.map(Call::<T, O>::unchecked)
    }

    /// Checks an image id too, as [`Call::checked`]. Has no effect through the API.
    pub fn checked(self) -> Self {
        self.map(Call::<T, O>::checked)
    }
}

impl<O: MakesContainers + 'static> DeviceAction<(), O> {
    /// Returns whether the containers were replaced, as [`Call::confirm`].
    ///
    /// # Errors
    /// As [`Call::confirm`]; `is_unsupported` for another device, before anything is sent.
    pub fn confirm(self) -> Request<Confirmation> {
        Request::new(async move {
            match self.way? {
                Route::Here => self.call.confirm().await,
                Route::There(device) => Err(Error::new(
                    ErrorKind::Unsupported,
                    format!(
                        "the containers of device {device} can't be compared from here; nothing was sent"
                    ),
                )
                .with_help("send it without confirm, and check the device's services afterwards")),
            }
        })
    }
}

impl<T> DeviceAction<T, UpdateOptions> {
    /// Applies the update although update locks are held. If a locked update is already being retried, force has no
    /// effect without [`cancel`](Self::cancel).
    pub fn force(self) -> Self {
        self.map(Call::<T, UpdateOptions>::force)
    }

    /// Aborts an update in progress and starts again.
    pub fn cancel(self) -> Self {
        self.map(Call::<T, UpdateOptions>::cancel)
    }
}

impl<T: Send + 'static, O: 'static> IntoFuture for DeviceAction<T, O> {
    type Output = Result<T>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<T>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { core, way, needs, call } = self;
        let (sending, read) = call.into_parts();
        let answered = answered(core, way, needs, sending);
        Box::pin(async move {
            let (answer, attempts) = answered.await?;
            read(answer).map_err(|error| match attempts {
                Some(attempts) => error.with_attempts(attempts),
                None => remote::explain_proxied_error(error),
            })
        })
    }
}

/// Sends the action. Returns the response, and the number of attempts if it is from this device's supervisor.
fn answered(
    core: Arc<Core>,
    way: Result<Route>,
    needs: RequiredFields,
    sending: PendingCall,
) -> BoxFuture<'static, Result<(SupervisorResponse, Option<u32>)>> {
    Box::pin(async move {
        match way? {
            Route::Here => sending.respond().await.map(|(answer, attempts)| (answer, Some(attempts))),
            Route::There(device) => {
                let answer =
                    remote::send_proxied(&core, &device, needs, sending.spec?, sending.deadline).await?;
                Ok((answer, None))
            }
        }
    })
}
