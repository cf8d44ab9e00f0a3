//! One action on one device: built first, sent by `.await`.

use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::core::Core;
use crate::error::Result;
use crate::supervisor::{Call, Forceable, Updating};

use super::target::DeviceTarget;

/// An action on a device. Nothing is sent before `.await`; `O` says which options it has.
#[derive(Debug)]
#[must_use = "nothing is sent before `.await`"]
pub struct DeviceAction<T, O = ()> {
    core: Arc<Core>,
    target: DeviceTarget,
    call: Call<T, O>,
}

impl<T, O> DeviceAction<T, O> {
    pub(super) fn new(core: Arc<Core>, target: DeviceTarget, call: Call<T, O>) -> Self {
        Self { core, target, call }
    }

    fn map(self, change: impl FnOnce(Call<T, O>) -> Call<T, O>) -> Self {
        Self { call: change(self.call), ..self }
    }

    /// As [`Call::patience`].
    pub fn patience(self, patience: Duration) -> Self {
        self.map(|call| call.patience(patience))
    }

    /// As [`Call::deadline`].
    pub fn deadline(self, deadline: Duration) -> Self {
        self.map(|call| call.deadline(deadline))
    }
}

impl<T> DeviceAction<T, Forceable> {
    /// Overrides update locks, as [`Call::force`].
    pub fn force(self) -> Self {
        self.map(Call::<T, Forceable>::force)
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
        Box::pin(async move {
            self.target.require_local(&self.core.env, &self.core.supervisor)?;
            self.call.await
        })
    }
}
