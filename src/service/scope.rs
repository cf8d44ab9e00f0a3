//! Scopes: what a client of the service may do.
//!
//! A client has a list of scopes; a route needs one. Each scope stands alone: `locks:keep` does not contain `locks`,
//! `force` allows nothing without the scope of the action, and nothing is matched by its beginning. There are two rules
//! only: `admin` allows everything, and an action without a service allows it for every service.

use std::fmt;

use crate::similar::most_similar;

/// The words of the scopes that are one word.
const WORDS: [(&str, Scope); 12] = [
    ("state", Scope::State),
    ("events", Scope::Events),
    ("logs", Scope::Logs),
    ("locks", Scope::Locks),
    ("locks:keep", Scope::LocksKeep),
    ("tags", Scope::Tags),
    ("variables", Scope::Variables),
    ("note", Scope::Note),
    ("updates", Scope::Updates),
    ("force", Scope::Force),
    ("supervisor", Scope::Supervisor),
    ("admin", Scope::Admin),
];

/// The words of the actions.
const ACTIONS: [(&str, ActionName); 8] = [
    ("start", ActionName::Start),
    ("stop", ActionName::Stop),
    ("restart", ActionName::Restart),
    ("purge", ActionName::Purge),
    ("reboot", ActionName::Reboot),
    ("shutdown", ActionName::Shutdown),
    ("update", ActionName::Update),
    ("identify", ActionName::Identify),
];

/// What a route needs, or a client has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scope {
    /// Reads the state of the device, its services and the agent; the metrics and the ledger.
    State,
    /// Reads the events.
    Events,
    /// Reads the journal of the device.
    Logs,
    /// Takes, renews and releases leases of the update lock.
    Locks,
    /// With `locks`: takes a lease without an end.
    LocksKeep,
    /// Writes tags of this device.
    Tags,
    /// Writes variables of this device.
    Variables,
    /// Writes the note of this device.
    Note,
    /// Defers and approves updates. Triggering one is `actions:update`.
    Updates,
    /// Asks for this action, for one service or, without one, for every service and for the whole application.
    Action {
        /// The action.
        action: ActionName,
        /// The only service; `None` for all. Only start, stop and restart have one.
        service: Option<String>,
    },
    /// With the scope of an action: deletes the update locks that others hold.
    Force,
    /// Sends requests to the supervisor's own paths.
    Supervisor,
    /// Allows everything.
    Admin,
}

/// An action that a client may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ActionName {
    /// Starts a service.
    Start,
    /// Stops a service.
    Stop,
    /// Restarts a service, or the application.
    Restart,
    /// Deletes the volumes of the application.
    Purge,
    /// Reboots the device.
    Reboot,
    /// Shuts the device down.
    Shutdown,
    /// Makes the supervisor look for a new release.
    Update,
    /// Blinks the device's LED.
    Identify,
}

impl ActionName {
    /// Returns the word of the action, as in a scope and in a path.
    pub(crate) fn as_str(self) -> &'static str {
        // Every action is in the table; a test holds it.
        ACTIONS.iter().find(|(_, action)| *action == self).map_or("", |(word, _)| word)
    }

    /// Returns whether the action can be asked for one service.
    pub(crate) fn has_service(self) -> bool {
        matches!(self, Self::Start | Self::Stop | Self::Restart)
    }
}

impl fmt::Display for ActionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Action { action, service: None } => write!(f, "actions:{action}"),
            Self::Action { action, service: Some(service) } => write!(f, "actions:{action}:{service}"),
            scope => f.write_str(WORDS.iter().find(|(_, known)| known == scope).map_or("", |(word, _)| word)),
        }
    }
}

/// The scopes of a client, each once, in the order of the documentation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Scopes(Vec<Scope>);

impl Scopes {
    /// Returns these scopes.
    pub(crate) fn new(scopes: impl IntoIterator<Item = Scope>) -> Self {
        let mut scopes: Vec<Scope> = scopes.into_iter().collect();
        scopes.sort();
        scopes.dedup();
        Self(scopes)
    }

    /// Parses scopes that are separated by white space or commas: `state events actions:restart:main`.
    ///
    /// # Errors
    /// All faults as one text, which begins with a small letter and has an example. A word that is similar to no scope
    /// is not part of the text, because it may be a token in the wrong variable.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (mut scopes, mut faults) = (Vec::new(), Vec::new());
        let words = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty());
        for (number, word) in (1..).zip(words) {
            match parse_word(number, word) {
                Ok(scope) => scopes.push(scope),
                Err(fault) => faults.push(fault),
            }
        }
        if scopes.is_empty() && faults.is_empty() {
            faults.push("it has no scope".to_owned());
        }
        if faults.is_empty() {
            return Ok(Self::new(scopes));
        }
        let words: Vec<&str> = WORDS.iter().map(|(word, _)| *word).collect();
        Err(format!(
            "{}; the scopes are {} and actions:<action>[:<service>], e.g. `state events actions:restart:main`",
            faults.join("; "),
            words.join(", "),
        ))
    }

    /// Returns whether a client with these scopes may do what needs this scope.
    ///
    /// The restart of the application is `actions:restart` without a service: a client with `actions:restart:main`
    /// may restart only `main`.
    pub(crate) fn allows(&self, need: &Scope) -> bool {
        self.0.iter().any(|scope| match scope {
            Scope::Admin => true,
            Scope::Action { action, service: None } => {
                matches!(need, Scope::Action { action: needed, .. } if needed == action)
            }
            scope => scope == need,
        })
    }

    /// Returns whether there is no scope.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns each scope once.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Scope> {
        self.0.iter()
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, scope) in self.0.iter().enumerate() {
            let space = if number == 0 { "" } else { " " };
            write!(f, "{space}{scope}")?;
        }
        Ok(())
    }
}

fn parse_word(number: usize, word: &str) -> Result<Scope, String> {
    if let Some((_, scope)) = WORDS.iter().find(|(known, _)| *known == word) {
        return Ok(scope.clone());
    }
    let (first, rest) = word.split_once(':').unwrap_or((word, ""));
    if first == "actions" {
        return parse_action(rest);
    }
    if let Some((action, _)) = ACTIONS.iter().find(|(action, _)| *action == first) {
        return Err(format!("`{action}` is an action: write `actions:{action}`"));
    }
    if most_similar(["actions"], first).is_some() {
        return Err(format!("\"{}\" is no scope, did you mean `actions:…`?", word.escape_debug()));
    }
    Err(match most_similar(WORDS.iter().map(|(word, _)| *word), word) {
        Some(near) => format!("\"{}\" is no scope, did you mean `{near}`?", word.escape_debug()),
        None => format!("word {number} (not shown, because it could be a token) is no scope"),
    })
}

/// Parses what follows `actions:`.
fn parse_action(text: &str) -> Result<Scope, String> {
    let (word, service) = match text.split_once(':') {
        Some((word, service)) => (word, Some(service)),
        None => (text, None),
    };
    let Some((_, action)) = ACTIONS.iter().find(|(known, _)| *known == word) else {
        let near = most_similar(ACTIONS.iter().map(|(word, _)| *word), word);
        let near = near.map_or_else(String::new, |near| format!(", did you mean `actions:{near}`?"));
        let known: Vec<&str> = ACTIONS.iter().map(|(word, _)| *word).collect();
        let word = word.escape_debug();
        return Err(format!("\"actions:{word}\" has no known action{near} (they are {})", known.join(", ")));
    };
    match service {
        None => Ok(Scope::Action { action: *action, service: None }),
        Some(_) if !action.has_service() => {
            Err(format!("`{action}` is not for a single service: write `actions:{action}`"))
        }
        Some(service) if is_service_name(service) => {
            Ok(Scope::Action { action: *action, service: Some(service.to_owned()) })
        }
        Some(service) => Err(format!(
            "\"{}\" is no name of a service, e.g. `actions:{action}:main`",
            service.escape_debug()
        )),
    }
}

/// Returns whether a compose file may name a service so: letters, digits, `.`, `_`, `-`; the first one a letter or a
/// digit.
pub(crate) fn is_service_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
}

#[cfg(test)]
mod tests;
