//! The endpoint table: what the client has to know about each endpoint (reference sections 3 and 7).

use std::time::Duration;

use http::Method;

use crate::http::Effect;

/// Effect of a request, which determines whether it may be retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nature {
    /// Reads; may be retried.
    Read,
    /// Reads, but the handler can crash the supervisor (§7.4): never sent twice.
    FragileRead,
    /// An idempotent change; may be retried.
    Repeatable,
    /// A change that is not idempotent: never sent twice.
    Change,
}

impl Nature {
    pub(crate) fn changes(self) -> bool {
        matches!(self, Self::Repeatable | Self::Change)
    }

    /// Returns the effect, as far as it matters for a lost response.
    pub(crate) fn effect(self) -> Effect {
        match self {
            Self::Read | Self::FragileRead => Effect::Read,
            Self::Repeatable => Effect::Repeatable,
            Self::Change => Effect::Change,
        }
    }

    pub(crate) fn may_repeat(self) -> bool {
        matches!(self, Self::Read | Self::Repeatable)
    }
}

/// One row of the endpoint table.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "facts that do not depend on each other")]
pub(crate) struct Endpoint {
    pub(crate) method: Method,
    pub(crate) nature: Nature,
    /// Time from the request to the end of the response.
    pub(crate) deadline: Duration,
    /// First supervisor version with this endpoint, as documented.
    pub(crate) since: &'static str,
    /// The status for a missing object, as opposed to a missing endpoint.
    pub(crate) absent: Option<u16>,
    /// App restart and purge cancel each other (§7.3), so this client sends one of them at a time.
    pub(crate) takes_turns: bool,
    /// The response contains keys or passwords: no error may quote it.
    pub(crate) bears_secrets: bool,
    /// Update locks can block it, and `force` overrides them.
    pub(crate) takes_locks: bool,
    /// The content type of a 401 text shows whether the key is unknown or does not cover the application.
    pub(crate) tells_scope_by_type: bool,
    /// Starts a service from the image of the target release. Without that image the answer is 404 with an empty body.
    pub(crate) needs_image: bool,
    /// A 500 is not an error: it means `false`.
    pub(crate) says_no_by_500: bool,
}

const READ: Duration = Duration::from_secs(10);
/// Reboot and shutdown wait up to 10 s for a lock; update and blink can be as slow on a busy device.
const DEVICE_ACTION: Duration = Duration::from_secs(20);
/// 10 s of waiting for the lock, the stop timeout of the service, and the start.
const SERVICE_ACTION: Duration = Duration::from_secs(60);
/// All containers of the app, with a lock wait without limit.
const APP_ACTION: Duration = Duration::from_secs(300);

macro_rules! endpoints {
    ($($name:ident = $method:ident $nature:ident $deadline:ident since $since:literal $(: $($flag:ident $(($value:expr))?)+)?;)*) => {
        $(pub(crate) static $name: Endpoint = endpoints!(@ Endpoint {
            method: Method::$method,
            nature: Nature::$nature,
            deadline: $deadline,
            since: $since,
            absent: None,
            takes_turns: false,
            bears_secrets: false,
            takes_locks: false,
            tells_scope_by_type: false,
            needs_image: false,
            says_no_by_500: false,
        }, $($($flag $(($value))?)+)?);)*
    };
    (@ $row:expr, ) => { $row };
    (@ $row:expr, $($flag:ident $(($value:expr))?)+) => {{
        let mut row = $row;
        $(row.$flag = endpoints!(@value $($value)?);)+
        row
    }};
    (@value $value:expr) => { Some($value) };
    (@value) => { true };
}

endpoints! {
    PING = GET Read READ since "1.1.0";
    HEALTHY = GET Read READ since "6.5.0" : says_no_by_500;
    BLINK = POST Change DEVICE_ACTION since "1.1.0";
    UPDATE = POST Change DEVICE_ACTION since "1.1.0" : takes_locks;
    REBOOT = POST Change DEVICE_ACTION since "1.1.0" : takes_locks;
    SHUTDOWN = POST Change DEVICE_ACTION since "1.1.0" : takes_locks;
    REGENERATE_API_KEY = POST Change DEVICE_ACTION since "1.1.0" : bears_secrets;

    DEVICE = GET Read READ since "1.6.0";
    HOST_CONFIG = GET Read READ since "6.6.0" : bears_secrets;
    SET_HOST_CONFIG = PATCH Change SERVICE_ACTION since "6.6.0" : takes_locks;
    VERSION = GET Read READ since "7.21.0";
    DEVICE_NAME = GET FragileRead READ since "9.11.0";
    TAGS = GET Read READ since "9.11.0";
    SET_TAGS = PATCH Repeatable READ since "17.8.0";
    VPN = GET FragileRead READ since "11.4.0";
    DEVICE_INFO = GET Read READ since "7.21.0";

    RESTART_V1 = POST Change APP_ACTION since "1.1.0" : takes_turns takes_locks;
    PURGE_V1 = POST Change APP_ACTION since "1.1.0" : takes_turns takes_locks;
    RESTART = POST Change APP_ACTION since "7.0.0" : takes_turns takes_locks;
    PURGE = POST Change APP_ACTION since "7.0.0" : takes_turns takes_locks;
    RESTART_SERVICE = POST Change SERVICE_ACTION since "7.0.0" : absent(404) takes_locks needs_image;
    STOP_SERVICE = POST Change SERVICE_ACTION since "7.0.0" : absent(404) takes_locks;
    START_SERVICE = POST Repeatable SERVICE_ACTION since "7.0.0" : absent(404) needs_image;
    STOP_V1 = POST Change SERVICE_ACTION since "1.8.0" : absent(404) takes_locks tells_scope_by_type;
    START_V1 = POST Repeatable SERVICE_ACTION since "1.8.0" : absent(404) tells_scope_by_type needs_image;
    APP_V1 = GET Read READ since "1.8.0" : bears_secrets tells_scope_by_type;

    APPLICATIONS_STATE = GET Read READ since "7.12.0";
    APPLICATION_STATE = GET Read READ since "7.12.0" : absent(409);
    // Checks before a change: sent once, so that they do not add to the time of the change.
    STATE_BEFORE = GET FragileRead READ since "7.12.0";
    IMAGES_BEFORE = GET FragileRead READ since "7.12.0" : absent(409);
    STATE_STATUS = GET FragileRead READ since "9.7.0";
    CONTAINER_ID = GET FragileRead READ since "8.6.0" : absent(503);

    CLEANUP_VOLUMES = GET Change SERVICE_ACTION since "10.0.0";
    JOURNAL_LOGS = POST Read READ since "10.2.0";
    TARGET_STATE = GET FragileRead READ since "7.21.0" : bears_secrets;
    SET_TARGET_STATE = POST Change SERVICE_ACTION since "7.21.0" : takes_locks;
    LOCAL_LOGS = GET Read READ since "7.21.0";
}
