//! The files of a case, below a home directory of its own: `$TMP` in the recordings.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Map, Value, json};

use super::cases::Case;

static HOMES: AtomicUsize = AtomicUsize::new(0);

/// Goes with the case.
#[derive(Debug)]
pub(crate) struct Home(PathBuf);

impl Home {
    /// With the files that the case begins with.
    pub(crate) fn new(case: &Case) -> Self {
        let number = HOMES.fetch_add(1, Ordering::Relaxed);
        let name = format!("balena-agent-wire-{}-{number}", std::process::id());
        let home = Self(std::env::temp_dir().join(name));
        let files = case.files_before.as_ref().and_then(Value::as_object);
        for (name, text) in files.into_iter().flatten() {
            let path = home.0.join(name);
            fs::create_dir_all(path.parent().expect("a file is in a directory")).expect("a home");
            let text = home.here(text.as_str().expect("files are text"));
            fs::File::create(&path)
                .and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()))
                .expect("a file");
        }
        home
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// A recorded text with this home in it.
    pub(crate) fn here(&self, text: &str) -> String {
        text.replace("$TMP", &self.0.to_string_lossy())
    }

    /// As it would have been recorded.
    pub(crate) fn recorded(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => json!(text.replace(&*self.0.to_string_lossy(), "$TMP")),
            Value::Object(map) => {
                Value::Object(map.iter().map(|(name, value)| (name.clone(), self.recorded(value))).collect())
            }
            other => other.clone(),
        }
    }

    /// All files that are there now.
    pub(crate) fn files(&self) -> Value {
        let mut files = Map::new();
        collect(&self.0, &self.0, &mut files);
        contents(&self.recorded(&Value::Object(files)))
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn collect(home: &Path, folder: &Path, files: &mut Map<String, Value>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(home, &path, files);
        } else {
            let name = path.strip_prefix(home).expect("below it").to_string_lossy().into_owned();
            files.insert(name, json!(fs::read_to_string(&path).expect("text")));
        }
    }
}

/// Files as what they say: the order of a section's lines does not count.
pub(crate) fn contents(files: &Value) -> Value {
    let files = files.as_object().into_iter().flatten();
    Value::Object(files.map(|(name, text)| (name.clone(), sections(text))).collect())
}

fn sections(text: &Value) -> Value {
    let lines = text.as_str().unwrap_or_default();
    let mut sections: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
    let mut section = None;
    for line in lines.lines().filter(|line| !line.is_empty()) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            sections.entry(name).or_default();
            section = Some(name);
        } else if let (Some(section), Some((name, value))) = (section, line.split_once(" =")) {
            sections.entry(section).or_default().insert(name, value.trim_start());
        } else {
            // No settings file: it is what it is.
            return text.clone();
        }
    }
    json!(sections)
}
