//! The route table, in the match order of the supervisor's router.

use http::Method;
use percent_encoding::percent_decode_str;

/// What a request does to a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ServiceAction {
    Start,
    Stop,
    Restart,
}

/// An endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint {
    Healthy,
    Ping,
    Blink,
    RegenerateKey,
    RestartApp,
    PurgeApp,
    LegacyService(ServiceAction),
    Reboot,
    Shutdown,
    SingleApp,
    Update,
    HostConfig,
    SetHostConfig,
    Device,
    Service(ServiceAction),
    PurgeApplication,
    RestartApplication,
    ApplicationsState,
    ApplicationState,
    LocalTarget,
    SetLocalTarget,
    DeviceInfo,
    LocalLogs,
    Version,
    ContainerId,
    StateStatus,
    DeviceName,
    Tags,
    SetTags,
    Vpn,
    CleanupVolumes,
    JournalLogs,
}

impl Endpoint {
    /// Whether update locks can reject a request to it.
    pub(super) fn takes_locks(self) -> bool {
        matches!(
            self,
            Self::RestartApp
                | Self::PurgeApp
                | Self::Reboot
                | Self::Shutdown
                | Self::SetHostConfig
                | Self::PurgeApplication
                | Self::RestartApplication
                | Self::LegacyService(ServiceAction::Stop)
                | Self::Service(ServiceAction::Stop | ServiceAction::Restart)
        )
    }

    /// Whether it needs no key.
    pub(super) fn is_open(self) -> bool {
        matches!(self, Self::Ping | Self::Healthy)
    }

    /// Whether it is handled before the body is parsed.
    pub(super) fn ignores_body(self) -> bool {
        matches!(self, Self::Blink | Self::RegenerateKey)
    }
}

const ROUTES: &[(Method, &str, Endpoint)] = &[
    (Method::GET, "/v1/healthy", Endpoint::Healthy),
    (Method::GET, "/ping", Endpoint::Ping),
    (Method::POST, "/v1/blink", Endpoint::Blink),
    (Method::POST, "/v1/regenerate-api-key", Endpoint::RegenerateKey),
    (Method::POST, "/v1/restart", Endpoint::RestartApp),
    (Method::POST, "/v1/apps/:app/stop", Endpoint::LegacyService(ServiceAction::Stop)),
    (Method::POST, "/v1/apps/:app/start", Endpoint::LegacyService(ServiceAction::Start)),
    (Method::POST, "/v1/reboot", Endpoint::Reboot),
    (Method::POST, "/v1/shutdown", Endpoint::Shutdown),
    (Method::GET, "/v1/apps/:app", Endpoint::SingleApp),
    (Method::POST, "/v1/purge", Endpoint::PurgeApp),
    (Method::POST, "/v1/update", Endpoint::Update),
    (Method::GET, "/v1/device/host-config", Endpoint::HostConfig),
    (Method::PATCH, "/v1/device/host-config", Endpoint::SetHostConfig),
    (Method::GET, "/v1/device", Endpoint::Device),
    (Method::POST, "/v2/applications/:app/restart-service", Endpoint::Service(ServiceAction::Restart)),
    (Method::POST, "/v2/applications/:app/stop-service", Endpoint::Service(ServiceAction::Stop)),
    (Method::POST, "/v2/applications/:app/start-service", Endpoint::Service(ServiceAction::Start)),
    (Method::POST, "/v2/applications/:app/purge", Endpoint::PurgeApplication),
    (Method::POST, "/v2/applications/:app/restart", Endpoint::RestartApplication),
    (Method::GET, "/v2/applications/state", Endpoint::ApplicationsState),
    (Method::GET, "/v2/applications/:app/state", Endpoint::ApplicationState),
    (Method::GET, "/v2/local/target-state", Endpoint::LocalTarget),
    (Method::POST, "/v2/local/target-state", Endpoint::SetLocalTarget),
    (Method::GET, "/v2/local/device-info", Endpoint::DeviceInfo),
    (Method::GET, "/v2/local/logs", Endpoint::LocalLogs),
    (Method::GET, "/v2/version", Endpoint::Version),
    (Method::GET, "/v2/containerId", Endpoint::ContainerId),
    (Method::GET, "/v2/state/status", Endpoint::StateStatus),
    (Method::GET, "/v2/device/name", Endpoint::DeviceName),
    (Method::GET, "/v2/device/tags", Endpoint::Tags),
    (Method::PATCH, "/v2/device/tags", Endpoint::SetTags),
    (Method::GET, "/v2/device/vpn", Endpoint::Vpn),
    (Method::GET, "/v2/cleanup-volumes", Endpoint::CleanupVolumes),
    (Method::POST, "/v2/journal-logs", Endpoint::JournalLogs),
];

/// The result of routing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// An endpoint and the id in its path.
    To(Endpoint, String),
    /// An OPTIONS request; the methods of the path.
    Methods(String),
    /// An id with an invalid escape; the text of the error.
    Undecodable(String),
    Nowhere,
}

/// Finds the route of a request.
pub(super) fn find(method: &Method, path: &str) -> Route {
    let mut methods: Vec<&str> = Vec::new();
    for (route_method, pattern, endpoint) in ROUTES {
        let parameter = match fit(pattern, path) {
            None => continue,
            Some(Err(message)) => return Route::Undecodable(message),
            Some(Ok(parameter)) => parameter,
        };
        if route_method == method || (*route_method == Method::GET && method == Method::HEAD) {
            return Route::To(*endpoint, parameter);
        }
        methods.push(if *route_method == Method::GET { "GET,HEAD" } else { route_method.as_str() });
    }
    if method == Method::OPTIONS && !methods.is_empty() {
        return Route::Methods(methods.join(","));
    }
    Route::Nowhere
}

/// Matches a path: case and a trailing slash are ignored; returns the decoded parameter.
fn fit(pattern: &str, path: &str) -> Option<Result<String, String>> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let mut parts = path.split('/');
    let mut parameter = Ok(String::new());
    for wanted in pattern.split('/') {
        let part = parts.next()?;
        if wanted.starts_with(':') {
            if part.is_empty() {
                return None;
            }
            parameter = decoded(part).ok_or_else(|| format!("Failed to decode param '{part}'"));
        } else if !wanted.eq_ignore_ascii_case(part) {
            return None;
        }
    }
    parts.next().is_none().then_some(parameter)
}

/// Strict: every `%` must start an escape, and the result must be UTF-8.
fn decoded(part: &str) -> Option<String> {
    let escapes = part.split('%').skip(1);
    let mut strict =
        escapes.map(|rest| rest.get(..2).is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit())));
    let strict = strict.all(|good| good);
    let text = percent_decode_str(part).decode_utf8().ok()?;
    strict.then(|| text.into_owned())
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::{Endpoint, Route, find};

    #[test]
    fn paths_are_forgiving_and_escapes_are_not() {
        let get = |path: &str| find(&Method::GET, path);
        assert_eq!(get("/V2/Version/"), Route::To(Endpoint::Version, String::new()));
        assert_eq!(get("/v2//version"), Route::Nowhere);
        assert_eq!(get("/v2/version//"), Route::Nowhere);
        assert_eq!(get("/v2/%76ersion"), Route::Nowhere);
        assert_eq!(get("/v2/applications/%31/state"), Route::To(Endpoint::ApplicationState, "1".to_owned()));
        assert!(matches!(get("/v2/applications/%zz/state"), Route::Undecodable(_)));
        assert!(matches!(get("/v2/applications/%ff/state"), Route::Undecodable(_)));
    }

    #[test]
    fn methods_of_a_path_are_told() {
        let options = |path: &str| find(&Method::OPTIONS, path);
        assert_eq!(options("/v1/device/host-config"), Route::Methods("GET,HEAD,PATCH".to_owned()));
        assert_eq!(options("/v2/local/target-state"), Route::Methods("GET,HEAD,POST".to_owned()));
        assert_eq!(options("/nowhere"), Route::Nowhere);
        assert_eq!(find(&Method::PUT, "/v1/device"), Route::Nowhere);
    }
}
