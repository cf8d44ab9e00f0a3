//! The log output on stderr, and its level.

use std::fmt::{Debug, Write as _};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::output::remark;

/// Writes each event to stderr as one line: level, module, message, values. Invisible characters are escaped: messages
/// may contain text from servers. Spans are ignored: this program makes none. A line has no timestamp: the journal and
/// `docker logs` add one.
struct Log {
    level: LevelFilter,
}

impl Subscriber for Log {
    /// Only events of this crate are logged: the finest level of a dependency may contain a URL with a key.
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event()
            && *metadata.level() <= self.level
            && metadata.target().starts_with("balena_agent")
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level)
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::of(event.metadata());
        event.record(&mut line);
        remark(&line.0);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Line(String);

impl Line {
    fn of(metadata: &Metadata<'_>) -> Self {
        Self(format!("{:>5} {}:", metadata.level(), metadata.target()))
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = match field.name() {
            "message" => write!(self.0, " {value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}

/// Starts logging at `least`, or at a finer level for each `-v`.
pub(super) fn start(verbose: u8, least: LevelFilter) {
    // Fails if the embedding program has installed its own subscriber; that one is kept.
    let _ = tracing::subscriber::set_global_default(Log { level: level(verbose, least) });
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
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Keeps the lines that [`Log`] would write.
    struct Kept(Log, Arc<Mutex<Vec<String>>>);

    impl Subscriber for Kept {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            self.0.enabled(metadata)
        }

        fn event(&self, event: &Event<'_>) {
            let mut line = Line::of(event.metadata());
            event.record(&mut line);
            self.1.lock().unwrap().push(line.0);
        }

        fn new_span(&self, span: &Attributes<'_>) -> Id {
            self.0.new_span(span)
        }

        fn record(&self, _: &Id, _: &Record<'_>) {}

        fn record_follows_from(&self, _: &Id, _: &Id) {}

        fn enter(&self, _: &Id) {}

        fn exit(&self, _: &Id) {}
    }

    #[test]
    fn a_line_has_level_module_message_and_values() {
        let lines = Arc::default();
        let kept = Kept(Log { level: LevelFilter::INFO }, Arc::clone(&lines));
        tracing::subscriber::with_default(kept, || {
            tracing::warn!(path = "/a b", count = 2, error = %"gone", wait = ?Some(1), "it {} there", "stays");
            tracing::info!(target: "balena_agent::service", "started");
            tracing::debug!("too fine");
            tracing::error!(target: "hyper", "of a dependency");
        });
        let module = module_path!();
        let warning = format!(" WARN {module}: it stays there path=\"/a b\" count=2 error=gone wait=Some(1)");
        assert_eq!(*lines.lock().unwrap(), [warning, " INFO balena_agent::service: started".to_owned()]);
    }

    #[test]
    fn verbose_never_logs_less() {
        assert_eq!(level(0, LevelFilter::WARN), LevelFilter::WARN);
        assert_eq!(level(0, LevelFilter::INFO), LevelFilter::INFO);
        assert_eq!(level(1, LevelFilter::DEBUG), LevelFilter::DEBUG);
        assert_eq!(level(3, LevelFilter::INFO), LevelFilter::TRACE);
    }
}
