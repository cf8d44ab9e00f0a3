//! Collecting into maps and sets without a sort.

/// Collects the items into a map or set by inserting them one by one. `collect` sorts them first, which costs 4 to 5 KB
/// of code for each type.
pub(crate) fn collect_unsorted<C: Default + Extend<T>, T>(items: impl IntoIterator<Item = T>) -> C {
    let mut all = C::default();
    all.extend(items);
    all
}
