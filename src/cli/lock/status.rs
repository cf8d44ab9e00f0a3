//! `lock status`: the lock file of this service, and the leases of the agent beside.

#[cfg(feature = "service")]
use serde_json::{Map, Value, json};

use crate::cli::Context;
use crate::cli::output::Output;
#[cfg(feature = "service")]
use crate::cli::output::plain;
#[cfg(feature = "service")]
use crate::cli::status::{LEASE_COLUMNS, lease_rows};
use crate::error::Result;
#[cfg(feature = "service")]
use crate::service::{Lease, agent_beside};
#[cfg(feature = "service")]
use crate::supervisor::LockStatus;

/// Returns what is shown, and whether anything locks.
pub(super) async fn run(context: &Context) -> Result<(Output, bool)> {
    let lock = context.balena.update_lock();
    #[cfg(feature = "service")]
    if let Some(agent) = agent_beside(lock.path())? {
        let leases = context.within("GET /agent/v1/locks", agent.locks()).await;
        // Another service may have no lock directory; the leases are those of the agent's.
        return match (lock.status(), leases) {
            (Err(error), Err(_)) => Err(error),
            (status, leases) => shown(status.ok().as_ref(), leases),
        };
    }
    let status = lock.status()?;
    Ok((Output::data(&status)?.text(status.to_string()), status.is_locked()))
}

#[cfg(feature = "service")]
fn shown(status: Option<&LockStatus>, leases: Result<Vec<Lease>>) -> Result<(Output, bool)> {
    let mut data = match status.map(serde_json::to_value) {
        Some(Ok(Value::Object(status))) => status,
        _ => Map::new(),
    };
    let is_file_locked = status.is_some_and(LockStatus::is_locked);
    let text = status.map(ToString::to_string).unwrap_or_default();
    match leases {
        Ok(mut leases) => {
            leases.retain(Lease::is_held);
            data.insert("leases".to_owned(), json!(leases));
            let output = Output::data(&data)?.text(text);
            let output = output.rows(&LEASE_COLUMNS, &lease_rows(&leases), "no leases of the agent")?;
            Ok((output, is_file_locked || !leases.is_empty()))
        }
        Err(error) => {
            data.insert("leases".to_owned(), Value::Null);
            let error = format!("the leases of the agent are not known: {}", plain(&error.to_string()));
            let output = Output::data(&data)?.text(text).rows(&[], &json!([]), &error)?;
            Ok((output, is_file_locked))
        }
    }
}
