//! What is wrong with a query, on its way to becoming an error with the option's name.

use std::fmt;

use crate::error::Error;

/// A refusal whose option is not known yet where it is found.
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

    /// Names the option. The first name stays: it is nearest to the cause.
    pub(super) fn of(mut self, option: &'static str) -> Self {
        self.option.get_or_insert(option);
        self
    }

    /// Says in which expand the option was given.
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

/// `Err(Fault)` with a formatted reason.
macro_rules! refuse {
    ($($text:tt)*) => {
        Err($crate::odata::fault::Fault::new(format!($($text)*)))
    };
}
pub(super) use refuse;
