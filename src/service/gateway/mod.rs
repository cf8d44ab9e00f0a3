//! The HTTP interface of the service: listeners, connections, routes.

mod connection_slots;
mod listen;
mod request_extensions;
mod response;
mod routes;
mod server;

pub(crate) use connection_slots::{ConnectionSlot, ConnectionSlots, EvictionPolicy, NoSlot, SlotLimits};
pub(crate) use listen::{listen, no_address};
pub(crate) use request_extensions::ClientAddress;
pub(crate) use response::refuse;
pub(crate) use routes::PATHS;
pub(crate) use server::run;
