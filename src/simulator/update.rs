//! Polling the cloud for the target, and reporting tags to it.

use std::sync::Arc;
use std::time::Duration;

use super::apply::{self, Trigger};
use super::lock;
use super::machine::Offer;
use super::process::Process;

/// Response time of the cloud.
const ANSWER: Duration = Duration::from_millis(20);
/// Pause before tags are reported again.
const TAG_RETRY: Duration = Duration::from_secs(15);

/// Starts polling: once per interval, and with `now` also at the start.
pub(super) fn start_polling(process: &Arc<Process>, now: bool) {
    let owner = Arc::clone(process);
    process.spawn("poll", async move { poll(&owner, now).await });
}

async fn poll(process: &Arc<Process>, now: bool) {
    if now {
        check(process, Trigger::default(), false).await;
    }
    loop {
        tokio::time::sleep(process.machine.settings(|settings| settings.poll_interval())).await;
        check(process, Trigger::default(), false).await;
    }
}

/// Starts a check for an update without waiting for it.
pub(super) fn request(process: &Arc<Process>, trigger: Trigger) {
    let owner = Arc::clone(process);
    process.spawn("update check", async move { check(&owner, trigger, true).await });
}

/// Requests the target. A new one cancels the running update; an unchanged one is applied again only if `asked`.
async fn check(process: &Arc<Process>, trigger: Trigger, asked: bool) {
    tokio::time::sleep(ANSWER).await;
    if !process.machine.online() {
        return;
    }
    let offer = lock(&process.machine.cloud).offer.take();
    if let Some(Offer { name, config, apps }) = offer {
        process.machine.settings(|settings| {
            settings.name = name;
            for (name, value) in &config {
                settings.set(name, value);
            }
            settings.target = apps;
        });
        lock(&process.progress).failures = 0;
        apply::trigger(process, Trigger { cancel: true, ..trigger });
    } else if asked {
        apply::trigger(process, trigger);
    }
}

/// Reports tags once the cloud is reachable.
pub(super) fn report_tags(process: &Arc<Process>, tags: Vec<(String, String)>) {
    let owner = Arc::clone(process);
    process.spawn("tags", async move {
        tokio::time::sleep(ANSWER).await;
        while !owner.machine.online() {
            tokio::time::sleep(TAG_RETRY).await;
        }
        let mut cloud = lock(&owner.machine.cloud);
        for (name, value) in tags {
            cloud.rows.set_tag(&name, &value);
        }
    });
}
