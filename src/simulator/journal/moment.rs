//! Times in `journalctl`'s syntax, on a device whose clock is in UTC.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// Weekdays, which `journalctl` accepts in full or by their first three letters.
const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
const MICRO: i128 = 1;
const SECOND: i128 = 1_000_000;
const MINUTE: i128 = 60 * SECOND;
const HOUR: i128 = 60 * MINUTE;
const DAY: i128 = 24 * HOUR;
/// A month and a year have a fixed length there.
const YEAR: i128 = 31_557_600 * SECOND;
const MONTH: i128 = YEAR / 12;

/// Parses a time; `None` if it is invalid, for which `journalctl` fails.
pub(super) fn parse(text: &str, now: Timestamp) -> Option<Timestamp> {
    let today = TimeZone::UTC.to_datetime(now).date();
    let midnight = |date: Option<Date>| TimeZone::UTC.to_timestamp(date?.at(0, 0, 0, 0)).ok();
    match text {
        "now" => return Some(now),
        "today" => return midnight(Some(today)),
        "yesterday" => return midnight(today.yesterday().ok()),
        "tomorrow" => return midnight(today.tomorrow().ok()),
        _ => {}
    }
    if let Some(rest) = text.strip_prefix('+') {
        return shifted(now, span(rest)?);
    }
    if let Some(rest) = text.strip_prefix('-') {
        return shifted(now, -span(rest)?);
    }
    if let Some(rest) = text.strip_prefix('@') {
        return shifted(Timestamp::UNIX_EPOCH, span(rest)?);
    }
    if let Some(rest) = text.strip_suffix(" ago") {
        return shifted(now, -span(rest)?);
    }
    if let Some(rest) = text.strip_suffix(" left") {
        return shifted(now, span(rest)?);
    }
    let text = text.trim_start();
    // systemd 255 and later also accept this form.
    text.parse().ok().or_else(|| absolute(text.strip_suffix(" UTC").unwrap_or(text), today))
}

fn shifted(from: Timestamp, micros: i128) -> Option<Timestamp> {
    from.checked_add(SignedDuration::from_micros(i64::try_from(micros).ok()?)).ok()
}

/// Parses pairs of number and unit; returns microseconds. A number without unit is in seconds.
fn span(text: &str) -> Option<i128> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    let mut micros = 0_i128;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at_checked(digits)?;
        let after = after.trim_start();
        let letters = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(letters)?;
        micros = micros.checked_add(scaled(number, length(unit)?)?)?;
        rest = after.trim_start();
    }
    Some(micros)
}

fn scaled(number: &str, unit: i128) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole: i128 = if whole.is_empty() && !fraction.is_empty() { 0 } else { whole.parse().ok()? };
    let mut micros = whole.checked_mul(unit)?;
    let mut part = unit;
    for digit in fraction.chars() {
        part /= 10;
        micros = micros.checked_add(part.checked_mul(i128::from(digit.to_digit(10)?))?)?;
    }
    Some(micros)
}

fn length(unit: &str) -> Option<i128> {
    Some(match unit {
        "us" | "usec" | "µs" | "μs" => MICRO,
        "ms" | "msec" => SECOND / 1000,
        "" | "s" | "sec" | "second" | "seconds" => SECOND,
        "m" | "min" | "minute" | "minutes" => MINUTE,
        "h" | "hr" | "hour" | "hours" => HOUR,
        "d" | "day" | "days" => DAY,
        "w" | "week" | "weeks" => 7 * DAY,
        "M" | "month" | "months" => MONTH,
        "y" | "year" | "years" => YEAR,
        _ => return None,
    })
}

/// Parses a date, a time of day, or both. A leading weekday must be the right one.
fn absolute(text: &str, today: Date) -> Option<Timestamp> {
    let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
    let named = first.to_lowercase();
    let weekday = WEEKDAYS.iter().position(|day| *day == named || day.get(..3) == Some(named.as_str()));
    let text = if weekday.is_some() { rest.trim_start() } else { text };
    let (date, time) = match text.split_once(' ') {
        Some((date, time)) => (read_date(date)?, read_time(time.trim_start())?),
        None if text.contains(':') => (today, read_time(text)?),
        None => (read_date(text)?, Time::midnight()),
    };
    let monday_first = usize::try_from(date.weekday().to_monday_zero_offset()).ok()?;
    if weekday.is_some_and(|weekday| weekday != monday_first) {
        return None;
    }
    TimeZone::UTC.to_timestamp(DateTime::from_parts(date, time)).ok()
}

/// Parses `2026-11-22` or `26-11-22`. Days beyond the end of a month continue in the next one.
fn read_date(text: &str) -> Option<Date> {
    let mut parts = text.split('-');
    let year: i16 = parts.next()?.parse().ok()?;
    let month: i8 = parts.next()?.parse().ok()?;
    let day: i64 = parts.next()?.parse().ok()?;
    if parts.next().is_some() || !(1..=31).contains(&day) || year < 0 {
        return None;
    }
    // C's rule for two-digit years.
    let year = match year {
        0..69 => year + 2000,
        69..100 => year + 1900,
        _ => year,
    };
    let first = Date::new(year, month, 1).ok()?;
    first.checked_add(SignedDuration::from_hours(24 * (day - 1))).ok()
}

/// Parses `18:17`, `18:17:16` or `18:17:16.5`.
fn read_time(text: &str) -> Option<Time> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = clock.split(':').map(str::parse::<i8>);
    let (hour, minute) = (parts.next()?.ok()?, parts.next()?.ok()?);
    let second = parts.next();
    if parts.next().is_some() || (second.is_none() && !fraction.is_empty()) {
        return None;
    }
    let digits = fraction.bytes().all(|byte| byte.is_ascii_digit());
    let nanos: i32 = format!("{fraction:0<9}").get(..9).filter(|_| digits)?.parse().ok()?;
    Time::new(hour, minute, second.unwrap_or(Ok(0)).ok()?, nanos).ok()
}

#[cfg(test)]
mod tests {
    use super::parse;

    /// Inputs that journalctl 252 accepts, in UTC, with the resulting time.
    #[test]
    fn times_are_read_as_journalctl_reads_them() {
        let now = "2026-11-22T12:00:00Z".parse().expect("a time");
        for (text, expected) in [
            ("now", "2026-11-22T12:00:00Z"),
            ("today", "2026-11-22T00:00:00Z"),
            ("yesterday", "2026-11-21T00:00:00Z"),
            ("tomorrow", "2026-11-23T00:00:00Z"),
            ("-5", "2026-11-22T11:59:55Z"),
            ("+5", "2026-11-22T12:00:05Z"),
            ("5 ago", "2026-11-22T11:59:55Z"),
            ("-1.5h", "2026-11-22T10:30:00Z"),
            ("1h 30min ago", "2026-11-22T10:30:00Z"),
            ("-1h30min", "2026-11-22T10:30:00Z"),
            ("-2 days", "2026-11-20T12:00:00Z"),
            ("1 day left", "2026-11-23T12:00:00Z"),
            ("-3w", "2026-11-01T12:00:00Z"),
            ("@1795377601", "2026-11-22T20:00:01Z"),
            ("@1795377601.234567", "2026-11-22T20:00:01.234567Z"),
            ("2026-11-22", "2026-11-22T00:00:00Z"),
            ("2026-11-22 20:00", "2026-11-22T20:00:00Z"),
            ("2026-11-22 20:00:01", "2026-11-22T20:00:01Z"),
            ("2026-11-22 20:00:01.234567", "2026-11-22T20:00:01.234567Z"),
            ("2026-11-22 20:00:01 UTC", "2026-11-22T20:00:01Z"),
            ("26-11-22 20:00", "2026-11-22T20:00:00Z"),
            ("20:00", "2026-11-22T20:00:00Z"),
            ("20:00:01", "2026-11-22T20:00:01Z"),
            ("Sun 2026-11-22", "2026-11-22T00:00:00Z"),
            ("Sunday 2026-11-22 20:00:01", "2026-11-22T20:00:01Z"),
            (" 2026-11-22", "2026-11-22T00:00:00Z"),
            ("2026-02-30", "2026-03-02T00:00:00Z"),
            ("2026-11-22T20:00:01Z", "2026-11-22T20:00:01Z"),
        ] {
            assert_eq!(parse(text, now), Some(expected.parse().expect("a time")), "{text}");
        }
        for text in [
            "",
            "5",
            "0",
            "true",
            "[object Object]",
            "1795377601",
            "99999999999999",
            "never",
            "last week",
            "-1 foo",
            "-",
            "+",
            "@",
            "null",
            "1,2",
            "2026-13-01",
            "Mon 2026-11-22",
            "20",
            "20:00.5",
            "25:00",
        ] {
            assert_eq!(parse(text, now), None, "{text}");
        }
    }
}
