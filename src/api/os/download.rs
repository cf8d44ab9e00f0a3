//! Downloads of host OS images.

use std::path::PathBuf;
use std::sync::Arc;

use http::HeaderMap;
use percent_encoding::utf8_percent_encode;
use serde_json::{Map, Value};

use crate::core::{Core, EndpointRequest};
use crate::error::{Error, ErrorKind, Result};
use crate::http::{BoxFuture, Download, Source, StreamingResponse};
use crate::ids::ApplicationId;
use crate::resource::keys::DeviceTypeKey;
use crate::resource::request::Request;
use crate::resource::request_builder::RequestBuilder;
use crate::version::Version;

use super::{DeviceOs, ForNewDevices, Network, OsType, PATH, in_one_form, slug_of};

const VERSION: &str = "version";
const DEVICE_TYPE: &str = "deviceType";
const IMAGE_TYPE: &str = "imageType";

/// Marker of the request of [`DeviceOs::download`].
#[derive(Debug)]
#[non_exhaustive]
pub struct OsImage;

impl ForNewDevices for OsImage {}

impl DeviceOs {
    /// Downloads an image of the host OS for a device type (`GET /download`, after `GET /v6/device_type`, and
    /// `GET /v6/application` for the latest version). The default version is the recommended one, or the newest if
    /// none is.
    ///
    /// Returns a [`Download`] once the response head has arrived, or with [`to_file`](RequestBuilder::to_file) writes the
    /// file. The token is sent to the API only, not to redirects.
    ///
    /// ```no_run
    /// use balena_agent::api::os::Network;
    ///
    /// # async fn example(balena: balena_agent::Balena) -> balena_agent::Result<()> {
    /// balena.os().download("raspberrypi3").version("2.98.33").to_file("balena.img.gz").await?;
    ///
    /// let image = balena.os().download("raspberrypi3").development_mode(true).network(Network::Ethernet).await?;
    /// let name = image.filename().unwrap_or_else(|| "balena.img".to_owned());
    /// image.progress(|so_far| println!("{} of {:?}", so_far.done, so_far.total)).to_file(name).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `is_invalid_argument` if the device type does not exist or the version is malformed; `is_not_found` if there
    /// is no such image; `is_unauthorized` if nobody is logged in.
    pub fn download(&self, device_type: impl Into<DeviceTypeKey>) -> RequestBuilder<OsImage, Download> {
        let (os, device_type) = (self.clone(), device_type.into());
        RequestBuilder::new(move |mut given| async move {
            let version = given.remove(VERSION);
            let version = version.as_ref().and_then(Value::as_str).filter(|version| *version != "latest");
            let version = version.map(exact).transpose()?;
            let mut query = pairs(&given)?;
            let slug = slug_of(&os.core, device_type).await?;
            let version = match version {
                Some(version) => in_one_form(&os.core, &slug, &version).await?,
                None => os.latest(&slug).await?,
            };
            let image_type = given.get(IMAGE_TYPE).and_then(Value::as_str).unwrap_or_default();
            let of = match image_type {
                "" => String::new(),
                kind => format!(" and image type {}", kind.escape_debug()),
            };
            let missing = format!(
                "there is no image for device type {slug} and version {version}{of}: get_available_os_versions lists the versions"
            );
            query.push(pair(DEVICE_TYPE, &slug));
            query.push(pair(VERSION, &version));
            open(os.core, format!("/download?{}", query.join("&")), missing).await
        })
    }

    /// Returns the recommended version, otherwise the newest.
    async fn latest(&self, slug: &str) -> Result<String> {
        let mut versions = self.get_available_os_versions(slug).await?;
        versions.retain(|version| version.os_type == OsType::Default);
        let latest = versions.iter().find(|version| version.is_recommended).or(versions.first());
        latest.map(|version| version.raw_version().to_owned()).ok_or_else(|| {
            let text = format!("there is no published version of the host OS for device type {slug}");
            Error::new(ErrorKind::NotFound, text)
                .with_sent(true)
                .with_help("give a version with `.version()`")
        })
    }
}

async fn open(core: Arc<Core>, path: String, missing: String) -> Result<Download> {
    let (clock, retry) = (core.http.clock.clone(), core.http.retry);
    let name = path.clone();
    let open = Box::new(move |headers: HeaderMap| -> BoxFuture<'static, Result<StreamingResponse>> {
        let (core, plain, missing) =
            (core.clone(), EndpointRequest { headers, ..EndpointRequest::get(&*path) }, missing.clone());
        Box::pin(async move {
            let opened = core.stream(plain).await;
            opened.map_err(|error| if error.is_not_found() { error.with_help(missing) } else { error })
        })
    });
    Download::open(Source { open, name, clock, retry }).await
}

/// Parses a version and returns it in the form of releases.
fn exact(text: &str) -> Result<String> {
    Version::parse_full(text).map(|version| version.to_string()).ok_or_else(|| {
        let why = format_args!("`{}` is not a version such as 2.98.33+rev1", text.escape_debug()).to_string();
        Error::argument(VERSION, why).with_help("get_max_satisfying_version takes ranges")
    })
}

fn pair(name: &str, value: &str) -> String {
    format!("{}={}", utf8_percent_encode(name, PATH), utf8_percent_encode(value, PATH))
}

/// Converts the options to query parameters.
fn pairs(options: &Map<String, Value>) -> Result<Vec<String>> {
    let mut pairs = Vec::new();
    for (name, value) in options {
        match value {
            Value::Null => {}
            Value::String(text) => pairs.push(pair(name, text)),
            Value::Bool(_) | Value::Number(_) => pairs.push(pair(name, &value.to_string())),
            Value::Array(_) | Value::Object(_) => {
                let why =
                    format_args!("`{}` is neither a string nor a number nor a boolean", name.escape_debug());
                return Err(Error::argument("options", why));
            }
        }
    }
    Ok(pairs)
}

impl RequestBuilder<OsImage, Download> {
    /// Sets the version: `2.98.33`, `balenaOS 2.12.7+rev1`, or `latest` for the recommended one.
    pub fn version(self, version: impl Into<String>) -> Self {
        self.set(VERSION, version.into())
    }

    /// Sets the application that devices with this image join.
    #[doc(alias = "appId")]
    pub fn app_id(self, application: impl Into<ApplicationId>) -> Self {
        self.set("appId", application.into().get())
    }

    /// Sets the file type: `.img`, `.zip` or `.gz`.
    #[doc(alias = "fileType")]
    pub fn file_type(self, file_type: impl Into<String>) -> Self {
        self.set("fileType", file_type.into())
    }

    /// Sets the image type: `raw` or `flasher`.
    #[doc(alias = "imageType")]
    pub fn image_type(self, image_type: impl Into<String>) -> Self {
        self.set(IMAGE_TYPE, image_type.into())
    }

    /// Sets the network of the device.
    pub fn network(self, network: impl Into<Network>) -> Self {
        self.set("network", network.into().as_str())
    }

    /// Sets options in the SDKs' form. Version and device type can't be given here.
    pub fn options(self, options: &Value) -> Self {
        let options = options.as_object().into_iter().flatten();
        let options = options.filter(|(name, _)| ![VERSION, DEVICE_TYPE].contains(&name.as_str()));
        options.fold(self, |request, (name, value)| request.set(name, value.clone()))
    }

    /// Writes the image to this path, as [`Download::to_file`]. Returns its length in bytes.
    pub fn to_file(self, path: impl Into<PathBuf>) -> Request<u64> {
        let path = path.into();
        Request::new(async move { self.await?.to_file(path).await })
    }
}
