//! The value of a navigation in a row.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

/// The value of a navigation in a row: absent, the id of the target row, the target rows if expanded, or their
/// number if counted ([`Navigation::count`](super::Navigation::count)).
///
/// A field of this type needs `#[serde(default)]`: a response may omit the column. A bare number is a count of rows.
/// Version 6 writes the id of an `actor` as a bare number, which [`Nav::or_plain_id`] reads.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Nav<T>(State<T>);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum State<T> {
    Absent,
    Deferred(i64),
    Count(u64),
    Rows(Vec<T>),
}

impl<T> Nav<T> {
    /// Creates the reference to the row with this id, not expanded.
    pub const fn deferred(id: i64) -> Self {
        Self(State::Deferred(id))
    }

    /// Returns the id of the target row, if the navigation was not expanded.
    pub fn id(&self) -> Option<i64> {
        match self.0 {
            State::Deferred(id) => Some(id),
            State::Absent | State::Count(_) | State::Rows(_) => None,
        }
    }

    /// Returns the number of target rows, if it was requested.
    pub fn count(&self) -> Option<u64> {
        match self.0 {
            State::Count(count) => Some(count),
            State::Absent | State::Deferred(_) | State::Rows(_) => None,
        }
    }

    /// Returns the first expanded row: the only one, if the navigation leads to at most one.
    pub fn get(&self) -> Option<&T> {
        self.rows().first()
    }

    /// Returns the expanded rows. Empty if the navigation was not expanded.
    pub fn rows(&self) -> &[T] {
        match &self.0 {
            State::Rows(rows) => rows,
            State::Absent | State::Deferred(_) | State::Count(_) => &[],
        }
    }

    /// Returns the expanded rows, owned. Empty if the navigation was not expanded.
    pub fn into_rows(self) -> Vec<T> {
        match self.0 {
            State::Rows(rows) => rows,
            State::Absent | State::Deferred(_) | State::Count(_) => Vec::new(),
        }
    }

    /// Returns whether the value is absent: the navigation was not requested, or has no target row.
    pub fn is_none(&self) -> bool {
        matches!(self.0, State::Absent)
    }

    /// Returns whether the navigation was expanded, even if it has no rows.
    pub fn is_expanded(&self) -> bool {
        matches!(self.0, State::Rows(_))
    }
}

impl<'de, T: Deserialize<'de>> Nav<T> {
    /// Deserializes a column whose bare number is an id, as `actor` is in version 6:
    /// `#[serde(default, deserialize_with = "Nav::or_plain_id")]`.
    ///
    /// # Errors
    /// Errors of the deserializer, or an id out of range.
    pub fn or_plain_id<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let nav = Self::deserialize(deserializer)?;
        match nav.0 {
            State::Count(id) => i64::try_from(id).map(Self::deferred).map_err(D::Error::custom),
            State::Absent | State::Deferred(_) | State::Rows(_) => Ok(nav),
        }
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
            State::Count(count) => serializer.serialize_u64(*count),
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
        f.write_str("an object with `__id`, a list of rows, their number or null")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Nav::default())
    }

    fn visit_u64<E>(self, count: u64) -> Result<Self::Value, E> {
        Ok(Nav(State::Count(count)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut rows = Vec::new();
        while let Some(row) = list.next_element()? {
            rows.push(row);
        }
        Ok(Nav::from(rows))
    }

    /// The object also has `__deferred` with a link, which is ignored.
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

    #[derive(Debug, serde::Deserialize)]
    struct ActorHolder {
        #[serde(default, deserialize_with = "Nav::or_plain_id")]
        actor: Nav<Row>,
    }

    fn nav(value: &Json) -> Result<Nav<Row>, serde_json::Error> {
        // Through text, as responses arrive: it uses another deserializer than a JSON tree does.
        let text = json!({ "nav": value }).to_string();
        serde_json::from_str::<Holder>(&text).map(|holder| holder.nav)
    }

    #[test]
    fn deferred_expanded_and_absent_are_told_apart() {
        let deferred = nav(&json!({"__id": 5, "__deferred": {"uri": "/resin/application(5)"}})).unwrap();
        assert_eq!((deferred.id(), deferred.get(), deferred.is_expanded()), (Some(5), None, false));
        assert_eq!((deferred.count(), nav(&json!([])).unwrap().count()), (None, None));

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
        for wrong in
            [json!("text"), json!(true), json!(1.5), json!({}), json!({"__id": "5"}), json!([5]), json!(-5)]
        {
            assert!(nav(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_number_counts_rows_and_is_an_id_only_where_the_column_says_so() {
        let counted = nav(&json!(7)).unwrap();
        assert_eq!((counted.count(), counted.id(), counted.is_none()), (Some(7), None, false));
        assert!(!counted.is_expanded() && counted.rows().is_empty());

        let actor = |text| serde_json::from_str::<ActorHolder>(text).map(|holder| holder.actor);
        for text in [r#"{"actor":7}"#, r#"{"actor":{"__id":7}}"#] {
            let actor = actor(text).unwrap();
            assert_eq!((actor.id(), actor.count()), (Some(7), None), "{text}");
        }
        assert_eq!(actor(r#"{"actor":[{"id":7}]}"#).unwrap().rows(), [Row { id: 7 }]);
        assert_eq!(actor("{}").unwrap(), Nav::default());
        assert!(actor(r#"{"actor":18446744073709551615}"#).is_err());
    }

    #[test]
    fn it_goes_out_as_it_came_in() {
        for value in [json!(null), json!(3), json!({"__id": 5}), json!([{"id": 1}]), json!([])] {
            assert_eq!(serde_json::to_value(nav(&value).unwrap()).unwrap(), value);
        }
    }
}
