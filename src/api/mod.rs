//! The functions of the API, one file or folder per noun. The row types are in [`rows`].

#[cfg(test)]
mod always;
pub(crate) mod answer;
pub mod api_key;
pub mod application;
pub mod batch;
pub mod billing;
pub mod config;
pub(crate) mod confirm;
pub(crate) mod count;
pub mod credit_bundle;
pub mod device;
pub mod device_type;
pub(crate) mod filled;
pub mod image;
pub mod key;
pub(crate) mod key_value;
pub(crate) mod keys;
pub(crate) mod membership;
pub(crate) mod new_key;
pub mod organization;
pub mod os;
pub(crate) mod pages;
pub(crate) mod proxy;
pub(crate) mod read;
pub mod release;
pub(crate) mod request;
pub(crate) mod resource;
pub mod rows;
pub mod service;
pub mod team;
#[cfg(test)]
mod tests;
pub(crate) mod upload;
#[cfg(test)]
mod version_tests;
pub(crate) mod whoami;
pub(crate) mod write;
