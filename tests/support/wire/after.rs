//! What a case changed besides: the token, the settings, the files.

use balena_agent::Balena;
use balena_agent::secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::auth;
use super::cases::Case;
use super::home::{Home, contents};
use super::quirks::Expected;
use super::script::difference;

/// What is not as it is promised. A token that is not named is the one from before.
pub(crate) fn differences(case: &Case, expected: &Expected, balena: &Balena, home: &Home) -> Vec<String> {
    let after = expected.after.as_ref();
    let mut expected = json!({});
    let mut found = json!({});
    let before = || if case.function == "Balena" { Value::Null } else { json!(case.token) };
    let named = after.and_then(|after| after.get("token")).cloned();
    // What a case of a settings file does not tell is left open.
    if named.is_some() || !is_kept_in_a_file(case) {
        expected["token"] = named.unwrap_or_else(before);
        found["token"] = match balena.auth().get_token() {
            Ok(token) => json!(token.as_ref().map(ExposeSecret::expose_secret)),
            // It has expired, and stays where it is.
            Err(_) => balena
                .settings()
                .get("token")
                .map_or_else(|error| json!(error.to_string()), |token| json!(token.expose())),
        };
    }
    if let Some(settings) = after.and_then(|after| after.get("settings")) {
        expected["settings"] = settings.clone();
        found["settings"] = match auth::all(balena) {
            Ok(all) => home.recorded(&all),
            Err(error) => json!(error.to_string()),
        };
    }
    if let Some(files) = after.and_then(|after| after.get("files")) {
        expected["files"] = contents(files);
        found["files"] = home.files();
    }
    if expected == found { Vec::new() } else { vec![difference("after", &expected, &found)] }
}

fn is_kept_in_a_file(case: &Case) -> bool {
    let directory = case.settings.as_ref().and_then(|settings| settings.get("data_directory"));
    !case.of_js && directory != Some(&json!(false))
}
