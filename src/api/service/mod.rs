//! Services and their variables.

mod key;

use std::sync::Arc;

use serde_json::json;

use crate::core::Core;
use crate::odata::Query;

use crate::resource::key_value::{KeyValue, KeyValueKind};
use crate::resource::keys::ApplicationKey;
use crate::resource::read_request::List;
use crate::rows::{Application, Service, ServiceVariable};

pub use key::ServiceKey;

/// Services. From [`Balena::service`](crate::Balena::service).
#[derive(Debug, Clone)]
pub struct Services {
    core: Arc<Core>,
}

impl Services {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        Self { core: core.clone() }
    }

    /// Lists the services of an application, including those of earlier releases (`GET /v6/application`).
    ///
    /// # Errors
    /// `is_not_found` if the application does not exist.
    #[doc(alias = "getAllByApplication")]
    pub fn get_all_by_application(&self, application: impl Into<ApplicationKey>) -> List<Service> {
        let key = application.into();
        List::new(&self.core, async move {
            let outer = key.target::<Application>(Query::new().select(["service"]))?;
            Ok(outer.through(&Application::SERVICE, Query::new()))
        })
    }

    /// Returns the functions of variables of services, for all devices of their applications.
    pub fn var(&self) -> KeyValue<ServiceKey, ServiceVariable> {
        KeyValue::new(&self.core)
    }
}

impl KeyValueKind for ServiceVariable {
    const KEY: &'static str = "name";
    const PARENT: &'static str = "service";
}

impl KeyValue<ServiceKey, ServiceVariable> {
    /// Lists the variables of a service, by name (`GET /v6/service_environment_variable`).
    ///
    /// # Errors
    /// `is_not_found` if the application or its service does not exist.
    #[doc(alias = "getAllByService")]
    pub fn get_all_by_service(&self, service: impl Into<ServiceKey>) -> List<ServiceVariable> {
        self.of_parent(service)
    }

    /// Lists the variables of all services of an application, by name (`GET /v6/service_environment_variable`).
    ///
    /// # Errors
    /// `is_not_found` if the application does not exist.
    #[doc(alias = "getAllByApplication")]
    pub fn get_all_by_application(&self, application: impl Into<ApplicationKey>) -> List<ServiceVariable> {
        let (core, key) = (self.core().clone(), application.into());
        self.list(async move {
            let id = core.id_of(key.target::<Application>(Query::new())?).await?;
            Ok(Some(json!({
                "service": { "$any": { "$alias": "s", "$expr": { "s": { "application": id } } } }
            })))
        })
    }
}
