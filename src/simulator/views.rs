//! What the containers of a device see: their variables, lock directories, volumes, addresses and the boot id.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use super::Device;
use super::model::Volume;
use super::settings::TargetApp;

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
        let mut env = self.machine.environment(app, service)?;
        let lock_path = self.lock_directory(app, service).join("updates.lock");
        let real = [
            ("_SUPERVISOR_ADDRESS", self.address()),
            ("_SUPERVISOR_HOST", self.lifecycle.address.ip().to_string()),
            ("_SUPERVISOR_PORT", self.port().to_string()),
            ("_APP_LOCK_PATH", lock_path.to_string_lossy().into_owned()),
        ];
        for (name, value) in real {
            for prefix in ["BALENA", "RESIN"] {
                // Services without the label have no address variable.
                if let Some(told) = env.get_mut(&format!("{prefix}{name}")) {
                    told.clone_from(&value);
                }
            }
        }
        Some(env)
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
