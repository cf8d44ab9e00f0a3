//! Applications (fleets), their tags, variables, members and invites.

mod actions;
mod create;
mod devices;
mod invite;
mod manage;
mod membership;
mod provisioning_key;
mod releases;
#[cfg(test)]
mod tests;
mod variables;

use std::sync::Arc;

use crate::core::Core;
use crate::error::{Error, Result, escaped};
use crate::ids::ApplicationId;
use crate::odata::{Filter, Key, Query};

use crate::resource::key_value::ParentKey;
use crate::resource::keys::{ApplicationKey, OrganizationKey, not_empty};
use crate::resource::read::ReadTarget;
use crate::resource::read_request::{Get, List};
use crate::resource::request::Request;
use crate::rows::{Application, Organization};

pub use actions::FleetAction;
pub use devices::ApplicationWithDeviceServices;
pub use invite::ApplicationInvites;
pub use membership::{ApplicationMembershipKey, ApplicationMemberships};
pub use provisioning_key::GenerateProvisioningKey;

/// Applications (fleets). From [`Balena::application`](crate::Balena::application).
#[derive(Debug, Clone)]
pub struct Applications {
    core: Arc<Core>,
}

impl Applications {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        Self { core: core.clone() }
    }

    /// Reads one application that the token may read, including public ones; with
    /// [`directly_accessible`](Get::directly_accessible), one with direct access only (`GET /v6/application`).
    ///
    /// # Errors
    /// `is_not_found` if the application does not exist; `is_ambiguous` if several match.
    pub fn get(&self, application: impl Into<ApplicationKey>) -> Get<Application> {
        let key = application.into();
        Get::new(&self.core, async move { key.target::<Application>(Query::new()) })
    }

    /// Reads one application that the token's user has direct access to (`GET /v6/application`).
    ///
    /// # Errors
    /// `is_not_found` if there is none; `is_ambiguous` if several match.
    #[doc(alias = "getDirectlyAccessible")]
    pub fn get_directly_accessible(&self, application: impl Into<ApplicationKey>) -> Get<Application> {
        self.get(application).directly_accessible()
    }

    /// Lists the applications that the token's user has direct access to, by name; with
    /// [`any_access`](List::any_access), all that the token may read (`GET /v6/application`).
    #[doc(alias = "getAll")]
    pub fn get_all(&self) -> List<Application> {
        List::new(&self.core, async {
            let by_name = Query::new().order_by(Application::APP_NAME.asc());
            Ok(ReadTarget::list::<Application>(by_name).with_default_filter(directly_accessible()))
        })
    }

    /// Lists the applications that the token's user has direct access to, by name (`GET /v6/application`).
    #[doc(alias = "getAllDirectlyAccessible")]
    pub fn get_all_directly_accessible(&self) -> List<Application> {
        self.get_all()
    }

    /// Lists the applications of one organization (`GET /v6/application`, after `GET /v6/organization`).
    ///
    /// # Errors
    /// `is_not_found` if the organization does not exist.
    #[doc(alias = "getAllByOrganization")]
    pub fn get_all_by_organization(&self, organization: impl Into<OrganizationKey>) -> List<Application> {
        let (core, key) = (self.core.clone(), organization.into());
        List::new(&self.core, async move {
            let id = core.id_of(key.target::<Organization>(Query::new())?).await?;
            Ok(ReadTarget::list::<Application>(Query::new().filter(Application::ORGANIZATION.id().eq(id))))
        })
    }

    /// Reads one application by its name, among those that the token's user has direct access to; with
    /// [`any_access`](Get::any_access), among all that the token may read (`GET /v6/application`). Names are unique
    /// only within an organization; [`get`](Self::get) with a slug is unambiguous.
    ///
    /// # Errors
    /// `is_not_found` if there is none; `is_ambiguous` if several organizations have one of this name.
    #[doc(alias = "getByName")]
    #[doc(alias = "getAppByName")]
    pub fn get_by_name(&self, app_name: impl Into<String>) -> Get<Application> {
        let name = app_name.into();
        Get::new(&self.core, async move {
            not_empty("app_name", &name)?;
            let by_name = Query::new().filter(Application::APP_NAME.eq(&name));
            let target = ReadTarget::one::<Application>(None, by_name, escaped(&name));
            Ok(target.with_default_filter(directly_accessible()))
        })
    }

    /// Reads one application by its name and the handle of its organization (`GET /v6/application(slug='…')`).
    /// Ignores case.
    ///
    /// # Errors
    /// `is_not_found` if the application does not exist.
    #[doc(alias = "getByOwner")]
    #[doc(alias = "getAppByOwner")]
    pub fn get_by_owner(&self, app_name: impl Into<String>, owner: impl Into<String>) -> Get<Application> {
        let (name, owner) = (app_name.into(), owner.into());
        Get::new(&self.core, async move {
            not_empty("app_name", &name)?;
            not_empty("owner", &owner)?;
            let slug = format!("{owner}/{name}").to_lowercase();
            let subject = escaped(&slug).to_string();
            Ok(ReadTarget::one::<Application>(Some(Key::of("slug", slug)), Query::new(), subject))
        })
    }

    /// Returns whether an application exists that the token may read (`GET /v6/application`).
    ///
    /// # Errors
    /// `is_ambiguous` if several match.
    pub fn has(&self, application: impl Into<ApplicationKey>) -> Request<bool> {
        let (core, key) = (self.core.clone(), application.into());
        Request::new(async move { core.exists(key.target::<Application>(Query::new())?).await })
    }

    /// Returns whether the token's user has direct access to any application (`GET /v6/application`).
    #[doc(alias = "hasAny")]
    pub fn has_any(&self) -> Request<bool> {
        let all = self.get_all().select(["id"]);
        Request::new(async move { Ok(!all.await?.is_empty()) })
    }

    /// Returns the id of an application. An id is returned without a request.
    ///
    /// # Errors
    /// `is_not_found` if the application does not exist; `is_ambiguous` if several match.
    #[doc(alias = "getId")]
    pub fn get_id(&self, application: impl Into<ApplicationKey>) -> Request<ApplicationId> {
        let (core, key) = (self.core.clone(), application.into());
        Request::new(async move { key.resolve(core).await.map(ApplicationId::new) })
    }

    /// Returns the address of an application's page in the dashboard. Sends no request and therefore takes an id
    /// only.
    ///
    /// # Errors
    /// `is_invalid_argument` for a slug or uuid: [`get_id`](Self::get_id) returns the id.
    #[doc(alias = "getDashboardUrl")]
    pub fn get_dashboard_url(&self, application: impl Into<ApplicationKey>) -> Result<String> {
        let key = match application.into() {
            // Accepts an id given as text, such as a command line argument.
            ApplicationKey::Name(text) => ApplicationKey::Id(
                text.parse().map_err(|_| Error::argument("application", "it is not an id"))?,
            ),
            id @ ApplicationKey::Id(_) => id,
        };
        key.check()?;
        Ok(format!("{}/apps/{key}", self.core.settings().dashboard()))
    }
}

impl<T> Get<Application, T> {
    /// Requires direct access of the token's user, as a member; public access does not suffice.
    pub fn directly_accessible(self) -> Self {
        self.filter(directly_accessible())
    }

    /// Includes applications without direct access, such as public ones.
    pub fn any_access(self) -> Self {
        self.without_default_filter()
    }
}

impl<T> List<Application, T> {
    /// Limits the list to applications with direct access of the token's user, as a member; public access does not
    /// suffice.
    pub fn directly_accessible(self) -> Self {
        self.filter(directly_accessible())
    }

    /// Includes applications without direct access, such as public ones.
    pub fn any_access(self) -> Self {
        self.unrestricted()
    }
}

fn directly_accessible() -> Filter<Application> {
    Application::DIRECTLY_ACCESSIBLE_BY.exists()
}
