//! The functions of the API, one file or folder per noun. The row types are in [`rows`](crate::rows).

pub mod api_key;
pub mod application;
pub mod billing;
pub mod config;
pub mod credit_bundle;
pub mod device;
pub mod device_type;
pub mod image;
mod key_lookup;
pub(crate) mod membership;
pub(crate) mod new_key;
pub mod organization;
pub mod os;
pub mod release;
pub mod service;
pub mod ssh_key;
pub(crate) mod supervisor_proxy;
pub mod team;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod version_tests;
pub(crate) mod whoami;
