//! A caller's options over the defaults of a function.

use super::fault::Check;
use super::query::{Expansion, Query};
use crate::error::Result;

impl Query {
    /// The caller's options over these.
    ///
    /// Filters hold both; expands are merged navigation by navigation, by these same rules; columns, order,
    /// limit and offset of the caller replace the default's. What the caller left out stays as it was.
    ///
    /// # Errors
    /// [`is_invalid_argument`](crate::Error::is_invalid_argument): `$count` where there are other options.
    pub fn merge(mut self, caller: Self) -> Result<Self> {
        self.merge_over(caller);
        self.check_counts()?;
        Ok(self)
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
        }
        self.top = caller.top.or(self.top);
        self.skip = caller.skip.or(self.skip);
        self.count = caller.count.or(self.count.take());
    }

    pub(super) fn add_expansion(&mut self, new: Expansion) {
        match self.expand.iter_mut().find(|known| known.name == new.name) {
            Some(known) => known.query.merge_over(new.query),
            None => self.expand.push(new),
        }
    }

    fn check_counts(&self) -> Check {
        self.check_count()?;
        for Expansion { name, query } in &self.expand {
            query.check_counts().map_err(|fault| fault.inside(name))?;
        }
        Ok(())
    }
}
