//! The settings of a running client, in memory or also in the SDK's file.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use secrecy::{ExposeSecret as _, SecretString};

use crate::error::{Error, Result};

use super::Settings;
use super::file::{FileLock, FileState, FileVersion, SettingsFile};
use super::ini::Document;
use super::state::{Login, State, checked, complete, is_whole, settled, token, values};
use super::values::{Setting, TOKEN, Values};

/// The settings and the token, by their names in the SDKs. From [`Balena::settings`](crate::Balena::settings).
///
/// They are in memory, and in the SDK's file too with [`Builder::data_directory`](crate::Builder::data_directory). A
/// change is then written atomically before the call returns, and changes of other processes are seen by the next
/// call. Names ignore case. A change applies to all requests that start after it, except `request_limit` and
/// `data_directory`, which apply when a client is built.
#[derive(Clone)]
pub struct SettingsStore(Arc<Inner>);

struct Inner {
    given: Settings,
    file: Option<SettingsFile>,
    state: RwLock<State>,
}

impl fmt::Debug for SettingsStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SettingsStore")
            .field("file", &self.0.file.as_ref().map(SettingsFile::path))
            .finish_non_exhaustive()
    }
}

impl SettingsStore {
    /// The file is read when it is first needed, or by [`ready`](Self::ready).
    pub(crate) fn new(given: Settings, mut login: Option<SecretString>, file: Option<SettingsFile>) -> Self {
        let mut kept = Values::default();
        if file.is_none() {
            kept = Values::of(&given);
            kept.set("data_directory", false.into());
            if let Some(token) = login.take() {
                // `Builder::try_build` or the API refuses an invalid token.
                kept.set(TOKEN, checked(&token).unwrap_or(token).into());
            }
        }
        let asked_for = if file.is_some() { Values::asked_for(&given) } else { Values::default() };
        let typed = Arc::new(settled(given.clone()));
        let open = file.is_none();
        let state = State { kept, asked_for, typed, epoch: 0, seen: None, open, login, complaint: None };
        Self(Arc::new(Inner { given, file, state: RwLock::new(state) }))
    }

    /// Returns whether a setting has a value.
    ///
    /// # Errors
    /// `is_io` or `is_config` if the file can't be used.
    pub fn has(&self, name: &str) -> Result<bool> {
        Ok(self.state()?.get(name).is_some())
    }

    /// Returns the value of a setting.
    ///
    /// # Errors
    /// `is_invalid_argument` if there is no such setting; `is_io` or `is_config` if the file can't be used.
    pub fn get(&self, name: &str) -> Result<Setting> {
        let value = self.state()?.get(name).cloned();
        value.ok_or_else(|| Error::argument("name", format!("there is no setting {}", name.escape_debug())))
    }

    /// Returns all settings by name.
    ///
    /// # Errors
    /// `is_io` or `is_config` if the file can't be used.
    #[doc(alias = "getAll")]
    pub fn get_all(&self) -> Result<BTreeMap<String, Setting>> {
        let state = self.state()?;
        let all = state.kept.iter().chain(state.asked_for.iter());
        Ok(all.map(|(name, value)| (name.to_owned(), value.clone())).collect())
    }

    /// Sets a setting. Unknown names are stored too.
    ///
    /// # Errors
    /// `is_invalid_argument` if the value does not fit the setting or the file can't hold it; `is_io`, `is_config`
    /// or `is_locked` if the file can't be written. The setting is then unchanged.
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

    /// Removes a setting, so that its default applies. Returns whether it had a value.
    ///
    /// # Errors
    /// `is_io`, `is_config` or `is_locked` if the file can't be written. The setting is then unchanged.
    pub fn remove(&self, name: &str) -> Result<bool> {
        let there = self.state()?.get(name).is_some();
        let login = if name.trim().eq_ignore_ascii_case(TOKEN) { Login::Another } else { Login::Same };
        if there {
            self.change(name, login, |values| values.remove(name))?;
        }
        Ok(there)
    }

    /// Returns the settings as typed values.
    pub(crate) fn typed(&self) -> Arc<Settings> {
        self.read().typed.clone()
    }

    /// Reads the file if it was never read. Creates it if it is missing.
    ///
    /// # Errors
    /// `is_io`, `is_config` or `is_locked` if the file can't be used.
    pub(crate) fn ready(&self) -> Result<()> {
        self.state().map(drop)
    }

    /// Returns the token, and a number that changes with each login.
    ///
    /// # Errors
    /// `is_io` or `is_config` if the file was never read and can't be read.
    pub(crate) fn token(&self) -> Result<(Option<SecretString>, u64)> {
        let state = self.state()?;
        Ok((state.token().cloned(), state.epoch))
    }

    /// Sets the token of a new login.
    ///
    /// # Errors
    /// `is_invalid_argument` if the text can't be a token; otherwise as [`set`](Self::set).
    pub(crate) fn set_token(&self, token: &SecretString) -> Result<()> {
        let token = checked(token)?;
        self.change(TOKEN, Login::Another, |values| values.set(TOKEN, token.clone().into()))
    }

    /// Removes the token.
    ///
    /// # Errors
    /// As [`remove`](Self::remove).
    pub(crate) fn forget_token(&self) -> Result<()> {
        self.remove(TOKEN).map(drop)
    }

    /// Replaces a token by a newer one of the same login, unless the login changed meanwhile. If the file can't be
    /// written, it keeps the old token.
    pub(crate) fn renew_token(&self, old: &SecretString, new: &SecretString) {
        let renew = |values: &mut Values| {
            if values.get(TOKEN).is_some_and(|now| now.expose() == old.expose_secret()) {
                values.set(TOKEN, new.clone().into());
            }
        };
        if let Err(error) = self.change(TOKEN, Login::Same, renew) {
            tracing::warn!(%error, "the renewed token is in memory only");
            renew(&mut self.write().kept);
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.0.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.0.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the current state, with changes that other processes made to the file.
    fn state(&self) -> Result<RwLockReadGuard<'_, State>> {
        let Some(file) = &self.0.file else { return Ok(self.read()) };
        let stamp = file.stamp();
        let (open, seen) = {
            let state = self.read();
            (state.open, state.seen)
        };
        if !open {
            self.open(file)?;
        } else if stamp != seen {
            self.follow(file);
        }
        Ok(self.read())
    }

    /// Reads the file for the first time.
    fn open(&self, file: &SettingsFile) -> Result<()> {
        let mut state = self.write();
        if state.open {
            return Ok(());
        }
        if state.login.is_none()
            && let FileState::Settings(document, stamp) = file.read_patiently()?
            && is_whole(&values(&document))
        {
            state.load(&self.0.given, values(&document), Some(stamp), file)?;
            state.open = true;
            return Ok(());
        }
        let login = state.login.as_ref().map(checked).transpose()?;
        let held = file.lock()?;
        let FileSnapshot { document, mut kept, whole } = self.current(file, &held, None)?;
        let before = kept.clone();
        if let Some(token) = login {
            kept.set(TOKEN, token.into());
        }
        state.load(&self.0.given, kept, whole, file)?;
        if whole.is_none() || !before.same(&state.kept) {
            state.seen = file.write(&held, &document.with(&state.kept))?;
        }
        state.login = None;
        state.open = true;
        Ok(())
    }

    /// Reads the file again after another process changed it.
    fn follow(&self, file: &SettingsFile) {
        // Taken before the read, so that a concurrent change of this client counts as newer.
        let mut state = self.write();
        let followed = file.read().and_then(|found| match found {
            FileState::Settings(document, stamp) => {
                state.load(&self.0.given, values(&document), Some(stamp), file)
            }
            FileState::Missing => state.load(&self.0.given, self.fresh(file), None, file),
            // Another process is writing it, or the next change of this client sets it aside.
            FileState::Garbage(_) => Ok(()),
        });
        let complaint = followed.err().map(|error| error.to_string());
        if let Some(error) = &complaint
            && complaint != state.complaint
        {
            tracing::warn!(error, "the settings file can't be used; keeping the previous settings");
        }
        state.complaint = complaint;
    }

    /// Reads the file and adds missing settings. `known` is its content when last read.
    fn current(&self, file: &SettingsFile, held: &FileLock, known: Option<&Values>) -> Result<FileSnapshot> {
        let new = |kept| FileSnapshot { document: Document::default(), kept, whole: None };
        match file.read_patiently()? {
            FileState::Settings(document, stamp) => {
                let mut kept = values(&document);
                let lacks = complete(file, &mut kept)?;
                Ok(FileSnapshot { document, kept, whole: (!lacks).then_some(stamp) })
            }
            FileState::Missing => Ok(new(self.fresh(file))),
            FileState::Garbage(bytes) => {
                file.set_aside(held, &bytes)?;
                Ok(new(known.cloned().unwrap_or_else(|| self.fresh(file))))
            }
        }
    }

    /// Returns the content of a new file.
    fn fresh(&self, file: &SettingsFile) -> Values {
        let mut values = Values::of(&self.0.given);
        values.add_directories(file);
        values
    }

    /// Applies a change. All changes pass here, so that changes of other processes are kept.
    fn change(&self, name: &str, login: Login, change: impl Fn(&mut Values)) -> Result<()> {
        let Some(file) = &self.0.file else {
            let mut state = self.write();
            let mut kept = state.kept.clone();
            change(&mut kept);
            state.apply(name, kept, login);
            return Ok(());
        };
        self.ready()?;
        let held = file.lock()?;
        let mut state = self.write();
        let FileSnapshot { document, mut kept, whole } = self.current(file, &held, Some(&state.kept))?;
        if token(&kept) != token(&state.kept) {
            state.epoch += 1;
        }
        let before = kept.clone();
        change(&mut kept);
        state.seen = match whole {
            Some(stamp) if before.same(&kept) => Some(stamp),
            _ => {
                let document = document.with(&kept);
                kept = values(&document);
                file.write(&held, &document)?
            }
        };
        state.apply(name, kept, login);
        Ok(())
    }
}

/// The content of the file, read for a change.
struct FileSnapshot {
    document: Document,
    /// Its settings, with missing ones added.
    kept: Values,
    /// Identity of the file. Absent if settings were missing.
    whole: Option<FileVersion>,
}
