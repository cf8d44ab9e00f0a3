//! Applications (fleets): theirs, their tags, variables, members and invites.

use std::sync::Arc;

use serde_json::json;

use crate::core::Core;
use crate::odata::Query;

use super::key_value::{KeyValue, KeyValueKind};
use super::keys::ApplicationKey;
use super::read::{Get, List, Target};
use super::request::Request;
use super::rows::{Application, ApplicationTag};
use super::write::Rows;

/// Applications (fleets). From [`Balena::application`](crate::Balena::application).
#[derive(Debug, Clone)]
pub struct Applications {
    core: Arc<Core>,
}

impl Applications {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        Self { core: core.clone() }
    }

    /// One application (`GET /v6/application`).
    ///
    /// # Errors
    /// `is_not_found`, `is_ambiguous`.
    pub fn get(&self, application: impl Into<ApplicationKey>) -> Get<Application> {
        let key = application.into();
        Get::new(&self.core, async move { key.target::<Application>(Query::new()) })
    }

    /// The applications that the token's owner has direct access to, by name (`GET /v6/application`).
    #[doc(alias = "getAll")]
    pub fn get_all(&self) -> List<Application> {
        List::new(&self.core, async {
            let defaults = Application::DIRECTLY_ACCESSIBLE_BY.exists();
            Ok(Target::list::<Application>(
                Query::new().filter(defaults).order_by(Application::APP_NAME.asc()),
            ))
        })
    }

    /// Another name (`PATCH /v6/application`).
    ///
    /// # Errors
    /// `is_not_found` when the application is not there.
    pub fn rename(&self, application: impl Into<ApplicationKey>, name: impl Into<String>) -> Request<()> {
        let (core, key, name) = (self.core.clone(), application.into(), name.into());
        Request::new(async move {
            let id = core.id_of(key.target::<Application>(Query::new())?).await?;
            core.change("application", &Rows::id(id), &json!({ "app_name": name })).await
        })
    }

    /// Tags of applications.
    pub fn tags(&self) -> KeyValue<ApplicationKey, ApplicationTag> {
        KeyValue::new(&self.core)
    }
}

impl KeyValueKind for ApplicationTag {
    const KEY: &'static str = "tag_key";
    const PARENT: &'static str = "application";
}

impl KeyValue<ApplicationKey, ApplicationTag> {
    /// All tags of one application, by key.
    #[doc(alias = "getAllByApplication")]
    pub fn get_all_by_application(&self, application: impl Into<ApplicationKey>) -> List<ApplicationTag> {
        self.of_parent(application)
    }
}
