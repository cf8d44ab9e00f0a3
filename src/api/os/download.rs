//! Images of the host OS.

use std::path::PathBuf;
use std::sync::Arc;

use http::HeaderMap;
use percent_encoding::utf8_percent_encode;
use serde_json::{Map, Value};

use crate::api::filled::Filled;
use crate::api::keys::DeviceTypeKey;
use crate::api::request::Request;
use crate::core::{Core, Plain};
use crate::error::{Error, ErrorKind, Result};
use crate::http::{BoxFuture, Download, Opened, Source};
use crate::ids::ApplicationId;
use crate::version::Version;

use super::{DeviceOs, ForNewDevices, Network, OsType, PATH, in_one_form, slug_of};

const VERSION: &str = "version";
const DEVICE_TYPE: &str = "deviceType";
const IMAGE_TYPE: &str = "imageType";

/// Marks the request of [`DeviceOs::download`].
#[derive(Debug)]
#[non_exhaustive]
pub struct OsImage;

impl ForNewDevices for OsImage {}

impl DeviceOs {
    /// An image of the host OS for a device type: of the recommended version unless told, or else of the newest
    /// (`GET /download`, after `GET /v6/device_type`, and `GET /v6/application` for the latest).
    ///
    /// The answer is a [`Download`] whose head is there, or with [`to_file`](Filled::to_file) the file. The token
    /// stays with the API, wherever that sends one for the image.
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
    /// `is_invalid_argument` when there is no such device type, and for what is no version; `is_not_found` when
    /// there is no image of it; `is_unauthorized` when nobody is logged in.
    pub fn download(&self, device_type: impl Into<DeviceTypeKey>) -> Filled<OsImage, Download> {
        let (os, device_type) = (self.clone(), device_type.into());
        Filled::new(move |mut given| async move {
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
                "there is no image for device type {slug} and version {version}{of}: get_available_os_versions tells which there are"
            );
            query.push(pair(DEVICE_TYPE, &slug));
            query.push(pair(VERSION, &version));
            open(os.core, format!("/download?{}", query.join("&")), missing).await
        })
    }

    /// The recommended one, or else the newest.
    async fn latest(&self, slug: &str) -> Result<String> {
        let mut versions = self.get_available_os_versions(slug).await?;
        versions.retain(|version| version.os_type == OsType::Default);
        let latest = versions.iter().find(|version| version.is_recommended).or(versions.first());
        latest.map(|version| version.raw_version().to_owned()).ok_or_else(|| {
            let text = format!("there is no published version of the host OS for device type {slug}");
            Error::new(ErrorKind::NotFound, text).sent(true).help("name a version with `.version()`")
        })
    }
}

async fn open(core: Arc<Core>, path: String, missing: String) -> Result<Download> {
    let (clock, retry) = (core.http.clock.clone(), core.http.retry);
    let name = path.clone();
    let open = Box::new(move |headers: HeaderMap| -> BoxFuture<'static, Result<Opened>> {
        let (core, plain, missing) = (core.clone(), Plain { headers, ..Plain::get(&*path) }, missing.clone());
        Box::pin(async move {
            let opened = core.open(plain).await;
            opened.map_err(|error| if error.is_not_found() { error.help(missing) } else { error })
        })
    });
    Download::open(Source { open, name, clock, retry }).await
}

/// One version, in the form of releases.
fn exact(text: &str) -> Result<String> {
    Version::whole(text).map(|version| version.to_string()).ok_or_else(|| {
        let why = format_args!("`{}` is no version like 2.98.33+rev1", text.escape_debug()).to_string();
        Error::argument(VERSION, why).help("a range is for get_max_satisfying_version")
    })
}

fn pair(name: &str, value: &str) -> String {
    format!("{}={}", utf8_percent_encode(name, PATH), utf8_percent_encode(value, PATH))
}

/// The options as they stand in a query.
fn pairs(options: &Map<String, Value>) -> Result<Vec<String>> {
    let mut pairs = Vec::new();
    for (name, value) in options {
        match value {
            Value::Null => {}
            Value::String(text) => pairs.push(pair(name, text)),
            Value::Bool(_) | Value::Number(_) => pairs.push(pair(name, &value.to_string())),
            Value::Array(_) | Value::Object(_) => {
                let why =
                    format_args!("`{}` is neither a text nor a number nor yes or no", name.escape_debug());
                return Err(Error::argument("options", why));
            }
        }
    }
    Ok(pairs)
}

impl Filled<OsImage, Download> {
    /// The version: `2.98.33`, `balenaOS 2.12.7+rev1`, or `latest` for the recommended one.
    pub fn version(self, version: impl Into<String>) -> Self {
        self.give(VERSION, version.into())
    }

    /// The application that devices with it join.
    #[doc(alias = "appId")]
    pub fn app_id(self, application: impl Into<ApplicationId>) -> Self {
        self.give("appId", application.into().get())
    }

    /// `.img`, `.zip` or `.gz`.
    #[doc(alias = "fileType")]
    pub fn file_type(self, file_type: impl Into<String>) -> Self {
        self.give("fileType", file_type.into())
    }

    /// `raw` or `flasher`.
    #[doc(alias = "imageType")]
    pub fn image_type(self, image_type: impl Into<String>) -> Self {
        self.give(IMAGE_TYPE, image_type.into())
    }

    /// The network that a device comes up with.
    pub fn network(self, network: impl Into<Network>) -> Self {
        self.give("network", network.into().as_str())
    }

    /// Options in the SDKs' form. The version and the device type are not told here.
    pub fn options(self, options: &Value) -> Self {
        let options = options.as_object().into_iter().flatten();
        let options = options.filter(|(name, _)| ![VERSION, DEVICE_TYPE].contains(&name.as_str()));
        options.fold(self, |request, (name, value)| request.give(name, value.clone()))
    }

    /// The file at this path: [`Download::to_file`] says how. Returns how many bytes it has.
    pub fn to_file(self, path: impl Into<PathBuf>) -> Request<u64> {
        let path = path.into();
        Request::new(async move { self.await?.to_file(path).await })
    }
}
