//! What the API tells about itself.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::core::{Core, Plain};

use super::answer::Answer;

/// What the API tells about itself. From [`Balena::config`](crate::Balena::config).
#[derive(Debug, Clone)]
pub struct Config {
    core: Arc<Core>,
}

impl Config {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        Self { core: core.clone() }
    }

    /// All of it (`GET /config`).
    ///
    /// # Errors
    /// `is_unauthorized` when nobody is logged in; `is_not_found` on a server without it, such as openBalena.
    #[doc(alias = "getAll")]
    pub fn get_all(&self) -> Answer<ApiConfig> {
        let core = self.core.clone();
        Answer::new(async move { core.plain(Plain::get("/config")).await })
    }
}

/// The answer of [`Config::get_all`].
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct ApiConfig {
    /// Name of the deployment.
    pub deployment: Option<String>,
    /// Domain of the public URLs of devices.
    pub device_urls_base: Option<String>,
    /// Address of the admin page.
    pub admin_url: Option<String>,
    /// Host of the git server.
    pub git_server_url: Option<String>,
    /// Site and id for Google Analytics.
    pub ga: Option<Value>,
    /// Public token for Mixpanel.
    pub mixpanel_token: Option<String>,
    /// Public id for Intercom.
    pub intercom_app_id: Option<String>,
    /// Public key for Recurly.
    pub recurly_public_key: Option<String>,
    /// Icon of an online device.
    #[serde(rename = "DEVICE_ONLINE_ICON")]
    pub device_online_icon: Option<String>,
    /// Icon of an offline device.
    #[serde(rename = "DEVICE_OFFLINE_ICON")]
    pub device_offline_icon: Option<String>,
    /// Whether signing up takes a code.
    pub signup_code_required: Option<bool>,
    /// Who else can vouch for a user.
    pub supported_social_providers: Option<Vec<String>>,
    /// What this version of the library has no name for.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}
