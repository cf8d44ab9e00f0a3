//! Keys of services.

use std::fmt;
use std::sync::Arc;

use crate::core::Core;
use crate::error::{Error, ErrorKind, Result, escaped};
use crate::http::BoxFuture;
use crate::ids::ServiceId;
use crate::odata::Query;
use crate::resource::key_value::ParentKey;
use crate::resource::keys::{ApplicationKey, IdRow, check_id};
use crate::rows::{Application, Service};

/// Key of a service: its id, or an application and the service's name in it.
///
/// ```
/// use balena_agent::ServiceKey;
///
/// let by_id = ServiceKey::from(28_970);
/// let by_name = ServiceKey::from(("my_org/my_app", "main"));
/// # let _ = (by_id, by_name);
/// ```
///
/// A name alone is not a key: every application may have a `main`.
///
/// ```compile_fail
/// let _ = balena_agent::ServiceKey::from("main");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceKey {
    /// The numeric id.
    Id(ServiceId),
    /// The service's name in an application.
    Name {
        /// Key of the application.
        application: ApplicationKey,
        /// Name of the service in the compose file.
        service_name: String,
    },
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Name { application, service_name } => {
                write!(f, "{} of {application}", escaped(service_name))
            }
        }
    }
}

impl ParentKey for ServiceKey {
    fn resolve(self, core: Arc<Core>) -> BoxFuture<'static, Result<i64>> {
        Box::pin(async move {
            let (application, service_name) = match &self {
                Self::Id(id) => return check_id("service", id.get()),
                Self::Name { application, service_name } => (application, service_name),
            };
            if service_name.trim().is_empty() {
                return Err(Error::argument("service_name", "it is empty"));
            }
            let outer = application.target::<Application>(Query::new().select(["service"]))?;
            let named = Query::new().filter(Service::SERVICE_NAME.eq(service_name.as_str())).select(["id"]);
            let found = core.read_target(outer.through(&Application::SERVICE, named), Query::new()).await?;
            let mut services = found.rows::<IdRow>()?.into_iter();
            match (services.next(), services.next()) {
                (Some(service), None) => Ok(service.id),
                (None, _) => Err(Error::new(ErrorKind::NotFound, format!("service {self} not found"))
                    .with_sent(true)
                    .with_help(
                        "a service exists once a release has it: check the name, and that there is a release",
                    )),
                _ => {
                    Err(Error::new(ErrorKind::Ambiguous, format!("service {self} is ambiguous"))
                        .with_sent(true))
                }
            }
        })
    }
}

impl From<ServiceId> for ServiceKey {
    fn from(id: ServiceId) -> Self {
        Self::Id(id)
    }
}

impl<A: Into<ApplicationKey>, N: Into<String>> From<(A, N)> for ServiceKey {
    fn from((application, service_name): (A, N)) -> Self {
        Self::Name { application: application.into(), service_name: service_name.into() }
    }
}

macro_rules! from_numbers {
    ($($number:ty)*) => {$(
        impl From<$number> for ServiceKey {
            fn from(id: $number) -> Self {
                // An id out of range becomes 0, which is refused.
                Self::Id(ServiceId::new(i64::try_from(id).unwrap_or(0)))
            }
        }
    )*};
}
from_numbers!(i32 u32 i64 u64);
