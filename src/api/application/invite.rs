//! Invites to applications.

use std::sync::Arc;

use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use crate::api::membership::ROLE_NAME;
use crate::core::{Core, EndpointRequest};
use crate::error::{Error, escaped};
use crate::odata::Query;
use crate::resource::keys::ApplicationKey;
use crate::resource::read::ReadTarget;
use crate::resource::read_request::List;
use crate::resource::request::{Create, Request};
use crate::resource::write::RowSelector;
use crate::resource::write_request::WriteRequest;
use crate::rows::{Application, ApplicationInvite, ApplicationMembershipRole};

use super::membership::DEFAULT_ROLE;
use super::{Applications, not_empty};

const MESSAGE: &str = "message";

/// The characters not encoded in a path segment.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Returns the functions of invites to applications.
#[derive(Debug, Clone)]
pub struct ApplicationInvites {
    core: Arc<Core>,
}

impl Applications {
    /// Invites to applications.
    pub fn invite(&self) -> ApplicationInvites {
        ApplicationInvites { core: self.core.clone() }
    }
}

impl ApplicationInvites {
    /// Lists the open invites that the token may read (`GET /v6/invitee__is_invited_to__application`).
    #[doc(alias = "getAll")]
    pub fn get_all(&self) -> List<ApplicationInvite> {
        List::new(&self.core, async { Ok(ReadTarget::list::<ApplicationInvite>(Query::new())) })
    }

    /// Lists the open invites to one application (`GET /v6/invitee__is_invited_to__application`, after
    /// `GET /v6/application`).
    ///
    /// # Errors
    /// `is_not_found` if the application does not exist.
    #[doc(alias = "getAllByApplication")]
    pub fn get_all_by_application(&self, application: impl Into<ApplicationKey>) -> List<ApplicationInvite> {
        let (core, key) = (self.core.clone(), application.into());
        List::new(&self.core, async move {
            let id = core.id_of(key.target::<Application>(Query::new())?).await?;
            let to_it = ApplicationInvite::APPLICATION.id().eq(id);
            Ok(ReadTarget::list::<ApplicationInvite>(Query::new().filter(to_it)))
        })
    }

    /// Invites a user, by user name or e-mail address, to an application
    /// (`POST /v6/invitee__is_invited_to__application`, after `GET /v6/application` and
    /// `GET /v6/application_membership_role`).
    ///
    /// # Errors
    /// `is_not_found` if the application or the role does not exist.
    pub fn create(
        &self,
        application: impl Into<ApplicationKey>,
        invitee: impl Into<String>,
    ) -> Create<ApplicationInvite> {
        let (core, key, invitee) = (self.core.clone(), application.into(), invitee.into());
        Create::new(&self.core, |given| async move {
            not_empty("invitee", &invitee)?;
            let role = given.get(ROLE_NAME).and_then(|role| role.as_str()).unwrap_or(DEFAULT_ROLE);
            not_empty(ROLE_NAME, role)?;
            let id = core.id_of(key.target::<Application>(Query::new())?).await?;
            Ok(json!({
                "invitee": invitee,
                "is_invited_to__application": id,
                "message": given.get(MESSAGE),
                "application_membership_role": core.id_of(role_by_filter(role)).await?,
            }))
        })
    }

    /// Deletes an invite (`DELETE /v6/invitee__is_invited_to__application`). Succeeds even if it does not exist: the
    /// API does not report it.
    pub fn revoke(&self, invite: i64) -> WriteRequest {
        WriteRequest::new(&self.core, move |writer| async move {
            if invite <= 0 {
                return Err(Error::argument("invite", format_args!("{invite} is not an id")));
            }
            writer.delete("invitee__is_invited_to__application", &RowSelector::id(invite)).await
        })
    }

    /// Accepts an invite for the user of the token (`POST /user/v1/invitation/…`).
    ///
    /// # Errors
    /// `is_unauthorized` if nobody is logged in; `is_not_found` if the invite does not exist (any more).
    pub fn accept(&self, invite_token: impl Into<String>) -> Request<()> {
        let (core, token) = (self.core.clone(), invite_token.into());
        Request::new(async move {
            not_empty("invite_token", &token)?;
            let token = utf8_percent_encode(&token, SEGMENT).to_string();
            let accept = EndpointRequest::new(Method::POST, format!("/user/v1/invitation/{token}"), None);
            core.send(EndpointRequest { secret_segment: Some(token), ..accept }).await.map(drop)
        })
    }
}

impl<T> Create<ApplicationInvite, T> {
    /// Sets the role of the new member: `developer` (the default), `operator` or `observer`.
    #[doc(alias = "roleName")]
    pub fn role_name(self, role: impl Into<String>) -> Self {
        self.set(ROLE_NAME, role.into())
    }

    /// Sets a message to the invited user.
    pub fn message(self, message: impl Into<String>) -> Self {
        self.set(MESSAGE, message.into())
    }
}

fn role_by_filter(role: &str) -> ReadTarget {
    let by_name = Query::new().filter(ApplicationMembershipRole::NAME.eq(role)).top(1);
    ReadTarget::one::<ApplicationMembershipRole>(None, by_name, escaped(role))
}
