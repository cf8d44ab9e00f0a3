//! Checks that the service named by a call exists: in an application with one service the supervisor acts on that
//! service whatever name or image id it gets.

use std::collections::BTreeMap;

use crate::error::{Error, ErrorKind, Result};
use crate::ids::{ApplicationId, ImageId};

use super::answer::Answer;
use super::application::ServiceSelector;
use super::call::{CallTime, Spec};
use super::endpoint::{self as e, Endpoint};
use super::link::Supervisor;
use super::state::{ApplicationState, ContainerStatus, VersionedState};

/// Maximum number of names in an error.
const LISTED: usize = 20;
/// Edit distance up to which an error suggests a name.
const TYPOS: usize = 2;

/// An application or one of its services.
#[derive(Debug, Clone)]
pub(super) struct Affected {
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

impl Affected {
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
    /// `is_not_found` if the application exists and has no such service.
    pub(super) async fn check(
        &self,
        supervisor: &Supervisor,
        operation: &str,
        time: &CallTime,
    ) -> Result<()> {
        match self.missing(supervisor, time).await {
            Ok(None) => Ok(()),
            Ok(Some((what, help))) => {
                Err(Error::new(ErrorKind::NotFound, format!("{what}; nothing was sent"))
                    .operation(operation.to_owned())
                    .help(help))
            }
            Err(error) => {
                tracing::debug!(%error, "could not check the service before the call");
                Ok(())
            }
        }
    }

    /// Returns what is missing, and the help text; `None` if nothing is.
    async fn missing(&self, supervisor: &Supervisor, time: &CallTime) -> Result<Option<(String, String)>> {
        match (&self.service, self.lookup) {
            (Some(ServiceSelector::Name(name)), Lookup::Names | Lookup::NamesAndImages) => {
                let spec = Spec::new(&e::STATE_BEFORE, "/v2/applications/state");
                let answer = read(supervisor, spec, time).await?;
                Ok(self.missing_name(name, answer.json()?))
            }
            (Some(ServiceSelector::Image(image)), Lookup::NamesAndImages) => {
                let path = format!("/v2/applications/{}/state", self.application);
                let answer = read(supervisor, Spec::new(&e::IMAGES_BEFORE, path), time).await?;
                Ok(self.missing_image(*image, &answer.json()?))
            }
            _ => Ok(None),
        }
    }

    fn missing_image(&self, image: ImageId, state: &VersionedState) -> Option<(String, String)> {
        let known = &state.local.get(&self.application)?.services;
        // Empty while the supervisor loads its state.
        if known.is_empty() || known.contains_key(&image) {
            return None;
        }
        let ids: Vec<String> = known.keys().map(ToString::to_string).collect();
        let what = format!("no service of application {} runs image {image}", self.application);
        Some((what, format!("the images of its services are {}", listed(&ids))))
    }

    /// The supervisor lists the services of the target release, for the applications in the key's scope.
    fn missing_name(
        &self,
        name: &str,
        states: BTreeMap<String, ApplicationState>,
    ) -> Option<(String, String)> {
        let application = states.into_values().find(|state| state.app_id == self.application)?;
        let names: Vec<String> = application.services.into_keys().collect();
        // No service is listed while the supervisor loads its state.
        if names.is_empty() || names.iter().any(|known| known == name) {
            return None;
        }
        let what = format!("application {} has no service \"{}\"", self.application, name.escape_debug());
        let near = names.iter().find(|known| is_near(known, name));
        let near =
            near.map_or_else(String::new, |near| format!("did you mean \"{}\"? ", near.escape_debug()));
        Some((what, format!("{near}its services are {}", listed(&names))))
    }
}

async fn read(supervisor: &Supervisor, spec: Spec, time: &CallTime) -> Result<Answer> {
    let endpoint: &Endpoint = spec.endpoint;
    let (answer, _) = supervisor.answer(spec, time.for_read(endpoint), time.patience()).await?;
    Ok(answer)
}

fn listed(names: &[String]) -> String {
    let mut text: Vec<String> =
        names.iter().take(LISTED).map(|name| name.escape_debug().to_string()).collect();
    if names.len() > LISTED {
        text.push(format!("and {} more", names.len() - LISTED));
    }
    text.join(", ")
}

/// Returns whether one name may be a misspelling of the other.
fn is_near(known: &str, name: &str) -> bool {
    let (known, name) = (known.to_lowercase(), name.trim().to_lowercase());
    known == name || distance(&known, &name) <= TYPOS.min(known.chars().count() / 2)
}

/// Returns the Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (line, letter) in a.chars().enumerate() {
        let mut above = std::iter::once(line + 1).collect::<Vec<_>>();
        for (pair, other) in row.windows(2).zip(&b) {
            if let ([diagonal, up], Some(left)) = (pair, above.last()) {
                let changed = diagonal + usize::from(letter != *other);
                above.push(changed.min(up + 1).min(left + 1));
            }
        }
        row = above;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_told() {
        for (known, name, near) in [
            ("main", "mian", true),
            ("main", "Main", true),
            ("main", " main", true),
            ("main", "mains", true),
            ("main", "man", true),
            ("main", "worker", false),
            ("a", "b", false),
            ("ab", "ba", false),
            ("database", "databse", true),
        ] {
            assert_eq!(is_near(known, name), near, "{known} {name}");
        }
        assert_eq!((distance("", "abc"), distance("abc", ""), distance("kitten", "sitting")), (3, 3, 3));
    }
}
