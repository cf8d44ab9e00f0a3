//! The rows about logins and settings.

use balena_agent::ErrorKind;
use serde_json::{Value, json};

use super::cases::{Case, Exchange, Outcome};
use super::outcomes::{self, Expect};
use super::quirks::{Expected, error};
use super::rulebook::Rulebook;

/// Q07: a variable without a value is not set.
pub(super) fn no_key(_: &Case, _: &Rulebook, expected: &mut Expected) {
    let empty =
        |exchange: &Exchange| exchange.request.auth.as_ref().is_some_and(|auth| auth.credential.is_empty());
    let Some(first) = expected.exchange.iter().position(empty) else { return };
    if expected.exchange[first].request.canonical_query.is_some() {
        expected
            .exchange
            .iter_mut()
            .filter(|exchange| empty(exchange))
            .for_each(|exchange| exchange.request.auth = None);
    } else {
        expected.exchange.truncate(first);
        expected.outcome = error(ErrorKind::Unauthorized);
    }
}

/// Q20: what refuses gives no token, and so none is kept.
pub(super) fn no_token(_: &Case, _: &Rulebook, expected: &mut Expected) {
    let Some(last) = expected.exchange.last().filter(|last| last.response.status >= 400) else { return };
    expected.outcome = outcomes::refused(last);
    // An aged token was exchanged for another one before.
    let mut exchanges = expected.exchange.iter().filter(|one| one.request.path == RENEWAL);
    let exchanged = exchanges.next().and_then(|one| one.response.text.clone());
    if let Some(after) = expected.after.as_mut().and_then(Value::as_object_mut) {
        match exchanged {
            Some(token) => after.insert("token".into(), token.into()),
            None => after.remove("token"),
        };
    }
}

/// Q21: the key in the address's query, or by itself.
pub(super) fn setup_key(_: &Case, _: &Rulebook, expected: &mut Expected) {
    let Some(last) = expected.exchange.last() else { return };
    let answer = last.response.json.as_ref().and_then(Value::as_str).or(last.response.text.as_deref());
    let answer = answer.unwrap_or_default();
    let query = answer.split_once('?').map_or(answer, |(_, query)| query);
    let key = query.split('&').find_map(|pair| pair.strip_prefix("secret="));
    expected.outcome = Expect::Value(json!(key.unwrap_or(answer)));
}

/// Where an aged token is exchanged for a new one, under each version of the API.
pub(crate) const RENEWAL: &str = "/user/v1/refresh-token";

/// Q23, tagged or not: an aged token is renewed where the server does it, and only 401 is a refusal.
pub(super) fn renewed(case: &Case, book: &Rulebook, expected: &mut Expected) {
    let renewals = expected.exchange.iter_mut().map(|one| &mut one.request);
    for renewal in renewals.filter(|request| request.host == "api" && request.path == "/whoami") {
        RENEWAL.clone_into(&mut renewal.path);
    }
    let fails = |one: &Exchange| {
        let response = &one.response;
        one.request.path == RENEWAL && (response.abort || (response.status >= 400 && response.status != 401))
    };
    if expected.exchange.last().is_some_and(fails) {
        with_the_old_token(case, book, expected);
    }
}

/// Q22, and Q23 where the server could not renew it: the call goes on with the token as it is.
pub(super) fn with_the_old_token(case: &Case, book: &Rulebook, expected: &mut Expected) {
    let like = book.plain_call(&case.function, &case.args).expect("the call with a token that has no age");
    let token = case.token.clone().unwrap_or_default();
    expected.exchange.extend(like.exchange.iter().map(|exchange| sent_with(exchange, &token)));
    expected.outcome = outcomes::recorded(&like.outcome, None);
    if let Some(after) = like.after {
        expected.after = Some(after);
    }
}

pub(crate) fn sent_with(exchange: &Exchange, token: &str) -> Exchange {
    let mut exchange = exchange.clone();
    if let Some(auth) = &mut exchange.request.auth {
        token.clone_into(&mut auth.credential);
    }
    exchange
}

/// Q64, Q65, tagged or not: the key that a registration makes has a name and a description, is good for ten minutes,
/// and is removed when the registration failed.
pub(super) fn short_lived_key(case: &Case, expected: &mut Expected) {
    const DESCRIPTION: &str = "Created by SDK to register a device";
    let makes = |one: &Exchange| one.request.path == "/api-key/v1/";
    let made = expected.exchange.iter().position(makes).filter(|_| case.function == "models.device.register");
    let Some(at) = made else { return };
    let name: String = case.arguments().text(1, "uuid").unwrap_or_default().chars().take(32).collect();
    let body = expected.exchange[at].request.json.as_mut().and_then(Value::as_object_mut).expect("a body");
    body.insert("name".into(), json!(name));
    body.insert("description".into(), json!(DESCRIPTION));
    body.insert("expiryDate".into(), json!("2024-06-15T12:10:00Z"));
    let read = expected.exchange.get(at + 1).filter(|_| !matches!(expected.outcome, Expect::Value(_)));
    let Some(mut removal) = read.cloned() else { return };
    let filter = json!({ "and": [format!("description eq '{DESCRIPTION}'"), format!("name eq '{name}'")] });
    removal.request.method = "DELETE".into();
    removal.request.path = "/v6/api_key".into();
    removal.request.canonical_query = Some(json!({ "$filter": filter }));
    removal.response.status = 200;
    removal.response.json = None;
    removal.response.text = Some("OK".into());
    expected.exchange.push(removal);
}

/// Q25: nobody is logged in.
pub(super) fn not_logged_in(case: &Case, _: &Rulebook, expected: &mut Expected) {
    if case.token.is_none() {
        expected.outcome = error(ErrorKind::Unauthorized);
    }
}

/// Q27: a server that fails, or is not there, does not say no.
pub(super) fn unknown(_: &Case, _: &Rulebook, expected: &mut Expected) {
    let Some(last) = expected.exchange.last() else { return };
    if last.response.abort {
        expected.outcome = error(outcomes::broken(Some(last)));
    } else if matches!(last.response.status, 401 | 403) {
        expected.outcome = Expect::Value(json!(false));
    } else if last.response.status >= 400 {
        expected.outcome = outcomes::refused(last);
    }
}

/// Q30: what the constructor asks for counts before the file, and is not written into it.
pub(super) fn constructor_wins(case: &Case, _: &Rulebook, expected: &mut Expected) {
    let (Some(Value::Object(asked)), Some(after)) = (case.args.first(), &mut expected.after) else { return };
    let settings = &mut after["settings"];
    for (name, value) in asked {
        settings[name] = value.clone();
    }
    if let Some(host) = asked.get("balena_host").and_then(Value::as_str) {
        move_to(settings, host);
    } else if let Some(version) = asked.get("api_version").and_then(Value::as_str) {
        let address = settings["api_endpoint"].as_str().unwrap_or_default();
        settings["pine_endpoint"] = json!(format!("{address}{version}/"));
    }
}

/// Q31: what a file lacks is added to it; what it has stays.
pub(super) fn completed(case: &Case, book: &Rulebook, expected: &mut Expected) {
    let mut settings = book.recorded("Balena.file_first_start").after.expect("a file")["settings"].clone();
    let mut files = json!({});
    for (path, text) in case.files_before.as_ref().and_then(Value::as_object).into_iter().flatten() {
        let lines = || text.as_str().unwrap_or_default().lines();
        let own = || lines().filter_map(|line| line.split_once(" = "));
        if let Some((_, host)) = own().find(|(name, _)| *name == "balena_host") {
            move_to(&mut settings, host);
        }
        for (name, value) in own() {
            settings[name] = match value {
                "true" | "false" => json!(value == "true"),
                _ => json!(value),
            };
        }
        let line = |(name, value): (&String, &Value)| match value {
            Value::Bool(flag) => format!("{name} = {flag}"),
            other => format!("{name} = {}", other.as_str().unwrap_or_default()),
        };
        let section = lines().next().unwrap_or_default();
        let lines: Vec<String> = settings.as_object().into_iter().flatten().map(line).collect();
        files[path] = json!(format!("{section}\n{}", lines.join("\n")));
    }
    let token = settings.get("token").cloned();
    expected.after = Some(json!({ "settings": settings, "files": files }));
    if let (Some(token), Some(after)) = (token, &mut expected.after) {
        after["token"] = token;
    }
    expected.outcome = Expect::Value(Value::Null);
    constructor_wins(case, book, expected);
}

/// Version 7 has other endpoints, and whoever asks for it by the constructor gets them.
pub(super) fn of_version_7(case: &Case, expected: &mut Expected) {
    let asked = case.args.first().filter(|_| case.function == "Balena").and_then(Value::as_object);
    let asked = asked.filter(|asked| asked.get("api_version") == Some(&json!("v7")));
    let (Some(asked), Some(after)) = (asked, &mut expected.after) else { return };
    if asked.contains_key("device_actions_endpoint_version") {
        return;
    }
    if let Some(settings) = after.get_mut("settings") {
        settings["device_actions_endpoint_version"] = json!("v2");
    }
    for (_, text) in after.get_mut("files").and_then(Value::as_object_mut).into_iter().flatten() {
        // A file that was there before names a version of its own.
        let lines = text.as_str().filter(|lines| lines.contains("\napi_version = v7\n")).unwrap_or_default();
        if !lines.is_empty() {
            let (before, after) = ("actions_endpoint_version = v1", "actions_endpoint_version = v2");
            *text = json!(lines.replace(before, after));
        }
    }
}

/// The addresses below a host.
fn move_to(settings: &mut Value, host: &str) {
    let version = settings["api_version"].as_str().unwrap_or_default().to_owned();
    settings["builder_url"] = json!(format!("https://builder.{host}/"));
    settings["api_endpoint"] = json!(format!("https://api.{host}/"));
    settings["pine_endpoint"] = json!(format!("https://api.{host}/{version}/"));
}

/// Q32: a `%` is as good as any other character; in a file it is written twice.
pub(super) fn percent(case: &Case, _: &Rulebook, expected: &mut Expected) {
    let arguments = case.arguments();
    let text =
        |place, name| arguments.get(place, name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (name, value) = (text(0, "key"), text(1, "value"));
    let Some(after) = expected.after.as_mut().filter(|_| case.function == "settings.set") else { return };
    expected.outcome = Expect::Value(Value::Null);
    if let Some(settings) = after.get_mut("settings") {
        settings[&name] = json!(value);
    }
    for (_, text) in after.get_mut("files").and_then(Value::as_object_mut).into_iter().flatten() {
        let lines = text.as_str().unwrap_or_default().lines();
        let mut lines: Vec<String> =
            lines.filter(|line| !line.starts_with(&format!("{name} ="))).map(str::to_owned).collect();
        lines.push(format!("{} = {}", name.to_lowercase(), value.replace('%', "%%")));
        *text = json!(lines.join("\n"));
    }
}

/// Q33: a flag is one, wherever it is kept.
pub(super) fn flag(case: &Case, _: &Rulebook, expected: &mut Expected) {
    let Some(after) = &mut expected.after else { return };
    if let (Some(name), Some(value)) = (case.args.first().and_then(Value::as_str), case.args.get(1)) {
        if let Some(settings) = after.get_mut("settings") {
            settings[name] = value.clone();
        }
        for text in
            after.get_mut("files").and_then(Value::as_object_mut).into_iter().flatten().map(|(_, text)| text)
        {
            let wrong = if value == &json!(true) { "True" } else { "False" };
            let lines = text.as_str().unwrap_or_default();
            *text = json!(lines.replace(&format!("{name} = {wrong}"), &format!("{name} = {value}")));
        }
    }
}

/// Q34: a setting is found whatever the case of its name.
pub(super) fn any_case(case: &Case, _: &Rulebook, expected: &mut Expected) {
    if case.function == "settings.set" {
        return;
    }
    let name = case.args.first().and_then(Value::as_str).unwrap_or_default();
    let set = case.before.iter().rev().find(|before| {
        before.function == "settings.set"
            && before.args.first().and_then(Value::as_str).is_some_and(|set| set.eq_ignore_ascii_case(name))
    });
    let value = set.and_then(|set| set.args.get(1).cloned()).unwrap_or_default();
    expected.outcome = match case.function.as_str() {
        "settings.get" => Expect::Value(value),
        _ => Expect::Value(json!(true)),
    };
}

/// Q36: what was there is gone, and that it was there is the answer.
pub(super) fn removed(case: &Case, _: &Rulebook, expected: &mut Expected) {
    expected.outcome = Expect::Value(json!(true));
    let name = case.args.first().and_then(Value::as_str).unwrap_or_default();
    let Some(after) = &mut expected.after else { return };
    if let Some(settings) = after.get_mut("settings").and_then(Value::as_object_mut) {
        settings.remove(name);
    }
    for (_, text) in after.get_mut("files").and_then(Value::as_object_mut).into_iter().flatten() {
        let lines = text.as_str().unwrap_or_default().lines();
        let kept: Vec<&str> = lines.filter(|line| !line.starts_with(&format!("{name} ="))).collect();
        *text = json!(kept.join("\n"));
    }
}

/// Q37: an address that was changed is the address of all that follows.
pub(super) fn follows(case: &Case, _: &Rulebook, expected: &mut Expected) {
    let set = case.before.iter().rev().find(|before| {
        before.function == "settings.set" && before.args.first() == Some(&json!("api_endpoint"))
    });
    let address = set.and_then(|set| set.args.get(1)?.as_str()).unwrap_or_default();
    let host = address.trim_start_matches("https://").trim_end_matches('/');
    for exchange in expected.exchange.iter_mut().filter(|_| set.is_some()) {
        host.clone_into(&mut exchange.request.authority);
        host.split('.').next().unwrap_or_default().clone_into(&mut exchange.request.host);
    }
}

/// Q99, of a user: without an e-mail address there is none.
pub(super) fn no_email(case: &Case, _: &Rulebook, expected: &mut Expected) {
    let Outcome::Error(raised) = &case.outcome else { return };
    let who = expected.exchange.last().and_then(|last| last.response.json.clone()).unwrap_or_default();
    if raised.message == "'email'" {
        expected.outcome = Expect::Value(json!({
            "id": who["actorTypeId"], "actor": who["id"], "username": who["username"], "email": null,
        }));
    }
}
