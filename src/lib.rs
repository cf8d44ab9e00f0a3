#![doc = include_str!("../README.md")]
// Examples and benchmarks print; the library does so at one place, by hand.
#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod api;
mod auth;
mod balena;
mod checks;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
mod clock;
mod core;
mod env;
mod error;
mod fs;
mod http;

/// What carries requests: to put one of your own below the client, as a test or a gateway does.
pub mod transport {
    pub use crate::http::{Body, BoxFuture, Request, Response, Transport, TransportError};
}

mod ids;
mod json;
pub mod logs;
mod maps;
mod names;
pub mod odata;
mod open_enum;
#[cfg(feature = "service")]
pub mod service;
mod settings;
#[cfg(feature = "simulator")]
pub mod simulator;
pub mod supervisor;
#[cfg(any(feature = "service", feature = "simulator"))]
mod tasks;
mod token;
mod version;
mod whoami;

pub use crate::http::{Download, DownloadStream, Progress, Retry};
pub use api::answer::Answer;
pub use api::batch::{
    ApplicationKeys, Batch, BatchChunk, BatchCounts, BatchItem, BatchKey, BatchProgress, BatchReport,
    BatchState, DeviceKeys, Keys, ResumeToken, WithReport,
};
pub use api::confirm::Write;
pub use api::device::{DeviceAction, DeviceTarget, Devices, Local, Location};
pub use api::filled::Filled;
pub use api::key_value::{KeyValue, KeyValueKind, ParentKey};
pub use api::keys::{
    ApplicationKey, CpuArchitectureKey, DeviceKey, DeviceServiceKey, DeviceTypeKey, OrganizationKey,
    OsReleaseKey, SupervisorReleaseKey, UserKey,
};
pub use api::organization::OrganizationMembershipKey;
pub use api::pages::{Items, Pages};
pub use api::read::{First, Get, List};
pub use api::release::{ReleaseAssetKey, ReleaseKey};
pub use api::request::{Create, Request};
pub use api::resource::Resource;
pub use api::service::ServiceKey;
pub use api::upload::UploadFile;
pub use auth::{Auth, Credentials, TwoFactor, UserInfo};
pub use balena::{Balena, Builder};
pub use clock::{Clock, SystemClock};
pub use env::Environment;
pub use error::{Error, ErrorKind, LockHolder, Result};
pub use ids::{
    ApplicationId, CpuArchitectureId, DeviceId, DeviceTypeId, ImageId, OrganizationId, ReleaseAssetId,
    ReleaseId, ServiceId, SupervisorReleaseId, TagId, TeamId, TeamMembershipId, UserId, VariableId,
};
pub use jiff;
pub use logs::{All, LogEvent, LogLine, LogStream};
pub use secrecy;
pub use settings::{ActionsVersion, ApiVersion, ChunkSize, Setting, Settings, SettingsStore};
pub use whoami::{Actor, WhoAmI};
