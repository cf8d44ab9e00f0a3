//! The supervisor of this device: every endpoint of its HTTP API, and update locks.
//!
//! The contract is the API of balena-supervisor 19, and the documentation of older versions. Use
//! [`Balena::supervisor`](crate::Balena::supervisor) to get a client. Most programs need only
//! [`Balena::device`](crate::Balena::device), which has the function names of the SDKs.

mod action_target;
mod application;
mod call;
mod client;
mod confirm;
mod device;
mod endpoint;
mod host_config;
mod journal;
mod local_mode;
mod lock;
mod lock_rejection;
mod logs;
mod patience;
mod redact;
mod request;
mod response;
mod send;
mod service_names;
mod service_selector;
mod state;
mod time;
mod time_budget;
mod wait;

pub(crate) use application::APP_ID;
pub use application::{Application, SingleContainer};
pub(crate) use call::PendingCall;
pub use call::{
    Call, ForceOptions, MakesContainers, NamesService, RecreateOptions, RestartServiceOptions,
    StartServiceOptions, StopServiceOptions, TakesForce, UpdateOptions,
};
pub use client::Supervisor;
pub use confirm::{Confirm, Confirmation};
pub use device::{DeviceInfo, DeviceState, Tag, UpdateTrigger, VpnState};
pub(crate) use endpoint::{Endpoint, Retryability};
pub use host_config::{
    Dns, HostConfig, HostConfigOutcome, HostConfigPatch, Network, Proxy, ProxyKind, ProxyPatch, SetHostConfig,
};
pub(crate) use host_config::{HostSettings, Limits};
pub(crate) use journal::is_remark;
pub use journal::{JournalLines, JournalQuery};
pub use local_mode::{LocalTarget, TargetState};
#[cfg(feature = "service")]
pub(crate) use lock::LockWatch;
#[cfg(feature = "cli")]
pub(crate) use lock::StalePolicy;
pub use lock::{AcquireLock, HeldLock, LockFile, LockOwner, LockState, LockStatus, PathKind, UpdateLock};
pub(crate) use lock_rejection::{Force, explain as explain_lock, is_lock_error as tells_lock};
pub use logs::{LocalLog, LocalLogs};
#[cfg(feature = "service")]
pub(crate) use redact::redact;
pub(crate) use request::RequestSpec;
pub(crate) use response::{StreamingResponse, SupervisorResponse};
#[cfg(feature = "cli")]
pub(crate) use service_names::{check_service_name, no_such_service};
pub use service_selector::ServiceSelector;
#[cfg(feature = "cli")]
pub(crate) use state::Progress;
pub use state::{
    AppState, ApplicationState, ContainerStatus, ImageServiceState, ImageState, ImageStatus, ImageStatusRow,
    ServiceState, ServiceStatus, StateStatus, UpdateStatus, VersionedState,
};
pub use time::OriginalTime;
