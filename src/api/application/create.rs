//! Creating applications.

use serde_json::{Value, json};

use crate::checks;
use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::odata::{Key, Query};
use crate::resource::keys::{DeviceTypeKey, OrganizationKey};
use crate::resource::read::{ReadTarget, rows};
use crate::resource::request::Create;
use crate::rows::{Application, ApplicationClass, DeviceType, DeviceTypeAlias, Organization};

use super::Applications;

impl Applications {
    /// Creates an application (`POST /v6/application`, after `GET /v6/device_type` and `GET /v6/organization`).
    ///
    /// # Errors
    /// `is_invalid_argument` if the device type does not exist; `is_unsupported` if it was discontinued;
    /// `is_not_found` if the organization does not exist; `is_conflict` if it has an application of this name.
    pub fn create(
        &self,
        name: impl Into<String>,
        device_type: impl Into<DeviceTypeKey>,
        organization: impl Into<OrganizationKey>,
    ) -> Create<Application> {
        let (core, name, device_type) = (self.core.clone(), name.into(), device_type.into());
        let organization = organization.into();
        Create::new(&self.core, |given| async move {
            checks::name("name", &name)?;
            device_type.check()?;
            organization.check()?;
            let device_type = device_type_in_use(&core, &device_type).await?;
            let organization = core.id_of(organization_by_column(&organization)?).await?;
            let mut body = given;
            body.insert("app_name".into(), name.into());
            body.insert("is_for__device_type".into(), device_type);
            body.insert("organization".into(), organization.into());
            Ok(Value::Object(body))
        })
    }
}

impl<T> Create<Application, T> {
    /// Sets the uuid. By default the API chooses one.
    pub fn uuid(self, uuid: impl Into<String>) -> Self {
        self.set("uuid", uuid.into())
    }

    /// Sets the class: `fleet` (the default), `block` or `app`.
    #[doc(alias = "applicationClass")]
    pub fn application_class(self, class: impl Into<ApplicationClass>) -> Self {
        self.set("is_of__class", class.into().as_str())
    }
}

/// Looks up the organization even by id, so that a missing one is an error before anything is created.
fn organization_by_column(organization: &OrganizationKey) -> Result<ReadTarget> {
    let mut target = organization.target::<Organization>(Query::new())?;
    if let OrganizationKey::Id(id) = organization {
        target.key = Some(Key::of("id", id.get()));
    }
    Ok(target)
}

/// Returns the id of a device type that new devices can use.
async fn device_type_in_use(core: &Core, device_type: &DeviceTypeKey) -> Result<Value> {
    let host_apps = DeviceType::APPLICATION
        .select([Application::IS_ARCHIVED.name()])
        .filter(Application::IS_HOST.eq(true));
    let query = Query::new().select([DeviceType::ID.name()]).expand(host_apps);
    let (key, query) = match device_type {
        DeviceTypeKey::Id(id) => (Some(Key::id(*id)), query),
        DeviceTypeKey::Name(alias) => {
            let this = DeviceTypeAlias::IS_REFERENCED_BY_ALIAS.eq(alias.as_str());
            let this = DeviceType::DEVICE_TYPE_ALIAS.any(this);
            (None, query.filter(this).order_by(DeviceType::NAME.asc()).top(1))
        }
    };
    let response = core.read("device_type", key.as_ref(), &query).await?;
    let Some(row) = rows::<DeviceType>(&response)?.into_iter().next() else {
        let why = format!("there is no device type {device_type}");
        return Err(Error::argument("device_type", why).with_operation(response.operation).with_sent(true));
    };
    let host_apps = row.is_default_for_application.rows();
    if !host_apps.is_empty() && host_apps.iter().all(|app| app.is_archived == Some(true)) {
        let text = format!("device type {device_type} was discontinued");
        return Err(Error::new(ErrorKind::Unsupported, text).with_sent(true));
    }
    Ok(json!(row.id))
}
