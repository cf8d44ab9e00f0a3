//! `balena-agent doctor`: checks what this container needs, and how to fix what is missing.

mod tokens;

use std::time::{Duration, SystemTime};

use http::header;
use secrecy::ExposeSecret as _;
use serde::Serialize;

use crate::error::Result;
use crate::http::{Request, Transport, is_exposed};
use crate::supervisor::{LockState, Supervisor, UpdateLock};
use crate::{Balena, Environment};

use super::output::{Output, plain};
use super::{Context, exit};

/// Default API address, if `BALENA_API_URL` is unset.
const DEFAULT_API: &str = "https://api.balena-cloud.com";
/// A clock before this time was never set (2026-01-01 in Unix seconds, before the first release).
const EARLIEST: u64 = 1_767_225_600;
/// Largest tolerated clock difference to the cloud, in seconds. A larger one breaks TLS and tokens.
const SKEW_LIMIT: i64 = 300;
const PROBE_LIMIT: Duration = Duration::from_secs(15);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    Warn,
    Fail,
}

/// Result of one check, one line of the report.
#[derive(Debug, Serialize)]
struct Finding {
    result: Verdict,
    check: &'static str,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { result: Verdict::Ok, check, found: found.into(), fix: None }
    }

    fn warn(check: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { result: Verdict::Warn, check, found: found.into(), fix: Some(fix.into()) }
    }

    fn fail(check: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { result: Verdict::Fail, check, found: found.into(), fix: Some(fix.into()) }
    }

    /// Returns a failure with the error's own help text.
    fn from_error(check: &'static str, error: &crate::Error) -> Self {
        let advice = if error.is_decode() {
            "another server answers at that address: do not set BALENA_SUPERVISOR_ADDRESS, the label sets it"
        } else {
            error
                .advice()
                .unwrap_or("read the supervisor's log on the host: `journalctl -u balena-supervisor`")
        };
        // This command need not refer to itself.
        let advice = HERE.iter().fold(advice.to_owned(), |advice, sentence| advice.replace(sentence, ""));
        Self::fail(check, error.summary().to_string(), advice)
    }
}

/// Parts of help texts that refer to this command.
const HERE: [&str; 2] = ["; check with `balena-agent doctor`", " with `balena-agent doctor`"];

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let result = match self.result {
            Verdict::Ok => "ok",
            Verdict::Warn => "warn",
            Verdict::Fail => "FAIL",
        };
        writeln!(f, "{result:4}  {:18}  {}", self.check, plain(&self.found))?;
        match &self.fix {
            Some(fix) => writeln!(f, "      {:18}  fix: {}", "", plain(fix)),
            None => Ok(()),
        }
    }
}

/// Runs every check. Returns the report and the exit code: 1 if a check failed.
pub(super) async fn run(context: &Context) -> Result<(Output, u8)> {
    let balena = &context.balena;
    let mut findings = container(balena.environment());
    findings.extend(supervisor(context).await);
    findings.extend(tokens::check(std::env::vars_os().filter_map(|(name, _)| name.into_string().ok())));
    findings.push(update_lock(&balena.update_lock()));
    findings.push(clock_alone());
    findings.extend(cloud(balena.environment(), context.timeout.unwrap_or(PROBE_LIMIT)).await);
    let well = findings.iter().all(|finding| finding.result != Verdict::Fail);
    let output = Output::data(&findings)?.text(findings.iter().map(Finding::to_string).collect());
    Ok((output, if well { exit::OK } else { exit::FAILED }))
}

fn container(env: &Environment) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.push(match (&env.device_uuid, &env.service_name) {
        (Some(uuid), Some(service)) => {
            Finding::ok("container", format!("service {service} on device {uuid}"))
        }
        (Some(uuid), None) => Finding::ok("container", format!("on device {uuid}")),
        (None, _) => Finding::warn(
            "container",
            "BALENA_DEVICE_UUID is not set: this is not a service container of a balena device",
            "run it in a service container, or against a simulated device: `balena-agent simulate`",
        ),
    });
    findings.push(match env.app_id.as_deref() {
        Some(id) if id.bytes().all(|byte| byte.is_ascii_digit()) => {
            Finding::ok("application", format!("BALENA_APP_ID is {id}"))
        }
        Some(id) => Finding::fail(
            "application",
            format!("BALENA_APP_ID is \"{}\", not a number", id.escape_debug()),
            "remove the variable of that name from the fleet, device or service: it overrides balena's own",
        ),
        None => Finding::warn(
            "application",
            "BALENA_APP_ID is not set: calls that name the application will fail",
            "balena sets it in every service container",
        ),
    });
    findings
}

async fn supervisor(context: &Context) -> Vec<Finding> {
    let supervisor = context.balena.supervisor();
    let mut findings = Vec::new();
    if let Err(error) = supervisor.connection() {
        return vec![Finding::from_error("supervisor label", &error)];
    }
    let address = supervisor.address().unwrap_or_default();
    findings.push(Finding::ok("supervisor label", format!("address {address} and a key are set")));
    let given = context.balena.environment().supervisor_address.as_deref().unwrap_or_default();
    if given.trim_end_matches('/') != address {
        let variable = context.balena.environment().variable("SUPERVISOR_ADDRESS");
        findings.push(Finding::warn(
            "supervisor address",
            format!("the path in {variable} is not used: requests go to {address}"),
            "do not set the variable: the label sets it, without a path",
        ));
    }
    match context.timed(supervisor.ping()).await {
        Ok(()) => findings.push(Finding::ok("supervisor", "it answers")),
        Err(error) => {
            findings.push(Finding::from_error("supervisor", &error));
            return findings;
        }
    }
    match context.timed(supervisor.version()).await {
        Ok(version) => {
            findings.push(Finding::ok("supervisor key", "accepted"));
            findings.push(supervisor_version(&version));
        }
        Err(error) => {
            findings.push(Finding::from_error("supervisor key", &error));
            return findings;
        }
    }
    if context.balena.environment().app_id.is_some() {
        findings.push(scope(context, supervisor).await);
    }
    findings
}

/// Checks whether the key covers the application of `BALENA_APP_ID`.
async fn scope(context: &Context, supervisor: &Supervisor) -> Finding {
    match context.timed(supervisor.applications_state()).await {
        Ok(states) if !states.is_empty() => {
            let covered: Vec<(&str, i64)> =
                states.iter().map(|(name, state)| (name.as_str(), state.app_id.get())).collect();
            return compared(context.balena.environment(), &covered);
        }
        // No application has a release, so there is nothing to compare with.
        Ok(_) => {}
        Err(error) => return Finding::from_error("key scope", &error),
    }
    match context.timed(supervisor.application().state()).await {
        Ok(_) => Finding::ok("key scope", "it covers this application"),
        Err(error) if error.is_not_found() => Finding::fail(
            "key scope",
            "the key does not cover the application of BALENA_APP_ID, or it is not installed",
            "is BALENA_APP_ID overridden by a variable of the fleet, device or service?",
        ),
        Err(error) => Finding::from_error("key scope", &error),
    }
}

fn compared(env: &Environment, covered: &[(&str, i64)]) -> Finding {
    let (variable, own) = (env.variable("APP_ID"), env.app_id.as_deref().unwrap_or_default());
    if covered.iter().any(|(_, id)| own.parse() == Ok(*id)) {
        return Finding::ok("key scope", "it covers this application");
    }
    let covered: Vec<String> = covered.iter().map(|(name, id)| format!("{id} ({name})")).collect();
    Finding::fail(
        "key scope",
        format!("{variable} is {own}, and the key covers {}", covered.join(", ")),
        format!(
            "a variable {variable} of the fleet, device, service or image overrides balena's own: remove it, and the \
             supervisor makes the container anew"
        ),
    )
}

/// Lists what this version of the supervisor does not support.
fn supervisor_version(version: &str) -> Finding {
    const NEEDS: [(&[u32], &str); 4] = [
        (&[10, 2], "journal logs"),
        (&[12, 11, 34], "host settings that respect update locks"),
        (&[17, 7], "update status of an application"),
        (&[17, 8], "setting tags"),
    ];
    let parts: Vec<u32> = version
        .split(['-', '+'])
        .next()
        .unwrap_or_default()
        .split('.')
        .map_while(|part| part.parse().ok())
        .collect();
    let missing: Vec<&str> =
        NEEDS.iter().filter(|(since, _)| parts.as_slice() < *since).map(|(_, what)| *what).collect();
    if parts.is_empty() {
        return Finding::warn(
            "supervisor version",
            format!("\"{}\" can't be read", version.escape_debug()),
            "the version is unknown: some calls may not be supported",
        );
    }
    if missing.is_empty() {
        return Finding::ok("supervisor version", version);
    }
    Finding::warn(
        "supervisor version",
        format!("{version} lacks: {}", missing.join(", ")),
        "update the supervisor",
    )
}

fn update_lock(lock: &UpdateLock) -> Finding {
    const CHECK: &str = "update lock";
    if let Err(error) = lock.try_directory() {
        let finding = Finding::from_error(CHECK, &error);
        // Most services never lock, and outside of a container there is no lock directory.
        let missing = lock.path().is_absolute() && lock.path().parent().is_some_and(|at| !at.exists());
        return if missing { Finding { result: Verdict::Warn, ..finding } } else { finding };
    }
    match lock.status() {
        Ok(status) if status.state == LockState::Stale => Finding::warn(
            CHECK,
            status.to_string(),
            format!(
                "nothing is updated while it is there: `rm {}`; the next `balena-agent lock run` takes it over",
                lock.path().display()
            ),
        ),
        Ok(status) => Finding::ok(CHECK, status.to_string()),
        Err(error) => Finding::from_error(CHECK, &error),
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn clock_alone() -> Finding {
    let now = now();
    if now < EARLIEST {
        return Finding::fail(
            "clock",
            format!(
                "the time is {}",
                jiff::Timestamp::from_second(i64::try_from(now).unwrap_or(0)).unwrap_or_default()
            ),
            "the device has no time from the network yet: TLS to the cloud fails until then",
        );
    }
    Finding::ok("clock", "it has been set")
}

async fn cloud(env: &Environment, limit: Duration) -> Vec<Finding> {
    let (address, given) = match &env.api_url {
        Some(url) => (url.trim_end_matches('/').to_owned(), true),
        None => (DEFAULT_API.to_owned(), false),
    };
    if let Some(Err(malformed)) = env.cloud_key() {
        return vec![Finding::from_error("cloud key", &malformed.error())];
    }
    let transport = match Balena::builder().environment(env.clone()).try_build() {
        Ok(balena) => balena.transport(),
        // The faulty setting may contain a password: only the error's own text is shown.
        Err(error) => return vec![Finding::from_error("cloud settings", &error)],
    };
    let mut findings = Vec::new();
    if env.api_key.is_none() {
        findings.push(Finding::warn(
            "cloud label",
            "BALENA_API_KEY is not set: only this device can be used, not the cloud API",
            "for the cloud API give the service the label io.balena.features.balena-api: '1'",
        ));
    } else if given {
        findings.push(Finding::ok("cloud label", format!("address {address} and a key are set")));
    } else {
        findings.push(Finding::ok("cloud label", format!("a key is set; {address} by default")));
    }
    if env.api_key.is_some() && address.parse().is_ok_and(|address| is_exposed(&address)) {
        findings.push(Finding::warn(
            "cloud address",
            format!("the key is sent to {address} over plain HTTP: anyone on the network path can read it"),
            "set BALENA_API_URL to an https:// address, and unset AGENT_ALLOW_HTTP",
        ));
    }
    match probe(&*transport, &format!("{address}/ping"), None, limit).await {
        Ok((status, skew)) if status < 500 => {
            findings.push(Finding::ok("cloud", format!("{address} answers")));
            if let Some(skew) = skew.filter(|skew| skew.abs() > SKEW_LIMIT) {
                findings.push(Finding::warn(
                    "clock",
                    format!(
                        "it is {} s {} the cloud's",
                        skew.abs(),
                        if skew > 0 { "ahead of" } else { "behind" }
                    ),
                    "check the time service of the host",
                ));
            }
        }
        Ok((status, _)) => {
            findings.push(Finding::warn("cloud", format!("{address} answers {status}"), "try again later"));
        }
        Err(cause) => {
            findings.push(Finding::warn(
                "cloud",
                format!("can't reach {address}: {cause}"),
                "the device may be offline, behind a firewall, or need a proxy (HTTPS_PROXY); calls to the supervisor work without it",
            ));
            return findings;
        }
    }
    if let Some(key) = &env.api_key {
        let whoami =
            probe(&*transport, &format!("{address}/actor/v1/whoami"), Some(key.expose_secret()), limit).await;
        findings.push(match whoami {
            Ok((200, _)) => Finding::ok("cloud key", "accepted"),
            Ok((401, _)) => Finding::fail(
                "cloud key",
                "refused",
                "the device key was revoked, or the device was deleted or moved",
            ),
            Ok((status, _)) => {
                Finding::warn("cloud key", format!("can't check the key: status {status}"), "try again later")
            }
            Err(cause) => {
                Finding::warn("cloud key", format!("can't check the key: {cause}"), "try again later")
            }
        });
    }
    findings
}

/// Sends a GET. Returns the status, and how far this clock is ahead of the server's, in seconds.
async fn probe(
    transport: &dyn Transport,
    address: &str,
    key: Option<&str>,
    limit: Duration,
) -> std::result::Result<(u16, Option<i64>), String> {
    let mut request = http::Request::get(address).header(header::USER_AGENT, "balena-agent");
    if let Some(key) = key {
        let mut value = header::HeaderValue::from_str(&format!("Bearer {key}"))
            .map_err(|_| "the key contains characters that are not valid in a key".to_owned())?;
        value.set_sensitive(true);
        request = request.header(header::AUTHORIZATION, value);
    }
    let request: Request =
        request.body(bytes::Bytes::new()).map_err(|_| "BALENA_API_URL is not an address".to_owned())?;
    let answer = tokio::time::timeout(limit, transport.send(request))
        .await
        .map_err(|_| format!("no response within {limit:?}"))?
        .map_err(|cause| cause.to_string())?;
    let date = answer.headers().get(header::DATE).and_then(|date| date.to_str().ok());
    let theirs =
        date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok()).map(|date| date.timestamp().as_second());
    let skew = theirs.zip(i64::try_from(now()).ok()).map(|(theirs, ours)| ours - theirs);
    Ok((answer.status().as_u16(), skew))
}

#[cfg(test)]
mod tests;
