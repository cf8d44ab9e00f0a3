//! Tokens of clients of the service, in variables of this container.

use super::Finding;

/// Warns of the tokens of clients. Whether other services have the same variable can't be seen from here.
pub(super) fn check(names: impl Iterator<Item = String>) -> Option<Finding> {
    let is_token = |name: &String| name.starts_with("AGENT_CLIENT_") && name.ends_with("_TOKEN");
    let mut names: Vec<String> = names.filter(is_token).collect();
    names.sort_unstable();
    (!names.is_empty()).then(|| {
        Finding::warn(
            "client tokens",
            format!("set here: {}; whether other services see them can't be known from here", names.join(", ")),
            "define each as a variable of two services only, the agent's and the client's: variables of the fleet and of \
             the device reach every service",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::Verdict;

    #[test]
    fn tokens_are_named_with_where_to_define_them() {
        let names = |names: &[&str]| check(names.iter().map(|name| (*name).to_owned()));
        assert!(names(&["AGENT_CLIENT_WEB", "AGENT_CLIENT_WEB_SOCKET", "BALENA_AGENT_TOKEN"]).is_none());
        let finding = names(&["AGENT_CLIENT_WEB_TOKEN", "AGENT_CLIENT_A_TOKEN"]).unwrap();
        assert_eq!(finding.result, Verdict::Warn);
        assert!(finding.found.contains("AGENT_CLIENT_A_TOKEN, AGENT_CLIENT_WEB_TOKEN"), "{}", finding.found);
        assert!(finding.fix.unwrap().contains("the agent's and the client's"));
    }
}
