//! A writer of OpenMetrics 1.0 text: metric families with help texts, samples with escaped labels, the `# EOF` mark.

use std::fmt::{Display, Write as _};

use crate::error::is_hidden;

/// Value of the `Content-Type` header.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The type of a metric family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Only increases; its sample has the suffix `_total`.
    Counter,
    /// Increases and decreases.
    Gauge,
    /// Constant labels; its sample has the suffix `_info` and the value 1.
    Info,
    /// Only `_count` and `_sum`; quantiles are not supported.
    Summary,
}

/// Text under construction.
#[derive(Debug, Default)]
pub(crate) struct Text(String);

/// A metric family; samples can be added to it.
pub(crate) struct Family<'a> {
    text: &'a mut String,
    name: &'a str,
}

impl Text {
    /// Starts a family. All its samples must be added before the next family starts.
    pub(crate) fn family<'a>(&'a mut self, name: &'a str, kind: Kind, help: &str) -> Family<'a> {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Info => "info",
            Kind::Summary => "summary",
        };
        let text = &mut self.0;
        // Writing to a string can't fail.
        let _ = write!(text, "# TYPE {name} {kind}\n# HELP {name} ");
        escape(text, help);
        text.push('\n');
        Family { text, name }
    }

    /// Returns the text, ended by `# EOF`: readers detect a truncated text by its absence.
    pub(crate) fn finish(mut self) -> String {
        self.0.push_str("# EOF\n");
        self.0
    }
}

impl Family<'_> {
    /// Adds a sample; `suffix` is the one that the family's kind requires.
    pub(crate) fn sample(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) -> &mut Self {
        self.text.push_str(self.name);
        self.text.push_str(suffix);
        for (position, (name, value)) in labels.iter().enumerate() {
            self.text.push(if position == 0 { '{' } else { ',' });
            self.text.push_str(name);
            self.text.push_str("=\"");
            escape(self.text, value);
            self.text.push('"');
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
        self
    }
}

fn escape(text: &mut String, raw: &str) {
    for character in raw.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            hidden if is_hidden(hidden) => {
                text.push('\\');
                text.extend(hidden.escape_unicode());
            }
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_samples_and_the_end() {
        let mut text = Text::default();
        text.family("calls", Kind::Counter, "Calls.").sample("_total", &[], 3);
        text.family("took_seconds", Kind::Summary, "Time.")
            .sample("_count", &[("at", "a"), ("to", "b")], 2)
            .sample("_sum", &[], 0.5);
        assert_eq!(
            text.finish(),
            "# TYPE calls counter\n# HELP calls Calls.\ncalls_total 3\n\
             # TYPE took_seconds summary\n# HELP took_seconds Time.\n\
             took_seconds_count{at=\"a\",to=\"b\"} 2\ntook_seconds_sum 0.5\n# EOF\n"
        );
    }

    #[test]
    fn odd_names_stay_on_their_line() {
        let mut text = Text::default();
        text.family("x", Kind::Gauge, "a\nb").sample("", &[("service", "q\"b\\n\nü\u{202e}")], 1);
        assert_eq!(
            text.finish(),
            "# TYPE x gauge\n# HELP x a\\nb\nx{service=\"q\\\"b\\\\n\\nü\\\\u{202e}\"} 1\n# EOF\n"
        );
    }
}
