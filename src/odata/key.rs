//! Which row of a collection: the part in brackets of `device(1234)`.

use std::borrow::Cow;

use super::encode::push_name;
use super::fault::{Check, Fault, refuse};
use super::literal::{Kind, Value};

/// The key of one row: its id, or columns that identify it.
///
/// ```
/// use balena_agent::odata::{Key, Query};
///
/// let by_id = Query::new().address("device", Some(&Key::id(1234)))?;
/// assert_eq!(by_id.to_string(), "device(1234)");
/// let by_uuid = Query::new().address("device", Some(&Key::of("uuid", "8deb12a5")))?;
/// assert_eq!(by_uuid.to_string(), "device(uuid='8deb12a5')");
/// let by_both = Key::of("device", 1234).and("name", "SITE");
/// assert_eq!(Query::new().address("device_tag", Some(&by_both))?.to_string(), "device_tag(device=1234,name='SITE')");
/// # Ok::<(), balena_agent::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Key {
    fields: Vec<(Cow<'static, str>, Value)>,
}

impl Key {
    /// The row with this id.
    pub fn id(id: impl Into<i64>) -> Self {
        Self { fields: vec![(Cow::Borrowed(""), Value::from(id.into()))] }
    }

    /// The row whose column has this value; the column has to be unique.
    pub fn of(column: impl Into<Cow<'static, str>>, value: impl Into<Value>) -> Self {
        Self { fields: vec![(column.into(), value.into())] }
    }

    /// … and whose other column has this value.
    pub fn and(mut self, column: impl Into<Cow<'static, str>>, value: impl Into<Value>) -> Self {
        self.fields.push((column.into(), value.into()));
        self
    }

    pub(super) fn write(&self, out: &mut String) -> Check {
        self.write_fields(out).map_err(|fault| fault.of("key"))
    }

    fn write_fields(&self, out: &mut String) -> Check {
        out.push('(');
        for (index, (column, value)) in self.fields.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            // The id alone goes without its name.
            if !column.is_empty() || self.fields.len() > 1 {
                push_name(out, column)?;
                out.push('=');
            }
            check_value(value).map_err(|fault| fault.inside_key(column))?;
            value.write(out)?;
        }
        out.push(')');
        Ok(())
    }
}

/// An empty or absent identifier names no row; to the server it may mean all of them.
fn check_value(value: &Value) -> Check {
    match &value.0 {
        Kind::Integer(_) | Kind::Time(_) => Ok(()),
        Kind::Text(text) if text.is_empty() => refuse!("is empty"),
        Kind::Text(_) => Ok(()),
        Kind::Null | Kind::Bool(_) | Kind::Float(_) | Kind::Duration(_) => {
            refuse!("is neither a whole number, a text nor a date")
        }
    }
}

impl Fault {
    fn inside_key(self, column: &str) -> Self {
        Self::new(format!("`{column}` {self}"))
    }
}
