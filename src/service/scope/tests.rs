use super::*;

fn scopes(text: &str) -> Scopes {
    Scopes::parse(text).unwrap()
}

fn action(action: ActionName, service: Option<&str>) -> Scope {
    Scope::Action { action, service: service.map(str::to_owned) }
}

/// Every scope that there is, with actions for all services, for `main` and for `mainframe`.
fn every_scope() -> Vec<Scope> {
    let mut all: Vec<Scope> = WORDS.iter().map(|(_, scope)| scope.clone()).collect();
    for (_, name) in ACTIONS {
        all.push(action(name, None));
        if name.has_service() {
            all.push(action(name, Some("main")));
            all.push(action(name, Some("mainframe")));
        }
    }
    all
}

#[test]
fn every_scope_against_every_need() {
    let all = every_scope();
    assert_eq!(all.len(), 12 + 8 + 6);
    for has in &all {
        let client = scopes(&has.to_string());
        for need in &all {
            let contains = match (has, need) {
                (Scope::Admin, _) => true,
                (
                    Scope::Action { action: has, service: None },
                    Scope::Action { action: need, service: Some(_) },
                ) => has == need,
                (has, need) => has == need,
            };
            assert_eq!(client.allows(need), contains, "{has} for {need}");
        }
    }
    assert!(all.iter().all(|need| !Scopes::default().allows(need)));
}

#[test]
fn the_restart_of_the_application_needs_the_scope_for_all_services() {
    let application = action(ActionName::Restart, None);
    assert!(scopes("actions:restart").allows(&application));
    assert!(!scopes("actions:restart:main actions:start actions:stop").allows(&application));
}

#[test]
fn a_word_is_what_it_displays() {
    for scope in every_scope() {
        let parsed = scopes(&scope.to_string());
        assert_eq!(parsed.iter().collect::<Vec<_>>(), [&scope]);
        assert_eq!(parsed.to_string(), scope.to_string());
    }
    assert!(ACTIONS.iter().all(|(word, action)| action.as_str() == *word));
}

#[test]
fn spaces_and_commas_separate_and_repeated_words_count_once() {
    for text in ["state locks actions:stop:a.b-c_1", "locks,state, actions:stop:a.b-c_1 ,\tlocks\n"] {
        assert_eq!(scopes(text).to_string(), "state locks actions:stop:a.b-c_1");
    }
}

#[test]
fn a_wrong_word_is_named_with_the_nearest_and_an_example() {
    for (text, words) in [
        ("", vec!["no scope"]),
        (" , ", vec!["no scope"]),
        ("State", vec!["\"State\"", "`state`"]),
        ("sate", vec!["\"sate\"", "`state`"]),
        ("locks:keeps", vec!["`locks:keep`"]),
        ("lock", vec!["`locks`"]),
        ("variable logs", vec!["\"variable\"", "`variables`"]),
        ("restart", vec!["`actions:restart`"]),
        ("restart:main", vec!["`actions:restart`"]),
        ("action:restart", vec!["`actions:…`"]),
        ("actions", vec!["no known action", "reboot"]),
        ("actions:", vec!["no known action"]),
        ("actions:*", vec!["\"actions:*\""]),
        ("actions:restrat", vec!["`actions:restart`"]),
        ("actions:Restart", vec!["`actions:restart`"]),
        ("actions:reboot:main", vec!["`actions:reboot`", "not for a single service"]),
        ("actions:restart:", vec!["no name of a service", "`actions:restart:main`"]),
        ("actions:restart:a:b", vec!["\"a:b\""]),
        ("actions:restart:ma/in", vec!["\"ma/in\""]),
        ("state,*", vec!["word 2"]),
        ("sate lock", vec!["`state`", "`locks`"]),
    ] {
        let fault = Scopes::parse(text).unwrap_err();
        for word in words.into_iter().chain(["e.g. `state events actions:restart:main`"]) {
            assert!(fault.contains(word), "{text:?}, {word}: {fault}");
        }
        assert_eq!(fault.lines().count(), 1, "{fault}");
    }
}

#[test]
fn a_token_in_the_wrong_variable_is_not_repeated() {
    for token in ["7f3a9c21d0e84b56", "s3cr3t,s3cr4t", "state-0123456789abcdef"] {
        let fault = Scopes::parse(token).unwrap_err();
        assert!(!fault.contains("s3cr") && !fault.contains("7f3a") && !fault.contains("0123"), "{fault}");
    }
}
