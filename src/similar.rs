//! Which known name a misspelled one may mean.

/// Number of wrong letters up to which a name is similar.
const MAX_TYPOS: usize = 2;
/// A name that is longer than the known one by more than this is not compared letter by letter.
const MAX_LONGER: usize = 64;

/// Returns whether one name may be a misspelling of the other. Case and surrounding white space do not count.
pub(crate) fn is_similar(known: &str, name: &str) -> bool {
    typos(known, name).is_some()
}

/// Returns the known name that is most similar to this one; the first of several. `None` if none is similar.
#[cfg(feature = "service")]
pub(crate) fn most_similar<'a>(known: impl IntoIterator<Item = &'a str>, name: &str) -> Option<&'a str> {
    let known = known.into_iter().filter_map(|known| Some((typos(known, name)?, known)));
    known.min_by_key(|(typos, _)| *typos).map(|(_, known)| known)
}

/// Returns the number of wrong letters; `None` if they are too many for a misspelling.
fn typos(known: &str, name: &str) -> Option<usize> {
    let most = MAX_TYPOS.min(known.chars().count() / 2);
    if name.len() > known.len().saturating_add(MAX_LONGER) {
        return None;
    }
    let (known, name) = (known.to_lowercase(), name.trim().to_lowercase());
    if known == name {
        return Some(0);
    }
    Some(distance(&known, &name)).filter(|typos| *typos <= most)
}

/// Returns the Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (line, letter) in a.chars().enumerate() {
        let mut above = std::iter::once(line + 1).collect::<Vec<_>>();
        for (pair, other) in row.windows(2).zip(&b) {
            if let ([diagonal, up], Some(left)) = (pair, above.last()) {
                let changed = diagonal + usize::from(letter != *other);
                above.push(changed.min(up + 1).min(left + 1));
            }
        }
        row = above;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelled_names_are_similar() {
        for (known, name, similar) in [
            ("main", "mian", true),
            ("main", "Main", true),
            ("main", " main", true),
            ("main", "mains", true),
            ("main", "man", true),
            ("main", "worker", false),
            ("a", "b", false),
            ("ab", "ba", false),
            ("database", "databse", true),
        ] {
            assert_eq!(is_similar(known, name), similar, "{known} {name}");
        }
        assert_eq!((distance("", "abc"), distance("abc", ""), distance("kitten", "sitting")), (3, 3, 3));
    }

    #[cfg(feature = "service")]
    #[test]
    fn the_most_similar_name_is_told() {
        let known = ["locks", "logs", "note"];
        for (name, similar) in
            [("lock", Some("locks")), ("lgs", Some("logs")), ("LOGS", Some("logs")), ("", None)]
        {
            assert_eq!(most_similar(known, name), similar, "{name}");
        }
    }
}
