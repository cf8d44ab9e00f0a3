//! The log stream of local mode.

use bytes::Bytes;
use tokio::sync::mpsc;

use super::journal::Entry;
use super::json::object;
use super::process::Process;

/// Writes a greeting into `output`, then, only in local mode, each new line of the journal, until the reader is gone.
pub(super) async fn stream(process: &Process, output: mpsc::Sender<Bytes>) {
    let journal = &process.machine.journal;
    let mut written = journal.subscribe();
    let mut shown = *written.borrow_and_update();
    let greeting = "{\"message\":\"Streaming logs\",\"isSystem\":true}\n";
    if output.send(greeting.into()).await.is_err() {
        return;
    }
    loop {
        tokio::select! {
            changed = written.changed() => if changed.is_err() { return },
            () = output.closed() => return,
        }
        let new = journal.entries_after(&mut shown);
        if !process.machine.settings(|settings| settings.local_mode()) {
            continue;
        }
        let text: String = new.iter().map(line).collect();
        if !text.is_empty() && output.send(text.into()).await.is_err() {
            return;
        }
    }
}

fn line(entry: &Entry) -> String {
    let line = object([
        ("message", (&entry.message).into()),
        ("timestamp", entry.at.as_millisecond().into()),
        ("isSystem", false.into()),
    ]);
    format!("{line}\n")
}
