//! Whose credentials these are: asked once for each login, by whichever noun needs it first.

use std::sync::PoisonError;

use crate::core::{Core, EndpointRequest};
use crate::error::{Error, ErrorKind, Result};
use crate::http::StatusPolicy;
use crate::whoami::{ActorKind, WhoAmI};

use crate::resource::json_request::decode;

impl WhoAmI {
    /// Id of the user.
    ///
    /// # Errors
    /// `is_unsupported` when it is none.
    pub(crate) fn user_id(&self) -> Result<i64> {
        match self.actor {
            ActorKind::User { id, .. } => Ok(id),
            _ => Err(self.not_a_user_error()),
        }
    }

    pub(crate) fn not_a_user_error(&self) -> Error {
        let text = format!(
            "the authentication credentials in use are not of a user but of this: {}",
            self.actor.as_str().escape_debug()
        );
        Error::new(ErrorKind::Unsupported, text).with_help("log in as a user, or take an API key of one")
    }
}

impl Core {
    /// Whose credentials these are (`GET /actor/v1/whoami`), as it was answered for this login before.
    ///
    /// # Errors
    /// `is_unauthorized` when nobody is logged in.
    pub(crate) async fn whoami(&self) -> Result<WhoAmI> {
        self.login_token()?;
        let login = self.store.token()?.1;
        let known = self.whoami.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match known {
            Some((of, who)) if of == login => Ok(who),
            _ => self.whoami_now().await,
        }
    }

    /// The same, asked again.
    ///
    /// # Errors
    /// `is_unauthorized` when nobody is logged in.
    pub(crate) async fn whoami_now(&self) -> Result<WhoAmI> {
        let login = self.store.token()?.1;
        let ask = EndpointRequest {
            status_policy: StatusPolicy::Collection,
            ..EndpointRequest::get("/actor/v1/whoami")
        };
        let who: WhoAmI = decode(&self.send(ask).await?)?;
        // A login in the meantime has a number of its own: this answer is not taken for it.
        *self.whoami.lock().unwrap_or_else(PoisonError::into_inner) = Some((login, who.clone()));
        Ok(who)
    }
}
