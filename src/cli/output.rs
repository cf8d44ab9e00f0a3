//! The output of all commands: data on stdout, everything else on stderr.

use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal as _, Write as _};

use serde::Serialize;
use serde_json::{Value, json};

use crate::error::{Error, ErrorKind, Result, escaped, is_hidden};
use crate::fs::advice_on;

use super::exit;

/// The result of a command.
#[derive(Debug, Default)]
pub(super) struct Output {
    /// The data for `--json`; `None` prints nothing.
    data: Option<Value>,
    /// The text without `--json`, if the data needs another form.
    shown: Option<String>,
    /// One line on stderr for a user at a terminal.
    note: Option<String>,
    silent: bool,
}

impl Output {
    /// Output with data that is also shown without `--json`.
    pub(super) fn data(data: &impl Serialize) -> Result<Self> {
        Ok(Self { data: Some(to_value(data)?), ..Self::default() })
    }

    /// Output of an action without data: only a note.
    pub(super) fn done(note: impl Into<String>) -> Self {
        Self { note: Some(note.into()), ..Self::default() }
    }

    /// Output of a command that has already printed everything.
    pub(super) fn silent() -> Self {
        Self { silent: true, ..Self::default() }
    }

    /// Shows one row per entry, with these columns. A column without values is left out. `none` is shown if there is
    /// no row.
    pub(super) fn rows(self, columns: &[&str], rows: &impl Serialize, none: &str) -> Result<Self> {
        let rows = to_value(rows)?;
        let rows = rows.as_array().map_or(&[][..], Vec::as_slice);
        match (rows.is_empty(), &self.shown) {
            (true, None) => Ok(self.note_only().note(none)),
            (true, Some(_)) => Ok(self.section(none.to_owned())),
            (false, _) => Ok(self.section(table(columns, rows))),
        }
    }

    /// Shows these fields, one per line.
    pub(super) fn fields(self, fields: &impl Serialize) -> Result<Self> {
        let text = render(&to_value(fields)?);
        Ok(self.section(text))
    }

    /// Appends text below what is already shown.
    fn section(mut self, text: String) -> Self {
        self.shown = Some(match self.shown {
            Some(above) => format!("{}\n\n{text}", above.trim_end()),
            None => text,
        });
        self
    }

    /// Shows this text.
    pub(super) fn text(mut self, text: String) -> Self {
        self.shown = Some(text);
        self
    }

    /// Shows only the note.
    pub(super) fn note_only(mut self) -> Self {
        self.shown = Some(String::new());
        self
    }

    /// Adds a note.
    pub(super) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }
}

fn to_value(data: &impl Serialize) -> Result<Value> {
    serde_json::to_value(data)
        .map_err(|cause| Error::new(ErrorKind::Decode, "can't print this").with_source(cause))
}

/// Prints as JSON or as text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Printer {
    json: bool,
}

impl Printer {
    pub(super) fn new(json: bool) -> Self {
        Self { json }
    }

    pub(super) fn is_json(self) -> bool {
        self.json
    }

    /// Prints the result of a command.
    pub(super) fn print(self, output: &Output) -> Result<()> {
        if output.silent {
            return Ok(());
        }
        if self.json {
            let data = output.data.clone().unwrap_or_else(|| json!({ "ok": true }));
            return json_line(&data.to_string());
        }
        let text = match (&output.shown, &output.data) {
            (Some(shown), _) => shown.clone(),
            (None, Some(data)) => render(data),
            (None, None) => String::new(),
        };
        if !text.is_empty() {
            line(text.trim_end_matches('\n'))?;
        }
        match &output.note {
            // A script uses the exit code; a user wants a confirmation.
            Some(note) if io::stderr().is_terminal() || text.is_empty() => remark(note),
            None if text.is_empty() && output.shown.is_none() && output.data.is_some() => {
                remark("nothing to show");
            }
            _ => {}
        }
        Ok(())
    }

    /// Prints an error as one line, with cause and help, or as JSON with the exit code of its kind.
    pub(super) fn error(self, error: &Error) {
        self.error_ending(error, exit::code(error.kind()));
    }

    /// Prints an error of a command that ends with this exit code.
    pub(super) fn error_ending(self, error: &Error, code: u8) {
        if self.json {
            let error = json!({ "error": {
                "kind": error.kind().as_str(),
                "message": with_flags(&error.summary().to_string()),
                "help": error.advice().map(with_flags),
                "status": error.status(),
                "exit_code": code,
            }});
            complain(&visible_json(&error.to_string()));
        } else {
            remark(&with_flags(&format!("error: {error}")));
        }
    }
}

/// Replacements for library calls and arguments in error texts: the option of the command line instead.
const FLAGS: [(&str, &str); 16] = [
    ("`.deadline()`", "--timeout"),
    ("`.patience()`", "--wait"),
    ("`.timeout()`", "--timeout"),
    ("`.force()`", "--force"),
    ("with `.take_over_stale()`", "by leaving out --refuse-stale"),
    ("argument `hostname`", "argument `--hostname`"),
    ("argument `proxy`", "argument `--proxy`"),
    ("argument `login`", "argument `--proxy-login`"),
    ("argument `password`", "password of `--proxy-login`"),
    ("argument `dns`", "argument `--proxy-dns`"),
    ("argument `no_proxy`", "argument `--no-proxy`"),
    ("argument `count`", "argument `--count`"),
    ("argument `unit`", "argument `--unit`"),
    ("argument `format`", "argument `--format`"),
    ("argument `since`", "argument `--since`"),
    ("argument `until`", "argument `--until`"),
];

fn with_flags(text: &str) -> String {
    FLAGS.iter().fold(text.to_owned(), |text, (option, flag)| text.replace(option, flag))
}

/// The reader closed the pipe, e.g. `… | head`. This ends the command with an exit code of its own and no message.
#[derive(Debug)]
struct StdoutClosed;

impl fmt::Display for StdoutClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stdout was closed")
    }
}

impl std::error::Error for StdoutClosed {}

/// Whether the command ended because stdout was closed.
pub(super) fn is_reader_gone(error: &Error) -> bool {
    std::error::Error::source(error).is_some_and(<dyn std::error::Error>::is::<StdoutClosed>)
}

/// Prints text to stdout. Invisible characters are escaped, except tabs and line ends.
pub(super) fn line(text: &str) -> Result<()> {
    if !text.contains(|c| is_hidden(c) && !is_form(c)) {
        return write(text);
    }
    let mut visible = String::with_capacity(text.len());
    for piece in text.split_inclusive(is_form) {
        let form = piece.chars().next_back().filter(|c| is_form(*c));
        // Writing to a `String` can't fail.
        let _ = write!(visible, "{}", escaped(piece.trim_end_matches(is_form)));
        visible.extend(form);
    }
    write(&visible)
}

fn is_form(c: char) -> bool {
    matches!(c, '\n' | '\t')
}

/// Prints one line of JSON.
pub(super) fn json_line(json: &str) -> Result<()> {
    write(&visible_json(json))
}

fn write(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Ok(()) => Ok(()),
        Err(cause) if cause.kind() == io::ErrorKind::BrokenPipe => {
            Err(Error::new(ErrorKind::Io, StdoutClosed.to_string()).with_source(StdoutClosed))
        }
        Err(cause) => {
            let advice = advice_on(&cause).unwrap_or("check where stdout is redirected to");
            Err(io_error("can't write to stdout", cause).with_help(advice))
        }
    }
}

/// Prints one line to stderr, with invisible characters escaped.
pub(super) fn remark(line: &str) {
    complain(&plain(line));
}

fn complain(line: &str) {
    // If stderr fails, there is no other place to report it.
    let _ = writeln!(io::stderr(), "{line}");
}

/// Returns an I/O error with its cause in the text.
pub(super) fn io_error(what: &str, cause: io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("{what} ({cause})")).with_source(cause)
}

/// Returns text as one line with invisible characters escaped: foreign text must not control the terminal or imitate
/// another line.
pub(super) fn plain(text: &str) -> String {
    escaped(text).to_string()
}

/// Returns JSON with invisible characters as escapes; the meaning is unchanged.
fn visible_json(json: &str) -> String {
    let mut visible = String::with_capacity(json.len());
    let mut units = [0; 2];
    for c in json.chars() {
        if is_hidden(c) {
            let units = c.encode_utf16(&mut units);
            // Writing to a `String` can't fail.
            let _ = units.iter().try_for_each(|unit| write!(visible, "\\u{unit:04x}"));
        } else {
            visible.push(c);
        }
    }
    visible
}

/// Formats data as text: a scalar as it is, an object as aligned `name  value` lines, a list as a table.
fn render(data: &Value) -> String {
    match data {
        Value::Array(rows) if rows.iter().any(Value::is_object) => table(&[], rows),
        Value::Array(items) => items.iter().map(scalar).collect::<Vec<_>>().join("\n"),
        Value::Object(fields) if fields.is_empty() => String::new(),
        Value::Object(_) => {
            let mut lines = Vec::new();
            flatten("", data, &mut lines);
            let width = lines.iter().map(|(name, _)| width(name)).max().unwrap_or(0);
            let lines: Vec<String> =
                lines.iter().map(|(name, value)| format!("{name:width$}  {value}")).collect();
            lines.join("\n")
        }
        other => scalar(other),
    }
}

/// Largest column width in characters. A long value must not push other columns off the screen, and `format!`
/// supports widths up to 65,535.
const WIDEST: usize = 200;

fn width(text: &str) -> usize {
    text.chars().count().min(WIDEST)
}

/// Appends lines with dotted names: `{"a": {"b": 1}}` becomes `a.b  1`.
fn flatten(prefix: &str, data: &Value, lines: &mut Vec<(String, String)>) {
    match data {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                // Names may come from elsewhere too, e.g. of tags and services.
                let name = plain(name);
                let name = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
                flatten(&name, value, lines);
            }
        }
        other => lines.push((prefix.to_owned(), scalar(other))),
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::String(text) => plain(text),
        Value::Array(items) if items.iter().all(|item| !item.is_object() && !item.is_array()) => {
            items.iter().map(scalar).collect::<Vec<_>>().join(" ")
        }
        Value::Object(fields) if fields.is_empty() => "-".into(),
        other => other.to_string(),
    }
}

/// Formats rows under a header. Named columns come first, in their order. A column without values is left out.
fn table(order: &[&str], rows: &[Value]) -> String {
    let mut columns: Vec<&str> = order.to_vec();
    for name in rows.iter().filter_map(Value::as_object).flat_map(serde_json::Map::keys) {
        if order.is_empty() && !columns.contains(&name.as_str()) {
            columns.push(name);
        }
    }
    columns.retain(|name| rows.iter().any(|row| row.get(name).is_some_and(|value| !value.is_null())));
    let header = columns.iter().map(|name| heading(name)).collect();
    let cells = rows
        .iter()
        .map(|row| columns.iter().map(|name| row.get(name).map_or_else(|| "-".into(), scalar)).collect());
    let lines: Vec<Vec<String>> = std::iter::once(header).chain(cells).collect();
    let mut widths = vec![0; columns.len()];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(self::width(cell));
        }
    }
    let mut text = String::new();
    for line in lines {
        let cells: Vec<String> =
            line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// Converts `serviceName` to `SERVICE NAME`.
fn heading(name: &str) -> String {
    let mut heading = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() {
            heading.push(' ');
        }
        heading.extend(letter.to_uppercase());
    }
    heading
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_longer_than_any_width_is_shown_whole() {
        let long = "x".repeat(100_000);
        assert!(render(&json!([{ "a": long, "b": 1 }])).contains(&long));
        assert!(render(&json!({ long.clone(): 1 })).contains(&long));
    }

    #[test]
    fn objects_align_and_rows_make_a_table() {
        let text = render(&json!({"commit": "c0", "network": {"hostname": "h"}, "proxy": null}));
        assert_eq!(text, "commit            c0\nnetwork.hostname  h\nproxy             -");
        let text = render(&json!([{"name": "main", "progress": null}, {"name": "a", "progress": null}]));
        assert_eq!(text, "NAME\nmain\na\n");
        assert_eq!(render(&json!("a\u{1b}[31mb\nc")), "a\\u{1b}[31mb\\nc");
        assert_eq!(render(&json!({"a\u{7}": {"b\n": 1}})), "a\\u{7}.b\\n  1");
    }
}
