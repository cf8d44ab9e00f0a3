//! The HTTP interface of the service: listeners, connections, and the one route table (see [`table`] for how to add a
//! route).

mod admin_token;
mod body;
mod call;
mod caller;
mod clients;
mod connection_slots;
mod dns;
mod guards;
mod handlers;
mod listen;
mod listeners;
mod neighbours;
mod openapi;
mod parked;
mod path;
mod rate;
mod response;
mod route;
mod router;
mod schema;
mod server;
mod table;
mod token;
mod unix_socket;

pub(crate) use admin_token::AdminToken;
pub(crate) use call::Call;
pub(crate) use clients::{Clients, NAME_SERVER};
pub(crate) use connection_slots::{ConnectionSlot, ConnectionSlots, EvictionPolicy, NoSlot, SlotLimits};
pub(crate) use listen::listen;
pub(crate) use listeners::Listeners;
pub(crate) use parked::{Parked, Unparked};
pub(crate) use response::{Answer, Body, Refusal, Response, respond};
pub(crate) use server::run;
