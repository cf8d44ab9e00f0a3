//! The public calls of the library, by reading its source: which method of which type returns what.

use std::fs;
use std::path::{Path, PathBuf};

/// A public method.
#[derive(Debug)]
pub(crate) struct Method {
    /// Generic parameters of the `impl` that it stands in: `R: DeviceValue`.
    generics: String,
    /// The type that it is a method of: `KeyValue<DeviceKey, R>`.
    of: String,
    name: String,
    /// Names of its arguments.
    pub(crate) arguments: Vec<String>,
    pub(crate) returns: String,
}

/// All public methods of the client and of what it leads to.
pub(crate) fn methods() -> Vec<Method> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = vec![source.join("balena.rs")];
    for folder in ["api", "auth", "logs", "resource", "settings"] {
        collect(&source.join(folder), &mut files);
    }
    let mut methods = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("source is text");
        let mut place = None;
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if line.starts_with("impl") {
                place = header(&up_to_brace(line, &mut lines));
            } else if let Some(rest) = line.trim_start().strip_prefix("pub fn ")
                && let Some((generics, of)) = &place
            {
                methods.extend(method(generics, of, &up_to_brace(rest, &mut lines)));
            }
        }
    }
    methods
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}

/// One line, from here to the opening brace.
fn up_to_brace<'a>(first: &str, lines: &mut impl Iterator<Item = &'a str>) -> String {
    let mut whole = first.trim().to_owned();
    while !whole.ends_with('{') && !whole.ends_with('}') {
        let Some(next) = lines.next() else { break };
        whole.push(' ');
        whole.push_str(next.trim());
    }
    whole
}

/// `impl<R: DeviceValue> KeyValue<DeviceKey, R> {`; no methods of traits.
fn header(line: &str) -> Option<(String, String)> {
    let rest = line.strip_prefix("impl")?.trim_end_matches(['{', '}']).trim();
    let (generics, of) = match rest.strip_prefix('<') {
        Some(inner) => split_at_closing(inner)?,
        None => ("", rest),
    };
    let of = of.split(" where ").next().unwrap_or(of).trim();
    (!of.contains(" for ")).then(|| (generics.to_owned(), of.to_owned()))
}

/// What is inside of the angle bracket that was opened, and what follows it.
fn split_at_closing(text: &str) -> Option<(&str, &str)> {
    let mut depth = 1;
    for (at, c) in text.char_indices() {
        match c {
            '<' => depth += 1,
            '>' if !text[..at].ends_with('-') => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((&text[..at], &text[at + 1..]));
        }
    }
    None
}

fn method(generics: &str, of: &str, signature: &str) -> Option<Method> {
    let (head, returns) = signature.trim_end_matches('{').rsplit_once(") -> ")?;
    let (name, arguments) = head.split_once('(')?;
    let mut names = Vec::new();
    let mut depth = 0;
    let mut start = 0;
    for (at, c) in arguments.char_indices().chain([(arguments.len(), ',')]) {
        match c {
            '<' | '(' | '[' => depth += 1,
            '>' | ')' | ']' => depth -= 1,
            ',' if depth == 0 => {
                let argument = arguments[start..at].trim();
                names.extend(argument.split_once(": ").map(|(name, _)| name.to_owned()));
                start = at + 1;
            }
            _ => {}
        }
    }
    Some(Method {
        generics: generics.to_owned(),
        of: of.to_owned(),
        name: name.split('<').next().unwrap_or(name).to_owned(),
        arguments: names,
        returns: returns.split(" where ").next().unwrap_or(returns).trim().to_owned(),
    })
}

/// The method of this name that a value of this type has.
pub(crate) fn find<'a>(methods: &'a [Method], of: &str, name: &str) -> Option<&'a Method> {
    methods.iter().find(|method| method.name == name && method.fits(of))
}

impl Method {
    fn fits(&self, wanted: &str) -> bool {
        let (base, arguments) = parts(&self.of);
        let (wanted_base, wanted_arguments) = parts(wanted);
        let free = |argument: &str| {
            self.generics
                .split(',')
                .any(|one| one.split(':').next().is_some_and(|name| name.trim() == argument))
        };
        base == wanted_base
            && arguments.len() == wanted_arguments.len()
            && arguments.iter().zip(&wanted_arguments).all(|(own, wanted)| own == wanted || free(own))
    }
}

/// `crate::api::KeyValue<DeviceKey, R>` → `KeyValue` and its arguments.
fn parts(name: &str) -> (&str, Vec<&str>) {
    let (path, arguments) = name.split_once('<').unwrap_or((name, ""));
    let base = path.rsplit("::").next().unwrap_or(path).trim_start_matches('&');
    let arguments = arguments.trim_end_matches('>').split(',').map(str::trim);
    (base, arguments.filter(|argument| !argument.is_empty()).collect())
}
