//! The log output on stderr, and its level.

use std::io;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;

use super::output::remark;

/// Writes to stderr, with invisible characters escaped: messages may contain text from servers.
struct Log;

impl io::Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // The layer writes one whole line per call.
        remark(String::from_utf8_lossy(line).trim_end_matches('\n'));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Starts logging at `least`, or at a finer level for each `-v`.
///
/// Only events of this crate are logged: the finest level of a dependency may contain a URL with a key.
pub(super) fn start(verbose: u8, least: LevelFilter) {
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(|| Log)
        .with_ansi(false)
        // The journal and `docker logs` add a timestamp to every line.
        .without_time();
    let targets = Targets::new().with_target("balena_agent", level(verbose, least));
    // Fails if the embedding program has installed its own subscriber; that one is kept.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(targets).with(lines));
}

fn level(verbose: u8, least: LevelFilter) -> LevelFilter {
    let asked = match verbose {
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    asked.max(least)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbose_never_logs_less() {
        assert_eq!(level(0, LevelFilter::WARN), LevelFilter::WARN);
        assert_eq!(level(0, LevelFilter::INFO), LevelFilter::INFO);
        assert_eq!(level(1, LevelFilter::DEBUG), LevelFilter::DEBUG);
        assert_eq!(level(3, LevelFilter::INFO), LevelFilter::TRACE);
    }
}
