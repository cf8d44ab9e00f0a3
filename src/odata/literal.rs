//! Literals in a query, and the Rust types they are made of.

use std::borrow::Cow;

use jiff::{Timestamp, Unit};

use super::encode::{check_text, push_quoted};
use super::error::{QueryResult, refuse};
use crate::ids::{
    ApplicationId, DeviceId, DeviceTypeId, ImageId, OrganizationId, ReleaseId, ServiceId,
    SupervisorReleaseId, TagId, TeamId, TeamMembershipId, UserId, VariableId,
};

/// A literal in a query, independent of the column's type. [`Literal`] makes it from Rust values.
#[derive(Debug, Clone, PartialEq)]
pub struct Value(pub(super) Kind);

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    /// Holds both `i64` and `u64`, the integers of JSON.
    Integer(i128),
    Float(f64),
    Text(Cow<'static, str>),
    Time(Timestamp),
    /// ISO 8601, e.g. `P1DT2H`. The caller has checked the form.
    Duration(String),
}

impl Value {
    /// Null: `column eq null`.
    pub const NULL: Self = Self(Kind::Null);

    /// Returns whether the value is [`Value::NULL`].
    pub fn is_null(&self) -> bool {
        self.0 == Kind::Null
    }

    pub(super) fn write(&self, out: &mut String) -> QueryResult {
        match &self.0 {
            Kind::Null => out.push_str("null"),
            Kind::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Kind::Integer(value) => out.push_str(&value.to_string()),
            Kind::Float(value) => out.push_str(&decimal(*value)?),
            Kind::Text(text) => push_quoted(out, text)?,
            Kind::Time(time) => {
                out.push_str("datetime'");
                out.push_str(&milliseconds(*time)?);
                out.push('\'');
            }
            Kind::Duration(text) => {
                check_text(text)?;
                out.push_str("duration'");
                out.push_str(text);
                out.push('\'');
            }
        }
        Ok(())
    }
}

/// Formats a number without an exponent. The grammar has neither exponents nor infinity nor NaN.
pub(super) fn decimal(value: f64) -> QueryResult<String> {
    if !value.is_finite() {
        return refuse!("{value} is not a number that can be sent");
    }
    let short = format!("{value:?}");
    Ok(if short.contains('e') { value.to_string() } else { short })
}

/// Formats a time in UTC with three decimals: the API stores milliseconds.
fn milliseconds(time: Timestamp) -> QueryResult<String> {
    let Ok(rounded) = time.round(Unit::Millisecond) else {
        return refuse!("{time} is out of range");
    };
    let text = format!("{rounded:.3}");
    // A year before 0 or after 9999 gets a sign, which the grammar does not have.
    if !text.starts_with(|first: char| first.is_ascii_digit()) {
        return refuse!("{time} is out of range");
    }
    Ok(text)
}

/// A Rust type that a column can hold. Implement it for an enum by converting each variant to text.
///
/// ```
/// use balena_agent::odata::{Column, Literal, Value};
///
/// enum Phase { Closed, Current }
/// impl Literal for Phase {
///     fn to_value(&self) -> Value {
///         Value::from(match self { Self::Closed => "end-of-life", Self::Current => "active" })
///     }
/// }
/// struct Release;
/// const PHASE: Column<Release, Phase> = Column::new("phase");
/// let _ = PHASE.eq(Phase::Current).or(PHASE.is_null());
/// ```
pub trait Literal {
    /// Converts the value to a literal.
    fn to_value(&self) -> Value;
}

/// A type whose values the API can compare with `<`.
pub trait Ordered: Literal {}

/// A Rust value that a column of type `T` can be compared with: a `T`, an `Option<T>` (`None` is null), or a type
/// that stands for `T` (`&str` for text, the number for an id).
pub trait LiteralOf<T> {
    /// Converts the value to a literal.
    fn into_value(self) -> Value;
}

impl<T: Literal> LiteralOf<T> for T {
    fn into_value(self) -> Value {
        self.to_value()
    }
}

impl<T: Literal> LiteralOf<T> for &T {
    fn into_value(self) -> Value {
        self.to_value()
    }
}

impl<T: Literal> LiteralOf<T> for Option<T> {
    fn into_value(self) -> Value {
        self.map_or(Value::NULL, |value| value.to_value())
    }
}

impl LiteralOf<String> for &str {
    fn into_value(self) -> Value {
        Value::from(self)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self(Kind::Text(Cow::Owned(text.to_owned())))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self(Kind::Text(Cow::Owned(text)))
    }
}

macro_rules! literals {
    ($($type:ty as $value:ident => $kind:expr;)*) => {$(
        impl From<$type> for Value {
            fn from($value: $type) -> Self {
                Self($kind)
            }
        }

        impl Literal for $type {
            fn to_value(&self) -> Value {
                Value::from(*self)
            }
        }
    )*};
}

literals! {
    bool as value => Kind::Bool(value);
    i64 as value => Kind::Integer(value.into());
    f64 as value => Kind::Float(value);
    Timestamp as value => Kind::Time(value);
}

impl Literal for String {
    fn to_value(&self) -> Value {
        Value::from(self.as_str())
    }
}

impl Ordered for String {}
impl Ordered for i64 {}
impl Ordered for f64 {}
impl Ordered for Timestamp {}

macro_rules! ids {
    ($($id:ty),*) => {$(
        literals! { $id as value => Kind::Integer(value.get().into()); }

        impl Ordered for $id {}

        impl LiteralOf<$id> for i64 {
            fn into_value(self) -> Value {
                Value::from(self)
            }
        }

        impl LiteralOf<i64> for $id {
            fn into_value(self) -> Value {
                Value::from(self)
            }
        }
    )*};
}

ids!(
    ApplicationId,
    DeviceId,
    DeviceTypeId,
    ImageId,
    OrganizationId,
    ReleaseId,
    ServiceId,
    SupervisorReleaseId,
    TagId,
    TeamId,
    TeamMembershipId,
    UserId,
    VariableId
);

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: impl Into<Value>) -> QueryResult<String> {
        let mut out = String::new();
        value.into().write(&mut out).map(|()| out)
    }

    #[test]
    fn numbers_have_no_exponent_and_no_nan() {
        assert_eq!(text(-5).unwrap(), "-5");
        assert_eq!(text(2.0).unwrap(), "2.0");
        assert_eq!(text(1.25).unwrap(), "1.25");
        assert_eq!(text(1e-7).unwrap(), "0.0000001");
        assert_eq!(text(1e20).unwrap(), "100000000000000000000");
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(text(bad).is_err());
        }
    }

    #[test]
    fn dates_are_utc_with_three_digits() {
        let at = |iso: &str| text(iso.parse::<Timestamp>().unwrap());
        assert_eq!(at("2024-01-02T03:04:05.007Z").unwrap(), "datetime'2024-01-02T03:04:05.007Z'");
        assert_eq!(at("2024-01-02T03:04:05Z").unwrap(), "datetime'2024-01-02T03:04:05.000Z'");
        assert_eq!(at("2024-06-01T12:00:00+02:00").unwrap(), "datetime'2024-06-01T10:00:00.000Z'");
        assert_eq!(at("2024-06-01T00:00:00.9996Z").unwrap(), "datetime'2024-06-01T00:00:01.000Z'");
        assert!(text(Timestamp::MIN).is_err());
        assert!(text(Timestamp::MAX).is_err());
    }

    #[test]
    fn an_absent_value_is_null() {
        assert_eq!(LiteralOf::<i64>::into_value(None), Value::NULL);
        assert!(LiteralOf::<bool>::into_value(None).is_null());
    }
}
