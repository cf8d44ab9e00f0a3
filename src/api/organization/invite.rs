//! Invites to organizations.

use std::sync::Arc;

use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::core::{Core, EndpointRequest};
use crate::error::{Error, Result, escaped};
use crate::odata::Query;
use crate::resource::keys::{OrganizationKey, check_id};
use crate::resource::read::ReadTarget;
use crate::resource::read_request::List;
use crate::resource::request::{Create, Request};
use crate::resource::write::RowSelector;
use crate::resource::write_request::WriteRequest;
use crate::rows::{OrganizationInvite, OrganizationMembershipRole};

/// Invites to organizations. From [`Organizations::invite`](super::Organizations::invite).
#[derive(Debug, Clone)]
pub struct OrganizationInvites {
    core: Arc<Core>,
}

impl OrganizationInvites {
    pub(super) fn new(core: &Arc<Core>) -> Self {
        Self { core: core.clone() }
    }

    /// Lists the invites that the token may read (`GET /v6/invitee__is_invited_to__organization`).
    #[doc(alias = "getAll")]
    pub fn get_all(&self) -> List<OrganizationInvite> {
        List::new(&self.core, async { Ok(ReadTarget::list::<OrganizationInvite>(Query::new())) })
    }

    /// Lists the invites to an organization (`GET /v6/invitee__is_invited_to__organization`).
    ///
    /// # Errors
    /// `is_not_found` if the organization does not exist.
    #[doc(alias = "getAllByOrganization")]
    pub fn get_all_by_organization(
        &self,
        organization: impl Into<OrganizationKey>,
    ) -> List<OrganizationInvite> {
        let (core, key) = (self.core.clone(), organization.into());
        List::new(&self.core, async move {
            let id = core.organization_id(&key).await?;
            let to_it = OrganizationInvite::ORGANIZATION.id().eq(id);
            Ok(ReadTarget::list::<OrganizationInvite>(Query::new().filter(to_it)))
        })
    }

    /// Invites a user, by e-mail address or user name (`POST /v6/invitee__is_invited_to__organization`). The API
    /// chooses the role unless `role_name` sets it.
    ///
    /// # Errors
    /// `is_not_found` if the organization or the role does not exist.
    pub fn create(
        &self,
        organization: impl Into<OrganizationKey>,
        invitee: impl Into<String>,
    ) -> Create<OrganizationInvite> {
        let (core, key, invitee) = (self.core.clone(), organization.into(), invitee.into());
        Create::new(&self.core, move |mut given| async move {
            if invitee.trim().is_empty() {
                return Err(Error::argument("invitee", "it is empty"));
            }
            let mut body = json!({
                "invitee": invitee,
                "is_invited_to__organization": core.organization_id(&key).await?,
                "message": given.remove("message"),
            });
            if let (Some(Value::String(name)), Some(body)) = (given.remove("role_name"), body.as_object_mut())
            {
                let role = role_id(&core, &name).await?;
                body.insert("organization_membership_role".to_owned(), role.into());
            }
            Ok(body)
        })
    }

    /// Deletes an invite (`DELETE /v6/invitee__is_invited_to__organization`).
    pub fn revoke(&self, invite_id: i64) -> WriteRequest {
        WriteRequest::new(&self.core, move |writer| async move {
            let rows = RowSelector::id(check_id("invite_id", invite_id)?);
            writer.delete("invitee__is_invited_to__organization", &rows).await
        })
    }

    /// Accepts an invite, by its token (`POST /org/v1/invitation/:token`).
    ///
    /// # Errors
    /// `is_unauthorized` if nobody is logged in; `is_not_found` if the token is invalid or no longer valid.
    pub fn accept(&self, invite_token: impl Into<String>) -> Request<()> {
        let (core, token) = (self.core.clone(), invite_token.into());
        Request::new(async move {
            if token.trim().is_empty() {
                return Err(Error::argument("invite_token", "it is empty"));
            }
            let token = utf8_percent_encode(&token, NON_ALPHANUMERIC).to_string();
            let accept = EndpointRequest::new(Method::POST, format!("/org/v1/invitation/{token}"), None);
            core.send(EndpointRequest { secret_segment: Some(token), ..accept }).await.map(drop)
        })
    }
}

impl<T> Create<OrganizationInvite, T> {
    /// Sets the role of the new member: `administrator` or `member`.
    #[doc(alias = "roleName")]
    pub fn role_name(self, name: impl Into<String>) -> Self {
        self.set("role_name", name.into())
    }

    /// Sets a message to the invited user.
    pub fn message(self, text: impl Into<String>) -> Self {
        self.set("message", text.into())
    }
}

async fn role_id(core: &Core, name: &str) -> Result<i64> {
    if name.trim().is_empty() {
        return Err(Error::argument("role_name", "it is empty"));
    }
    let named = Query::new().filter(OrganizationMembershipRole::NAME.eq(name)).top(1);
    core.id_of(ReadTarget::one::<OrganizationMembershipRole>(None, named, escaped(name))).await
}
