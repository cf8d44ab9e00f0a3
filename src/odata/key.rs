//! The key of a row: the part in brackets of `device(1234)`.

use std::borrow::Cow;

use super::encode::push_name;
use super::error::{QueryResult, refuse};
use super::literal::{Kind, Value};

/// The key of one row: its id, or the values of columns that identify it.
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
    /// Creates the key of the row with this id.
    pub fn id(id: impl Into<Value>) -> Self {
        Self::of("", id)
    }

    /// Creates the key of the row whose column has this value. The column must be unique.
    pub fn of(column: impl Into<Cow<'static, str>>, value: impl Into<Value>) -> Self {
        Self { fields: vec![(column.into(), value.into())] }
    }

    /// Adds a column and its value, for rows that several columns identify together.
    pub fn and(mut self, column: impl Into<Cow<'static, str>>, value: impl Into<Value>) -> Self {
        self.fields.push((column.into(), value.into()));
        self
    }

    pub(super) fn write(&self, out: &mut String) -> QueryResult {
        self.write_fields(out).map_err(|fault| fault.of("key"))
    }

    fn write_fields(&self, out: &mut String) -> QueryResult {
        out.push('(');
        for (index, (column, value)) in self.fields.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            // The id is written without a name.
            if column.is_empty() && self.fields.len() == 1 {
                check_id(value)?;
            } else {
                push_name(out, column)?;
                out.push('=');
                check_value(column, value)?;
            }
            value.write(out)?;
        }
        out.push(')');
        Ok(())
    }
}

fn check_id(value: &Value) -> QueryResult {
    match value.0 {
        Kind::Integer(_) => Ok(()),
        _ => refuse!("an id is a whole number"),
    }
}

/// Refuses values that identify no row: the API may read an empty one as all rows.
fn check_value(column: &str, value: &Value) -> QueryResult {
    match &value.0 {
        Kind::Text(text) if text.is_empty() => refuse!("`{column}` is empty"),
        Kind::Integer(_) | Kind::Time(_) | Kind::Text(_) => Ok(()),
        Kind::Null | Kind::Bool(_) | Kind::Float(_) | Kind::Duration(_) => {
            refuse!("`{column}` is neither a whole number nor a string nor a date")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Query;
    use super::*;
    use crate::ids::DeviceId;

    fn path(key: &Key) -> crate::Result<String> {
        Query::new().address("device", Some(key)).map(|address| address.to_string())
    }

    #[test]
    fn keys_are_written_as_recorded() {
        assert_eq!(path(&Key::id(-1)).unwrap(), "device(-1)");
        assert_eq!(path(&Key::id(DeviceId::new(5))).unwrap(), "device(5)");
        assert_eq!(path(&Key::of("handle", "o'r/g é")).unwrap(), "device(handle='o''r%2Fg%20%C3%A9')");
        assert_eq!(path(&Key::of("handle", "a, +b")).unwrap(), "device(handle='a%2C%20%2Bb')");
        let several = Key::of("user", 123).and("is_member_of__organization", 3014);
        assert_eq!(path(&several).unwrap(), "device(user=123,is_member_of__organization=3014)");
    }

    #[test]
    fn what_names_no_row_is_refused() {
        let bad = [
            Key::of("uuid", ""),
            Key::of("uuid", "a\0"),
            Key::of("uuid", Value::NULL),
            Key::of("is_online", true),
            Key::of("id", f64::NAN),
            Key::of("", 5).and("name", "x"),
            Key::of("na me)", 5),
            Key::id(1.5),
            Key::id("8deb12a5"),
        ];
        for key in bad {
            let error = path(&key).unwrap_err();
            assert!(error.is_invalid_argument() && error.to_string().contains("`key`"), "{key:?}: {error}");
        }
    }
}
