//! The HTTP interface of the service: listeners, connections, and the one route table (see [`table`] for how to add a
//! route).

#![allow(dead_code, reason = "called by the handlers of locks, actions, ledger and events, next commits")]

mod call;
mod caller;
mod connection_slots;
mod handlers;
mod listen;
mod openapi;
mod parked;
mod path;
mod response;
mod route;
mod router;
mod schema;
mod server;
mod table;

pub(crate) use call::Call;
pub(crate) use connection_slots::{ConnectionSlot, ConnectionSlots, EvictionPolicy, NoSlot, SlotLimits};
pub(crate) use listen::{listen, no_address};
pub(crate) use parked::{Parked, Unparked};
pub(crate) use response::{Answer, Body, Refusal, Response};
pub(crate) use router::paths;
pub(crate) use server::run;
