//! The error type of query checks, before the option's name is known.

use std::fmt;

use crate::error::Error;

/// Reason why a query is invalid, with the option it concerns once known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    option: Option<&'static str>,
    why: String,
}

pub(super) type Check<T = ()> = Result<T, Fault>;

impl Fault {
    pub(super) fn new(why: impl Into<String>) -> Self {
        Self { option: None, why: why.into() }
    }

    /// Sets the option's name. An option that is already set stays: it is nearer to the cause.
    pub(super) fn of(mut self, option: &'static str) -> Self {
        self.option.get_or_insert(option);
        self
    }

    /// Prefixes the reason with the navigation whose expand holds the option.
    pub(super) fn inside(mut self, navigation: &str) -> Self {
        self.why = format!("in the expand of `{navigation}`: {}", self.why);
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self::argument(fault.option.unwrap_or("options"), fault)
    }
}

/// Builds an `Err(Fault)` with a formatted reason.
macro_rules! refuse {
    ($($text:tt)*) => {
        Err($crate::odata::fault::Fault::new(format!($($text)*)))
    };
}
pub(super) use refuse;
