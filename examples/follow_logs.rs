//! Follows the logs of several devices at once, each line with the beginning of its device's uuid.
//!
//!     cargo run --example follow_logs                        # this device's journal, until interrupted
//!     cargo run --example follow_logs -- 8deb12a 7654321     # devices in the cloud: a user's token as BALENA_API_KEY
//!     LINES=100 cargo run --example follow_logs              # for 100 lines

use balena_agent::logs::DeviceLog;
use balena_agent::{Balena, DeviceTarget, Local, LogEvent};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let lines: usize = std::env::var("LINES").map_or(Ok(usize::MAX), |lines| lines.parse())?;
    let mut devices: Vec<DeviceTarget> = std::env::args().skip(1).map(DeviceTarget::from).collect();
    if devices.is_empty() {
        devices.push(Local.into());
    }

    let mut logs = Balena::from_env()?.logs().subscribe_all(devices).count(10).await?;
    let mut printed = 0;
    while printed < lines
        && let Some(DeviceLog { device, event, .. }) = logs.next().await
    {
        let device: String = device.chars().take(7).collect();
        match event {
            Ok(LogEvent::Line(line)) => {
                let source = match (&line.service_name, line.service_id) {
                    (Some(name), _) => name.clone(),
                    (None, Some(id)) => format!("service {id}"),
                    (None, None) => "host".to_owned(),
                };
                println!("{device} {source}: {}", line.message);
                printed += 1;
            }
            Ok(LogEvent::Missed) => eprintln!("{device}: lines are missing here"),
            Ok(LogEvent::Interrupted(why)) => eprintln!("{device}: connecting again ({why})"),
            Ok(LogEvent::Skipped(why)) => eprintln!("{device}: {why}"),
            Ok(_) => {}
            // The others go on.
            Err(why) => eprintln!("{device}: it is over: {why}"),
        }
    }
    Ok(())
}
