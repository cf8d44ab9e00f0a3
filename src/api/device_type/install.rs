//! How an OS is installed on devices of a type.

use serde::Deserialize;
use serde_json::Value;

use crate::api::request::Request;
use crate::error::{Error, ErrorKind, Result};

use super::DeviceTypes;
use super::contract::{self, Fault, InstallMethod, Instructions};

/// A contract: that of the device type with this slug or name, or one that is at hand.
#[derive(Debug, Clone, PartialEq)]
pub enum ContractKey {
    /// The contract of this device type, by its slug or its name.
    DeviceType(String),
    /// This contract: the column of that name of a [`DeviceType`](crate::api::rows::DeviceType). Nothing is
    /// sent then.
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
    /// How an OS gets onto devices of a type; `None` when the API has no contract of it
    /// (`GET /v6/device_type`).
    ///
    /// # Errors
    /// `is_invalid_argument` when there is no such device type; `is_unsupported` when its contract does not
    /// tell.
    #[doc(alias = "getInstallMethod")]
    pub fn get_install_method(&self, device_type: impl Into<String>) -> Request<Option<InstallMethod>> {
        let (types, name) = (self.clone(), device_type.into());
        Request::new(async move {
            let Some(contract) = types.contract(&name).await? else { return Ok(None) };
            contract::install_method(&contract).map(Some).map_err(|fault| of_type(fault, &name))
        })
    }

    /// How to install balenaOS on devices of a type, step by step; `None` when nothing is known of the method
    /// that its contract tells (`GET /v6/device_type`, unless a contract is given).
    ///
    /// # Errors
    /// `is_invalid_argument` when there is no such device type, or when the contract that is given is none;
    /// `is_not_found` when the contract of the device type has no texts; `is_unsupported` when it does not tell
    /// how an OS is installed; `is_decode` when its texts can't be made out.
    #[doc(alias = "getInstructions")]
    pub fn get_instructions(&self, contract: impl Into<ContractKey>) -> Request<Option<Instructions>> {
        let (types, key) = (self.clone(), contract.into());
        Request::new(async move {
            match key {
                ContractKey::DeviceType(name) => match types.contract(&name).await? {
                    Some(contract) if contract::partials(&contract).is_some() => {
                        contract::instructions(contract).map_err(|fault| of_type(fault, &name))
                    }
                    _ => Err(missing("instructions", &name)),
                },
                ContractKey::Given(contract) => {
                    if !contract.is_object() {
                        return Err(Error::argument("contract", "it is not an object"));
                    }
                    contract::instructions(contract).map_err(|fault| match fault {
                        Fault::NoMethod => Error::argument("contract", NO_METHOD),
                        Fault::Odd(place, why) => {
                            Error::argument("contract", format_args!("at {place}: {why}"))
                        }
                    })
                }
            }
        })
    }

    /// The contract of a device type, with everything filled in where its texts leave a place for it
    /// (`GET /v6/device_type`).
    ///
    /// # Errors
    /// `is_invalid_argument` when there is no such device type; `is_not_found` when the API has no contract of
    /// it; `is_decode` when its texts can't be made out.
    #[doc(alias = "getInterpolatedPartials")]
    pub fn get_interpolated_partials(&self, device_type: impl Into<String>) -> Request<Value> {
        let (types, name) = (self.clone(), device_type.into());
        Request::new(async move {
            let contract = types.contract(&name).await?.ok_or_else(|| missing("contract", &name))?;
            contract::interpolated(contract).map_err(|fault| of_type(fault, &name))
        })
    }

    /// The contract of the device type with this slug or name.
    async fn contract(&self, name: &str) -> Result<Option<Value>> {
        #[derive(Deserialize)]
        struct Row {
            contract: Option<Value>,
        }
        let row = self.get_by_slug_or_name(name).select(["contract"]).rows::<Row>().await?;
        Ok(row.contract)
    }
}

const NO_METHOD: &str =
    "it does not tell how an OS is installed: neither data.flashProtocol nor data.media.defaultBoot";

fn missing(what: &str, device_type: &str) -> Error {
    told(ErrorKind::NotFound, format!("{what} of device type {} not found", device_type.escape_debug()))
}

fn of_type(fault: Fault, device_type: &str) -> Error {
    let contract = format!("the contract of device type {}", device_type.escape_debug());
    match fault {
        Fault::NoMethod => told(ErrorKind::Unsupported, format!("{contract}: {NO_METHOD}")),
        Fault::Odd(place, why) => told(ErrorKind::Decode, format!("{contract}, at {place}: {why}")),
    }
}

fn told(kind: ErrorKind, text: String) -> Error {
    Error::new(kind, text).operation("GET device_type").sent(true)
}
