//! The value of a navigation in a row.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

/// What a row says of the rows that a navigation leads to: nothing, an id, or the rows themselves when they
/// were expanded.
///
/// In a row type it takes `#[serde(default)]`, because an answer without the column is fine. The value of an
/// expanded [`Count`](super::Count) is a number and not this.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Nav<T>(State<T>);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum State<T> {
    Absent,
    Deferred(i64),
    Rows(Vec<T>),
}

impl<T> Nav<T> {
    /// The row with this id, not expanded.
    pub const fn deferred(id: i64) -> Self {
        Self(State::Deferred(id))
    }

    /// The id of the row at the other end, where it was not expanded.
    pub fn id(&self) -> Option<i64> {
        match self.0 {
            State::Deferred(id) => Some(id),
            State::Absent | State::Rows(_) => None,
        }
    }

    /// The first expanded row: the only one, where there is at most one at the other end.
    pub fn get(&self) -> Option<&T> {
        self.rows().first()
    }

    /// The expanded rows; empty where it was not expanded.
    pub fn rows(&self) -> &[T] {
        match &self.0 {
            State::Rows(rows) => rows,
            State::Absent | State::Deferred(_) => &[],
        }
    }

    /// The expanded rows, owned; empty where it was not expanded.
    pub fn into_rows(self) -> Vec<T> {
        match self.0 {
            State::Rows(rows) => rows,
            State::Absent | State::Deferred(_) => Vec::new(),
        }
    }

    /// Whether there is nothing: the navigation was not asked for, or leads nowhere.
    pub fn is_none(&self) -> bool {
        matches!(self.0, State::Absent)
    }

    /// Whether the answer has rows here, if only an empty list of them.
    pub fn is_expanded(&self) -> bool {
        matches!(self.0, State::Rows(_))
    }
}

impl<T> Default for Nav<T> {
    fn default() -> Self {
        Self(State::Absent)
    }
}

impl<T> From<Vec<T>> for Nav<T> {
    fn from(rows: Vec<T>) -> Self {
        Self(State::Rows(rows))
    }
}

impl<T: Serialize> Serialize for Nav<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            State::Absent => serializer.serialize_none(),
            State::Deferred(id) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("__id", id)?;
                map.end()
            }
            State::Rows(rows) => rows.serialize(serializer),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Nav<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NavVisitor(PhantomData))
    }
}

struct NavVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for NavVisitor<T> {
    type Value = Nav<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an id, an object with `__id`, a list of rows or null")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Nav::default())
    }

    fn visit_i64<E>(self, id: i64) -> Result<Self::Value, E> {
        Ok(Nav::deferred(id))
    }

    fn visit_u64<E: serde::de::Error>(self, id: u64) -> Result<Self::Value, E> {
        i64::try_from(id).map(Nav::deferred).map_err(|_| E::custom("an id beyond 64 bits"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut rows = Vec::new();
        while let Some(row) = list.next_element()? {
            rows.push(row);
        }
        Ok(Nav::from(rows))
    }

    /// Beside `__id` there is `__deferred` with a link that nobody follows.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(name) = map.next_key::<String>()? {
            if name == "__id" {
                found = Some(map.next_value::<Option<i64>>()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        match found {
            Some(id) => Ok(id.map_or_else(Nav::default, Nav::deferred)),
            None => Err(A::Error::missing_field("__id")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize, serde::Serialize)]
    struct Row {
        id: i64,
    }

    #[derive(Debug, serde::Deserialize)]
    struct Holder {
        #[serde(default)]
        nav: Nav<Row>,
    }

    fn nav(value: &Json) -> Result<Nav<Row>, serde_json::Error> {
        // Through text: that is how answers come, and it exercises another deserializer than a tree does.
        let text = json!({ "nav": value }).to_string();
        serde_json::from_str::<Holder>(&text).map(|holder| holder.nav)
    }

    #[test]
    fn deferred_expanded_and_absent_are_told_apart() {
        let deferred = nav(&json!({"__id": 5, "__deferred": {"uri": "/resin/application(5)"}})).unwrap();
        assert_eq!((deferred.id(), deferred.get(), deferred.is_expanded()), (Some(5), None, false));
        assert_eq!(nav(&json!(7)).unwrap().id(), Some(7));

        let rows = nav(&json!([{"id": 1}, {"id": 2}])).unwrap();
        assert_eq!((rows.id(), rows.get(), rows.rows().len()), (None, Some(&Row { id: 1 }), 2));
        let none = nav(&json!([])).unwrap();
        assert!(none.is_expanded() && none.get().is_none() && none.into_rows().is_empty());

        assert_eq!(nav(&Json::Null).unwrap(), Nav::default());
        assert_eq!(nav(&json!({"__id": null})).unwrap(), Nav::default());
        assert_eq!(serde_json::from_str::<Holder>("{}").unwrap().nav, Nav::default());
    }

    #[test]
    fn anything_else_is_a_decode_error() {
        for wrong in [
            json!("text"),
            json!(true),
            json!(1.5),
            json!({}),
            json!({"__id": "5"}),
            json!([5]),
            json!(u64::MAX),
        ] {
            assert!(nav(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn it_goes_out_as_it_came_in() {
        for value in [json!(null), json!({"__id": 5}), json!([{"id": 1}]), json!([])] {
            assert_eq!(serde_json::to_value(nav(&value).unwrap()).unwrap(), value);
        }
    }
}
