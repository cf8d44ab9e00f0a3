//! Tags and variables of applications.

use crate::api::key_value::{KeyValue, KeyValueKind};
use crate::api::keys::ApplicationKey;
use crate::api::read::List;
use crate::api::rows::{ApplicationConfigVariable, ApplicationTag, ApplicationVariable, BuildVariable};

use super::Applications;

impl Applications {
    /// Tags: names and values for people and programs, which devices do not see
    /// (`/v6/application_tag`).
    pub fn tags(&self) -> KeyValue<ApplicationKey, ApplicationTag> {
        KeyValue::new(&self.core)
    }

    /// Configuration variables, for the supervisor and the host of every device
    /// (`/v6/application_config_variable`).
    #[doc(alias = "configVar")]
    pub fn config_var(&self) -> KeyValue<ApplicationKey, ApplicationConfigVariable> {
        KeyValue::new(&self.core)
    }

    /// Environment variables of the services on every device (`/v6/application_environment_variable`).
    #[doc(alias = "envVar")]
    pub fn env_var(&self) -> KeyValue<ApplicationKey, ApplicationVariable> {
        KeyValue::new(&self.core)
    }

    /// Variables that the builder sees when it builds a release (`/v6/build_environment_variable`).
    #[doc(alias = "buildVar")]
    pub fn build_var(&self) -> KeyValue<ApplicationKey, BuildVariable> {
        KeyValue::new(&self.core)
    }
}

impl KeyValueKind for ApplicationTag {
    const KEY: &'static str = "tag_key";
    const PARENT: &'static str = "application";
}

macro_rules! variables {
    ($($row:ty),*) => {$(
        impl KeyValueKind for $row {
            const KEY: &'static str = "name";
            const PARENT: &'static str = "application";
        }
    )*};
}
variables!(ApplicationConfigVariable, ApplicationVariable, BuildVariable);

impl<R: KeyValueKind> KeyValue<ApplicationKey, R> {
    /// All of one application, in the order of their keys.
    ///
    /// # Errors
    /// `is_not_found` for a slug or uuid that does not exist.
    #[doc(alias = "getAllByApplication")]
    pub fn get_all_by_application(&self, application: impl Into<ApplicationKey>) -> List<R> {
        self.of_parent(application)
    }
}
