//! Environment variables of one service on one device.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use crate::checks;
use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::odata::{Filter, Navigation, Query};
use crate::resource::keys::{ApplicationKey, DeviceKey, DeviceServiceKey, IdRow};
use crate::resource::read::{ReadTarget, rows, whole_rows};
use crate::resource::read_request::List;
use crate::resource::request::Request;
use crate::resource::schema::Resource;
use crate::resource::write::RowSelector;
use crate::resource::write_request::WriteRequest;
use crate::rows::{Application, Device, DeviceServiceVariable, Service, ServiceInstall};

use super::Devices;

/// Environment variables of services on devices. From [`Devices::service_var`].
#[derive(Debug, Clone)]
pub struct DeviceServiceVariables {
    core: Arc<Core>,
}

impl Devices {
    /// Returns the functions of environment variables of one service on one device.
    #[doc(alias = "serviceVar")]
    pub fn service_var(&self) -> DeviceServiceVariables {
        DeviceServiceVariables { core: self.core.clone() }
    }
}

impl DeviceServiceVariables {
    /// Lists the variables of all services on one device (`GET /v6/device_service_environment_variable`).
    ///
    /// # Errors
    /// `is_not_found` if the device does not exist; `is_ambiguous` if several uuids start with the text.
    #[doc(alias = "getAllByDevice")]
    pub fn get_all_by_device(&self, device: impl Into<DeviceKey>) -> List<DeviceServiceVariable> {
        let (core, device) = (self.core.clone(), device.into());
        List::new(&self.core, async move {
            let on_device = ServiceInstall::DEVICE.id().eq(device_id(&core, &device).await?);
            Ok(ReadTarget::list::<DeviceServiceVariable>(Query::new().filter(of_installs(on_device))))
        })
    }

    /// Lists the variables of all services on all devices of an application, by name
    /// (`GET /v6/device_service_environment_variable`).
    ///
    /// # Errors
    /// `is_not_found` if the application does not exist; `is_ambiguous` if several match.
    #[doc(alias = "getAllByApplication")]
    pub fn get_all_by_application(
        &self,
        application: impl Into<ApplicationKey>,
    ) -> List<DeviceServiceVariable> {
        let (core, application) = (self.core.clone(), application.into());
        List::new(&self.core, async move {
            let id = core.id_of(application.target::<Application>(Query::new())?).await?;
            let on_devices = ServiceInstall::DEVICE.any(Device::APPLICATION.id().eq(id));
            let query =
                Query::new().filter(of_installs(on_devices)).order_by(DeviceServiceVariable::NAME.asc());
            Ok(ReadTarget::list::<DeviceServiceVariable>(query))
        })
    }

    /// Returns the value of a variable (`GET /v6/device_service_environment_variable`). `None` if there is none, or
    /// more than one.
    ///
    /// # Errors
    /// `is_not_found` if the device does not exist; `is_ambiguous` if several uuids start with the text.
    pub fn get(
        &self,
        device: impl Into<DeviceKey>,
        service: impl Into<DeviceServiceKey>,
        name: impl Into<String>,
    ) -> Request<Option<String>> {
        #[derive(Deserialize)]
        struct Row {
            value: Option<String>,
        }
        let (core, variable) = (self.core.clone(), Variable::new(device, service, name));
        Request::new(async move {
            let query = variable.query(&core).await?.select(["value"]);
            let response = core.read(<DeviceServiceVariable as Resource>::NAME, None, &query).await?;
            let mut rows = whole_rows::<Row>(&response, &query)?.into_iter();
            Ok(match (rows.next(), rows.next()) {
                (Some(row), None) => row.value,
                _ => None,
            })
        })
    }

    /// Sets the value of a variable: creates it (`POST /v6/device_service_environment_variable`) or replaces it
    /// (`PATCH`).
    ///
    /// # Errors
    /// `is_invalid_argument` if the name is not a valid variable name, or the value exceeds 100,000 characters;
    /// `is_not_found` if the device does not exist or lacks the service; `is_ambiguous` if several match.
    pub fn set(
        &self,
        device: impl Into<DeviceKey>,
        service: impl Into<DeviceServiceKey>,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Request<()> {
        let (core, variable, value) = (self.core.clone(), Variable::new(device, service, name), value.into());
        Request::new(async move {
            checks::variable_name("name", &variable.name)?;
            checks::variable_value("value", &value)?;
            let install = variable.install(&core).await?;
            core.upsert(
                <DeviceServiceVariable as Resource>::NAME,
                &[("service_install", install.into()), ("name", variable.name.into())],
                &[("value", Value::String(value))],
            )
            .await
        })
    }

    /// Deletes a variable (`DELETE /v6/device_service_environment_variable`). Succeeds even if it does not exist:
    /// the API does not report it.
    ///
    /// # Errors
    /// `is_not_found` if the device does not exist; `is_ambiguous` if several uuids start with the text.
    pub fn remove(
        &self,
        device: impl Into<DeviceKey>,
        service: impl Into<DeviceServiceKey>,
        name: impl Into<String>,
    ) -> WriteRequest {
        let (core, variable) = (self.core.clone(), Variable::new(device, service, name));
        WriteRequest::new(&self.core, move |writer| async move {
            let rows = RowSelector::Where(variable.query(&core).await?);
            writer.delete(<DeviceServiceVariable as Resource>::NAME, &rows).await
        })
    }
}

/// A variable, by the caller's keys.
struct Variable {
    device: DeviceKey,
    service: DeviceServiceKey,
    name: String,
}

impl Variable {
    fn new(
        device: impl Into<DeviceKey>,
        service: impl Into<DeviceServiceKey>,
        name: impl Into<String>,
    ) -> Self {
        Self { device: device.into(), service: service.into(), name: name.into() }
    }

    fn check(&self) -> Result<()> {
        self.service.check()?;
        checks::non_empty("name", &self.name)
    }

    /// Returns the query of the variable's rows. Looks up the device's id.
    async fn query(&self, core: &Core) -> Result<Query> {
        self.check()?;
        let id = device_id(core, &self.device).await?;
        let install = ServiceInstall::DEVICE.id().eq(id).and(self.installs(&ServiceInstall::SERVICE));
        let named = DeviceServiceVariable::NAME.eq(self.name.as_str());
        Ok(Query::new().filter(of_installs(install).and(named)))
    }

    fn installs(&self, service: &Navigation<ServiceInstall, Service>) -> Filter<ServiceInstall> {
        match &self.service {
            DeviceServiceKey::Id(id) => service.id().eq(id.get()),
            DeviceServiceKey::Name(name) => service.any(Service::SERVICE_NAME.eq(name.as_str())),
        }
    }

    /// Returns the id of the service's install on the device.
    async fn install(&self, core: &Core) -> Result<i64> {
        self.check()?;
        self.device.check()?;
        let on_device = match &self.device {
            DeviceKey::Id(id) => ServiceInstall::DEVICE.id().eq(id.get()),
            DeviceKey::Name(uuid) if DeviceKey::is_whole_uuid(uuid) => {
                ServiceInstall::DEVICE.any(Device::UUID.eq(uuid.as_str()))
            }
            DeviceKey::Name(_) => ServiceInstall::DEVICE.id().eq(device_id(core, &self.device).await?),
        };
        let filter = on_device.and(self.installs(&ServiceInstall::SERVICE.with_alias("s")));
        let query = Query::new().select(["id"]).filter(filter);
        let response = core.read(<ServiceInstall as Resource>::NAME, None, &query).await?;
        let found: Vec<IdRow> = rows(&response)?;
        let error = |kind, text: String| {
            Error::new(kind, text)
                .with_operation(response.operation.clone())
                .with_status(response.status)
                .with_sent(true)
        };
        let mut found = found.into_iter();
        match (found.next(), found.next()) {
            (Some(install), None) => Ok(install.id),
            (None, _) => {
                let text = format!("service {} not found on device {}", self.service, self.device);
                Err(error(ErrorKind::NotFound, text).with_help("check that the device's release contains it"))
            }
            _ => {
                let text = format!(
                    "device {} is ambiguous: it has service {} more than once",
                    self.device, self.service
                );
                Err(error(ErrorKind::Ambiguous, text).with_help("give the service's id"))
            }
        }
    }
}

/// Looks up a device's id, even by id: a missing device is an error, not an empty list.
async fn device_id(core: &Core, device: &DeviceKey) -> Result<i64> {
    core.id_of(device.target::<Device>(Query::new())?).await
}

fn of_installs(filter: Filter<ServiceInstall>) -> Filter<DeviceServiceVariable> {
    DeviceServiceVariable::SERVICE_INSTALL.any(filter)
}
