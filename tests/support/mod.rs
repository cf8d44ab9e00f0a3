//! Reading, performing and comparing recorded supervisor cases. The format is described in `tests/cases/supervisor`.

pub mod cases;
pub mod compare;
pub mod device;
pub mod raw;
pub mod server_role;
