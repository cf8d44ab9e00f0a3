//! Functions that return how an OS is installed on devices of a type.

use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, ErrorKind, Result, escaped};
use crate::resource::keys::not_empty;
use crate::resource::read::ReadTarget;
use crate::resource::request::Request;

use super::contract::{self, ContractError, Instructions};
use super::install_method::InstallMethod;
use super::{DeviceTypes, by_slug_or_name};

/// The contract of a device type, by slug or name, or as JSON.
#[derive(Debug, Clone, PartialEq)]
pub enum ContractKey {
    /// The contract of the device type with this slug or name.
    DeviceType(String),
    /// This contract, as in the column of that name of a [`DeviceType`](crate::rows::DeviceType). Nothing is
    /// sent.
    Given(Value),
}

impl From<&str> for ContractKey {
    fn from(slug_or_name: &str) -> Self {
        Self::DeviceType(slug_or_name.to_owned())
    }
}

impl From<String> for ContractKey {
    fn from(slug_or_name: String) -> Self {
        Self::DeviceType(slug_or_name)
    }
}

impl From<Value> for ContractKey {
    fn from(contract: Value) -> Self {
        Self::Given(contract)
    }
}

impl DeviceTypes {
    /// Returns the installation method of a device type, or `None` if the API has no contract of it
    /// (`GET /v6/device_type`, unless a contract is given).
    ///
    /// # Errors
    /// `is_invalid_argument` if the device type does not exist or the given contract is invalid; `is_unsupported` if
    /// the contract has no installation method.
    #[doc(alias = "getInstallMethod")]
    pub fn get_install_method(&self, contract: impl Into<ContractKey>) -> Request<Option<InstallMethod>> {
        let (types, key) = (self.clone(), contract.into());
        Request::new(async move {
            let Some(contract) = types.contract(&key).await? else { return Ok(None) };
            contract::install_method(&contract).map(Some).map_err(|fault| key.explain(fault))
        })
    }

    /// Returns the steps of installing balenaOS on devices of a type, or `None` if the method of its contract is
    /// unknown (`GET /v6/device_type`, unless a contract is given).
    ///
    /// # Errors
    /// `is_invalid_argument` if the device type does not exist or the given contract is invalid; `is_not_found` if
    /// the contract has no texts; `is_unsupported` if it has no installation method; `is_decode` if its texts are
    /// malformed.
    #[doc(alias = "getInstructions")]
    pub fn get_instructions(&self, contract: impl Into<ContractKey>) -> Request<Option<Instructions>> {
        let (types, key) = (self.clone(), contract.into());
        Request::new(async move {
            let contract = match (types.contract(&key).await?, &key) {
                // A given contract may have a method without texts.
                (Some(contract), ContractKey::Given(_)) => contract,
                (Some(contract), _) if contract::partials(&contract).is_some() => contract,
                _ => return Err(key.missing("instructions")),
            };
            contract::instructions(contract).map_err(|fault| key.explain(fault))
        })
    }

    /// Returns the contract of a device type with its templates filled in (`GET /v6/device_type`, unless a contract
    /// is given).
    ///
    /// # Errors
    /// `is_invalid_argument` if the device type does not exist or the given contract is invalid; `is_not_found` if
    /// the API has no contract of the device type; `is_decode` if its texts are malformed.
    #[doc(alias = "getInterpolatedPartials")]
    pub fn get_interpolated_partials(&self, contract: impl Into<ContractKey>) -> Request<Value> {
        let (types, key) = (self.clone(), contract.into());
        Request::new(async move {
            let contract = types.contract(&key).await?.ok_or_else(|| key.missing("contract"))?;
            contract::interpolated(contract).map_err(|fault| key.explain(fault))
        })
    }

    async fn contract(&self, key: &ContractKey) -> Result<Option<Value>> {
        #[derive(Deserialize)]
        struct Row {
            contract: Option<Value>,
        }
        match key {
            ContractKey::DeviceType(name) => {
                not_empty("slug_or_name", name)?;
                let target = by_slug_or_name(name);
                let defaults = target.defaults.select(["contract"]);
                let row: Row = self.core.whole_row(ReadTarget { defaults, ..target }).await?.one()?;
                Ok(row.contract)
            }
            ContractKey::Given(contract) if contract.is_object() => Ok(Some(contract.clone())),
            ContractKey::Given(_) => Err(Error::argument("contract", "it is not an object")),
        }
    }
}

impl ContractKey {
    fn explain(&self, fault: ContractError) -> Error {
        let (kind, text) = match fault {
            ContractError::NoMethod => (ErrorKind::Unsupported, format!(": {NO_METHOD}")),
            ContractError::Odd(place, why) => (ErrorKind::Decode, format!(", at {place}: {why}")),
        };
        match self {
            Self::DeviceType(name) => {
                told(kind, format!("the contract of device type {}{text}", escaped(name)))
            }
            Self::Given(_) => Error::argument("contract", text.trim_start_matches([':', ',', ' '])),
        }
    }

    fn missing(&self, what: &str) -> Error {
        match self {
            Self::DeviceType(name) => {
                let text = format!("{what} of device type {} not found", escaped(name));
                told(ErrorKind::NotFound, text)
            }
            Self::Given(_) => Error::argument("contract", format_args!("it has no {what}")),
        }
    }
}

const NO_METHOD: &str =
    "it has no installation method: neither data.flashProtocol nor data.media.defaultBoot";

fn told(kind: ErrorKind, text: String) -> Error {
    Error::new(kind, text).with_operation("GET device_type").with_sent(true)
}
