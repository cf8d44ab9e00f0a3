//! The settings while the client lives: in memory, or in the SDK's file as well.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use secrecy::{ExposeSecret as _, SecretString};

use crate::error::{Error, ErrorKind, Result};
use crate::token as tokens;

use super::Settings;
use super::file::{Found, Held, SettingsFile, Stamp};
use super::ini::{self, Document};
use super::values::{Setting, TOKEN, Values};

/// What the Python SDK demands of a file; without one of them it begins a new one, and the token is gone.
const DEMANDED: [&str; 11] = [
    "builder_url",
    "pine_endpoint",
    "api_endpoint",
    "api_version",
    "data_directory",
    "image_cache_time",
    "token_refresh_interval",
    "cache_directory",
    "timeout",
    "device_actions_endpoint_version",
    "retry_rate_limited_request",
];

/// The settings by their names in the SDKs, the token among them. From
/// [`Balena::settings`](crate::Balena::settings).
///
/// They are in memory, or in the SDK's file where [`Builder::data_directory`](crate::Builder::data_directory)
/// asked for it; then a change is in the file when the call returns, whole or not at all, and what other
/// processes changed is seen by the next call. Names are found whatever their case. A change counts for all
/// requests that begin after it, but `request_limit` and `data_directory`, which count when a client is made.
#[derive(Clone)]
pub struct SettingsStore(Arc<Inner>);

struct Inner {
    given: Settings,
    file: Option<SettingsFile>,
    state: RwLock<State>,
}

struct State {
    /// All of them in memory; those of the file otherwise.
    kept: Values,
    /// What the constructor was asked for: it counts before the file's, and is not written into it.
    asked_for: Values,
    typed: Arc<Settings>,
    /// Goes up when somebody else's token may have come.
    epoch: u64,
    /// The file as it was last read or written; `None` if it never was.
    seen: Option<Stamp>,
    open: bool,
    /// The constructor's token, to go into the file when it is first read.
    login: Option<SecretString>,
}

impl fmt::Debug for SettingsStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SettingsStore")
            .field("file", &self.0.file.as_ref().map(SettingsFile::path))
            .finish_non_exhaustive()
    }
}

impl SettingsStore {
    /// A file is read when it is first needed, or by [`ready`](Self::ready).
    pub(crate) fn new(given: Settings, mut login: Option<SecretString>, file: Option<SettingsFile>) -> Self {
        let mut kept = Values::default();
        if file.is_none() {
            kept = Values::of(&given);
            kept.set("data_directory", false.into());
            if let Some(token) = login.take() {
                kept.set(TOKEN, token.into());
            }
        }
        let asked_for = if file.is_some() { Values::asked_for(&given) } else { Values::default() };
        let typed = Arc::new(settled(given.clone()));
        let open = file.is_none();
        let state = State { kept, asked_for, typed, epoch: 0, seen: None, open, login };
        Self(Arc::new(Inner { given, file, state: RwLock::new(state) }))
    }

    /// Whether a setting has a value.
    ///
    /// # Errors
    /// `is_io`, `is_config` when the file can't be used.
    pub fn has(&self, name: &str) -> Result<bool> {
        Ok(self.state()?.get(name).is_some())
    }

    /// A setting's value.
    ///
    /// # Errors
    /// `is_invalid_argument` when there is no such setting; `is_io`, `is_config` when the file can't be used.
    pub fn get(&self, name: &str) -> Result<Setting> {
        let value = self.state()?.get(name).cloned();
        value.ok_or_else(|| Error::argument("name", format!("there is no setting {}", name.escape_debug())))
    }

    /// All settings.
    ///
    /// # Errors
    /// `is_io`, `is_config` when the file can't be used.
    #[doc(alias = "getAll")]
    pub fn get_all(&self) -> Result<BTreeMap<String, Setting>> {
        let state = self.state()?;
        let all = state.kept.iter().chain(state.asked_for.iter());
        Ok(all.map(|(name, value)| (name.to_owned(), value.clone())).collect())
    }

    /// Gives a setting a value; any name will do.
    ///
    /// # Errors
    /// `is_invalid_argument` for what can't be the value of that setting, or what the file can't hold; `is_io`,
    /// `is_config`, `is_locked` when the file can't be written: then nothing has changed.
    pub fn set(&self, name: &str, value: impl Into<Setting>) -> Result<()> {
        let value = value.into();
        if name.trim().is_empty() {
            return Err(Error::argument("name", "it is empty"));
        }
        if name.trim().eq_ignore_ascii_case(TOKEN) {
            return self.set_token(&value.expose().to_owned().into());
        }
        self.state()?.would_take(name, &value)?;
        self.change(name, Login::Same, |values| values.set(name, value.clone()))
    }

    /// Takes a setting away: what it is for goes by its default again. Says whether there was one.
    ///
    /// # Errors
    /// `is_io`, `is_config`, `is_locked` when the file can't be written: then nothing has changed.
    pub fn remove(&self, name: &str) -> Result<bool> {
        let there = self.state()?.get(name).is_some();
        let login = if name.trim().eq_ignore_ascii_case(TOKEN) { Login::Another } else { Login::Same };
        if there {
            self.change(name, login, |values| values.remove(name))?;
        }
        Ok(there)
    }

    /// As requests need them.
    pub(crate) fn typed(&self) -> Arc<Settings> {
        self.read().typed.clone()
    }

    /// Reads the file if it was never read, and makes it where there is none.
    ///
    /// # Errors
    /// `is_io`, `is_config`, `is_locked`.
    pub(crate) fn ready(&self) -> Result<()> {
        self.state().map(drop)
    }

    /// The token, and which login it belongs to.
    ///
    /// # Errors
    /// `is_io`, `is_config` when the file was never read, and can't be.
    pub(crate) fn token(&self) -> Result<(Option<SecretString>, u64)> {
        let state = self.state()?;
        Ok((state.token().cloned(), state.epoch))
    }

    /// Another login's token.
    ///
    /// # Errors
    /// `is_invalid_argument` for what is no token; as [`set`](Self::set).
    pub(crate) fn set_token(&self, token: &SecretString) -> Result<()> {
        let token = checked(token)?;
        self.change(TOKEN, Login::Another, |values| values.set(TOKEN, token.clone().into()))
    }

    /// Nobody's token.
    ///
    /// # Errors
    /// As [`remove`](Self::remove).
    pub(crate) fn forget_token(&self) -> Result<()> {
        self.remove(TOKEN).map(drop)
    }

    /// The same login's newer token in the place of the old; what counts from now on, if anything does.
    /// Where somebody logged in or out meanwhile, that is it. A file that can't be written keeps the old one.
    pub(crate) fn renew_token(&self, old: &SecretString, new: &SecretString) -> Result<Option<SecretString>> {
        let renew = |values: &mut Values| {
            if values.get(TOKEN).is_some_and(|now| now.expose() == old.expose_secret()) {
                values.set(TOKEN, new.clone().into());
            }
        };
        if let Err(error) = self.change(TOKEN, Login::Same, renew) {
            tracing::warn!(%error, "the renewed token is in memory only");
            renew(&mut self.write().kept);
        }
        Ok(self.token()?.0)
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.0.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.0.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// As it is now: what others wrote into the file is in it.
    fn state(&self) -> Result<RwLockReadGuard<'_, State>> {
        let Some(file) = &self.0.file else { return Ok(self.read()) };
        let stamp = file.stamp();
        let (open, seen) = {
            let state = self.read();
            (state.open, state.seen)
        };
        if !open {
            self.open(file)?;
        } else if stamp != seen
            && let Err(error) = self.follow(file)
        {
            tracing::warn!(%error, "going on with the settings as they were");
        }
        Ok(self.read())
    }

    /// The first look at the file.
    fn open(&self, file: &SettingsFile) -> Result<()> {
        let mut state = self.write();
        if state.open {
            return Ok(());
        }
        if state.login.is_none()
            && let Found::Settings(document, stamp) = file.read_patiently()?
            && is_whole(&values(&document))
        {
            state.take_over(&self.0.given, values(&document), Some(stamp), file)?;
            state.open = true;
            return Ok(());
        }
        let login = state.login.as_ref().map(checked).transpose()?;
        let held = file.lock()?;
        let Current { document, mut kept, whole } = self.current(file, &held, None)?;
        let before = kept.clone();
        if let Some(token) = login {
            kept.set(TOKEN, token.into());
        }
        state.take_over(&self.0.given, kept, whole, file)?;
        if whole.is_none() || !before.same(&state.kept) {
            state.seen = file.write(&held, &document.with(&state.kept))?;
        }
        state.login = None;
        state.open = true;
        Ok(())
    }

    /// Somebody else changed the file.
    fn follow(&self, file: &SettingsFile) -> Result<()> {
        let found = file.read()?;
        let mut state = self.write();
        match found {
            Found::Settings(document, stamp) => {
                state.take_over(&self.0.given, values(&document), Some(stamp), file)
            }
            Found::Missing => state.take_over(&self.0.given, self.fresh(file), None, file),
            // It is being written just now, or the next change of ours sets it aside.
            Found::Garbage => Ok(()),
        }
    }

    /// The file as it is, with what it lacks; `known` is what it had when it was last read.
    fn current(&self, file: &SettingsFile, held: &Held, known: Option<&Values>) -> Result<Current> {
        let new = |kept| Current { document: Document::default(), kept, whole: None };
        match file.read_patiently()? {
            Found::Settings(document, stamp) => {
                let mut kept = values(&document);
                let lacks = self.complete(file, &mut kept)?;
                Ok(Current { document, kept, whole: (!lacks).then_some(stamp) })
            }
            Found::Missing => Ok(new(self.fresh(file))),
            Found::Garbage => {
                file.set_aside(held)?;
                Ok(new(known.cloned().unwrap_or_else(|| self.fresh(file))))
            }
        }
    }

    /// What a new file has.
    fn fresh(&self, file: &SettingsFile) -> Values {
        let mut values = Values::of(&self.0.given);
        values.add_directories(file);
        values
    }

    /// Adds what the Python SDK demands; whether anything lacked.
    fn complete(&self, file: &SettingsFile, kept: &mut Values) -> Result<bool> {
        if is_whole(kept) {
            return Ok(false);
        }
        let mut own = Settings::default();
        take_all(&mut own, kept, file)?;
        let mut usual = Values::of(&own);
        usual.add_directories(file);
        for (name, value) in usual.iter() {
            if kept.get(name).is_none() {
                kept.set(name, value.clone());
            }
        }
        Ok(true)
    }

    /// The one way of all changes: what others changed meanwhile stays.
    fn change(&self, name: &str, login: Login, change: impl Fn(&mut Values)) -> Result<()> {
        let Some(file) = &self.0.file else {
            let mut state = self.write();
            let mut kept = state.kept.clone();
            change(&mut kept);
            state.settle(name, kept, login);
            return Ok(());
        };
        self.ready()?;
        let held = file.lock()?;
        let mut state = self.write();
        let Current { document, mut kept, whole } = self.current(file, &held, Some(&state.kept))?;
        if token(&kept) != token(&state.kept) {
            state.epoch += 1;
        }
        let before = kept.clone();
        change(&mut kept);
        state.seen = match whole {
            Some(stamp) if before.same(&kept) => Some(stamp),
            _ => {
                let document = document.with(&kept);
                if Document::parse(&document.text(&file.section), &file.section).as_ref() != Some(&document) {
                    return Err(Error::argument("value", "the settings file can't hold it")
                        .help("names and values are lines of text, without white space around them"));
                }
                kept = values(&document);
                file.write(&held, &document)?
            }
        };
        state.settle(name, kept, login);
        Ok(())
    }
}

/// The file, read to be changed.
struct Current {
    document: Document,
    /// With what it lacked.
    kept: Values,
    /// If it lacked nothing.
    whole: Option<Stamp>,
}

/// Whose token there is after a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Login {
    Same,
    Another,
}

impl State {
    fn get(&self, name: &str) -> Option<&Setting> {
        self.asked_for.get(name).or_else(|| self.kept.get(name))
    }

    fn token(&self) -> Option<&SecretString> {
        match self.kept.get(TOKEN) {
            Some(Setting::Secret(token)) => Some(token),
            _ => None,
        }
    }

    fn would_take(&self, name: &str, value: &Setting) -> Result<()> {
        let mut typed = (*self.typed).clone();
        let refused = typed.take(name.trim(), value).err().or_else(|| typed.fault().map(|(_, why)| why));
        refused.map_or(Ok(()), |why| Err(Error::argument("value", format!("setting {}: {why}", name.trim()))))
    }

    /// Whole new values, from the file.
    fn take_over(
        &mut self,
        given: &Settings,
        kept: Values,
        seen: Option<Stamp>,
        file: &SettingsFile,
    ) -> Result<()> {
        let mut typed = given.clone();
        let mut counting = kept.clone();
        for (name, _) in self.asked_for.iter() {
            counting.remove(name);
        }
        take_all(&mut typed, &counting, file)?;
        if let Some((name, why)) = typed.fault() {
            return Err(wrong(file, name, why));
        }
        if token(&kept) != token(&self.kept) {
            self.epoch += 1;
        }
        self.kept = kept;
        self.typed = Arc::new(settled(typed));
        self.seen = seen;
        Ok(())
    }

    /// Changed values, by us: `name` is what was changed.
    fn settle(&mut self, name: &str, kept: Values, login: Login) {
        let mut typed = (*self.typed).clone();
        self.asked_for.remove(name);
        for (other, value) in kept.iter() {
            let old = self.kept.get(other).filter(|_| !other.eq_ignore_ascii_case(name.trim()));
            // What another process wrote there may be wrong.
            if old.is_none_or(|old| old.expose() != value.expose())
                && self.asked_for.get(other).is_none()
                && let Err(why) = typed.take(other, value)
            {
                tracing::warn!(name = other, why, "a setting keeps its value");
            }
        }
        for (other, _) in self.kept.iter().filter(|(other, _)| kept.get(other).is_none()) {
            typed.forget(other);
        }
        if kept.get(name).is_none() {
            typed.forget(name.trim());
        }
        self.kept = kept;
        self.typed = Arc::new(typed);
        if login == Login::Another {
            self.epoch += 1;
        }
    }
}

impl Document {
    fn with(mut self, kept: &Values) -> Self {
        self.pairs = kept.iter().map(|(name, value)| (ini::name(name), value.expose().to_owned())).collect();
        self
    }
}

impl Values {
    fn same(&self, other: &Self) -> bool {
        let plain = |(name, value): (_, &Setting)| (name, value.expose().to_owned());
        self.iter().map(plain).eq(other.iter().map(plain))
    }

    fn add_directories(&mut self, file: &SettingsFile) {
        self.set("data_directory", file.directory.display().to_string().into());
        self.set("cache_directory", file.directory.join("cache").display().to_string().into());
    }
}

fn values(document: &Document) -> Values {
    let mut values = Values::default();
    for (name, text) in &document.pairs {
        values.set(name, Setting::read(name, text.clone()));
    }
    values
}

/// Without the line break at its end that a token from a file has.
fn checked(token: &SecretString) -> Result<SecretString> {
    let text = token.expose_secret().trim();
    if tokens::is_token(text) {
        return Ok(text.into());
    }
    Err(Error::argument("token", "it is empty, or has characters that no token has"))
}

fn is_whole(values: &Values) -> bool {
    DEMANDED.iter().all(|name| values.get(name).is_some())
}

fn token(values: &Values) -> Option<&str> {
    values.get(TOKEN).map(Setting::expose)
}

/// The addresses are what they are from now on: another host does not move them.
fn settled(mut settings: Settings) -> Settings {
    settings.api_endpoint = Some(settings.api());
    settings.builder_url = Some(settings.builder());
    settings
}

fn take_all(settings: &mut Settings, values: &Values, file: &SettingsFile) -> Result<()> {
    for (name, value) in values.iter() {
        settings.take(name, value).map_err(|why| wrong(file, name, why))?;
    }
    Ok(())
}

fn wrong(file: &SettingsFile, name: &str, why: &str) -> Error {
    Error::new(ErrorKind::Config, format!("setting {name}: {why}"))
        .operation(format!("read {}", file.path().display()))
        .help("correct it there, or take the line away")
}
