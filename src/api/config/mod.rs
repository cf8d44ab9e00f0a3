//! The API's public configuration, device type descriptions, and rules for variables.

mod answers;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::core::{Core, EndpointRequest};
use crate::error::{Error, ErrorKind, Result, escaped};
use crate::http::BufferedResponse;

use crate::resource::json_request::{JsonRequest, decode};
use crate::resource::keys::not_empty;
use crate::resource::request::Request;
use crate::resource::request_builder::RequestBuilder;

pub use answers::{
    ApiConfig, ConfigVarSchema, DeviceTypeInitialization, DeviceTypeManifest, DeviceTypeOption,
};

const DEVICE_TYPE: &str = "deviceType";

/// The API's public configuration. From [`Balena::config`](crate::Balena::config).
#[derive(Debug, Clone)]
pub struct Config {
    core: Arc<Core>,
}

impl Config {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        Self { core: core.clone() }
    }

    /// Reads the configuration (`GET /config`), without the device types that older servers include: they have an
    /// [endpoint](Self::get_device_types) of their own.
    ///
    /// # Errors
    /// `is_unauthorized` if nobody is logged in; `is_not_found` if the server lacks the endpoint, as openBalena
    /// does.
    #[doc(alias = "getAll")]
    pub fn get_all(&self) -> JsonRequest<ApiConfig> {
        let core = self.core.clone();
        JsonRequest::new(async move {
            changed(core.send(EndpointRequest::get("/config")).await?, |config| remove(config, "deviceTypes"))
        })
    }

    /// Lists the image maker's descriptions of the device types (`GET /device-types/v1`). For the API's rows and
    /// installation instructions, see [`Balena::device_type`](crate::Balena::device_type).
    ///
    /// # Errors
    /// `is_unauthorized` if nobody is logged in.
    #[doc(alias = "getDeviceTypes")]
    pub fn get_device_types(&self) -> JsonRequest<Vec<DeviceTypeManifest>> {
        let core = self.core.clone();
        JsonRequest::new(async move { device_types(&core).await })
    }

    /// Reads the image maker's description of one device type, by its slug, its name or another alias
    /// (`GET /device-types/v1`).
    ///
    /// # Errors
    /// `is_invalid_argument` if the device type does not exist; `is_unauthorized` if nobody is logged in.
    #[doc(alias = "getDeviceTypeManifestBySlug")]
    pub fn get_device_type_manifest_by_slug(
        &self,
        slug_or_name: impl Into<String>,
    ) -> Request<DeviceTypeManifest> {
        let (core, name) = (self.core.clone(), slug_or_name.into());
        Request::new(async move { manifest(&core, &name).await })
    }

    /// Lists the settings of an image for a device type, including those asked for when a device is prepared
    /// (`GET /device-types/v1`).
    ///
    /// # Errors
    /// As [`get_device_type_manifest_by_slug`](Self::get_device_type_manifest_by_slug).
    #[doc(alias = "getDeviceOptions")]
    pub fn get_device_options(&self, device_type: impl Into<String>) -> Request<Vec<DeviceTypeOption>> {
        let (core, name) = (self.core.clone(), device_type.into());
        Request::new(async move {
            let manifest = manifest(&core, &name).await?;
            let mut options = manifest.options.unwrap_or_default();
            options.extend(manifest.initialization.and_then(|asked| asked.options).unwrap_or_default());
            Ok(options)
        })
    }

    /// Reads the rules for names of variables and the schema of configuration variables (`GET /config/vars`). They
    /// are public, so no token is sent, unless a [`device_type`](RequestBuilder::device_type) is given.
    ///
    /// # Errors
    /// `is_unauthorized` if a device type is given and nobody is logged in.
    #[doc(alias = "getConfigVarSchema")]
    pub fn get_config_var_schema(&self) -> RequestBuilder<ConfigVarSchema, ConfigVarSchema> {
        let core = self.core.clone();
        RequestBuilder::new(move |given| async move {
            let response = match given.get(DEVICE_TYPE).and_then(Value::as_str) {
                None => core.send_with_token(EndpointRequest::get("/config/vars"), None).await,
                Some(device_type) => {
                    not_empty("device_type", device_type)?;
                    let device_type = utf8_percent_encode(device_type, NON_ALPHANUMERIC);
                    core.send(EndpointRequest::get(format!("/config/vars?{DEVICE_TYPE}={device_type}"))).await
                }
            };
            decode(&response?)
        })
    }
}

impl RequestBuilder<ConfigVarSchema, ConfigVarSchema> {
    /// Reads the schema for this device type, given by its slug.
    #[doc(alias = "deviceType")]
    pub fn device_type(self, slug: impl Into<String>) -> Self {
        self.set(DEVICE_TYPE, slug.into())
    }
}

async fn device_types(core: &Core) -> Result<BufferedResponse> {
    // Removes instructions, which are outdated: contracts have the current ones.
    changed(core.send(EndpointRequest::get("/device-types/v1")).await?, |types| {
        types.as_array_mut().into_iter().flatten().for_each(|manifest| remove(manifest, "instructions"));
    })
}

async fn manifest(core: &Core, name: &str) -> Result<DeviceTypeManifest> {
    not_empty("device_type", name)?;
    let response = device_types(core).await?;
    let all: Vec<DeviceTypeManifest> = decode(&response)?;
    let is_it = |manifest: &DeviceTypeManifest| {
        let names = [&manifest.slug, &manifest.name].into_iter().flatten();
        names.chain(manifest.aliases.iter().flatten()).any(|known| known == name)
    };
    all.into_iter().find(is_it).ok_or_else(|| {
        Error::new(ErrorKind::InvalidArgument, format!("device type {} not found", escaped(name)))
            .with_operation(response.operation)
            .with_status(response.status)
            .with_sent(true)
            .with_help("`get_device_types` lists the names")
    })
}

fn remove(object: &mut Value, member: &str) {
    if let Some(members) = object.as_object_mut() {
        members.remove(member);
    }
}

/// Changes the JSON of a response.
fn changed(mut response: BufferedResponse, change: impl FnOnce(&mut Value)) -> Result<BufferedResponse> {
    let mut value = decode(&response)?;
    change(&mut value);
    response.body = value.to_string().into();
    Ok(response)
}
