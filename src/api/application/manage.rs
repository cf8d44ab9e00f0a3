//! Changing and deleting applications.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::checks;
use crate::error::{Error, Result};
use crate::ids::ApplicationId;
use crate::odata::Query;
use crate::resource::batch::{
    ApplicationKeys, Batch, BatchResource, KeyColumn, Keys, Operation, PerItem, RowBatch, RowOperation,
};
use crate::resource::key_value::ParentKey;
use crate::resource::keys::{ApplicationKey, DeviceKey};
use crate::resource::schema::Resource as _;
use crate::resource::write::RowSelector;
use crate::resource::write_request::{RowWriter, WriteRequest};
use crate::rows::{Application, Device};

use super::Applications;

impl Applications {
    /// Deletes applications with all their devices and releases (`DELETE /v6/application`). This can't be undone.
    /// Succeeds for ids that do not exist: the API does not report it.
    ///
    /// # Errors
    /// `is_not_found` if a slug or uuid does not exist, before anything is deleted.
    pub fn remove(&self, applications: impl Into<ApplicationKeys>) -> Batch<ApplicationKey> {
        let (core, applications) = (self.core.clone(), applications.into());
        let identity = json!(["delete"]);
        let operation: Box<dyn Operation<ApplicationKey>> = match &applications {
            Keys::One(_) => {
                Box::new(PerItem::new(identity, move |writer: RowWriter, key: ApplicationKey| async move {
                    let id = key.clone().resolve(writer.core().clone()).await?;
                    let removed = writer.delete(Application::NAME, &RowSelector::id(id)).await;
                    removed.map_err(|error| error.with_subject(format_args!("application {key}")))
                }))
            }
            Keys::Several(_) => Box::new(RowBatch {
                core,
                identity,
                operation: RowOperation::<Application>::Delete,
                single: false,
            }),
        };
        Batch::new(&self.core, applications.into_list(), Ok(operation))
    }

    /// Renames an application (`PATCH /v6/application`). Its slug changes too.
    ///
    /// # Errors
    /// `is_not_found` if the slug or uuid does not exist; `is_conflict` if the organization has an application of
    /// this name.
    pub fn rename(
        &self,
        application: impl Into<ApplicationKey>,
        new_name: impl Into<String>,
    ) -> WriteRequest {
        let name = new_name.into();
        let checked = checks::name("new_name", &name);
        self.change(application, json!({ "app_name": name })).checked(checked)
    }

    /// Grants balena's support access to an application and its devices until this time (`PATCH /v6/application`).
    ///
    /// # Errors
    /// `is_invalid_argument` if the time is not in the future; `is_not_found` if the slug or uuid does not exist.
    #[doc(alias = "grantSupportAccess")]
    pub fn grant_support_access(
        &self,
        application: impl Into<ApplicationKey>,
        expiry_timestamp: Timestamp,
    ) -> WriteRequest {
        let until = json!({ "is_accessible_by_support_until__date": expiry_timestamp.as_millisecond() });
        let is_past = expiry_timestamp <= self.core.http.clock.now();
        let past = || Error::argument("expiry_timestamp", "it is not in the future");
        self.change(application, until).checked(if is_past { Err(past()) } else { Ok(()) })
    }

    /// Ends support access (`PATCH /v6/application`).
    ///
    /// # Errors
    /// `is_not_found` if the slug or uuid does not exist.
    #[doc(alias = "revokeSupportAccess")]
    pub fn revoke_support_access(&self, application: impl Into<ApplicationKey>) -> WriteRequest {
        self.change(application, json!({ "is_accessible_by_support_until__date": null }))
    }

    /// Enables the public URLs of all devices of an application (`PATCH /v6/device`, after `GET /v6/application`).
    ///
    /// # Errors
    /// `is_not_found` if the application does not exist.
    #[doc(alias = "enableDeviceUrls")]
    pub fn enable_device_urls(&self, application: impl Into<ApplicationKey>) -> WriteRequest {
        self.set_device_urls(application, true)
    }

    /// Disables the public URLs of all devices of an application (`PATCH /v6/device`, after `GET /v6/application`).
    ///
    /// # Errors
    /// `is_not_found` if the application does not exist.
    #[doc(alias = "disableDeviceUrls")]
    pub fn disable_device_urls(&self, application: impl Into<ApplicationKey>) -> WriteRequest {
        self.set_device_urls(application, false)
    }

    fn set_device_urls(&self, application: impl Into<ApplicationKey>, on: bool) -> WriteRequest {
        let (core, key) = (self.core.clone(), application.into());
        WriteRequest::new(&self.core, move |writer| async move {
            let id = core.id_of(key.target::<Application>(Query::new())?).await?;
            let devices = RowSelector::filter(Device::APPLICATION.id().eq(id));
            writer.change("device", &devices, &json!({ "is_web_accessible": on })).await
        })
    }

    /// Sets columns of an application. With an id, no look-up is needed.
    pub(super) fn change(&self, application: impl Into<ApplicationKey>, columns: Value) -> WriteRequest {
        let (core, key) = (self.core.clone(), application.into());
        WriteRequest::new(&self.core, move |writer| async move {
            let id = key.clone().resolve(core.clone()).await?;
            let changed = writer.change("application", &RowSelector::id(id), &columns).await;
            changed.map_err(|error| error.with_subject(format_args!("application {key}")))
        })
    }
}

impl BatchResource for Application {
    type Key = ApplicationKey;

    const ORDER: &'static str = "app_name";

    /// A uuid has the length of a device's; a slug contains a slash.
    fn named(key: &ApplicationKey) -> Result<KeyColumn> {
        key.check()?;
        Ok(match key {
            ApplicationKey::Id(id) => KeyColumn::Id(id.get()),
            ApplicationKey::Name(name) if DeviceKey::is_whole_uuid(name) && !name.contains('/') => {
                KeyColumn::By("uuid", name.to_lowercase())
            }
            ApplicationKey::Name(name) => KeyColumn::By("slug", name.to_lowercase()),
        })
    }

    fn id(&self) -> Option<i64> {
        self.id.map(ApplicationId::get)
    }

    fn name(&self, column: &'static str) -> Option<String> {
        if column == "uuid" { self.uuid.clone() } else { self.slug.clone() }
    }
}
