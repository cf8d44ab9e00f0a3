//! Finds the names in a query, and the resource of each.

use std::mem::replace;

/// Returns the resource that a navigation leads to: the part after the verb. `belongs_to__application` leads to
/// `application`.
pub(crate) fn leads_to(navigation: &str) -> &str {
    navigation.rsplit("__").next().unwrap_or(navigation)
}

/// The scope of a bracket.
struct Nesting<'a> {
    /// Resource of the names in it.
    resource: &'a str,
    /// Whether it is the value of `$expand`: brackets after a navigation then concern its target rows.
    expands: bool,
    /// Number of lambda variables outside of it.
    variables: usize,
}

/// Returns the first result of `find` among the names in a query of this resource. `find` receives the resource and
/// the name. Text in quotes is a value.
pub(super) fn find_name<'a, T>(
    root: &'a str,
    query: &'a str,
    find: impl Fn(&str, &str) -> Option<T>,
) -> Option<T> {
    let mut around = Vec::new();
    let mut here = Nesting { resource: root, expands: false, variables: 0 };
    let mut variables: Vec<(&str, &str)> = Vec::new();
    // The resource that the path has reached, after a `/`.
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
                    let inner = Nesting { resource, expands: false, variables: variables.len() };
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
            // `/$count` does not change the resource.
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
                    // `any` and `all` concern the target rows, functions the current ones.
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
