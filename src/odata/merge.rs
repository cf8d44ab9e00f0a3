//! Merging a caller's options into the defaults of a function.

use super::error::QueryResult;
use super::query::{Expansion, Query};
use crate::error::Result;

impl Query {
    /// Merges the caller's options into these defaults.
    ///
    /// Rows must match both filters. Expands of the same navigation are merged by these same rules. The caller's
    /// columns, order, limit and offset replace the defaults. Options that the caller does not give stay.
    ///
    /// # Errors
    /// [`is_invalid_argument`](crate::Error::is_invalid_argument) if the result has `$count` beside options other
    /// than a filter.
    pub fn merge(mut self, caller: Self) -> Result<Self> {
        self.merge_over(caller);
        self.check_counts()?;
        Ok(self)
    }

    /// The same as the options of a function: nobody asked for its orders.
    pub(crate) fn into_defaults(mut self) -> Self {
        self.own_order = !self.order.is_empty();
        for expansion in &mut self.expand {
            expansion.query = std::mem::take(&mut expansion.query).into_defaults();
        }
        self
    }

    fn merge_over(&mut self, caller: Self) {
        if !caller.select.is_empty() {
            self.select = caller.select;
        }
        for expansion in caller.expand {
            self.add_expansion(expansion);
        }
        if let Some(filter) = caller.filter {
            self.add_filter(filter);
        }
        if !caller.order.is_empty() {
            self.order = caller.order;
            self.own_order = caller.own_order;
        }
        self.top = caller.top.or(self.top);
        self.skip = caller.skip.or(self.skip);
        self.count |= caller.count;
    }

    /// Adds the columns that the function itself needs to the selected ones, also inside expands. A query without
    /// `$select` returns all columns, so nothing is added; navigations are not expanded for it.
    pub(crate) fn require(&mut self, needs: &Self) {
        if !self.select.is_empty() && !self.select.iter().any(|name| name == "*") {
            for name in &needs.select {
                self.add_column(name.clone());
            }
        }
        for known in &mut self.expand {
            if let Some(needed) = needs.expand.iter().find(|needed| needed.name == known.name) {
                known.query.require(&needed.query);
            }
        }
    }

    pub(super) fn add_expansion(&mut self, new: Expansion) {
        match self.expand.iter_mut().find(|known| known.name == new.name) {
            Some(known) => known.query.merge_over(new.query),
            None => self.expand.push(new),
        }
    }

    fn check_counts(&self) -> QueryResult {
        self.check_count()?;
        for Expansion { name, query } in &self.expand {
            query.check_counts().map_err(|fault| fault.inside(name))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;

    fn merged(default: &Json, caller: &Json) -> Result<String> {
        Query::from_json(default)?
            .merge(Query::from_json(caller)?)?
            .render()
            .map(|text| text.replace("%20", " "))
    }

    #[test]
    fn filters_hold_both_and_the_rest_is_replaced() {
        let default = json!({"$select": ["id"], "$filter": {"a": 1}, "$orderby": "name asc", "$top": 1});
        let caller = json!({"$select": "uuid", "$filter": [{"b": 2}, {"c": 3}], "$orderby": "uuid", "$top": 5, "$skip": 0});
        assert_eq!(
            merged(&default, &caller).unwrap(),
            "$select=uuid&$filter=(a eq 1) and ((b eq 2) or (c eq 3))&$orderby=uuid&$top=5&$skip=0"
        );
    }

    #[test]
    fn what_is_empty_or_null_changes_nothing() {
        let default = json!({"$select": ["id"], "$filter": {"a": 1}, "$orderby": "name asc", "$top": 1, "$expand": "b"});
        let as_it_was = merged(&default, &json!(null)).unwrap();
        for empty in [json!(null), json!({}), json!("")] {
            for option in ["$select", "$filter", "$orderby", "$top", "$skip", "$expand", "$count"] {
                let refused = (empty.is_object()
                    && ["$select", "$orderby", "$top", "$skip", "$count"].contains(&option))
                    || (empty.is_string() && ["$top", "$skip", "$count"].contains(&option));
                match merged(&default, &json!({ option: empty })) {
                    Ok(text) => assert_eq!((text, refused), (as_it_was.clone(), false), "{option} {empty}"),
                    Err(error) => {
                        assert!(refused && error.to_string().contains(option), "{option} {empty}: {error}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_needed_is_added_to_what_is_selected() {
        let needs = json!({"$select": "x", "$expand": {"a": {"$select": ["x", "y"], "$expand": {"b": {"$select": "z"}}}}});
        let needs = Query::from_json(&needs).unwrap();
        for (given, sent) in [
            (json!({}), ""),
            (json!({"$select": "*"}), "$select=*"),
            (json!({"$select": "id"}), "$select=id,x"),
            (json!({"$expand": "c"}), "$expand=c"),
            (json!({"$expand": "a"}), "$expand=a"),
            (json!({"$expand": {"a": {"$select": "y"}}}), "$expand=a($select=y,x)"),
            (
                json!({"$expand": {"a": {"$expand": {"b": {"$select": "id"}}}}}),
                "$expand=a($expand=b($select=id,z))",
            ),
        ] {
            let mut query = Query::from_json(&given).unwrap();
            query.require(&needs);
            assert_eq!(query.render().unwrap(), sent, "{given}");
        }
    }

    #[test]
    fn expands_merge_by_name_and_depth() {
        let default =
            json!({"$expand": {"a": {"$select": ["x"], "$expand": {"b": {"$filter": {"p": 1}}}}, "c": {}}});
        let caller = json!({"$expand": [{"a": {"$select": "*", "$expand": {"b": {"$filter": {"q": 2}, "$top": 1}}}}, "d"]});
        assert_eq!(
            merged(&default, &caller).unwrap(),
            "$expand=a($select=*;$expand=b($filter=(p eq 1) and (q eq 2);$top=1)),c,d"
        );
    }

    #[test]
    fn a_count_is_refused_beside_a_default_that_it_can_not_have() {
        let count = json!({"$count": {"$filter": {"b": 2}}});
        assert_eq!(merged(&json!({"$filter": {"a": 1}}), &count).unwrap(), "$filter=(a eq 1) and (b eq 2)");
        assert!(merged(&json!({"$orderby": "a asc"}), &count).unwrap_err().to_string().contains("`$count`"));
        let (default, caller) =
            (json!({"$expand": {"a": {"$select": "id"}}}), json!({"$expand": {"a": {"$count": {}}}}));
        let error = merged(&default, &caller).unwrap_err();
        assert!(error.to_string().contains("`$count`: in the expand of `a`"), "{error}");
    }
}
