//! The output formats of `journalctl`.

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::maps::collect_unsorted;

use super::{Entry, Journal};

/// An output format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Short,
    ShortFull,
    ShortIso,
    ShortIsoPrecise,
    ShortPrecise,
    ShortMonotonic,
    ShortUnix,
    WithUnit,
    Cat,
    Json,
    JsonPretty,
    JsonSse,
    JsonSeq,
    Export,
    Verbose,
}

impl Format {
    /// Returns the format of this name; `None` if `journalctl` does not know it.
    pub(super) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "short" => Self::Short,
            "short-full" => Self::ShortFull,
            "short-iso" => Self::ShortIso,
            "short-iso-precise" => Self::ShortIsoPrecise,
            "short-precise" => Self::ShortPrecise,
            "short-monotonic" | "short-delta" => Self::ShortMonotonic,
            "short-unix" => Self::ShortUnix,
            "with-unit" => Self::WithUnit,
            "cat" => Self::Cat,
            "json" => Self::Json,
            "json-pretty" => Self::JsonPretty,
            "json-sse" => Self::JsonSse,
            "json-seq" => Self::JsonSeq,
            "export" => Self::Export,
            "verbose" => Self::Verbose,
            _ => return None,
        })
    }

    /// Machine-readable formats print nothing for an empty result.
    pub(super) fn says_when_empty(self) -> bool {
        !matches!(
            self,
            Self::Cat | Self::Json | Self::JsonPretty | Self::JsonSse | Self::JsonSeq | Self::Export
        )
    }

    /// Whether a line marks the start of another boot.
    pub(super) fn marks_boots(self) -> bool {
        self.says_when_empty()
    }

    /// Formats one entry, with its line end.
    pub(super) fn show(self, entry: &Entry, journal: &Journal) -> String {
        let at = TimeZone::UTC.to_datetime(entry.at);
        let (date, time) = (at.date(), at.time());
        let uptime = entry.uptime;
        let time = match self {
            Self::Short => format!("{} {time:.0}", month_and_day(date)),
            Self::ShortPrecise => format!("{} {time:.6}", month_and_day(date)),
            Self::ShortFull | Self::WithUnit => format!("{} {date} {time:.0} UTC", weekday(date)),
            Self::ShortIso => format!("{at:.0}+0000"),
            Self::ShortIsoPrecise => format!("{at:.6}+0000"),
            Self::ShortUnix => {
                let micros = entry.at.as_microsecond();
                format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
            }
            Self::ShortMonotonic => format!("[{:5}.{:06}]", uptime.as_secs(), uptime.subsec_micros()),
            Self::Cat => return format!("{}\n", entry.message),
            Self::Json => return format!("{}\n", object(entry, journal)),
            Self::JsonSse => return format!("data: {}\n\n", object(entry, journal)),
            Self::JsonSeq => return format!("\u{1e}{}\n", object(entry, journal)),
            Self::JsonPretty => {
                let fields = fields(entry, journal).into_iter();
                let lines: Vec<String> =
                    fields.map(|(name, value)| format!("\t\"{name}\" : {}", Value::from(value))).collect();
                return format!("{{\n{}\n}}\n", lines.join(",\n"));
            }
            Self::Export => {
                let fields = fields(entry, journal).into_iter();
                return fields.map(|(name, value)| exported(name, &value)).collect::<String>() + "\n";
            }
            Self::Verbose => {
                let head = format!("{} {date} {time:.6} UTC", weekday(date));
                let fields = fields(entry, journal).into_iter().filter(|(name, _)| !name.starts_with("__"));
                let lines: Vec<String> =
                    fields.map(|(name, value)| format!("    {name}={value}\n")).collect();
                return format!("{head} [{}]\n{}", cursor(entry, journal), lines.concat());
            }
        };
        let source = &entry.source;
        let who = if self == Self::WithUnit { source.unit } else { &source.identifier };
        format!(
            "{time} {}\n",
            indented(&format!("{} {who}[{}]: ", journal.hostname, source.pid), &entry.message)
        )
    }
}

/// Formats a date as `Nov 22`.
fn month_and_day(date: Date) -> String {
    let month = match date.month() {
        1 => "Jan",
        2 => "Feb",
        3 => "Mar",
        4 => "Apr",
        5 => "May",
        6 => "Jun",
        7 => "Jul",
        8 => "Aug",
        9 => "Sep",
        10 => "Oct",
        11 => "Nov",
        _ => "Dec",
    };
    format!("{month} {:02}", date.day())
}

/// Formats a weekday as `Sun`.
fn weekday(date: Date) -> &'static str {
    match date.weekday() {
        Weekday::Monday => "Mon",
        Weekday::Tuesday => "Tue",
        Weekday::Wednesday => "Wed",
        Weekday::Thursday => "Thu",
        Weekday::Friday => "Fri",
        Weekday::Saturday => "Sat",
        Weekday::Sunday => "Sun",
    }
}

/// Indents further lines of a message below the first one.
fn indented(head: &str, message: &str) -> String {
    let indent = format!("\n{}", " ".repeat(head.chars().count()));
    format!("{head}{}", message.replace('\n', &indent))
}

/// A value with line breaks is written with its length, in binary.
fn exported(name: &str, value: &str) -> String {
    if !value.contains('\n') {
        return format!("{name}={value}\n");
    }
    let length = u64::try_from(value.len()).unwrap_or_default().to_le_bytes();
    // Lengths below 128 are single UTF-8 bytes; larger ones do not occur here.
    format!("{name}\n{}{value}\n", String::from_utf8_lossy(&length))
}

fn object(entry: &Entry, journal: &Journal) -> Value {
    let fields = fields(entry, journal).into_iter();
    Value::Object(collect_unsorted(fields.map(|(name, value)| (name.to_owned(), value.into()))))
}

fn cursor(entry: &Entry, journal: &Journal) -> String {
    let (boot, number) = (&entry.boot, entry.number);
    let (uptime, at) = (entry.uptime.as_micros(), entry.at.as_microsecond());
    format!("s={};i={number:x};b={boot};m={uptime:x};t={at:x};x={number:x}", journal.machine_id)
}

/// Returns the journal fields of an entry.
fn fields(entry: &Entry, journal: &Journal) -> Vec<(&'static str, String)> {
    let source = &entry.source;
    let at = entry.at.as_microsecond().to_string();
    let is_container = source.container.is_some();
    let mut fields = vec![
        ("__CURSOR", cursor(entry, journal)),
        ("__REALTIME_TIMESTAMP", at.clone()),
        ("__MONOTONIC_TIMESTAMP", entry.uptime.as_micros().to_string()),
        ("_BOOT_ID", entry.boot.to_string()),
        ("_MACHINE_ID", journal.machine_id.clone()),
        ("_HOSTNAME", journal.hostname.clone()),
        ("_TRANSPORT", if is_container { "journal" } else { "stdout" }.to_owned()),
        ("_UID", "0".to_owned()),
        ("_GID", "0".to_owned()),
        ("_PID", source.pid.to_string()),
        ("_COMM", if is_container { "balenad" } else { "demo" }.to_owned()),
        ("_SYSTEMD_UNIT", source.unit.to_owned()),
        ("_SYSTEMD_SLICE", "system.slice".to_owned()),
        ("PRIORITY", "6".to_owned()),
        ("SYSLOG_IDENTIFIER", source.identifier.clone()),
        ("MESSAGE", entry.message.clone()),
    ];
    if let Some(container) = &source.container {
        fields.extend([
            ("CONTAINER_ID", source.identifier.clone()),
            ("CONTAINER_ID_FULL", container.id.clone()),
            ("CONTAINER_NAME", container.name.clone()),
            ("CONTAINER_TAG", source.identifier.clone()),
            ("IMAGE_NAME", container.image.clone()),
            ("_SOURCE_REALTIME_TIMESTAMP", at),
        ]);
    }
    fields
}
