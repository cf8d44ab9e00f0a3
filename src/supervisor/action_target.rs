//! Checks that the service named by a call exists: in an application with one service the supervisor acts on that
//! service whatever name or image id it gets.

use std::collections::BTreeMap;

use crate::error::{Error, ErrorKind, Result};
use crate::ids::{ApplicationId, ImageId};

use super::client::Supervisor;
use super::endpoint::{self as e, Endpoint};
use super::request::RequestSpec;
use super::response::SupervisorResponse;
use super::service_names::{listed, no_such_service, quoted};
use super::service_selector::ServiceSelector;
use super::state::{ApplicationState, ContainerStatus, ServiceStatus, VersionedState};
use super::time_budget::TimeBudget;

/// An application or one of its services.
#[derive(Debug, Clone)]
pub(super) struct ActionTarget {
    application: ApplicationId,
    service: Option<ServiceSelector>,
    lookup: Lookup,
}

/// The check before the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lookup {
    Names,
    NamesAndImages,
    Nothing,
}

impl ActionTarget {
    pub(super) fn new(application: ApplicationId, service: Option<ServiceSelector>) -> Self {
        Self { application, service, lookup: Lookup::Names }
    }

    pub(super) fn unchecked(self) -> Self {
        Self { lookup: Lookup::Nothing, ..self }
    }

    pub(super) fn checked(self) -> Self {
        Self { lookup: Lookup::NamesAndImages, ..self }
    }

    /// Returns whether the call acts on this container.
    pub(super) fn includes(&self, container: &ContainerStatus) -> bool {
        container.app_id.is_none_or(|id| id == self.application)
            && match &self.service {
                None => true,
                Some(ServiceSelector::Name(name)) => container.service_name == *name,
                Some(ServiceSelector::Image(image)) => container.image_id == Some(*image),
            }
    }

    /// Checks with one read. If the read fails, the call is sent anyway: it may still succeed.
    ///
    /// # Errors
    /// `is_not_found` if the application exists and has no such service; `is_conflict` if the call starts the service
    /// and its image is still being downloaded.
    pub(super) async fn check(
        &self,
        supervisor: &Supervisor,
        call: &RequestSpec,
        time: &TimeBudget,
    ) -> Result<()> {
        match self.obstacle(supervisor, call.endpoint, time).await {
            Ok(None) => Ok(()),
            Ok(Some(error)) => Err(error.with_note("nothing was sent").with_operation(call.operation())),
            Err(error) => {
                tracing::debug!(%error, "could not check the service before the call");
                Ok(())
            }
        }
    }

    /// Returns why the call can't have its effect; `None` if it can.
    async fn obstacle(
        &self,
        supervisor: &Supervisor,
        call: &Endpoint,
        time: &TimeBudget,
    ) -> Result<Option<Error>> {
        match (&self.service, self.lookup) {
            (Some(ServiceSelector::Name(name)), Lookup::Names | Lookup::NamesAndImages) => {
                let spec = RequestSpec::new(&e::STATE_BEFORE, "/v2/applications/state");
                let answer = read(supervisor, spec, time).await?;
                Ok(self.obstacle_to_name(name, call, answer.json()?))
            }
            (Some(ServiceSelector::Image(image)), Lookup::NamesAndImages) => {
                let path = format!("/v2/applications/{}/state", self.application);
                let answer = read(supervisor, RequestSpec::new(&e::IMAGES_BEFORE, path), time).await?;
                Ok(self.obstacle_to_image(*image, call, &answer.json()?))
            }
            _ => Ok(None),
        }
    }

    fn obstacle_to_image(&self, image: ImageId, call: &Endpoint, state: &VersionedState) -> Option<Error> {
        let known = &state.local.get(&self.application)?.services;
        // Empty while the supervisor loads its state.
        if known.is_empty() {
            return None;
        }
        if !known.contains_key(&image) {
            let ids: Vec<String> = known.keys().map(ToString::to_string).collect();
            let what = format!("no service of application {} runs image {image}", self.application);
            let help = format!("the images of its services are {}", listed(&ids));
            return Some(Error::new(ErrorKind::NotFound, what).with_help(help));
        }
        // The response does not say which service the image belongs to.
        let downloading = known.values().any(|service| service.status == ServiceStatus::Downloading);
        (call.needs_image && downloading).then(|| {
            let what = format!("an image of application {} is still being downloaded", self.application);
            not_yet(call, &what)
                .with_help("give the service's name instead of its image id, or wait for the update")
        })
    }

    /// The supervisor lists the services of the target release, for the applications in the key's scope.
    fn obstacle_to_name(
        &self,
        name: &str,
        call: &Endpoint,
        states: BTreeMap<String, ApplicationState>,
    ) -> Option<Error> {
        let application = states.into_values().find(|state| state.app_id == self.application)?;
        match application.services.get(name) {
            Some(service) if call.needs_image && service.status == ServiceStatus::Downloading => {
                let what = format!(
                    "the image of service {} for the next release is still being downloaded",
                    quoted(name)
                );
                Some(not_yet(call, &what).with_help(
                    "wait until the update is applied (`balena-agent supervisor wait-for SERVICE running`), or restart \
                     the whole application, which keeps its release until then",
                ))
            }
            Some(_) => None,
            // No service is listed while the supervisor loads its state.
            None if application.services.is_empty() => None,
            None => Some(no_such_service(
                &format_args!("application {}", self.application),
                name,
                application.services.keys(),
                application.progress(),
            )),
        }
    }
}

/// Returns the error for a service whose image is not on the device yet: the supervisor starts a service from the
/// image of the target release only.
fn not_yet(call: &Endpoint, what: &str) -> Error {
    let then = if call.takes_locks {
        "the supervisor would remove the container now, and could not start another one"
    } else {
        "the supervisor can't start it before that has ended"
    };
    Error::new(ErrorKind::Conflict, format!("{what}: {then}"))
}

async fn read(supervisor: &Supervisor, spec: RequestSpec, time: &TimeBudget) -> Result<SupervisorResponse> {
    let endpoint: &Endpoint = spec.endpoint;
    let (answer, _) = supervisor.execute(spec, time.for_read(endpoint), time.patience()).await?;
    Ok(answer)
}
