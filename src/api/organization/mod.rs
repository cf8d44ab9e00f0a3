//! Organizations, their members and invites.

mod invite;
mod membership;
mod membership_tags;

use std::sync::Arc;

use serde_json::Value;

use crate::checks;
use crate::core::Core;
use crate::error::Result;
use crate::odata::Query;
use crate::resource::write_request::WriteRequest;

use crate::resource::keys::OrganizationKey;
use crate::resource::read::ReadTarget;
use crate::resource::read_request::{Get, List};
use crate::resource::request::Create;
use crate::resource::upload::UploadFile;
use crate::resource::write::RowSelector;
use crate::rows::Organization;

pub use invite::OrganizationInvites;
pub use membership::{OrganizationMembershipKey, OrganizationMemberships};

/// Organizations. From [`Balena::organization`](crate::Balena::organization).
#[derive(Debug, Clone)]
pub struct Organizations {
    core: Arc<Core>,
}

impl Organizations {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        Self { core: core.clone() }
    }

    /// Creates an organization (`POST /v6/organization`).
    ///
    /// # Errors
    /// `is_conflict` if the handle is taken.
    pub fn create(&self, name: impl Into<String>) -> Create<Organization> {
        let name = name.into();
        Create::new(&self.core, move |mut body| async move {
            checks::name("name", &name)?;
            body.insert("name".to_owned(), name.into());
            Ok(Value::Object(body))
        })
    }

    /// Lists the organizations that the token may read, by name (`GET /v6/organization`).
    #[doc(alias = "getAll")]
    pub fn get_all(&self) -> List<Organization> {
        List::new(&self.core, async {
            Ok(ReadTarget::list::<Organization>(Query::new().order_by(Organization::NAME.asc())))
        })
    }

    /// Reads one organization (`GET /v6/organization`).
    ///
    /// # Errors
    /// `is_not_found` if the organization does not exist.
    pub fn get(&self, organization: impl Into<OrganizationKey>) -> Get<Organization> {
        let key = organization.into();
        Get::new(&self.core, async move { key.target::<Organization>(Query::new()) })
    }

    /// Deletes an organization **with all that belongs to it** (`DELETE /v6/organization`).
    ///
    /// # Errors
    /// `is_not_found` if the organization does not exist; nothing is deleted then.
    pub fn remove(&self, organization: impl Into<OrganizationKey>) -> WriteRequest {
        let (core, key) = (self.core.clone(), organization.into());
        WriteRequest::new(&self.core, move |writer| async move {
            let id = core.organization_id(&key).await?;
            writer.delete("organization", &RowSelector::id(id)).await
        })
    }

    /// Returns the functions of memberships of organizations.
    pub fn membership(&self) -> OrganizationMemberships {
        OrganizationMemberships::new(&self.core)
    }

    /// Returns the functions of invites to organizations.
    pub fn invite(&self) -> OrganizationInvites {
        OrganizationInvites::new(&self.core)
    }
}

impl<T> Create<Organization, T> {
    /// Sets the handle: a unique short name, part of the slugs of its applications. By default the API chooses one.
    pub fn handle(self, handle: impl Into<String>) -> Self {
        self.set("handle", handle.into())
    }

    /// Sets the address of its web site.
    pub fn website(self, website: impl Into<String>) -> Self {
        self.set("website", website.into())
    }

    /// Sets its industry.
    pub fn industry(self, industry: impl Into<String>) -> Self {
        self.set("industry", industry.into())
    }

    /// Sets the name of its company.
    pub fn company_name(self, name: impl Into<String>) -> Self {
        self.set("company_name", name.into())
    }

    /// Sets the logo image, of at most 16 MiB.
    #[doc(alias = "logoImage")]
    pub fn logo_image(self, logo: impl Into<UploadFile>) -> Self {
        self.attach("logo_image", logo.into())
    }
}

impl Core {
    /// Looks up the id of an organization, even for a key that is an id, to make sure that it exists.
    pub(crate) async fn organization_id(&self, key: &OrganizationKey) -> Result<i64> {
        self.id_of(key.target::<Organization>(Query::new())?).await
    }
}
