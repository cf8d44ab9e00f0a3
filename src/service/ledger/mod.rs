//! The ledger: who did what to this device, why, and what came of it — "why did it restart at night?".
//!
//! What the agent does is written before the act (an *intent*) and gets its result afterwards. If the agent ends in
//! between, the result is told after the next start from what is seen then; nothing is done again. What happens
//! without the agent is written with the evidence for it.
//!
//! The lines are in the journal. In memory are only their sizes and the open intents.

mod book;
mod container;
mod entry;
mod filter;
mod host_journal;
mod observe;
mod run;
mod settle;
mod start;
mod store;
mod text;
mod view;
mod watch;

pub(crate) use entry::{Intent, Outcome};
pub(crate) use filter::LedgerFilter;
pub(crate) use store::{IntentId, Ledger};
pub(crate) use text::Secrets;
pub(crate) use watch::run;

#[cfg(test)]
mod tests;
