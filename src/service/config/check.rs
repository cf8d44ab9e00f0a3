//! The check of all settings at once.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use super::checked::{Checked, DEFAULT_LISTEN};
use super::clients;
use super::fault::Fault;
use super::parse;
use super::table::{self, Kind, SETTINGS, Setting};
use super::{Config, PREFIX, duration_text};
use crate::Balena;
use crate::error::{Error, ErrorKind};
use crate::service::journal::DEFAULT_STATE_DIRECTORY;
use crate::similar::most_similar;

/// Settings that can't work.
#[derive(Debug)]
pub(crate) struct Refused {
    /// Where a parked service listens: the addresses without a fault, else the default.
    pub(crate) listen: Vec<SocketAddr>,
    /// All faults, also those that the service could work with.
    pub(crate) faults: Vec<Fault>,
}

impl Refused {
    /// Returns one error with all faults.
    pub(crate) fn error(self) -> Error {
        error(self.faults)
    }
}

impl Config {
    /// Returns the addresses to listen on.
    pub(super) fn listening(&self) -> Result<Vec<SocketAddr>, Refused> {
        let mut checked = Checked::default();
        let Some(setting) = table::find("AGENT_LISTEN") else { return Ok(checked.listen) };
        match self.apply(setting, &mut checked) {
            Ok(()) => Ok(checked.listen),
            Err(fault) => {
                let mut listen = self.text(setting.name).map(parse::valid_addresses).unwrap_or_default();
                if listen.is_empty() {
                    listen.push(DEFAULT_LISTEN);
                }
                Err(Refused { listen, faults: vec![fault] })
            }
        }
    }

    /// Returns the settings, or all faults of these settings and of the client's variables if the service can't work
    /// with them.
    pub(crate) fn check(&self, balena: &Balena) -> Result<Checked, Refused> {
        let mut checked = Checked::default();
        let mut faults = self.faults.clone();
        for setting in SETTINGS {
            faults.extend(self.apply(setting, &mut checked).err());
        }
        let (quick, slow, away) = (checked.poll_quick, checked.poll_slow, checked.poll_away);
        let is_told = faults.iter().any(|fault| fault.setting.contains("_POLL_"));
        if (quick > slow || slow > away) && !is_told {
            faults.push(Fault {
                setting: "AGENT_POLL_SLOW".to_owned(),
                text: format!(
                    "AGENT_POLL_QUICK ({}), AGENT_POLL_SLOW ({}) and AGENT_POLL_AWAY ({}) must not decrease in this order, \
                     e.g. 2s, 10s, 30s",
                    duration_text(quick),
                    duration_text(slow),
                    duration_text(away)
                ),
            });
        }
        if let Err(error) = balena.supervisor().connection() {
            let text = error.to_string();
            // The text begins with the variable that is missing or wrong.
            let named = text.split(' ').next().filter(|word| word.contains("_SUPERVISOR_"));
            let setting = named.unwrap_or("BALENA_SUPERVISOR_ADDRESS").to_owned();
            faults.push(Fault { setting, text });
        }
        let state_directory =
            checked.state_directory.as_deref().unwrap_or(Path::new(DEFAULT_STATE_DIRECTORY));
        let given = self.given.keys().filter_map(|name| Some((name.as_str(), self.text(name)?)));
        let (clients, mut minor) = clients::read(given, Some(state_directory));
        checked.clients = clients;
        minor.extend(self.unknown());
        if faults.is_empty() {
            checked.faults = minor;
            return Ok(checked);
        }
        faults.append(&mut minor);
        let listen = self.listening().unwrap_or_else(|refused| refused.listen);
        Err(Refused { listen, faults })
    }

    /// Returns the settings that have no fault, and the default of each one that has. A parked service works with them.
    pub(crate) fn without_faults(&self) -> Checked {
        let mut checked = Checked::default();
        for setting in SETTINGS {
            // A fault leaves the default.
            let _ = self.apply(setting, &mut checked);
        }
        checked
    }

    fn apply(&self, setting: &Setting, to: &mut Checked) -> Result<(), Fault> {
        let name = setting.name;
        let Some(text) = self.text(name).filter(|_| !matches!(setting.kind, Kind::Client(_))) else {
            return Ok(());
        };
        parse::apply(setting, text, to).map_err(|why| Fault {
            setting: name.to_owned(),
            text: format!("{name} is \"{}\": {why}", text.escape_debug()),
        })
    }

    /// Returns a fault for each variable that no setting has: a misspelled one must not silently do nothing. Its value
    /// is not told, because it may be a token.
    fn unknown(&self) -> impl Iterator<Item = Fault> {
        let names =
            self.given.keys().filter(|name| table::find(name).is_none() && clients::part_of(name).is_none());
        names.map(|name| {
            let near = most_similar(SETTINGS.iter().map(|setting| setting.name), name);
            let near = near.map_or_else(String::new, |near| format!("did you mean {near}? "));
            let what =
                if name.starts_with(PREFIX) { "is no setting" } else { "is no setting of the service" };
            let text = format!(
                "{} {what} and has no effect: {near}`balena-agent config show` lists them, e.g. AGENT_LISTEN",
                name.escape_debug()
            );
            Fault { setting: name.clone(), text }
        })
    }
}

/// Checks the settings as `run` would. Returns the number of those that are set.
///
/// # Errors
/// `is_config` with all faults, also those that `run` works with.
#[cfg(feature = "cli")]
pub(crate) fn report(config: &Config, balena: &Balena) -> crate::Result<usize> {
    match config.check(balena) {
        Ok(Checked { faults, .. }) if faults.is_empty() => Ok(config.given.len()),
        Ok(Checked { faults, .. }) => Err(error(faults)),
        Err(refused) => Err(refused.error()),
    }
}

fn error(mut faults: Vec<Fault>) -> Error {
    if faults.len() == 1 {
        return Error::new(ErrorKind::Config, faults.remove(0).text);
    }
    let mut text = format!("{} faults in the settings:", faults.len());
    for (number, fault) in (1..).zip(faults) {
        // One line, as for every error. Numbered, because a fault may contain a `;`.
        let _ = write!(text, " ({number}) {fault}");
    }
    Error::new(ErrorKind::Config, text)
}
