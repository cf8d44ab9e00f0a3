//! Reading, performing and comparing recorded supervisor cases. The format is described in
//! `tests/cases/supervisor/FORMAT.md`.

pub(crate) mod cases;
pub(crate) mod client_calls;
pub(crate) mod client_role;
pub(crate) mod compare;
pub(crate) mod device;
pub(crate) mod raw;
pub(crate) mod scripted;
pub(crate) mod server_role;
