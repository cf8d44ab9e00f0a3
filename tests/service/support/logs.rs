//! What is logged on a thread, for tests.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, OnceLock};

/// What was logged on this thread.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

thread_local! {
    static CAPTURED: RefCell<Option<Log>> = const { RefCell::new(None) };
}

/// Writes to what this thread captures.
struct ToThisThread;

impl std::io::Write for ToThisThread {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        CAPTURED.with_borrow(|log| {
            if let Some(Log(log)) = log {
                log.lock().unwrap().extend_from_slice(bytes);
            }
        });
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// One subscriber for all threads, before anything is logged: with one for each thread, a line that several
/// threads log for the first time at once may get lost.
pub(super) fn start_logging() {
    static STARTED: OnceLock<()> = OnceLock::new();
    STARTED.get_or_init(|| {
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(|| ToThisThread)
            .init();
    });
}

/// Ends the capture.
pub(crate) struct Capture;

impl Drop for Capture {
    fn drop(&mut self) {
        CAPTURED.set(None);
    }
}

/// Captures everything that is logged on this thread, down to the finest level.
pub(crate) fn capture_logs() -> (Log, Capture) {
    start_logging();
    let log = Log::default();
    CAPTURED.set(Some(log.clone()));
    (log, Capture)
}
