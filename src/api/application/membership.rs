//! Members of applications: users with access to one without membership of its organization.

use std::sync::Arc;

use serde_json::json;

use crate::api::membership::{ROLE_NAME, change_role, of_user, pair_key, role};
use crate::core::Core;
use crate::ids::{ApplicationId, UserId};
use crate::odata::Query;
use crate::resource::keys::{ApplicationKey, UserKey};
use crate::resource::read::ReadTarget;
use crate::resource::read_request::{Get, List};
use crate::resource::request::Create;
use crate::resource::schema::Resource as _;
use crate::resource::write::RowSelector;
use crate::resource::write_request::WriteRequest;
use crate::rows::{Application, ApplicationMembership, ApplicationMembershipRole};

use super::{Applications, not_empty};

/// Default role of a new or invited member.
pub(super) const DEFAULT_ROLE: &str = "developer";

pair_key! {
    /// Key of a membership of an application: its id, or the ids of user and application.
    ApplicationMembershipKey, "membership";
    /// The ids of user and application.
    Of {
        /// Id of the member.
        user: UserId = "user",
        /// Id of the application.
        application: ApplicationId = "is_member_of__application",
    }
}

/// Returns the functions of members of applications.
#[derive(Debug, Clone)]
pub struct ApplicationMemberships {
    core: Arc<Core>,
}

impl Applications {
    /// Members of applications.
    pub fn membership(&self) -> ApplicationMemberships {
        ApplicationMemberships { core: self.core.clone() }
    }
}

impl ApplicationMemberships {
    /// Reads one membership (`GET /v6/user__is_member_of__application`).
    ///
    /// # Errors
    /// `is_not_found` if the membership does not exist.
    pub fn get(&self, membership: impl Into<ApplicationMembershipKey>) -> Get<ApplicationMembership> {
        let membership = membership.into();
        Get::new(&self.core, async move {
            Ok(ReadTarget::one::<ApplicationMembership>(Some(membership.key()?), Query::new(), membership))
        })
    }

    /// Lists the memberships that the token may read (`GET /v6/user__is_member_of__application`).
    #[doc(alias = "getAll")]
    pub fn get_all(&self) -> List<ApplicationMembership> {
        List::new(&self.core, async { Ok(ReadTarget::list::<ApplicationMembership>(Query::new())) })
    }

    /// Lists the memberships of one application (`GET /v6/user__is_member_of__application`, after
    /// `GET /v6/application`).
    ///
    /// # Errors
    /// `is_not_found` if the application does not exist.
    #[doc(alias = "getAllByApplication")]
    pub fn get_all_by_application(
        &self,
        application: impl Into<ApplicationKey>,
    ) -> List<ApplicationMembership> {
        let (core, key) = (self.core.clone(), application.into());
        List::new(&self.core, async move {
            let id = core.id_of(key.target::<Application>(Query::new())?).await?;
            let of_it = ApplicationMembership::APPLICATION.id().eq(id);
            Ok(ReadTarget::list::<ApplicationMembership>(Query::new().filter(of_it)))
        })
    }

    /// Lists the memberships of a user that the token may read (`GET /v6/user__is_member_of__application`). Empty if
    /// the user does not exist.
    #[doc(alias = "getAllByUser")]
    pub fn get_all_by_user(&self, user: impl Into<UserKey>) -> List<ApplicationMembership> {
        let key = user.into();
        List::new(&self.core, async move { of_user(&ApplicationMembership::USER, &key) })
    }

    /// Adds a user to an application (`POST /v6/user__is_member_of__application`, after `GET /v6/application` and
    /// `GET /v6/application_membership_role`).
    ///
    /// # Errors
    /// `is_not_found` if the application or the role does not exist.
    pub fn create(
        &self,
        application: impl Into<ApplicationKey>,
        username: impl Into<String>,
    ) -> Create<ApplicationMembership> {
        let (core, key, username) = (self.core.clone(), application.into(), username.into());
        Create::new(&self.core, |given| async move {
            not_empty("username", &username)?;
            let name = given.get(ROLE_NAME).and_then(|name| name.as_str()).unwrap_or(DEFAULT_ROLE);
            let role = role::<ApplicationMembershipRole>(name)?;
            let id = core.id_of(key.target::<Application>(Query::new())?).await?;
            Ok(json!({
                "username": username,
                "is_member_of__application": id,
                "application_membership_role": core.id_of(role).await?,
            }))
        })
    }

    /// Sets the role of a member (`PATCH /v6/user__is_member_of__application`, after
    /// `GET /v6/application_membership_role`). Succeeds even if the membership does not exist: the API does not
    /// report it.
    ///
    /// # Errors
    /// `is_not_found` if the role does not exist.
    #[doc(alias = "changeRole")]
    pub fn change_role(
        &self,
        membership: impl Into<ApplicationMembershipKey>,
        role_name: impl Into<String>,
    ) -> WriteRequest {
        let (membership, name) = (membership.into(), role_name.into());
        WriteRequest::new(&self.core, move |writer| async move {
            change_role::<ApplicationMembership, ApplicationMembershipRole>(&writer, membership.key()?, &name)
                .await
        })
    }

    /// Deletes a membership (`DELETE /v6/user__is_member_of__application`). Succeeds even if it does not exist: the
    /// API does not report it.
    pub fn remove(&self, membership: impl Into<ApplicationMembershipKey>) -> WriteRequest {
        let membership = membership.into();
        WriteRequest::new(&self.core, move |writer| async move {
            writer.delete(ApplicationMembership::NAME, &RowSelector::Key(membership.key()?)).await
        })
    }
}

impl<T> Create<ApplicationMembership, T> {
    /// Sets the role: `developer` (the default), `operator` or `observer`.
    #[doc(alias = "roleName")]
    pub fn role_name(self, role: impl Into<String>) -> Self {
        self.set(ROLE_NAME, role.into())
    }
}
