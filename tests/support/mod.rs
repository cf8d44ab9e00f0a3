//! Reading, performing and comparing recorded supervisor cases. The format is described in
//! `tests/cases/supervisor/FORMAT.md`.

pub(crate) mod cases;
pub(crate) mod compare;
pub(crate) mod device;
pub(crate) mod raw;
pub(crate) mod server_role;
