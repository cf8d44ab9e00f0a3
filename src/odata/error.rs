//! The error type of query checks, before the option's name is known.

use std::fmt;

use crate::error::Error;

/// Reason why a query is invalid, with the option it concerns once known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct QueryError {
    option: Option<&'static str>,
    why: String,
}

pub(super) type QueryResult<T = ()> = Result<T, QueryError>;

impl QueryError {
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

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl From<QueryError> for Error {
    fn from(fault: QueryError) -> Self {
        Self::argument(fault.option.unwrap_or("options"), fault)
    }
}

/// Builds an `Err(QueryError)` with a formatted reason.
macro_rules! refuse {
    ($($text:tt)*) => {
        Err($crate::odata::error::QueryError::new(format!($($text)*)))
    };
}
pub(super) use refuse;
