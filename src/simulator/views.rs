//! What the containers of a device see: their variables, lock directories, volumes, addresses and the boot id.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use super::model::{RunState, Volume};
use super::settings::TargetApp;
use super::workload::Workload;
use super::{Device, lock};

impl Device {
    /// Returns the variables of a service's container, with the actual address, key and lock path; `None` for an
    /// unknown service.
    pub fn environment(&self, service: &str) -> Option<BTreeMap<String, String>> {
        let app = self.machine.settings(|settings| {
            let has = |app: &&TargetApp| {
                app.release.iter().flat_map(|release| &release.services).any(|target| target.name == service)
            };
            settings.target.iter().find(has).map(|app| app.id)
        })?;
        self.machine.container_environment(app, service)
    }

    /// Returns the directory of a service's update locks, which its container sees as `/tmp/balena`.
    pub fn lock_directory(&self, app: i64, service: &str) -> PathBuf {
        self.machine.locks.directory(app, service)
    }

    /// Returns the parent of all lock directories.
    pub fn lock_root(&self) -> &Path {
        self.machine.locks.root()
    }

    /// Returns the named volumes.
    pub fn volumes(&self) -> Vec<Volume> {
        self.machine.engine.all_volumes()
    }

    /// Returns the directory that holds the files of a volume. A boot keeps it; a purge empties it.
    pub fn volume_directory(&self, app: i64, volume: &str) -> PathBuf {
        self.machine.engine.volume_directory(app, volume)
    }

    /// Runs a process as the container of a service, now if the container runs, and whenever it is started from now on.
    /// Returns whether there is such a service.
    pub fn run_in(&self, service: &str, workload: Workload) -> bool {
        let containers = self.machine.engine.all_containers();
        let Some(container) = containers.iter().find(|container| container.spec.service == service) else {
            return false;
        };
        let engine = &self.machine.engine;
        engine.workloads.set(container.spec.app, service, workload);
        if container.run == RunState::Running {
            engine.start_workload(container);
        }
        true
    }

    /// Returns the id of the process that plays the container of a service, while there is one.
    pub fn pid_of(&self, app: i64, service: &str) -> Option<u32> {
        self.machine.engine.workloads.pid(app, service)
    }

    /// Stops all processes that play containers, and waits for their end. The containers are not changed.
    pub async fn stop_workloads(&self) {
        let grace = lock(&self.machine.timings).stop_grace;
        self.machine.engine.workloads.stop_all(grace).await;
    }

    /// Returns the address of a service's container: each service has its own in 127.77.0.0/24, from which a client
    /// can connect.
    pub fn container_address(&self, service: &str) -> Ipv4Addr {
        self.machine.addresses.of(service)
    }

    /// Returns the UDP address of the engine's name server, which a container reaches at 127.0.0.11. It knows the
    /// running services by name.
    pub fn dns_address(&self) -> SocketAddr {
        self.dns_address
    }

    /// Replaces the name server's answer for a name; with no addresses the name does not exist.
    pub fn set_dns_answer(&self, name: &str, addresses: Vec<Ipv4Addr>) {
        self.machine.addresses.replace(name, addresses);
    }

    /// Returns the id of the current boot, in the form of `/proc/sys/kernel/random/boot_id`.
    pub fn boot_id(&self) -> String {
        self.machine.boot_id.current()
    }

    /// Returns the file with the id of the current boot: what a process of the device reads instead of
    /// `/proc/sys/kernel/random/boot_id`.
    pub fn boot_id_file(&self) -> &Path {
        self.machine.boot_id.file()
    }
}
