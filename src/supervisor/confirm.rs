//! Checks that a restart recreated the containers: the supervisor answers 200 even if the engine could not stop one.

use std::collections::BTreeSet;
use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;

use crate::error::{Error, ErrorKind, Result};
use crate::maps::collect_unsorted;

use super::action_target::ActionTarget;
use super::call::{Call, MakesContainers, PendingCall};
use super::client::Supervisor;
use super::endpoint as e;
use super::request::RequestSpec;
use super::response::Decoder;
use super::state::{ContainerStatus, StateStatus};
use super::time_budget::TimeBudget;

/// Result of a restart that the supervisor answered with success.
#[derive(Debug)]
#[non_exhaustive]
pub enum Confirmation {
    /// Every container is a new one.
    Confirmed,
    /// The containers could not be compared, for this reason. Only the supervisor's response says that it worked.
    NotConfirmed(Error),
}

impl Confirmation {
    /// Returns whether every container is a new one.
    pub fn is_confirmed(&self) -> bool {
        matches!(self, Self::Confirmed)
    }
}

/// A call whose effect is checked. Returned by [`Call::confirm`]. Nothing is sent before `.await`.
#[must_use = "nothing is sent before `.await`"]
pub struct Confirm<O> {
    call: Call<(), O>,
}

impl<O: MakesContainers> Call<(), O> {
    /// Checks that the containers were recreated: the supervisor answers 200 even if the engine could not stop a
    /// container. Their ids are read before and after (`GET /v2/state/status`). If the engine fails, that read can
    /// crash the supervisor.
    ///
    /// # Errors
    /// Those of the call; `is_server` if it succeeded and a container is the same as before.
    pub fn confirm(self) -> Confirm<O> {
        Confirm { call: self }
    }
}

impl<O: 'static> IntoFuture for Confirm<O> {
    type Output = Result<Confirmation>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        let (sending, read) = self.call.into_parts();
        Box::pin(confirmed(sending, read))
    }
}

async fn confirmed(sending: PendingCall, read: Decoder<()>) -> Result<Confirmation> {
    let time = sending.time_budget();
    sending.check(&time).await?;
    let (supervisor, affected, operation) = sending.about();
    let before = match affected {
        Some(affected) => containers(&supervisor, &time).await.map(|before| (affected, before)),
        None => Err(unknown("the application's id is not known")),
    };
    let (answer, attempts) = sending.send(&time).await?;
    read(answer).map_err(|error| error.with_attempts(attempts))?;
    // The second read is useful only if there is something to compare it with.
    let (affected, before) = match before {
        Ok(before) => before,
        Err(error) => return Ok(Confirmation::NotConfirmed(error)),
    };
    match containers(&supervisor, &time).await {
        Ok(after) => compare(&affected, &before, &after, &operation),
        Err(error) => Ok(Confirmation::NotConfirmed(error)),
    }
}

impl<O> fmt::Debug for Confirm<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Confirm").field("call", &self.call).finish()
    }
}

async fn containers(supervisor: &Supervisor, time: &TimeBudget) -> Result<Vec<ContainerStatus>> {
    let spec = RequestSpec::new(&e::STATE_STATUS, "/v2/state/status");
    let (answer, _) = supervisor.execute(spec, time.for_read(&e::STATE_STATUS), time.patience()).await?;
    answer.json::<StateStatus>().map(|status| status.containers)
}

fn compare(
    affected: &ActionTarget,
    before: &[ContainerStatus],
    after: &[ContainerStatus],
    operation: &str,
) -> Result<Confirmation> {
    let were: Vec<&ContainerStatus> =
        before.iter().filter(|one| affected.includes(one) && one.container_id.is_some()).collect();
    if were.is_empty() {
        return Ok(Confirmation::NotConfirmed(unknown("none of its containers were listed before")));
    }
    let same = were.iter().filter(|was| after.iter().any(|now| now.container_id == was.container_id));
    let same: BTreeSet<&str> = collect_unsorted(same.map(|was| was.service_name.as_str()));
    if !same.is_empty() {
        let names =
            same.into_iter().map(|name| name.escape_debug().to_string()).collect::<Vec<_>>().join(", ");
        let message = format!(
            "the supervisor answered with success, but the container did not change (service {names})"
        );
        return Err(Error::new(ErrorKind::Server, message).with_operation(operation.to_owned()).with_sent(true).with_help(
            "the engine could not stop it, or another restart cancelled this one. Try again; if this persists, check \
             `balena-agent device logs --unit balena.service` and reboot the device",
        ));
    }
    let gone = were.iter().find(|was| !after.iter().any(|now| now.service_name == was.service_name));
    Ok(match gone {
        Some(gone) => {
            let name = gone.service_name.escape_debug();
            Confirmation::NotConfirmed(unknown(format!(
                "the old container of service {name} is gone, but there is no new one"
            )))
        }
        None => Confirmation::Confirmed,
    })
}

fn unknown(why: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::NotFound, why).with_operation("GET /v2/state/status").with_sent(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervisor::ServiceSelector;
    use serde_json::{Value, json};

    type Rows<'a> = &'a [(i64, &'a str, i64, &'a str)];

    fn status(rows: Rows<'_>) -> Vec<ContainerStatus> {
        let rows: Vec<Value> = rows
            .iter()
            .map(|(app, service, image, id)| {
                json!({"appId": app, "serviceName": service, "imageId": image, "containerId": id, "status": "Running"})
            })
            .collect();
        serde_json::from_value(rows.into()).unwrap()
    }

    #[test]
    fn containers_are_told_by_their_ids() {
        let before = status(&[(1, "main", 10, "a"), (1, "side", 11, "b"), (2, "main", 12, "c")]);
        let main = || Some(ServiceSelector::name("main"));
        let image = Some(ServiceSelector::image(11));
        let table: [(Option<ServiceSelector>, Rows<'_>, &str); 8] = [
            (main(), &[(1, "main", 10, "x"), (1, "side", 11, "b"), (2, "main", 12, "c")], "confirmed"),
            (main(), &[(1, "main", 10, "a"), (1, "side", 11, "b")], "main"),
            (image.clone(), &[(1, "main", 10, "a"), (1, "side", 11, "x")], "confirmed"),
            (image, &[(1, "main", 10, "a"), (1, "side", 99, "b")], "side"),
            (None, &[(1, "main", 10, "x"), (1, "side", 11, "y"), (2, "main", 12, "c")], "confirmed"),
            (None, &[(1, "main", 10, "x"), (1, "side", 11, "b")], "side"),
            (main(), &[(1, "side", 11, "b")], "not confirmed"),
            (Some(ServiceSelector::name("new")), &[(1, "new", 13, "z")], "not confirmed"),
        ];
        for (service, after, expected) in table {
            let what = format!("{service:?} {after:?}");
            let affected = ActionTarget::new(1.into(), service);
            match compare(&affected, &before, &status(after), "POST /x") {
                Ok(Confirmation::Confirmed) => assert_eq!(expected, "confirmed", "{what}"),
                Ok(Confirmation::NotConfirmed(_)) => assert_eq!(expected, "not confirmed", "{what}"),
                Err(error) => {
                    assert!(error.is_server() && error.was_sent(), "{what}: {error}");
                    assert!(
                        error.to_string().contains(&format!("did not change (service {expected})")),
                        "{error}"
                    );
                }
            }
        }
    }
}
