//! Invites to applications.

use std::sync::Arc;

use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use crate::api::confirm::Write;
use crate::api::keys::ApplicationKey;
use crate::api::membership::ROLE_NAME;
use crate::api::read::{List, Target};
use crate::api::request::{Create, Request};
use crate::api::rows::{Application, ApplicationInvite, ApplicationMembershipRole};
use crate::api::write::Rows;
use crate::core::{Core, Plain};
use crate::error::{Error, shown};
use crate::odata::Query;

use super::membership::DEFAULT_ROLE;
use super::{Applications, not_empty};

const MESSAGE: &str = "message";

/// What stays as it is in a part of a path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Invites to applications. From [`Applications::invite`].
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
    /// All open invites that the token may see (`GET /v6/invitee__is_invited_to__application`).
    #[doc(alias = "getAll")]
    pub fn get_all(&self) -> List<ApplicationInvite> {
        List::new(&self.core, async { Ok(Target::list::<ApplicationInvite>(Query::new())) })
    }

    /// The open invites to one application (`GET /v6/invitee__is_invited_to__application`, after
    /// `GET /v6/application`).
    ///
    /// # Errors
    /// `is_not_found` when the application is not there.
    #[doc(alias = "getAllByApplication")]
    pub fn get_all_by_application(&self, application: impl Into<ApplicationKey>) -> List<ApplicationInvite> {
        let (core, key) = (self.core.clone(), application.into());
        List::new(&self.core, async move {
            let id = core.id_of(key.target::<Application>(Query::new())?).await?;
            let to_it = ApplicationInvite::APPLICATION.id().eq(id);
            Ok(Target::list::<ApplicationInvite>(Query::new().filter(to_it)))
        })
    }

    /// Invites somebody, by name or e-mail address, to an application
    /// (`POST /v6/invitee__is_invited_to__application`, after `GET /v6/application` and
    /// `GET /v6/application_membership_role`).
    ///
    /// # Errors
    /// `is_not_found` when the application or the role is not there.
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

    /// Takes an invite back (`DELETE /v6/invitee__is_invited_to__application`). Succeeds when there is none:
    /// the server does not tell.
    pub fn revoke(&self, invite: i64) -> Write {
        Write::new(&self.core, move |writer| async move {
            if invite <= 0 {
                return Err(Error::argument("invite", format_args!("{invite} is not an id")));
            }
            writer.delete("invitee__is_invited_to__application", &Rows::id(invite)).await
        })
    }

    /// Accepts an invite for the token's owner (`POST /user/v1/invitation/…`).
    ///
    /// # Errors
    /// `is_unauthorized` when nobody is logged in; `is_not_found` when there is no such invite (any more).
    pub fn accept(&self, invite_token: impl Into<String>) -> Request<()> {
        let (core, token) = (self.core.clone(), invite_token.into());
        Request::new(async move {
            not_empty("invite_token", &token)?;
            let token = utf8_percent_encode(&token, SEGMENT).to_string();
            let accept = Plain::post(Method::POST, format!("/user/v1/invitation/{token}"), None);
            core.plain(Plain { secret: Some(token), ..accept }).await.map(drop)
        })
    }
}

impl<T> Create<ApplicationInvite, T> {
    /// What the invited will be allowed to do: `developer` (unless told otherwise), `operator` or `observer`.
    #[doc(alias = "roleName")]
    pub fn role_name(self, role: impl Into<String>) -> Self {
        self.give(ROLE_NAME, role.into())
    }

    /// Words for the invited.
    pub fn message(self, message: impl Into<String>) -> Self {
        self.give(MESSAGE, message.into())
    }
}

fn role_by_filter(role: &str) -> Target {
    let by_name = Query::new().filter(ApplicationMembershipRole::NAME.eq(role)).top(1);
    Target::one::<ApplicationMembershipRole>(None, by_name, shown(role))
}
