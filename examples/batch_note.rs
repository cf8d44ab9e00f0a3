//! Puts a note on many devices, a few requests at a time, and goes on where it stopped when it is run again.
//!
//!     cargo run --example batch_note -- "moved to hall 3" devices.txt   # one uuid a line

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::process::ExitCode;

use balena_agent::{Balena, ResumeToken};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (note, list) = arguments.next().zip(arguments.next()).ok_or("say the note and the file of uuids")?;
    let uuids: Vec<String> = fs::read_to_string(&list)?.split_whitespace().map(str::to_owned).collect();
    let kept = format!("{list}.resume");

    let balena = Balena::from_env()?;
    let mut change = balena.device().set_note(uuids, note).concurrency(4).keep_going();
    match fs::read_to_string(&kept) {
        Ok(token) => change = change.resume(token.parse()?),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
        Err(cause) => return Err(cause.into()),
    }
    let file = kept.clone();
    let change = change.on_progress(move |progress| {
        // Without it a run that is killed would begin anew, which is no harm for a note.
        let _ = keep(&file, &progress.resume_token());
    });

    let report = change.report().await?;
    println!("{}", report.counts());
    for item in report.items() {
        if let Some(error) = item.error {
            println!("{} {}: {error}", item.key, item.state);
        }
    }
    if report.is_complete() {
        // There is none when nothing had to be sent.
        let _ = fs::remove_file(&kept);
        return Ok(ExitCode::SUCCESS);
    }
    keep(&kept, &report.resume_token())?;
    println!("run it again to go on");
    Ok(ExitCode::FAILURE)
}

/// Beside, then in its place: a power cut leaves the old one or the new one.
fn keep(path: &str, token: &ResumeToken) -> io::Result<()> {
    let beside = format!("{path}.new");
    let mut file = File::create(&beside)?;
    writeln!(file, "{token}")?;
    file.sync_all()?;
    fs::rename(&beside, path)
}
