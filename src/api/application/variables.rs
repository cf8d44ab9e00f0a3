//! Tags and variables of applications.

use crate::resource::key_value::{KeyValue, KeyValueKind};
use crate::resource::keys::ApplicationKey;
use crate::resource::read_request::List;
use crate::rows::{ApplicationConfigVariable, ApplicationTag, ApplicationVariable, BuildVariable};

use super::Applications;

impl Applications {
    /// Returns the functions of tags: named values that devices do not see (`/v6/application_tag`).
    pub fn tags(&self) -> KeyValue<ApplicationKey, ApplicationTag> {
        KeyValue::new(&self.core)
    }

    /// Returns the functions of configuration variables, for supervisor and host of every device
    /// (`/v6/application_config_variable`).
    #[doc(alias = "configVar")]
    pub fn config_var(&self) -> KeyValue<ApplicationKey, ApplicationConfigVariable> {
        KeyValue::new(&self.core)
    }

    /// Returns the functions of environment variables, for the services on every device
    /// (`/v6/application_environment_variable`).
    #[doc(alias = "envVar")]
    pub fn env_var(&self) -> KeyValue<ApplicationKey, ApplicationVariable> {
        KeyValue::new(&self.core)
    }

    /// Returns the functions of build variables, for the builder of releases (`/v6/build_environment_variable`).
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
    /// Lists those of one application, ordered by key.
    ///
    /// # Errors
    /// `is_not_found` if the slug or uuid does not exist.
    #[doc(alias = "getAllByApplication")]
    pub fn get_all_by_application(&self, application: impl Into<ApplicationKey>) -> List<R> {
        self.of_parent(application)
    }
}
