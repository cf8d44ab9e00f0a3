//! Imports only go down: what `src/` imports, held against the table of `docs/architecture.md`; and no circle of
//! files.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Folders whose files may import each other: row types refer to each other as the resources do.
const CIRCLES_ALLOWED: &[&str] = &["rows"];

/// Modules by their path (`http/execute`; that of `lib.rs` is empty), each with its text without comments and tests.
type Modules = BTreeMap<String, String>;

/// Which modules a module imports.
type Imports<'a> = BTreeMap<&'a str, BTreeSet<String>>;

#[test]
fn imports_go_down() {
    let modules = modules();
    let page = include_str!("../docs/architecture.md");
    let faults = upward(&imports(&modules), &floors(page));
    assert!(faults.is_empty(), "see docs/architecture.md:\n{}", faults.join("\n"));
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let modules = modules();
    let circles = circles(&imports(&modules));
    assert!(circles.is_empty(), "what both need goes into a file below both:\n{}", circles.join("\n"));
}

#[test]
fn the_page_names_every_folder_once() {
    let modules = modules();
    let found: BTreeSet<&str> = modules.keys().filter_map(|name| name.split('/').next()).collect();
    let floors = floors(include_str!("../docs/architecture.md"));
    let mut named: Vec<&str> = floors.iter().flatten().map(String::as_str).collect();
    named.sort_unstable();
    assert_eq!(named, found.into_iter().filter(|name| !name.is_empty()).collect::<Vec<_>>());
}

#[test]
fn an_import_that_goes_up_and_a_circle_are_found() {
    let text = |path: &str, text: &str| (path.to_owned(), code(text));
    let modules = Modules::from([
        text("", "pub use low::deep::Deep;"),
        text("high", "use crate::low::{self, deep::{Deep as D, Other}};\nuse crate::Deep;"),
        text(
            "low",
            "mod deep;\nmod other;\npub(crate) use deep::Deep;\n#[cfg(test)]\nmod tests {\n    use crate::high;\n}\n",
        ),
        text("low/deep", "use super::other::Other; // crate::high\nfn f() { crate::high::call() }"),
        text("low/other", "#[cfg(test)]\nuse crate::high::X;\nuse super::Deep;"),
    ]);
    let floors = floors("| folder | x |\n|---|---|\n| `high/` | |\n| `low/` | |\n\n| `other/` | |");
    let imports = imports(&modules);
    assert_eq!(upward(&imports, &floors), ["src/low/deep.rs imports `high`, which is not below `low`"]);
    assert_eq!(
        circles(&imports),
        [
            "high -> low/deep -> high",
            "low -> low/deep -> high -> low",
            "low/deep -> high -> low/deep",
            "low/other -> low/deep -> low/other"
        ]
    );
}

/// The folders of the page's first table, row by row: a row holds one or several that do not import each other.
fn floors(page: &str) -> Vec<Vec<String>> {
    let rows = page.lines().skip_while(|line| !line.starts_with("|--")).skip(1);
    rows.take_while(|line| line.starts_with('|'))
        .map(|line| {
            let first = line.split('|').nth(1).unwrap_or_default();
            let names = first.split('`').skip(1).step_by(2);
            names.map(|name| name.trim_end_matches('/').trim_end_matches(".rs").to_owned()).collect()
        })
        .collect()
}

/// Imports of one top-level folder from another that is not below it.
fn upward(imports: &Imports<'_>, floors: &[Vec<String>]) -> Vec<String> {
    let floor = |name: &str| floors.iter().position(|row| row.iter().any(|known| known == name));
    let top = |module: &str| module.split('/').next().unwrap_or_default().to_owned();
    let mut faults = Vec::new();
    for (module, targets) in imports.iter().filter(|(module, _)| !module.is_empty()) {
        for target in targets {
            let (own, other) = (top(module), top(target));
            let goes_down = floor(&own).zip(floor(&other)).is_some_and(|(own, other)| own < other);
            if own != other && !goes_down {
                let other = if other.is_empty() { "lib.rs".to_owned() } else { other };
                faults.push(format!("src/{module}.rs imports `{other}`, which is not below `{own}`"));
            }
        }
    }
    faults
}

/// Every file from which imports lead back to it, with a shortest way. What `mod.rs` itself defines, its folder's
/// files may use.
fn circles(imports: &Imports<'_>) -> Vec<String> {
    let is_allowed =
        |module: &str| CIRCLES_ALLOWED.iter().any(|folder| module.starts_with(&format!("{folder}/")));
    let is_above =
        |target: &str, module: &str| target.is_empty() || module.starts_with(&format!("{target}/"));
    let next = |module: &str| {
        let targets = imports.get(module).into_iter().flatten();
        let module = module.to_owned();
        targets.filter(move |target| !is_above(target, &module)).cloned()
    };
    let mut circles = Vec::new();
    for start in imports.keys().filter(|module| !is_allowed(module)) {
        let mut came_from: BTreeMap<String, String> = BTreeMap::new();
        let mut queue = std::collections::VecDeque::from([(*start).to_owned()]);
        'search: while let Some(module) = queue.pop_front() {
            for target in next(&module) {
                if target == *start {
                    let mut way = vec![target, module.clone()];
                    while let Some(before) = way.last().and_then(|last| came_from.get(last)) {
                        way.push(before.clone());
                    }
                    way.reverse();
                    circles.push(way.join(" -> "));
                    break 'search;
                }
                if !came_from.contains_key(&target) {
                    came_from.insert(target.clone(), module.clone());
                    queue.push_back(target);
                }
            }
        }
    }
    circles
}

fn imports(modules: &Modules) -> Imports<'_> {
    let resolved = |module: &str, text: &str| {
        let targets = paths(text).into_iter().filter_map(|path| resolve(modules, module, &path, 0));
        targets.filter(|target| target != module).collect()
    };
    modules.iter().map(|(module, text)| (module.as_str(), resolved(module, text))).collect()
}

/// The module that a path leads to, through what modules re-export.
fn resolve(modules: &Modules, from: &str, path: &str, depth: usize) -> Option<String> {
    let mut parts = path.split("::").peekable();
    let mut module: Vec<&str> = from.split('/').filter(|part| !part.is_empty()).collect();
    let mut is_relative = false;
    while let Some(part) = parts.peek() {
        match *part {
            "crate" => module.clear(),
            "self" => {}
            "super" => drop(module.pop()),
            _ => break,
        }
        is_relative = true;
        parts.next();
    }
    let mut is_child = false;
    while let Some(part) = parts.peek() {
        let deeper = module.iter().copied().chain([*part]).collect::<Vec<_>>().join("/");
        if !modules.contains_key(&deeper) {
            break;
        }
        module.push(part);
        is_child = true;
        parts.next();
    }
    // A path to another crate.
    if !is_relative && !is_child {
        return None;
    }
    let module = module.join("/");
    let text = modules.get(&module)?;
    let Some(name) = parts.next().filter(|_| depth < 8) else { return Some(module) };
    let exported = statements(text)
        .filter(|(is_public, _)| *is_public)
        .flat_map(|(_, statement)| expanded(statement))
        .find(|path| path.rsplit("::").next() == Some(name));
    match exported.and_then(|path| resolve(modules, &module, &path, depth + 1)) {
        Some(origin) => Some(origin),
        None => Some(module),
    }
}

/// Every path that a file imports, or writes out.
fn paths(text: &str) -> Vec<String> {
    let mut rest = text.to_owned();
    let mut paths = Vec::new();
    for (_, statement) in statements(text) {
        paths.extend(expanded(statement));
        rest = rest.replace(&format!("use {statement};"), "");
    }
    for root in ["crate::", "super::"] {
        for (at, _) in rest.match_indices(root) {
            let is_inside = rest[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
            if !is_inside {
                let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
                let path = rest[at..].split(|c| !is_part(c)).next().unwrap_or_default();
                paths.push(path.trim_end_matches(':').to_owned());
            }
        }
    }
    paths
}

/// The `use` statements, from behind `use` to the semicolon, and whether each re-exports.
fn statements(text: &str) -> impl Iterator<Item = (bool, &str)> {
    text.match_indices("use ").filter_map(|(at, word)| {
        let line = text[..at].rsplit('\n').next().unwrap_or_default().trim_start();
        let is_public = line.starts_with("pub");
        let is_statement = line.is_empty() || is_public && !line.contains("fn ");
        let statement = text[at + word.len()..].split(';').next()?;
        is_statement.then_some((is_public, statement))
    })
}

/// `a::{b, c::{d, e as f}}` as `a::b`, `a::c::d`, `a::c::e`.
fn expanded(statement: &str) -> Vec<String> {
    let statement = statement.trim();
    let Some((head, group)) = statement.split_once('{') else {
        let path = statement.split(" as ").next().unwrap_or_default();
        return vec![path.split_whitespace().collect::<String>().trim_end_matches("::self").to_owned()];
    };
    let group = group.strip_suffix('}').unwrap_or(group);
    let mut depth = 0;
    let parts = group.split(|c| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        c == ',' && depth == 0
    });
    parts
        .filter(|part| !part.trim().is_empty())
        .flat_map(|part| expanded(&format!("{head}{}", part.trim())))
        .collect()
}

/// The text without comments, and without what is compiled for tests only.
fn code(text: &str) -> String {
    let mut kept = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let line = line.split_once(" //").map_or(line, |(code, _)| code);
        if line.trim_start().starts_with("//") {
            continue;
        }
        if !is_for_tests(line) {
            kept.push_str(line);
            kept.push('\n');
            continue;
        }
        let Some(item) = lines.by_ref().find(|line| !line.trim_start().starts_with("#[")) else { break };
        let indent = &item[..item.len() - item.trim_start().len()];
        if !item.trim_end().ends_with([';', '}']) {
            let _ = lines.by_ref().find(|line| *line == format!("{indent}}}"));
        }
    }
    kept
}

fn is_for_tests(attribute: &str) -> bool {
    let attribute = attribute.trim();
    attribute == "#[cfg(test)]" || attribute.starts_with("#[cfg(all(test,")
}

/// The modules of `src/`. Files that are modules of tests are left out.
fn modules() -> Modules {
    fn walk(folder: &Path, module: &str, modules: &mut Modules) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let stem = path.file_stem().unwrap().to_str().unwrap();
            let name = if module.is_empty() { stem.to_owned() } else { format!("{module}/{stem}") };
            if path.is_dir() {
                walk(&path, &name, modules);
            } else if stem != "main" {
                let name = if ["mod", "lib"].contains(&stem) { module.to_owned() } else { name };
                modules.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut modules = Modules::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "", &mut modules);
    assert!(modules.len() > 100, "the modules of src/ were not found");
    let mut tests = Vec::new();
    for (module, text) in &modules {
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            let next = if is_for_tests(line) { lines.next() } else { None };
            if let Some(name) = next.and_then(|line| line.trim().split("mod ").nth(1)?.strip_suffix(';')) {
                tests.push(format!("{module}/{name}").trim_start_matches('/').to_owned());
            }
        }
    }
    modules.retain(|module, _| {
        !tests.iter().any(|test| module == test || module.starts_with(&format!("{test}/")))
    });
    modules.into_iter().map(|(module, text)| (module, code(&text))).collect()
}
