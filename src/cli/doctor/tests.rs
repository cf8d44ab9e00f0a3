use super::*;

#[test]
fn the_own_application_is_looked_for_among_those_of_the_key() {
    let covered = [("fleet", 5), ("other", 1_234_567)];
    let finding = |variable, own| compared(&Environment::from_vars([(variable, own)]).unwrap(), &covered);
    for own in ["5", "1234567", "01234567"] {
        assert_eq!(finding("BALENA_APP_ID", own).result, Verdict::Ok, "{own}");
    }
    for (variable, own) in [("BALENA_APP_ID", "7"), ("RESIN_APP_ID", "50"), ("BALENA_APP_ID", "five")] {
        let finding = finding(variable, own);
        assert_eq!(finding.result, Verdict::Fail, "{own}");
        for word in [variable, own, "5 (fleet)", "1234567 (other)"] {
            assert!(finding.found.contains(word), "{}", finding.found);
        }
        assert!(finding.fix.unwrap().contains(variable));
    }
}

#[test]
fn an_old_supervisor_is_told_what_it_lacks() {
    assert_eq!(supervisor_version("19.0.5").result, Verdict::Ok);
    assert_eq!(supervisor_version("17.8.0-rc1").result, Verdict::Ok);
    let old = supervisor_version("12.11.0");
    assert_eq!(old.result, Verdict::Warn);
    assert!(old.found.contains("setting tags") && !old.found.contains("journal"), "{}", old.found);
    assert_eq!(supervisor_version("x").result, Verdict::Warn);
}

#[test]
fn nobody_is_sent_here_who_is_here_already() {
    for (advice, left) in [
        ("check the address with `balena-agent doctor`", "check the address"),
        ("recreate it; check with `balena-agent doctor`", "recreate it"),
        ("`balena-agent lock status` shows more", "`balena-agent lock status` shows more"),
    ] {
        let error = crate::Error::new(crate::ErrorKind::Unauthorized, "refused").with_help(advice);
        assert_eq!(Finding::from_error("x", &error).fix.as_deref(), Some(left));
    }
}

/// Nobody is asked: the address is of no network.
#[tokio::test]
async fn a_key_over_plain_http_is_refused_or_warned_of() {
    const PLAIN: &str = "http://192.0.2.1:9";
    let findings = async |url: &str, key: Option<&str>, allow: Option<&str>| {
        let variables = [("BALENA_API_URL", Some(url)), ("BALENA_API_KEY", key), ("AGENT_ALLOW_HTTP", allow)];
        let variables = variables.into_iter().filter_map(|(name, value)| Some((name, value?)));
        cloud(&Environment::from_vars(variables).unwrap(), Duration::ZERO).await
    };
    for (url, key, allow, expected) in [
        (PLAIN, Some("key"), None, Some(("cloud settings", Verdict::Fail))),
        (PLAIN, Some("key"), Some("0"), Some(("cloud settings", Verdict::Fail))),
        (PLAIN, Some("key"), Some("1"), Some(("cloud address", Verdict::Warn))),
        (PLAIN, None, None, None),
        ("http://127.0.0.1:9", Some("key"), None, None),
        ("https://192.0.2.1:9", Some("key"), Some("1"), None),
    ] {
        let findings = findings(url, key, allow).await;
        let told = findings.iter().find(|finding| finding.found.contains("over plain"));
        assert_eq!(told.map(|finding| (finding.check, finding.result)), expected, "{url} {key:?} {allow:?}");
        if let Some(finding) = told {
            assert!(finding.found.contains("192.0.2.1"), "{}", finding.found);
            assert!(finding.fix.as_ref().unwrap().contains("https://"), "{:?}", finding.fix);
        }
    }
}
