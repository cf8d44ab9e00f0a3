//! What can be asked for, one noun a folder.

pub(crate) mod device;
