//! What the API tells about itself, as it comes.

use serde_json::{Map, Value};

use crate::api::answer::answers;

answers! {
    /// The answer of [`Config::get_all`](super::Config::get_all).
    #[serde(rename_all = "camelCase")]
    ApiConfig {
        /// Name of the deployment.
        deployment: String,
        /// Domain of the public URLs of devices.
        device_urls_base: String,
        /// Address of the admin page.
        admin_url: String,
        /// Host of the git server.
        git_server_url: String,
        /// Site and id for Google Analytics.
        ga: Value,
        /// Public token for Mixpanel.
        mixpanel_token: String,
        /// Public id for Intercom.
        intercom_app_id: String,
        /// Public key for Recurly.
        recurly_public_key: String,
        /// Icon of an online device.
        #[serde(rename = "DEVICE_ONLINE_ICON")]
        device_online_icon: String,
        /// Icon of an offline device.
        #[serde(rename = "DEVICE_OFFLINE_ICON")]
        device_offline_icon: String,
        /// Whether signing up takes a code.
        signup_code_required: bool,
        /// Who else can vouch for a user.
        supported_social_providers: Vec<String>,
    }

    /// What the image maker knows of a device type.
    #[serde(rename_all = "camelCase")]
    DeviceTypeManifest {
        /// Short name, e.g. `raspberrypi3`.
        slug: String,
        /// Name for people, e.g. `Raspberry Pi 3`.
        name: String,
        /// Other short names, the slug among them.
        aliases: Vec<String>,
        /// CPU architecture.
        arch: String,
        /// How far it is: `RELEASED`, `DISCONTINUED` …
        state: String,
        /// Whether balena does not maintain it.
        community: bool,
        /// Whether only some organizations may use it.
        private: bool,
        /// Whether its devices are behind a gateway.
        is_dependent: bool,
        /// What to tell who downloads an image.
        image_download_alerts: Value,
        /// Where to begin: an address, or one for each system.
        getting_started_link: Value,
        /// What to tell in which state.
        state_instructions: Value,
        /// What can be set in an image.
        options: Vec<DeviceTypeOption>,
        /// What is asked for when a device is made.
        initialization: DeviceTypeInitialization,
        /// What the image is made of.
        yocto: Value,
        /// The latest version of balenaOS.
        build_id: String,
    }

    /// What is asked for, and done, when a device is made.
    DeviceTypeInitialization {
        /// What is asked for.
        options: Vec<DeviceTypeOption>,
        /// What is done.
        operations: Vec<Value>,
    }

    /// Something that can be set, or a group of such.
    #[serde(rename_all = "camelCase")]
    DeviceTypeOption {
        /// Name.
        name: String,
        /// Name for people.
        message: String,
        /// Kind of value: `text`, `list`, `drive` …
        #[serde(rename = "type")]
        kind: String,
        /// Value unless told otherwise.
        default: Value,
        /// Least value.
        min: Value,
        /// Greatest value.
        max: Value,
        /// Whether it is not shown.
        hidden: bool,
        /// What else has to be set so that it is asked for.
        when: Map<String, Value>,
        /// Values to choose from.
        choices: Vec<Value>,
        /// Names of these for people.
        choices_labels: Map<String, Value>,
        /// Whether it is a group.
        is_group: bool,
        /// Whether the group can be folded.
        is_collapsible: bool,
        /// Whether it is folded at first.
        collapsed: bool,
        /// Name of the group.
        group: String,
        /// What is in the group.
        options: Vec<DeviceTypeOption>,
    }

    /// The answer of [`Config::get_config_var_schema`](super::Config::get_config_var_schema): which names
    /// variables may have, and what configuration variables stand for.
    #[serde(rename_all = "camelCase")]
    ConfigVarSchema {
        /// Names that no variable may have.
        reserved_names: Vec<String>,
        /// Beginnings that no name may have.
        reserved_namespaces: Vec<String>,
        /// What no name may contain, as a regular expression of JavaScript.
        invalid_regex: String,
        /// Names that are fine nevertheless.
        white_listed_names: Vec<String>,
        /// Beginnings that are fine nevertheless.
        white_listed_namespaces: Vec<String>,
        /// Names that are not fine nevertheless.
        black_listed_names: Vec<String>,
        /// JSON schema of the configuration variables.
        config_var_schema: Value,
    }
}
