//! The subset of Handlebars templates that contracts of device types use.
//!
//! `{{path}}` (HTML-escaped), `{{{path}}}` (unescaped), `{{resolveContractAlias path}}`, `{{#each path}}…{{/each}}`
//! and `{{#if path}}…{{/if}}`; a path is `this`, or `name.name.[0]`. All other syntax is an error. Compared with
//! Handlebars 4.7, the output is the same, with these exceptions: the members of an object are sorted by name, a
//! string counts as a list of one, and a block tag does not remove the line break after it.

use std::fmt;

use serde_json::Value;

/// Limit on the nesting of blocks and of lists. Contracts have one level.
const DEPTH: usize = 16;
/// Name of the helper that returns the name of a medium.
const ALIAS: &str = "resolveContractAlias";
const ALIASES: [(&str, &str); 2] = [("sdcard", "SD card"), ("usb_mass_storage", "USB key")];

/// Why a template is invalid or can't be filled in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TemplateError(pub(super) String);

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

type Result<T, E = TemplateError> = std::result::Result<T, E>;

fn refuse<T>(why: impl Into<String>) -> Result<T> {
    Err(TemplateError(why.into()))
}

/// Remaining number of bytes written and steps taken, as a limit on the work.
#[derive(Debug)]
pub(super) struct WorkBudget(pub(super) usize);

impl WorkBudget {
    fn spend(&mut self, amount: usize) -> Result<()> {
        match self.0.checked_sub(amount) {
            Some(left) => self.0 = left,
            None => return refuse("it becomes too long"),
        }
        Ok(())
    }
}

#[derive(Debug)]
enum Node<'a> {
    Text(&'a str),
    Value { path: Vec<&'a str>, alias: bool, raw: bool },
    Each(Vec<&'a str>, Vec<Node<'a>>),
    If(Vec<&'a str>, Vec<Node<'a>>),
}

/// Fills in a template with values of the context.
pub(super) fn fill_in(template: &str, context: &Value, budget: &mut WorkBudget) -> Result<String> {
    let mut out = String::new();
    write(&parse(template)?, context, &mut out, budget)?;
    Ok(out)
}

/// An open block: its tag, and the nodes before it.
struct OpenBlock<'a> {
    name: &'a str,
    path: Vec<&'a str>,
    before: Vec<Node<'a>>,
}

fn parse(template: &str) -> Result<Vec<Node<'_>>> {
    let mut open: Vec<OpenBlock<'_>> = Vec::new();
    let mut nodes = Vec::new();
    let mut rest = template;
    while let Some((text, after)) = rest.split_once("{{") {
        if text.ends_with('\\') {
            return refuse("`\\{{` is not known here");
        }
        if !text.is_empty() {
            nodes.push(Node::Text(text));
        }
        let (raw, after) = after.strip_prefix('{').map_or((false, after), |after| (true, after));
        let end = if raw { "}}}" } else { "}}" };
        let Some((tag, after)) = after.split_once(end) else {
            return refuse(format!("`{{{{` without `{end}`"));
        };
        if after.starts_with('}') {
            return refuse(format!("`{{{{{tag}` is closed by too many braces"));
        }
        rest = after;
        match tag.chars().next() {
            Some('#') if !raw => {
                let (name, path) = words(tag.get(1..).unwrap_or_default())?;
                let (Some(path), "each" | "if") = (path, name) else {
                    return refuse(format!("`{{{{{tag}}}}}` is not known here"));
                };
                if open.len() == DEPTH {
                    return refuse("the blocks are nested too deeply");
                }
                open.push(OpenBlock { name, path: self::path(path)?, before: std::mem::take(&mut nodes) });
            }
            Some('/') if !raw => {
                let name = tag.get(1..).unwrap_or_default().trim();
                let Some(OpenBlock { path, before, .. }) = open.pop_if(|open| open.name == name) else {
                    return refuse(format!("`{{{{{tag}}}}}` closes nothing"));
                };
                let inside = std::mem::replace(&mut nodes, before);
                nodes.push(if name == "if" { Node::If(path, inside) } else { Node::Each(path, inside) });
            }
            _ => nodes.push(match words(tag)? {
                (ALIAS, Some(path)) => Node::Value { path: self::path(path)?, alias: true, raw },
                (ALIAS | "each" | "else" | "if" | "log" | "lookup" | "unless" | "with", _) | (_, Some(_)) => {
                    return refuse(format!("`{{{{{tag}}}}}` is not known here"));
                }
                (path, None) => Node::Value { path: self::path(path)?, alias: false, raw },
            }),
        }
    }
    if let Some(open) = open.pop() {
        return refuse(format!("`{{{{#{}}}}}` is never closed", open.name));
    }
    if !rest.is_empty() {
        nodes.push(Node::Text(rest));
    }
    Ok(nodes)
}

/// Splits a tag into its one or two words.
fn words(tag: &str) -> Result<(&str, Option<&str>)> {
    let mut words = tag.split_whitespace();
    match (words.next(), words.next(), words.next()) {
        (Some(first), second, None) => Ok((first, second)),
        _ => refuse(format!("`{{{{{tag}}}}}` is not known here")),
    }
}

/// Parses a path: `this`, or the names that lead from the context to a value.
fn path(text: &str) -> Result<Vec<&str>> {
    let odd = |c: char| "!\"#%&'()*+,./;<=>@[\\]^`{|}~".contains(c);
    let known_otherwise = |name: &str| {
        let digits = name.strip_prefix('-').unwrap_or(name);
        matches!(name, "true" | "false" | "null" | "undefined")
            || digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    let mut names = Vec::new();
    for (place, name) in text.split('.').enumerate() {
        let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        if bare.is_empty() || bare.contains(odd) || (name == bare && known_otherwise(name)) {
            return refuse(format!("`{text}` is not known here"));
        }
        match (place, name) {
            (0, "this") => {}
            (_, "this") => return refuse(format!("`{text}` is not known here")),
            _ => names.push(bare),
        }
    }
    Ok(names)
}

fn write(nodes: &[Node<'_>], this: &Value, out: &mut String, budget: &mut WorkBudget) -> Result<()> {
    for node in nodes {
        budget.spend(1)?;
        match node {
            Node::Text(text) => put(text, out, budget)?,
            Node::Value { path, alias, raw } => {
                let mut text = String::new();
                as_text(look_up(this, path), &mut text, DEPTH, budget)?;
                let known = ALIASES.iter().find(|(name, _)| *alias && *name == text);
                let text = known.map_or(&*text, |(_, alias)| alias);
                if *raw { put(text, out, budget)? } else { put(&escaped(text), out, budget)? }
            }
            Node::If(path, inside) if is_something(look_up(this, path)) => write(inside, this, out, budget)?,
            Node::If(..) => {}
            Node::Each(path, inside) => match look_up(this, path) {
                Value::Array(items) => {
                    items.iter().try_for_each(|item| write(inside, item, out, budget))?;
                }
                Value::Object(members) => {
                    members.values().try_for_each(|item| write(inside, item, out, budget))?;
                }
                _ => {}
            },
        }
    }
    Ok(())
}

fn put(text: &str, out: &mut String, budget: &mut WorkBudget) -> Result<()> {
    budget.spend(text.len())?;
    out.push_str(text);
    Ok(())
}

/// Returns the value of a path. A string counts as a list of one.
fn look_up<'v>(mut value: &'v Value, path: &[&str]) -> &'v Value {
    for name in path {
        let next = match value {
            Value::Object(members) => members.get(*name),
            Value::Array(items) => name.parse().ok().and_then(|index: usize| items.get(index)),
            Value::String(_) if *name == "0" => Some(value),
            _ => None,
        };
        value = next.unwrap_or(&Value::Null);
    }
    value
}

fn is_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(yes) => *yes,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(_) => true,
    }
}

/// Writes a value as JavaScript converts it to a string.
fn as_text(value: &Value, out: &mut String, depth: usize, budget: &mut WorkBudget) -> Result<()> {
    budget.spend(1)?;
    match value {
        Value::Null => Ok(()),
        Value::Bool(yes) => put(if *yes { "true" } else { "false" }, out, budget),
        Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            // Omits the `.0` of an integral number.
            Some(number) => put(&number.to_string(), out, budget),
            None => put(&number.to_string(), out, budget),
        },
        Value::String(text) => put(text, out, budget),
        Value::Object(_) => put("[object Object]", out, budget),
        Value::Array(_) if depth == 0 => refuse("the lists are nested too deeply"),
        Value::Array(items) => items.iter().enumerate().try_for_each(|(index, item)| {
            put(if index == 0 { "" } else { "," }, out, budget)?;
            as_text(item, out, depth - 1, budget)
        }),
    }
}

/// Escapes HTML as Handlebars does.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#x27;"),
            '`' => out.push_str("&#x60;"),
            '=' => out.push_str("&#x3D;"),
            other => out.push(other),
        }
    }
    out
}
