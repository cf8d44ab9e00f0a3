//! History of the releases and OS versions of devices.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::core::Core;
use crate::error::{Error, Result};
use crate::odata::{Filter, Query};
use crate::resource::keys::{ApplicationKey, DeviceKey};
use crate::resource::read::ReadTarget;
use crate::resource::read_request::List;
use crate::rows::{Application, DeviceHistory};

use super::Devices;

/// Default period before the call.
const DEFAULT_PAST: SignedDuration = SignedDuration::from_hours(7 * 24);

/// History of devices: which release, host OS and supervisor they ran. From [`Devices::history`].
///
/// By default it covers the last seven days before the call:
///
/// ```no_run
/// # async fn example(balena: balena_agent::Balena) -> Result<(), Box<dyn std::error::Error>> {
/// let june = "2024-06-01T00:00:00Z".parse()?;
/// let history = balena.device().history().from_date(june).get_all_by_device(1234).top(10).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct DeviceHistories {
    core: Arc<Core>,
    from: From,
    to: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy)]
enum From {
    Default,
    Beginning,
    Date(Timestamp),
}

impl Devices {
    /// Returns the functions of the history of devices.
    pub fn history(&self) -> DeviceHistories {
        DeviceHistories { core: self.core.clone(), from: From::Default, to: None }
    }
}

impl DeviceHistories {
    /// Returns entries created at this time or later.
    #[doc(alias = "fromDate")]
    pub fn from_date(self, from: Timestamp) -> Self {
        Self { from: From::Date(from), ..self }
    }

    /// Returns entries of any age, not only those of the last seven days.
    pub fn from_the_beginning(self) -> Self {
        Self { from: From::Beginning, ..self }
    }

    /// Returns entries created at this time or earlier.
    #[doc(alias = "toDate")]
    pub fn to_date(self, to: Timestamp) -> Self {
        Self { to: Some(to), ..self }
    }

    /// Lists the history of one device, given by its id or its full uuid (`GET /v6/device_history`). A deleted
    /// device keeps its history.
    ///
    /// # Errors
    /// `is_invalid_argument` for a part of a uuid.
    #[doc(alias = "getAllByDevice")]
    pub fn get_all_by_device(&self, device: impl Into<DeviceKey>) -> List<DeviceHistory> {
        let device = device.into();
        self.list(async move {
            device.check()?;
            match &device {
                DeviceKey::Id(id) => Ok(DeviceHistory::DEVICE.id().eq(id.get())),
                DeviceKey::Name(uuid) if DeviceKey::is_whole_uuid(uuid) => {
                    Ok(DeviceHistory::UUID.eq(uuid.as_str()))
                }
                DeviceKey::Name(_) => {
                    Err(Error::argument("device", format_args!("{device} is neither an id nor a full uuid")))
                }
            }
        })
    }

    /// Lists the history of all devices of an application (`GET /v6/device_history`).
    ///
    /// # Errors
    /// `is_not_found` if the application does not exist; `is_ambiguous` if several match.
    #[doc(alias = "getAllByApplication")]
    pub fn get_all_by_application(&self, application: impl Into<ApplicationKey>) -> List<DeviceHistory> {
        let (core, application) = (self.core.clone(), application.into());
        self.list(async move {
            let id = core.id_of(application.target::<Application>(Query::new())?).await?;
            Ok(DeviceHistory::APPLICATION.id().eq(id))
        })
    }

    fn list(
        &self,
        of: impl Future<Output = Result<Filter<DeviceHistory>>> + Send + 'static,
    ) -> List<DeviceHistory> {
        let this = self.clone();
        List::new(&self.core, async move {
            let of = of.await?;
            let from = match this.from {
                From::Default => this.core.http.clock.now().checked_sub(DEFAULT_PAST).ok(),
                From::Beginning => None,
                From::Date(from) => Some(from),
            };
            let mut query = Query::new();
            if let Some(from) = from {
                query = query.filter(DeviceHistory::CREATED_AT.ge(from));
            }
            if let Some(to) = this.to {
                query = query.filter(DeviceHistory::CREATED_AT.le(to));
            }
            Ok(ReadTarget::list::<DeviceHistory>(query.filter(of)))
        })
    }
}
