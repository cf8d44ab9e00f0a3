//! The family `auth`.

use balena_agent::secrecy::{ExposeSecret as _, SecretString};
use balena_agent::{Balena, Credentials};
use serde_json::Value;

use crate::wire::args::{Args, Failure, Outcome, json, unit};
use crate::wire::cases::Case;
use crate::wire::outcomes::{self, Expect};
use crate::wire::quirks::Expected;
use crate::wire::quirks_auth::sent_with;
use crate::wire::rulebook::Rulebook;

/// Makes the call; `None` if it is not one of these.
pub(super) async fn call(balena: &Balena, function: &str, args: &Args) -> Option<Outcome> {
    let function = function.strip_prefix("auth.")?;
    let auth = balena.auth();
    let outcome = match function {
        "verifyEmail" => match (field(args, "email"), field(args, "token")) {
            (Some(email), Some(token)) => secret(auth.verify_email(email, token).await),
            _ => Err(Failure::NoSuchType(format!("{args:?}"))),
        },
        "requestVerificationEmail" => unit(auth.request_verification_email().await),
        "login" => match (field(args, "email"), field(args, "password")) {
            (Some(email), Some(password)) => unit(auth.login(Credentials::new(email, password)).await),
            _ => Err(Failure::NoSuchType(format!("{args:?}"))),
        },
        "loginWithToken" => match args.text(0, "authToken") {
            Ok(token) => unit(auth.login_with_token(token)),
            Err(failure) => Err(failure),
        },
        "whoami" => json(auth.whoami().await),
        "getToken" => match auth.get_token() {
            Ok(token) => Ok(token.map_or(Value::Null, |token| token.expose_secret().into())),
            Err(error) => Err(error.into()),
        },
        _ => return None,
    };
    Some(outcome)
}

/// A field of the one argument; a number goes as its digits.
fn field(args: &Args, name: &str) -> Option<String> {
    match args.get(0, "")?.get(name)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn secret(token: balena_agent::Result<SecretString>) -> Outcome {
    Ok(token?.expose_secret().into())
}

/// The seed's interval: an hour.
const INTERVAL: i64 = 60 * 60;
const RENEWAL: &str = "/user/v1/refresh-token";
/// The time of the recordings.
const NOW: i64 = 1_718_452_800;

/// What is promised instead of what was recorded.
///
/// # Errors
/// A row without an expectation.
pub(super) fn adjust(case: &Case, book: &Rulebook, expected: &mut Expected) -> Result<(), String> {
    if case.function == "auth.requestVerificationEmail" && case.token.is_none() {
        // Ours does not ask whose nobody's credentials are.
        expected.exchange.clear();
    }
    match case.quirks.as_slice() {
        [] => Ok(()),
        [row] if row == "J14" => {
            by_age(case, book, expected);
            Ok(())
        }
        other => Err(format!("no expectation for rows {other:?}")),
    }
}

/// J14: a token is renewed by its age; when it expires is the server's business. A refusal is an error, and any
/// other failure to renew it is none.
fn by_age(case: &Case, book: &Rulebook, expected: &mut Expected) {
    let token = case.token.clone().unwrap_or_default();
    match case.function.as_str() {
        "auth.getToken" => return expected.outcome = Expect::Value(token.into()),
        "auth.loginWithToken" => {
            expected.outcome = Expect::Value(Value::Null);
            return expected.after = Some(serde_json::json!({ "token": case.args.first() }));
        }
        _ => {}
    }
    let renewal = issued(&token).filter(|issued| NOW - issued >= INTERVAL).map(|_| {
        let recorded = case.exchange.iter().find(|exchange| exchange.request.path == RENEWAL).cloned();
        recorded.unwrap_or_else(|| {
            let like = book.recorded("auth.whoami.refresh_jwt_exactly_one_hour_old");
            let mut renewal = sent_with(&like.exchange[0], &token);
            renewal.request.path = RENEWAL.into();
            renewal
        })
    });
    let mut now = token;
    expected.exchange.clear();
    expected.after = None;
    if let Some(renewal) = renewal {
        let status = renewal.response.status;
        expected.exchange.push(renewal.clone());
        if status == 200 {
            now = renewal.response.text.unwrap_or_default();
            expected.after = Some(serde_json::json!({ "token": now }));
        } else if (400..500).contains(&status) && status != 404 {
            return expected.outcome = outcomes::refused(&renewal);
        }
    }
    // What the call is otherwise, the seed tells.
    let call = book.plain_call(case.seed().unwrap_or_default(), &case.args);
    for mut exchange in call.exchange {
        exchange.request.path = exchange.request.path.replace("/v6/", "/v7/");
        expected.exchange.push(sent_with(&exchange, &now));
    }
    expected.outcome = outcomes::recorded(&call.outcome, None);
}

/// When a session token was issued.
fn issued(token: &str) -> Option<i64> {
    let claims = token.split('.').nth(1)?;
    let mut bits = 0_u32;
    let mut bytes = Vec::new();
    for (index, byte) in claims.bytes().enumerate() {
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let value = alphabet.iter().position(|known| *known == byte)?;
        bits = bits << 6 | u32::try_from(value).ok()?;
        if index % 4 > 0 {
            bytes.push(u8::try_from(bits >> (6 - index % 4 * 2) & 0xFF).ok()?);
        }
    }
    serde_json::from_slice::<Value>(&bytes).ok()?["iat"].as_i64()
}
