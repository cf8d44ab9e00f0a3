//! A data directory that goes with the test.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use balena_agent::secrecy::ExposeSecret as _;
use balena_agent::{Balena, Builder, Environment, Error};

static DIRECTORIES: AtomicUsize = AtomicUsize::new(0);

pub(crate) struct Dir(pub(crate) PathBuf);

impl Dir {
    pub(crate) fn new() -> Self {
        let number = DIRECTORIES.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("balena-agent-settings-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn cfg(&self) -> PathBuf {
        self.0.join("balena.cfg")
    }

    pub(crate) fn write(&self, text: &str) {
        File::create(self.cfg()).unwrap().write_all(text.as_bytes()).unwrap();
    }

    pub(crate) fn text(&self) -> String {
        fs::read_to_string(self.cfg()).unwrap()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub(crate) fn builder(&self) -> Builder {
        Balena::builder().data_directory(&self.0)
    }

    pub(crate) fn open(&self) -> Balena {
        self.builder().try_build().unwrap()
    }

    pub(crate) fn refused(&self) -> Error {
        self.builder().try_build().unwrap_err()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::set_permissions(&self.0, fs::Permissions::from_mode(0o700));
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

pub(crate) fn get(balena: &Balena, name: &str) -> String {
    balena.settings().get(name).unwrap().expose().to_owned()
}

pub(crate) fn token(balena: &Balena) -> Option<String> {
    balena.auth().get_token().unwrap().map(|token| token.expose_secret().to_owned())
}

pub(crate) fn environment<const N: usize>(vars: [(&str, &str); N]) -> Environment {
    Environment::from_vars(vars).unwrap()
}

/// Says loudly that something was not tested, past the test runner that keeps output to itself.
pub(crate) fn skip(why: &str) {
    writeln!(std::io::stderr().lock(), "SKIP: {why}").unwrap();
}
