//! Where a client finds the service, and with which token: from variables, or on this machine.

use std::ffi::OsString;
use std::net::SocketAddr;
#[cfg(feature = "cli")]
use std::path::Path;

use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "cli")]
use crate::service::config::Config;
#[cfg(feature = "cli")]
use crate::service::gateway::AdminToken;
#[cfg(feature = "cli")]
use crate::service::journal::{StateDirectory, is_owned};

use super::Client;
use super::address::Address;
use super::credential::Credential;

/// The variable with the address of the service, in containers beside it.
const ADDRESS: &str = "BALENA_AGENT_ADDRESS";
/// The variable with the token of this client.
const TOKEN: &str = "BALENA_AGENT_TOKEN";

impl Client {
    /// Creates a client from `BALENA_AGENT_ADDRESS` (default `127.0.0.1:48485`) and `BALENA_AGENT_TOKEN` (optional).
    ///
    /// # Errors
    /// `is_config` if a value can't be parsed.
    pub fn from_env() -> Result<Self> {
        Self::from_variables(|name| std::env::var_os(name))
    }

    fn from_variables(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self> {
        let address = match address(&variable)? {
            Some(address) => address,
            None => SocketAddr::from(([127, 0, 0, 1], 48485)).into(),
        };
        Ok(Self { credential: token(&variable)?, ..Self::with_address(address) })
    }

    /// Creates the client of a command: of the service at `flag`, else at `BALENA_AGENT_ADDRESS`, else at the
    /// `AGENT_LISTEN` of these settings. Without `BALENA_AGENT_TOKEN`, a service on this machine is shown the admin
    /// token, if this user can read it.
    ///
    /// # Errors
    /// `is_config` if a value can't be parsed.
    #[cfg(feature = "cli")]
    pub(crate) fn of_command(flag: Option<SocketAddr>, config: &Config) -> Result<Self> {
        Self::of_command_with(|name| std::env::var_os(name), flag, config)
    }

    #[cfg(feature = "cli")]
    fn of_command_with(
        variable: impl Fn(&str) -> Option<OsString>,
        flag: Option<SocketAddr>,
        config: &Config,
    ) -> Result<Self> {
        let named = match flag {
            Some(_) => None,
            None => address(&variable)?,
        };
        // The admin token is for the service of this container only.
        let (address, is_own) = match (flag, named) {
            (Some(flag), _) => (flag.into(), flag.ip().is_loopback()),
            (None, Some(named)) => (named, false),
            (None, None) => (config.local_address()?.into(), true),
        };
        let credential = match token(&variable)? {
            Credential::None if is_own => {
                let file = own_admin_token(config).ok().filter(|file| file.read().is_ok());
                file.map_or(Credential::None, Credential::Admin)
            }
            credential => credential,
        };
        Ok(Self { credential, ..Self::with_address(address) })
    }

    /// Returns the same client without its token.
    #[cfg(feature = "cli")]
    pub(crate) fn without_token(self) -> Self {
        Self { credential: Credential::None, ..self }
    }
}

/// Returns a client of the agent that holds the update lock for others: of the one that `BALENA_AGENT_ADDRESS` names,
/// else of the one that owns the directory of this lock file, which all containers of this service have.
///
/// # Errors
/// `is_config` if a value can't be parsed.
#[cfg(feature = "cli")]
pub(crate) fn agent_beside(lock_file: &Path) -> Result<Option<Client>> {
    let is_named = std::env::var_os(ADDRESS).is_some_and(|address| !address.is_empty());
    if !is_named && !lock_file.parent().is_some_and(is_owned) {
        return Ok(None);
    }
    Client::of_command(None, &Config::from_env()).map(Some)
}

/// Finds the admin token of the service in this container.
///
/// # Errors
/// `is_not_found` if there is none, `is_io` if its directory can't be read.
#[cfg(feature = "cli")]
pub(crate) fn own_admin_token(config: &Config) -> Result<AdminToken> {
    let configured = config.configured_state_directory();
    AdminToken::find(StateDirectory::find(configured.as_deref()).path())
}

fn address(variable: impl Fn(&str) -> Option<OsString>) -> Result<Option<Address>> {
    let text = variable(ADDRESS).filter(|text| !text.is_empty());
    text.map(|text| Address::parse(ADDRESS, &text.to_string_lossy())).transpose()
}

fn token(variable: impl Fn(&str) -> Option<OsString>) -> Result<Credential> {
    let Some(token) = variable(TOKEN).filter(|token| !token.is_empty()) else { return Ok(Credential::None) };
    match token.into_string() {
        Ok(token) => Credential::token(token.trim().to_owned().into())
            .map_err(|error| Error::new(ErrorKind::Config, format!("{TOKEN}: {error}"))),
        Err(_) => Err(Error::new(ErrorKind::Config, format!("{TOKEN} is not UTF-8"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables<'a>(given: &'a [(&str, &str)]) -> impl Fn(&str) -> Option<OsString> + 'a {
        |name| given.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
    }

    #[test]
    fn from_variables() {
        let client = Client::from_variables(variables(&[])).unwrap();
        assert_eq!(client.address.to_string(), "127.0.0.1:48485");
        let given = [(ADDRESS, "http://agent"), (TOKEN, " secret\n")];
        let client = Client::from_variables(variables(&given)).unwrap();
        assert_eq!(client.address.to_string(), "agent:48485");
        assert_eq!(client.credential.header().unwrap().unwrap(), "Bearer secret");
        assert!(!format!("{client:?} {:?}", client.credential).contains("secret"));
        let error = Client::from_variables(variables(&[(TOKEN, "two words")])).unwrap_err();
        assert!(error.is_config() && !error.to_string().contains("words"), "{error}");
    }

    #[cfg(feature = "cli")]
    #[test]
    fn the_order_of_a_command() {
        let place = std::env::temp_dir().join(format!("balena-agent-find-{}", std::process::id()));
        std::fs::create_dir_all(&place).unwrap();
        AdminToken::open(Some(&place)).unwrap();
        let config = Config::default().listen("0.0.0.0:7").state_directory(&place);
        let named = [(ADDRESS, "agent:9")];
        let with_token = [(ADDRESS, "agent:9"), (TOKEN, "secret")];
        for (flag, given, address, credential) in [
            (Some("127.0.0.1:8"), &named[..], "127.0.0.1:8", "Admin(..)"),
            // Another machine must not get the admin token.
            (Some("10.0.0.7:8"), &[], "10.0.0.7:8", "None"),
            (None, &named, "agent:9", "None"),
            (None, &with_token, "agent:9", "Token(..)"),
            (Some("127.0.0.1:8"), &with_token, "127.0.0.1:8", "Token(..)"),
            (None, &[], "127.0.0.1:7", "Admin(..)"),
            (None, &with_token[1..], "127.0.0.1:7", "Token(..)"),
        ] {
            let flag = flag.map(|flag| flag.parse().unwrap());
            let client = Client::of_command_with(variables(given), flag, &config).unwrap();
            let found = (client.address.to_string(), format!("{:?}", client.credential));
            assert_eq!((&*found.0, &*found.1), (address, credential), "{flag:?} {given:?}");
        }
        std::fs::remove_dir_all(&place).unwrap();
    }
}
