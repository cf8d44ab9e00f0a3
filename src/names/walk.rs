//! Which names a query has, and of which resource each is.

use std::mem::replace;

/// The resource that a navigation of this name leads to: what stands behind the verb, as the cloud makes their
/// names. `belongs_to__application` leads to `application`.
pub(crate) fn leads_to(navigation: &str) -> &str {
    navigation.rsplit("__").next().unwrap_or(navigation)
}

/// What a bracket encloses.
struct Within<'a> {
    /// Whose columns are named.
    resource: &'a str,
    /// Whether it is the value of `$expand`: then brackets behind a name are about the rows that it leads to.
    expands: bool,
    /// How many variables of lambdas there are outside of it.
    variables: usize,
}

/// The first find among the names in the text of a query for rows of this resource; `find` gets the resource
/// and the name. What stands in quotes is a value and no name.
pub(super) fn find_name<'a, T>(
    root: &'a str,
    query: &'a str,
    find: impl Fn(&str, &str) -> Option<T>,
) -> Option<T> {
    let mut around = Vec::new();
    let mut here = Within { resource: root, expands: false, variables: 0 };
    let mut variables: Vec<(&str, &str)> = Vec::new();
    // Where a path has come to, behind its `/`.
    let mut reached: Option<&str> = None;
    let mut rest = query;
    loop {
        let first = rest.chars().next()?;
        let (name, behind) = rest.split_at(rest.find(|c| !is_of_name(c)).unwrap_or(rest.len()));
        if name.is_empty() {
            rest = behind.get(first.len_utf8()..)?;
            match first {
                '\'' => rest = rest.split_once('\'').map_or("", |(_, behind)| behind),
                '(' => {
                    let resource = reached.unwrap_or(here.resource);
                    let inner = Within { resource, expands: false, variables: variables.len() };
                    around.push(replace(&mut here, inner));
                }
                ')' => {
                    variables.truncate(here.variables);
                    here = around.pop()?;
                }
                _ => {}
            }
            if first != '/' {
                reached = None;
            }
            continue;
        }
        rest = behind;
        let next = behind.chars().next();
        let resource = reached.unwrap_or(here.resource);
        let variable =
            variables.iter().rfind(|(variable, _)| *variable == name && reached.is_none()).copied();
        match (next, variable) {
            (Some('='), _) => here.expands = name == "$expand",
            // Behind `/$count` the path stays where it is.
            _ if name == "$count" => {}
            (Some(':'), _) => variables.push((name, here.resource)),
            (Some('/'), Some((_, of))) => reached = Some(of),
            _ => {
                if let Some(found) = find(resource, name) {
                    return Some(found);
                }
                match next {
                    Some('/') => reached = Some(leads_to(name)),
                    Some('(') if here.expands => reached = Some(leads_to(name)),
                    // `any` and `all` are about the rows that the path has come to, functions about those here.
                    Some('(') => {}
                    _ => reached = None,
                }
            }
        }
    }
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '$')
}
