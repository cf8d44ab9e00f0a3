//! Logs: what is followed stays complete over breaks, costs no more than it should, and ends for a reason only.
#![cfg(all(feature = "service", feature = "simulator"))]

#[cfg(test)]
#[path = "logs/breaks.rs"]
mod breaks;
#[cfg(test)]
#[path = "logs/lines.rs"]
mod lines;
#[cfg(test)]
#[path = "logs/local.rs"]
mod local;
#[cfg(test)]
#[path = "logs/many.rs"]
mod many;
#[cfg(test)]
#[path = "logs/odd.rs"]
mod odd;
#[cfg(test)]
#[path = "logs/packed.rs"]
mod packed;
#[cfg(test)]
#[path = "logs/pressure.rs"]
mod pressure;
#[cfg(test)]
#[path = "logs/pretended.rs"]
mod pretended;
#[cfg(test)]
#[path = "logs/server.rs"]
mod server;
#[cfg(test)]
#[path = "logs/waits.rs"]
mod waits;

/// A whole uuid.
#[cfg(test)]
const UUID: &str = "8deb12a58e3b6d3920db1c2b6303d1ff";

/// A line as the cloud writes it.
#[cfg(test)]
fn line(at: i64, message: &str) -> String {
    let line = serde_json::json!({
        "createdAt": at, "timestamp": at - 5, "isStdErr": false, "isSystem": false, "message": message,
        "serviceId": 28970,
    });
    format!("{line}\n")
}

#[cfg(test)]
impl server::Server {
    fn builder(&self) -> balena_agent::Builder {
        let settings =
            balena_agent::Settings { api_endpoint: Some(self.url()), ..balena_agent::Settings::default() };
        balena_agent::Balena::builder().settings(settings).token("t0ken".to_owned().into())
    }

    /// A new line, for those who follow too.
    fn write(&self, device: &str, at: i64, line: &str) {
        self.logs().get_mut(device).unwrap().lines.push((at, line.to_owned()));
    }
}
