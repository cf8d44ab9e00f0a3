//! The endpoint table: what the client has to know about each endpoint (reference sections 3 and 7).

use std::time::Duration;

use http::Method;

use crate::http::RequestSemantics;

/// Effect of a request, which determines whether it may be retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retryability {
    /// Reads; may be retried.
    Read,
    /// Reads, but the handler can crash the supervisor (§7.4): never sent twice.
    FragileRead,
    /// An idempotent change; may be retried.
    IdempotentWrite,
    /// A change that is not idempotent: never sent twice.
    Write,
}

impl Retryability {
    pub(crate) fn changes(self) -> bool {
        matches!(self, Self::IdempotentWrite | Self::Write)
    }

    /// Returns the effect, as far as it matters for a lost response.
    pub(crate) fn semantics(self) -> RequestSemantics {
        match self {
            Self::Read | Self::FragileRead => RequestSemantics::Safe,
            Self::IdempotentWrite => RequestSemantics::Idempotent,
            Self::Write => RequestSemantics::NonIdempotent,
        }
    }

    pub(crate) fn may_repeat(self) -> bool {
        matches!(self, Self::Read | Self::IdempotentWrite)
    }
}

/// One row of the endpoint table.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "facts that do not depend on each other")]
pub(crate) struct Endpoint {
    pub(crate) method: Method,
    pub(crate) retryability: Retryability,
    /// Time from the request to the end of the response.
    pub(crate) deadline: Duration,
    /// First supervisor version with this endpoint, as documented.
    pub(crate) since: &'static str,
    /// The status for a missing object, as opposed to a missing endpoint.
    pub(crate) not_found_status: Option<u16>,
    /// App restart and purge cancel each other (§7.3), so this client sends one of them at a time.
    pub(crate) is_serialized: bool,
    /// The response contains keys or passwords: no error may quote it.
    pub(crate) has_secrets: bool,
    /// Update locks can block it, and `force` overrides them.
    pub(crate) takes_locks: bool,
    /// The content type of a 401 text shows whether the key is unknown or does not cover the application.
    pub(crate) scope_error_is_html: bool,
    /// Starts a service from the image of the target release. Without that image the answer is 404 with an empty body.
    pub(crate) needs_image: bool,
    /// A 500 is not an error: it means `false`.
    pub(crate) status_500_is_an_answer: bool,
}

const READ: Duration = Duration::from_secs(10);
/// Reboot and shutdown wait up to 10 s for a lock; update and blink can be as slow on a busy device.
const DEVICE_ACTION: Duration = Duration::from_secs(20);
/// 10 s of waiting for the lock, the stop timeout of the service, and the start.
const SERVICE_ACTION: Duration = Duration::from_secs(60);
/// All containers of the app, with a lock wait without limit.
const APP_ACTION: Duration = Duration::from_secs(300);

macro_rules! endpoints {
    ($($name:ident = $method:ident $retryability:ident $deadline:ident since $since:literal $(: $($flag:ident $(($value:expr))?)+)?;)*) => {
        $(pub(crate) static $name: Endpoint = endpoints!(@ Endpoint {
            method: Method::$method,
            retryability: Retryability::$retryability,
            deadline: $deadline,
            since: $since,
            not_found_status: None,
            is_serialized: false,
            has_secrets: false,
            takes_locks: false,
            scope_error_is_html: false,
            needs_image: false,
            status_500_is_an_answer: false,
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
    HEALTHY = GET Read READ since "6.5.0" : status_500_is_an_answer;
    BLINK = POST Write DEVICE_ACTION since "1.1.0";
    UPDATE = POST Write DEVICE_ACTION since "1.1.0" : takes_locks;
    REBOOT = POST Write DEVICE_ACTION since "1.1.0" : takes_locks;
    SHUTDOWN = POST Write DEVICE_ACTION since "1.1.0" : takes_locks;
    REGENERATE_API_KEY = POST Write DEVICE_ACTION since "1.1.0" : has_secrets;

    DEVICE = GET Read READ since "1.6.0";
    HOST_CONFIG = GET Read READ since "6.6.0" : has_secrets;
    SET_HOST_CONFIG = PATCH Write SERVICE_ACTION since "6.6.0" : takes_locks;
    VERSION = GET Read READ since "7.21.0";
    DEVICE_NAME = GET FragileRead READ since "9.11.0";
    TAGS = GET Read READ since "9.11.0";
    SET_TAGS = PATCH IdempotentWrite READ since "17.8.0";
    VPN = GET FragileRead READ since "11.4.0";
    DEVICE_INFO = GET Read READ since "7.21.0";

    RESTART_V1 = POST Write APP_ACTION since "1.1.0" : is_serialized takes_locks;
    PURGE_V1 = POST Write APP_ACTION since "1.1.0" : is_serialized takes_locks;
    RESTART = POST Write APP_ACTION since "7.0.0" : is_serialized takes_locks;
    PURGE = POST Write APP_ACTION since "7.0.0" : is_serialized takes_locks;
    RESTART_SERVICE = POST Write SERVICE_ACTION since "7.0.0" : not_found_status(404) takes_locks needs_image;
    STOP_SERVICE = POST Write SERVICE_ACTION since "7.0.0" : not_found_status(404) takes_locks;
    START_SERVICE = POST IdempotentWrite SERVICE_ACTION since "7.0.0" : not_found_status(404) needs_image;
    STOP_V1 = POST Write SERVICE_ACTION since "1.8.0" : not_found_status(404) takes_locks scope_error_is_html;
    START_V1 = POST IdempotentWrite SERVICE_ACTION since "1.8.0" : not_found_status(404) scope_error_is_html needs_image;
    APP_V1 = GET Read READ since "1.8.0" : has_secrets scope_error_is_html;

    APPLICATIONS_STATE = GET Read READ since "7.12.0";
    APPLICATION_STATE = GET Read READ since "7.12.0" : not_found_status(409);
    // Checks before a change: sent once, so that they do not add to the time of the change.
    STATE_BEFORE = GET FragileRead READ since "7.12.0";
    IMAGES_BEFORE = GET FragileRead READ since "7.12.0" : not_found_status(409);
    STATE_STATUS = GET FragileRead READ since "9.7.0";
    CONTAINER_ID = GET FragileRead READ since "8.6.0" : not_found_status(503);

    CLEANUP_VOLUMES = GET Write SERVICE_ACTION since "10.0.0";
    JOURNAL_LOGS = POST Read READ since "10.2.0";
    TARGET_STATE = GET FragileRead READ since "7.21.0" : has_secrets;
    SET_TARGET_STATE = POST Write SERVICE_ACTION since "7.21.0" : takes_locks;
    LOCAL_LOGS = GET Read READ since "7.21.0";
}
