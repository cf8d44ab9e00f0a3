//! Watches the device for what happens without the agent, and keeps the record of this run.
//!
//! Writes to flash only when something happened, and every [`IDLE_INTERVAL`] that the agent still runs: six commits a
//! day when nothing changes.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::container::short;
use super::entry::{Containers, Evidence};
use super::host_journal;
use super::observe::{Look, observe};
use super::run::Facts;
use super::settle::{Patience, Seen};
use crate::error::{Error, ErrorKind, Result};
use crate::service::context::Context;
use crate::service::device::{Applications, Connection, Snapshot};
use crate::service::journal::StorageError;
use crate::tasks::StopSignal;

/// The record of the run is written this often when nothing changes. A power cut then is dated by the journal of the
/// host, if that is kept.
const IDLE_INTERVAL: Duration = Duration::from_secs(4 * 3600);
/// The record is written at most this often when facts change.
const CHANGE_INTERVAL: Duration = Duration::from_secs(15 * 60);
/// Services that did not change for this time are at rest.
const REST: Duration = Duration::from_secs(15);
/// Services in transition for this long are looked at as they are, e.g. in a restart loop.
const STUCK: Duration = Duration::from_secs(300);
/// The containers are asked for at most this often, and only after a change: a failing engine makes this call end the
/// supervisor (reference section 7.4).
const CONTAINERS_INTERVAL: Duration = Duration::from_secs(30);
/// Most services whose containers are remembered.
const CONTAINERS: usize = 64;
/// After this time without the supervisor's state, open intents are closed with what is known.
const FIRST_STATE_LIMIT: Duration = Duration::from_secs(600);
/// Pause between two looks at an intent whose result is not seen yet.
const SETTLE_INTERVAL: Duration = Duration::from_secs(30);

/// Runs until asked to stop.
pub(crate) async fn run(context: Arc<Context>, stop: StopSignal) -> Result<()> {
    let mut bus = context.bus.subscribe();
    tokio::select! {
        begun = context.ledger.begin() => begun.map_err(|error| failed(&error))?,
        () = stop.requested() => return Ok(()),
    };
    let mut watch = Watch::new(Instant::now());
    loop {
        let snapshot = bus.borrow_and_update().clone();
        let due = tokio::select! {
            due = watch.look(&context, snapshot) => due.map_err(|error| failed(&error))?,
            // Reads can be cut short at any point, and a commit goes on without us.
            () = stop.requested() => return Ok(()),
        };
        tokio::select! {
            changed = bus.changed() => if changed.is_err() { return Ok(()) },
            () = sleep_until(due) => {}
            () = stop.requested() => return Ok(()),
        }
    }
}

fn failed(error: &StorageError) -> Error {
    Error::new(ErrorKind::Io, format!("can't write to the ledger: {error}"))
}

#[derive(Debug)]
struct Watch {
    started: Instant,
    /// Whether the state at the start was seen, or waiting for it was given up.
    has_first_state: bool,
    /// Whether intents of earlier runs are open.
    has_open: bool,
    /// The applications at the last change, and when that was.
    applications: Option<Arc<Applications>>,
    changed: Instant,
    /// The last look at services at rest.
    last: Option<(Look, Arc<Applications>)>,
    asked: Option<Instant>,
    /// The containers, once they were told in this run.
    containers: Option<Containers>,
    written: Instant,
}

impl Watch {
    fn new(now: Instant) -> Self {
        Self {
            started: now,
            has_first_state: false,
            has_open: true,
            applications: None,
            changed: now,
            last: None,
            asked: None,
            containers: None,
            written: now,
        }
    }

    /// Looks at the device. Returns when to look again at the latest.
    async fn look(
        &mut self,
        context: &Context,
        snapshot: Snapshot,
    ) -> std::result::Result<Instant, StorageError> {
        let now = Instant::now();
        if self.applications != snapshot.applications {
            self.applications.clone_from(&snapshot.applications);
            self.changed = now;
        }
        let mut due = self.written + IDLE_INTERVAL;
        if let Some(at_rest) = self.at_rest(&snapshot, now) {
            if at_rest <= now {
                self.take_look(context, &snapshot).await?;
            } else {
                due = due.min(at_rest);
            }
        }
        let limit = self.started + FIRST_STATE_LIMIT;
        if !self.has_first_state && now >= limit {
            self.has_first_state = true;
        } else if !self.has_first_state {
            due = due.min(limit);
        }
        if self.has_open {
            self.settle(context).await?;
            due = due.min(now + SETTLE_INTERVAL);
        }
        self.write_facts(context, &snapshot, &mut due).await?;
        Ok(due)
    }

    /// Returns when the services are to be looked at; `None` if there is nothing new.
    fn at_rest(&self, snapshot: &Snapshot, now: Instant) -> Option<Instant> {
        let applications = snapshot.applications.as_ref().filter(|_| snapshot.is_loaded())?;
        if self.last.as_ref().is_some_and(|(_, seen)| seen == applications) {
            return None;
        }
        let rest = if snapshot.is_moving() { STUCK } else { REST };
        let free = self.asked.map_or(now, |asked| asked + CONTAINERS_INTERVAL);
        Some((self.changed + rest).max(free))
    }

    async fn take_look(
        &mut self,
        context: &Context,
        snapshot: &Snapshot,
    ) -> std::result::Result<(), StorageError> {
        let Some(applications) = snapshot.applications.clone() else { return Ok(()) };
        if !snapshot.is_moving() {
            self.asked = Some(Instant::now());
            if let Some(containers) = containers(context).await {
                self.containers = Some(containers);
            }
        }
        let look = Look::new(&applications, self.containers.clone().unwrap_or_default());
        if let Some((last, _)) = &self.last {
            for seen in observe(last, &look) {
                context.ledger.observe(seen).await?;
            }
        }
        self.last = Some((look, applications));
        if !self.has_first_state {
            self.has_first_state = true;
            let lines = evidence_of_the_host(context).await;
            context.ledger.complete_first_line(self.facts(context, snapshot), lines).await?;
            self.written = Instant::now();
        }
        Ok(())
    }

    async fn settle(&mut self, context: &Context) -> std::result::Result<(), StorageError> {
        let now = context.clock.read();
        let look = self.last.as_ref().map(|(look, _)| look);
        let patience = if self.has_first_state { Patience::Over } else { Patience::Waiting };
        let seen = Seen {
            now: &now,
            containers: self.containers.as_ref(),
            running: look.map(|look| &look.runs),
            patience,
        };
        self.has_open = context.ledger.settle(&seen).await?;
        Ok(())
    }

    async fn write_facts(
        &mut self,
        context: &Context,
        snapshot: &Snapshot,
        due: &mut Instant,
    ) -> std::result::Result<(), StorageError> {
        let now = Instant::now();
        let facts = self.facts(context, snapshot);
        let is_new = facts != context.ledger.facts();
        let interval = if is_new { CHANGE_INTERVAL } else { IDLE_INTERVAL };
        if now >= self.written + interval {
            context.ledger.touch(facts).await?;
            self.written = now;
        }
        *due = (*due).min(self.written + interval);
        Ok(())
    }

    /// Returns what is known of the device.
    fn facts(&self, context: &Context, snapshot: &Snapshot) -> Facts {
        // The containers of the last run count until they are asked for.
        let containers = self.containers.clone().unwrap_or_else(|| context.ledger.facts().containers);
        facts(context, snapshot, containers)
    }
}

/// Asks for the containers once. A failure is no evidence, and no error.
async fn containers(context: &Context) -> Option<Containers> {
    let asked = context.balena.supervisor().container_ids().patience(Duration::ZERO).await;
    let ids = asked.inspect_err(|error| tracing::debug!(%error, "the containers are not known")).ok()?;
    Some(ids.into_iter().take(CONTAINERS).map(|(service, id)| (service, short(&id))).collect())
}

async fn evidence_of_the_host(context: &Context) -> Vec<Evidence> {
    let Some(previous) = context.ledger.previous_run() else { return Vec::new() };
    let now = context.clock.read();
    host_journal::read(context.balena.supervisor(), &previous, &now, context.ledger.secrets()).await
}

/// Returns what is known of the device.
fn facts(context: &Context, snapshot: &Snapshot, containers: Containers) -> Facts {
    let own = context.balena.environment().app_id.as_deref();
    let applications = snapshot.last_known_applications();
    let application = applications.and_then(|applications| {
        let is_own = |id: i64| own.is_some_and(|own| own == id.to_string());
        let found = applications.values().find(|application| is_own(application.app_id.get()));
        found.or_else(|| applications.values().next())
    });
    let device = snapshot.last_known_device();
    let word = Connection::ALL.iter().find(|(known, _)| *known == snapshot.supervisor);
    Facts {
        release: application.and_then(|application| application.commit.clone()),
        os_version: device.and_then(|device| device.os_version.clone()),
        supervisor_version: device.and_then(|device| device.supervisor_version.clone()),
        supervisor: word.map(|(_, word)| (*word).to_owned()),
        containers,
    }
}
