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
pub mod odata;
mod open_enum;
mod resource;
pub mod rows;
#[cfg(feature = "service")]
pub mod service;
mod settings;
mod similar;
#[cfg(feature = "simulator")]
pub mod simulator;
pub mod supervisor;
#[cfg(any(feature = "service", feature = "simulator"))]
mod tasks;
mod token;
mod version;
mod version_names;
mod whoami;

pub use crate::http::{Download, DownloadStream, Progress, RetryPolicy};
pub use api::device::{DeviceAction, DeviceTarget, Devices, Local, Location};
pub use api::organization::OrganizationMembershipKey;
pub use api::release::{ReleaseAssetKey, ReleaseKey};
pub use api::service::ServiceKey;
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
pub use logs::{AllLines, LogEvent, LogLine, LogStream};
pub use resource::batch::{
    ApplicationKeys, Batch, BatchChunk, BatchCounts, BatchItem, BatchKey, BatchProgress, BatchReport,
    BatchState, DeviceKeys, Keys, ResumeToken, WithReport,
};
pub use resource::json_request::JsonRequest;
pub use resource::key_value::{KeyValue, KeyValueKind, ParentKey};
pub use resource::keys::{
    ApplicationKey, CpuArchitectureKey, DeviceKey, DeviceServiceKey, DeviceTypeKey, OrganizationKey,
    OsReleaseKey, SupervisorReleaseKey, UserKey,
};
pub use resource::pages::{Items, Pages};
pub use resource::read_request::{First, Get, List};
pub use resource::request::{Create, Request};
pub use resource::request_builder::RequestBuilder;
pub use resource::schema::Resource;
pub use resource::upload::UploadFile;
pub use resource::write_request::WriteRequest;
pub use secrecy;
pub use settings::{ActionsVersion, ApiVersion, ChunkSize, Setting, Settings, SettingsStore};
pub use whoami::{ActorKind, WhoAmI};
