//! Replaces a proxy as a whole, although the supervisor merges requests (reference 4.2).

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::error::{Error, ErrorKind, Result};
use crate::supervisor::endpoint as e;
use crate::supervisor::request::RequestSpec;
use crate::supervisor::response::done;

use super::host_settings::{HostSettings, Limits};
use super::patch::{self, HostConfigPatch, ProxyChange};
use super::{HostConfig, Network, PATH, Proxy};

/// Pauses in seconds before each attempt to restore the old proxy: about a minute, enough for a restart of the
/// supervisor.
const RESTORE_BACKOFF: [u64; 7] = [0, 1, 2, 4, 8, 16, 32];

/// Result of a change of the host settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HostConfigOutcome {
    /// The settings are stored; the host applies them.
    Stored,
    /// The settings were already stored, and nothing was sent. Only with
    /// [`SetHostConfig::if_changed`](super::SetHostConfig::if_changed).
    Unchanged,
}

/// How a change is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Replaces or removes the proxy as a whole.
    Whole,
    /// The same, but sends only what differs.
    IfChanged,
    /// Sends one request, which the supervisor merges.
    Unchecked,
}

/// Sends requests to a host.
pub(super) struct Sender {
    pub(super) host: Arc<dyn HostSettings>,
    pub(super) force: bool,
    pub(super) limits: Limits,
}

impl Sender {
    async fn read(&self) -> Result<Network> {
        let answer = self.host.send(RequestSpec::new(&e::HOST_CONFIG, PATH), self.limits).await?;
        let config = answer.json::<HostConfig>().map_err(|error| self.host.explained(error))?;
        Ok(config.network)
    }

    async fn change(&self, mut body: Value) -> Result<()> {
        if let (true, Some(fields)) = (self.force, body.as_object_mut()) {
            fields.insert("force".into(), true.into());
        }
        let answer =
            self.host.send(RequestSpec::new(&e::SET_HOST_CONFIG, PATH).body(body), self.limits).await?;
        done(answer).map_err(|error| self.host.explained(error))
    }
}

pub(super) async fn run(sender: &Sender, patch: HostConfigPatch, mode: Mode) -> Result<HostConfigOutcome> {
    let may_leave_something = match &patch.proxy {
        Some(ProxyChange::Set(proxy)) => !proxy.has_login(),
        Some(ProxyChange::Remove) => true,
        None => false,
    };
    let read = match mode {
        Mode::Unchecked => false,
        Mode::Whole => may_leave_something,
        Mode::IfChanged => true,
    };
    let stored = if read { Some(sender.read().await?) } else { None };
    let patch = match (&stored, mode) {
        (Some(stored), Mode::IfChanged) => differing(patch, stored, sender.host.default_name()),
        _ => patch,
    };
    if patch.is_empty() {
        return Ok(HostConfigOutcome::Unchanged);
    }
    let old = stored.and_then(|network| network.proxy);
    match Plan::of(&patch, old, mode) {
        Plan::One(body) => sender.change(body).await?,
        Plan::Two(steps) => {
            if steps.cuts_off && sender.host.is_behind_its_proxy() {
                return Err(cut_off());
            }
            steps.run(sender).await?;
        }
    }
    Ok(HostConfigOutcome::Stored)
}

/// Returns only the settings that differ from the stored ones.
fn differing(patch: HostConfigPatch, stored: &Network, default_name: Option<&str>) -> HostConfigPatch {
    let HostConfigPatch { hostname, proxy } = patch;
    let current = stored.hostname.as_deref();
    let hostname = hostname.filter(|name| {
        let wanted = if name.is_empty() { default_name } else { Some(name.as_str()) };
        wanted.is_none() || wanted != current
    });
    let proxy = proxy.filter(|change| match (change, &stored.proxy) {
        (ProxyChange::Remove, stored) => stored.is_some(),
        (ProxyChange::Set(proxy), Some(stored)) => !proxy.is(stored),
        (ProxyChange::Set(_), None) => true,
    });
    HostConfigPatch { hostname, proxy }
}

/// The requests of a change.
enum Plan {
    One(Value),
    Two(Box<ClearThenSet>),
}

impl Plan {
    fn of(patch: &HostConfigPatch, old: Option<Proxy>, mode: Mode) -> Self {
        let no_list = || json!({ "noProxy": [] });
        match (&patch.proxy, old) {
            (None, _) => Self::One(patch.with(None)),
            (Some(ProxyChange::Set(new)), Some(old))
                if !new.has_login() && (old.login.is_some() || old.password.is_some()) =>
            {
                Self::Two(Box::new(ClearThenSet {
                    first: only(&json!({})),
                    second: patch.with(Some(new.body())),
                    back: only(&patch::again(&old)),
                    tries: RESTORE_BACKOFF.len(),
                    cuts_off: true,
                    between: "the host has no proxy now: set one again, or the device may stay unreachable",
                    unknown: "it is not known whether the host has the old proxy, the new one or none",
                    wanted: patch.proxy.clone(),
                }))
            }
            (Some(ProxyChange::Set(new)), _) => Self::One(patch.with(Some(new.body()))),
            (Some(ProxyChange::Remove), _) if mode == Mode::Unchecked => {
                Self::One(patch.with(Some(json!({}))))
            }
            // A request with only a list changes the list and, if the list is unchanged, removes the proxy. Both are
            // right here: it deletes a list that may be left over.
            (Some(ProxyChange::Remove), None) => Self::One(patch.with(Some(no_list()))),
            (Some(ProxyChange::Remove), Some(old)) => match old.no_proxy.filter(|list| !list.is_empty()) {
                None => Self::One(patch.with(Some(json!({})))),
                Some(list) => Self::Two(Box::new(ClearThenSet {
                    first: only(&no_list()),
                    second: patch.with(Some(json!({}))),
                    back: only(&json!({ "noProxy": list })),
                    tries: 1,
                    cuts_off: false,
                    between: "the proxy is still there, without its list of exceptions: set both again, or remove it",
                    unknown: "it is not known whether the proxy is removed or only its list of exceptions is",
                    wanted: patch.proxy.clone(),
                })),
            },
        }
    }
}

fn only(proxy: &Value) -> Value {
    json!({ "network": { "proxy": proxy } })
}

/// Two requests: the first deletes what must be removed, the second sets the new values.
struct ClearThenSet {
    first: Value,
    second: Value,
    /// The request that restores the old settings.
    back: Value,
    /// Number of attempts to restore.
    tries: usize,
    /// Whether the host has no proxy after the first step, although it needs one.
    cuts_off: bool,
    /// What is in force after the first step.
    between: &'static str,
    unknown: &'static str,
    wanted: Option<ProxyChange>,
}

impl ClearThenSet {
    async fn run(self, sender: &Sender) -> Result<()> {
        if let Err(error) = sender.change(self.first.clone()).await {
            return Err(if may_have_happened(&error) {
                self.restore(sender, error).await
            } else {
                error.with_note("nothing is changed")
            });
        }
        let Err(error) = sender.change(self.second.clone()).await else { return Ok(()) };
        if may_have_happened(&error) && sender.read().await.is_ok_and(|now| self.holds(&now)) {
            return Ok(());
        }
        Err(self.restore(sender, error).await)
    }

    /// Returns whether the settings equal the result of the second step.
    fn holds(&self, now: &Network) -> bool {
        match (&self.wanted, &now.proxy) {
            (Some(ProxyChange::Set(wanted)), Some(stored)) => wanted.is(stored),
            (Some(ProxyChange::Remove), None) => true,
            _ => false,
        }
    }

    /// Restores the old settings. Returns the error with a note on whether that worked.
    async fn restore(&self, sender: &Sender, error: Error) -> Error {
        let mut known = !may_have_happened(&error);
        tracing::warn!(%error, "the host's proxy can't be changed; restoring the old settings");
        for pause in RESTORE_BACKOFF.iter().take(self.tries) {
            tokio::time::sleep(Duration::from_secs(*pause)).await;
            match sender.change(self.back.clone()).await {
                Ok(()) => return error.with_note("the old proxy is set again"),
                Err(again) => {
                    known &= !may_have_happened(&again);
                    tracing::warn!(error = %again, "the old settings of the host's proxy can't be restored");
                }
            }
        }
        let holds = if known { self.between } else { self.unknown };
        error.with_note(format_args!("the old settings can't be restored either: {holds}"))
    }
}

/// Returns whether the request may have taken effect.
fn may_have_happened(error: &Error) -> bool {
    error.is_unknown_outcome() || (error.is_timeout() && error.was_sent())
}

fn cut_off() -> Error {
    let text = "the stored proxy has a login and the new one has none: the supervisor forgets a login only with its \
                whole proxy, and without one the device may be out of the cloud's reach for good";
    Error::new(ErrorKind::Unsupported, text)
        .with_operation("PATCH /v1/device/host-config")
        .with_help("change it on the device, or give the new proxy a login")
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::env::Environment;
    use crate::http::BoxFuture;
    use crate::supervisor::client::Supervisor;
    use crate::supervisor::response::SupervisorResponse;
    use crate::supervisor::{ProxyKind, ProxyPatch};

    /// A host whose proxy has a login. It answers changes with the given responses first, then with errors.
    struct Host {
        changes: Mutex<Vec<Option<ErrorKind>>>,
        sent: Mutex<usize>,
        behind: bool,
    }

    impl Host {
        fn new(changes: impl IntoIterator<Item = Option<ErrorKind>>) -> Self {
            let mut changes: Vec<_> = changes.into_iter().collect();
            changes.reverse();
            Self { changes: Mutex::new(changes), sent: Mutex::new(0), behind: false }
        }
    }

    impl HostSettings for Host {
        fn send(&self, spec: RequestSpec, _: Limits) -> BoxFuture<'_, Result<SupervisorResponse>> {
            let first = *self.sent.lock().unwrap() == 0;
            let read = spec.endpoint.method == http::Method::GET;
            let failure = if read {
                (!first).then_some(ErrorKind::Server)
            } else {
                *self.sent.lock().unwrap() += 1;
                self.changes.lock().unwrap().pop().unwrap_or(Some(ErrorKind::Server))
            };
            let stored = json!({"network": {"proxy": {"type": "socks5", "ip": "192.0.2.1", "port": 1, "login": "a", "password": "b"}}});
            let answer = SupervisorResponse {
                supervisor: Supervisor::new(&Environment::default()),
                endpoint: spec.endpoint,
                operation: "PATCH host-config".to_owned(),
                status: 200,
                is_html: false,
                force: crate::supervisor::lock_rejection::Force::NotTaken,
                body: if read { stored.to_string().into() } else { "OK".into() },
            };
            Box::pin(async move {
                match failure {
                    Some(kind) => Err(Error::new(kind, "it failed").with_sent(true)),
                    None => Ok(answer),
                }
            })
        }

        fn default_name(&self) -> Option<&str> {
            None
        }

        fn is_behind_its_proxy(&self) -> bool {
            self.behind
        }
    }

    async fn replace(host: Host) -> (Error, usize) {
        let host = Arc::new(host);
        let sender = Sender { host: host.clone(), force: false, limits: Limits::default() };
        let patch = HostConfigPatch::new().proxy(ProxyPatch::new(ProxyKind::Socks4, "192.0.2.2", 1));
        let error = run(&sender, patch, Mode::Whole).await.unwrap_err();
        let sent = *host.sent.lock().unwrap();
        (error, sent)
    }

    #[tokio::test(start_paused = true)]
    async fn where_nothing_works_any_more_the_state_is_told() {
        for (second, told) in
            [(ErrorKind::Server, "the host has no proxy now"), (ErrorKind::UnknownOutcome, "it is not known")]
        {
            let (error, sent) = replace(Host::new([None, Some(second)])).await;
            assert!(error.to_string().contains(told), "{error}");
            assert_eq!(sent, 2 + RESTORE_BACKOFF.len());
        }
        // A supervisor that returns within the minute gets the old proxy.
        let mut changes = vec![None, Some(ErrorKind::Unreachable)];
        changes.extend([Some(ErrorKind::Unreachable); 5]);
        changes.push(None);
        let (error, _) = replace(Host::new(changes)).await;
        assert!(
            error.is_unreachable() && error.to_string().contains("the old proxy is set again"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_device_is_not_cut_off_from_the_cloud_that_changes_it() {
        let (error, sent) = replace(Host { behind: true, ..Host::new([]) }).await;
        assert!(error.is_unsupported(), "{error}");
        assert_eq!(sent, 0);
    }
}
