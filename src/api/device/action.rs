//! One action on one device: built first, sent by `.await`.

use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::api::request::Request;
use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::http::BoxFuture;
use crate::supervisor::{
    Answer, Call, Confirmation, MakesContainers, NamesService, Sending, TakesForce, Updating,
};

use super::remote::{self, Needs};
use super::target::Way;

/// An action on a device. Nothing is sent before `.await`; `O` says which options it has.
///
/// On this device it goes to the supervisor. On another one the cloud passes it on (`POST /supervisor/…`),
/// after it was asked which device that is: 60 s a try, and only what reads is ever tried again.
///
/// # Errors
/// Through the cloud, besides those of the action: `is_not_found` and `is_ambiguous` for the device itself,
/// `is_device_offline` when the cloud can't reach it, `is_unauthorized` when the token does not cover it.
#[derive(Debug)]
#[must_use = "nothing is sent before `.await`"]
pub struct DeviceAction<T, O = ()> {
    core: Arc<Core>,
    way: Result<Way>,
    needs: Needs,
    call: Call<T, O>,
}

impl<T, O> DeviceAction<T, O> {
    pub(super) fn new(core: &Arc<Core>, way: Result<Way>, needs: Needs, call: Call<T, O>) -> Self {
        Self { core: core.clone(), way, needs, call }
    }

    fn map(self, change: impl FnOnce(Call<T, O>) -> Call<T, O>) -> Self {
        Self { call: change(self.call), ..self }
    }

    /// As [`Call::patience`]; changes nothing on the way through the cloud.
    pub fn patience(self, patience: Duration) -> Self {
        self.map(|call| call.patience(patience))
    }

    /// Another deadline for each try, as [`Call::deadline`].
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
    /// Sends it without a look at the service's name first, as [`Call::unchecked`]. On another device there is
    /// none.
    pub fn unchecked(self) -> Self {
        self.map(Call::<T, O>::unchecked)
    }

    /// Looks at an image id too before it is sent, as [`Call::checked`]; changes nothing on the way through the
    /// cloud.
    pub fn checked(self) -> Self {
        self.map(Call::<T, O>::checked)
    }
}

impl<O: MakesContainers + 'static> DeviceAction<(), O> {
    /// Tells whether the containers are new ones, as [`Call::confirm`].
    ///
    /// # Errors
    /// As [`Call::confirm`]; `is_unsupported` for another device, and nothing is sent.
    pub fn confirm(self) -> Request<Confirmation> {
        Request::new(async move {
            match self.way? {
                Way::Here => self.call.confirm().await,
                Way::There(device) => Err(Error::new(
                    ErrorKind::Unsupported,
                    format!(
                        "the containers of device {device} can't be compared from here; nothing was sent"
                    ),
                )
                .help("do it without confirm, and look at the device's services afterwards")),
            }
        })
    }
}

impl<T> DeviceAction<T, Updating> {
    /// Applies the update although update locks are held. While a locked update is already being retried,
    /// force alone changes nothing: add [`cancel`](Self::cancel).
    pub fn force(self) -> Self {
        self.map(Call::<T, Updating>::force)
    }

    /// Ends what is being applied or downloaded and starts over.
    pub fn cancel(self) -> Self {
        self.map(Call::<T, Updating>::cancel)
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
                None => remote::of_another_device(error),
            })
        })
    }
}

/// The answer; and how often it was sent, where it was this device's supervisor that answered.
fn answered(
    core: Arc<Core>,
    way: Result<Way>,
    needs: Needs,
    sending: Sending,
) -> BoxFuture<'static, Result<(Answer, Option<u32>)>> {
    Box::pin(async move {
        match way? {
            Way::Here => sending.answered().await.map(|(answer, attempts)| (answer, Some(attempts))),
            Way::There(device) => {
                let answer = remote::pass_on(&core, &device, needs, sending.spec?, sending.deadline).await?;
                Ok((answer, None))
            }
        }
    })
}
