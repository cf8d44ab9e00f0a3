//! Responses of the API's configuration endpoints.

use serde_json::{Map, Value};

use crate::resource::json_request::response_types;

response_types! {
    /// The public configuration of the API: the response of [`Config::get_all`](super::Config::get_all).
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
        /// Site and tracking id for Google Analytics.
        ga: Value,
        /// Public token for Mixpanel.
        mixpanel_token: String,
        /// Public id for Intercom.
        intercom_app_id: String,
        /// Public key for Recurly.
        recurly_public_key: String,
        /// Icon that stands for an online device.
        #[serde(rename = "DEVICE_ONLINE_ICON")]
        device_online_icon: String,
        /// Icon that stands for an offline device.
        #[serde(rename = "DEVICE_OFFLINE_ICON")]
        device_offline_icon: String,
        /// Whether registration requires a code.
        signup_code_required: bool,
        /// Identity providers that a user can log in with.
        supported_social_providers: Vec<String>,
    }

    /// Description of a device type by the image maker.
    #[serde(rename_all = "camelCase")]
    DeviceTypeManifest {
        /// Unique short name, e.g. `raspberrypi3`.
        slug: String,
        /// Name for display, e.g. `Raspberry Pi 3`.
        name: String,
        /// All short names, including the slug.
        aliases: Vec<String>,
        /// CPU architecture of its devices, e.g. `aarch64`.
        arch: String,
        /// Release state: `RELEASED`, `DISCONTINUED` …
        state: String,
        /// Whether the community maintains it rather than balena.
        community: bool,
        /// Whether only selected organizations may use it.
        private: bool,
        /// Whether its devices are connected through a gateway.
        is_dependent: bool,
        /// Messages to show when an image is downloaded.
        image_download_alerts: Value,
        /// Address of the introduction, or an object with one per operating system.
        getting_started_link: Value,
        /// Messages to show, by the state of the installation.
        state_instructions: Value,
        /// Settings of an image.
        options: Vec<DeviceTypeOption>,
        /// Settings and operations of preparing a device.
        initialization: DeviceTypeInitialization,
        /// Names of the image's Yocto build.
        yocto: Value,
        /// Version of the latest balenaOS.
        build_id: String,
    }

    /// Settings and operations of preparing a device.
    DeviceTypeInitialization {
        /// Settings to ask for.
        options: Vec<DeviceTypeOption>,
        /// Operations to run.
        operations: Vec<Value>,
    }

    /// A setting of an image, or a group of settings.
    #[serde(rename_all = "camelCase")]
    DeviceTypeOption {
        /// Name of the setting.
        name: String,
        /// Label for display.
        message: String,
        /// Type of the value: `text`, `list`, `drive` …
        #[serde(rename = "type")]
        kind: String,
        /// Default value.
        default: Value,
        /// Lowest value.
        min: Value,
        /// Highest value.
        max: Value,
        /// Whether it is hidden.
        hidden: bool,
        /// Values of other settings that make this one apply.
        when: Map<String, Value>,
        /// Values to choose from, for the type `list`.
        choices: Vec<Value>,
        /// Labels of the choices, by value.
        choices_labels: Map<String, Value>,
        /// Whether it is a group.
        is_group: bool,
        /// Whether the group can be collapsed.
        is_collapsible: bool,
        /// Whether the group is collapsed at first.
        collapsed: bool,
        /// Name of the group.
        group: String,
        /// Settings in the group.
        options: Vec<DeviceTypeOption>,
    }

    /// Rules for the names of variables, and the schema of configuration variables: the response of
    /// [`Config::get_config_var_schema`](super::Config::get_config_var_schema).
    #[serde(rename_all = "camelCase")]
    ConfigVarSchema {
        /// Reserved names, which no variable may have.
        reserved_names: Vec<String>,
        /// Reserved prefixes, with which no name may start.
        reserved_namespaces: Vec<String>,
        /// JavaScript regular expression of what no name may contain.
        invalid_regex: String,
        /// Names that are allowed despite the other rules.
        white_listed_names: Vec<String>,
        /// Prefixes that are allowed despite the other rules.
        white_listed_namespaces: Vec<String>,
        /// Names that are forbidden despite the allowed prefixes.
        black_listed_names: Vec<String>,
        /// JSON schema of the configuration variables.
        config_var_schema: Value,
    }
}
