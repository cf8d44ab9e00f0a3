//! `balena-agent simulate`: a balena device in a box.

use std::time::Duration;

use clap::Args;

use crate::error::{Error, ErrorKind, Result};
use crate::simulator::Device;

use super::Context;
use super::output::Output;

/// The service of the simulated device whose variables are handed out.
pub(super) const SERVICE: &str = "agent";

#[derive(Debug, Args)]
pub(super) struct SimulateArguments {
    /// Port on 127.0.0.1; a free one without it
    #[arg(long, default_value_t = 0)]
    port: u16,
}

impl SimulateArguments {
    pub(super) async fn run(self, context: &Context) -> Result<Output> {
        let device = start(Some(self.port)).await?;
        let variables = device.environment(SERVICE);
        if context.printer.is_json() {
            context.printer.line(&serde_json::json!(variables).to_string())?;
        } else {
            for (name, value) in &variables {
                context.printer.line(&format!("export {name}='{}'", value.replace('\'', r"'\''")))?;
            }
        }
        context.printer.remark("the simulated device runs until interrupted; export these variables in another terminal");
        tokio::select! {
            () = story(&device) => {}
            () = super::service::stop()? => {}
        }
        Ok(Output::silent())
    }
}

pub(super) async fn start(port: Option<u16>) -> Result<Device> {
    let device = Device::builder().port(port.unwrap_or(0)).start().await;
    device.map_err(|cause| {
        Error::new(ErrorKind::Io, format!("can't start the simulated device: {cause}")).help("is the port taken?")
    })
}

/// Something to look at: now and then a new release is offered, downloaded and applied.
pub(super) async fn story(device: &Device) {
    loop {
        tokio::time::sleep(Duration::from_secs(30)).await;
        device.offer_update();
    }
}
