//! A real process that plays the container of a service.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

/// Where the kernel has the boot id.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// Mounts the first argument over the second, and becomes the rest.
const MOUNT_AND_RUN: &str = "mount --bind \"$0\" \"$1\" && shift && exec \"$@\"";

/// A process that plays the container of a service, see [`Device::run_in`](super::Device::run_in).
///
/// The process gets only the variables of the container, and its own from [`Workload::env`]. It is stopped and started
/// with the container: SIGTERM, and SIGKILL after `stop_grace` of the [`Timings`](super::Timings). If it ends by itself it
/// is started again, like a container with `restart: always`.
#[derive(Debug, Clone)]
#[must_use]
pub struct Workload {
    program: PathBuf,
    arguments: Vec<OsString>,
    variables: BTreeMap<String, String>,
    output: Output,
    boot_id: BootIdView,
    pub(super) restart: RestartPolicy,
}

/// Where the output goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    /// Into the journal of the device, as lines of the container.
    Journal,
    /// To the same place as the simulator's.
    Inherited,
}

/// Which boot id the process sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BootIdView {
    /// That of the machine the simulator runs on.
    Machine,
    /// That of the simulated device.
    Device,
}

/// Whether a process that has ended by itself is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RestartPolicy {
    Always,
    Never,
}

impl Workload {
    /// Creates a workload that runs this program.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            variables: BTreeMap::new(),
            output: Output::Journal,
            boot_id: BootIdView::Machine,
            restart: RestartPolicy::Always,
        }
    }

    /// Adds arguments.
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets a variable, in place of the container's if it has one of this name.
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.insert(name.to_owned(), value.into());
        self
    }

    /// Writes the output where the simulator writes its own. Default: lines in the device's journal.
    pub fn inherit_output(mut self) -> Self {
        self.output = Output::Inherited;
        self
    }

    /// Leaves a process that has ended by itself alone until its container is started again.
    pub fn no_restart(mut self) -> Self {
        self.restart = RestartPolicy::Never;
        self
    }

    /// Shows the process the device's boot id in `/proc/sys/kernel/random/boot_id`. Needs the commands `unshare` and
    /// `mount`, and the permission for a mount namespace.
    pub fn with_boot_id(mut self) -> Self {
        self.boot_id = BootIdView::Device;
        self
    }

    pub(super) fn output(&self) -> Output {
        self.output
    }

    /// Returns the command, in a process group of its own.
    pub(super) fn command(&self, variables: &BTreeMap<String, String>, boot_id: &Path) -> Command {
        let mut command = match self.boot_id {
            BootIdView::Machine => Command::new(&self.program),
            BootIdView::Device => {
                let mut command = Command::new("unshare");
                if !nix::unistd::geteuid().is_root() {
                    command.arg("--map-root-user");
                }
                command.args(["--mount", "sh", "-c", MOUNT_AND_RUN]);
                command.arg(boot_id).arg(BOOT_ID).arg(&self.program);
                command
            }
        };
        command
            .args(&self.arguments)
            .env_clear()
            .envs(variables)
            .envs(&self.variables)
            .stdin(Stdio::null())
            .process_group(0)
            .kill_on_drop(true);
        if self.output == Output::Journal {
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
        }
        command
    }
}
