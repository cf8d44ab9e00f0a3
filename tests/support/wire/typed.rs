//! The row types under test: what a call returns has to fit them, and they may lose nothing of it.

use std::any::type_name;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::rows::{Reading, reread};

/// Holds a row, or rows, against the type: every column has its field.
pub(crate) fn fits<T: DeserializeOwned + Serialize>(value: &Value) {
    let unknown = read::<T>(value);
    assert!(unknown.is_empty(), "{} loses {unknown:?} of {value}", type_name::<T>());
}

/// Holds the answer to a creation against the type. The recorded server gives back whatever it was sent, with
/// fields that no row has.
pub(crate) fn created<T: DeserializeOwned + Serialize>(value: &Value) {
    drop(read::<T>(value));
}

/// Holds a row with something added against the type of what it was.
pub(crate) fn fits_without<T: DeserializeOwned + Serialize>(value: &Value, added: &[&str]) {
    let mut row = value.clone();
    row.as_object_mut().expect("a row").retain(|column, _| !added.contains(&column.as_str()));
    fits::<T>(&row);
}

/// The columns that are lost.
fn read<T: DeserializeOwned + Serialize>(value: &Value) -> Vec<String> {
    let Reading { misread, unknown } = reread::<T>(value);
    assert!(misread.is_empty(), "{} misreads {misread:?} of {value}", type_name::<T>());
    unknown
}
