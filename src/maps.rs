//! Maps and sets without a sort.

/// A map or set of these items, put in one by one. `collect` sorts them before that: code of 4 to 5 KB for each type.
pub(crate) fn filled<C: Default + Extend<T>, T>(items: impl IntoIterator<Item = T>) -> C {
    let mut all = C::default();
    all.extend(items);
    all
}
