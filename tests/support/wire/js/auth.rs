//! The family `auth`.

use balena_agent::secrecy::{ExposeSecret as _, SecretString};
use balena_agent::{Balena, Credentials, ErrorKind};
use serde_json::Value;

use super::patterns;
use crate::wire::args::{Args, Failure, Outcome, json, unit};
use crate::wire::cases::Case;
use crate::wire::outcomes::{self, Expect};
use crate::wire::quirks::Expected;
use crate::wire::quirks_auth::{RENEWAL, sent_with};
use crate::wire::rulebook::Rulebook;

/// Makes the call; `None` if it is not one of these.
pub(super) async fn call(balena: &Balena, function: &str, args: &Args) -> Option<Outcome> {
    let function = function.strip_prefix("auth.")?;
    let auth = balena.auth();
    let outcome = match function {
        "verifyEmail" => match (argument(args, "email"), argument(args, "token")) {
            (Some(email), Some(token)) => secret(auth.verify_email(email, token).await),
            _ => Err(Failure::NoSuchType(format!("{args:?}"))),
        },
        "requestVerificationEmail" => unit(auth.request_verification_email().await),
        "login" => match (argument(args, "email"), argument(args, "password")) {
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

fn argument(args: &Args, name: &str) -> Option<String> {
    field(args.get(0, "")?, name)
}

/// A field of the one argument; a number goes as its digits.
fn field(argument: &Value, name: &str) -> Option<String> {
    match argument.get(name)? {
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
/// The time of the recordings.
const NOW: i64 = 1_718_452_800;

/// What is promised instead of what was recorded.
///
/// # Errors
/// A row without an expectation.
pub(super) fn adjust(case: &Case, book: &Rulebook, expected: &mut Expected) -> Result<(), String> {
    let first = case.args.first().unwrap_or(&Value::Null);
    match case.function.as_str() {
        // Ours does not ask whose nobody's credentials are.
        "auth.requestVerificationEmail" if case.token.is_none() => expected.exchange.clear(),
        "auth.verifyEmail" if field(first, "email").is_none() || field(first, "token").is_none() => {
            patterns::no_such_type(expected);
        }
        "auth.verifyEmail" if patterns::names_nothing(first) => patterns::refused(expected),
        // "401 → unauthorized", as in the Python SDK; to JS, who is refused is nobody.
        "auth.whoami" => {
            if let Some(last) = expected.exchange.last().filter(|last| last.response.status == 401) {
                expected.outcome = outcomes::refused(last);
            }
        }
        _ => {}
    }
    match case.quirks.iter().find(|row| *row != "J14") {
        Some(row) => Err(format!("no expectation for row {row}")),
        None if case.has("J14") => by_age(case, book, expected),
        None => Ok(()),
    }
}

/// J14: a token is renewed by its age, and one that has expired is nobody's: then nothing is sent. A refusal to renew
/// it is an error, and any other failure is none.
fn by_age(case: &Case, book: &Rulebook, expected: &mut Expected) -> Result<(), String> {
    let logs_in = case.function == "auth.loginWithToken";
    let given = if logs_in { case.args.first().and_then(Value::as_str) } else { case.token.as_deref() };
    let token = given.unwrap_or_default().to_owned();
    if claim(&token, "exp").is_some_and(|expiry| expiry <= NOW) {
        expected.exchange.clear();
        expected.after = None;
        expected.outcome =
            Expect::Error { kind: ErrorKind::Unauthorized, status: None, says: Some("expired".into()) };
        return Ok(());
    }
    if logs_in || case.function == "auth.getToken" {
        return Ok(());
    }
    let renewal = claim(&token, "iat").filter(|issued| NOW - issued >= INTERVAL).map(|_| {
        let recorded = case.exchange.iter().find(|exchange| exchange.request.path == RENEWAL).cloned();
        recorded.unwrap_or_else(|| {
            let like = book.recorded("auth.whoami.refresh_jwt_exactly_one_hour_old");
            let mut renewal = sent_with(&like.exchange[0], &token);
            renewal.request.path = RENEWAL.into();
            renewal
        })
    });
    let mut call = case.clone();
    call.quirks.retain(|row| row != "J14");
    call.exchange.retain(|exchange| exchange.request.path != RENEWAL);
    call.token = Some(token);
    expected.exchange.clear();
    expected.after = None;
    if let Some(renewal) = renewal {
        let status = renewal.response.status;
        expected.exchange.push(renewal.clone());
        if renewal.response.abort {
            // Nobody said no.
        } else if status == 200 {
            let new = renewal.response.text.unwrap_or_default();
            expected.after = Some(serde_json::json!({ "token": new }));
            call.token = Some(new);
        } else if status == 401 {
            expected.outcome = outcomes::refused(&renewal);
            return Ok(());
        }
    }
    goes_on(call, book, expected)
}

/// What the call is otherwise, it shows itself; where JS stopped before that, the same call of the seed.
fn goes_on(mut call: Case, book: &Rulebook, expected: &mut Expected) -> Result<(), String> {
    let token = call.token.clone().unwrap_or_default();
    if !call.exchange.is_empty() {
        call.exchange.iter_mut().for_each(|exchange| *exchange = sent_with(exchange, &token));
        let rest = super::expected(&call, book)?.ok_or("it is not run")?;
        let renewals = expected.exchange.len();
        expected.exchange.extend(rest.exchange);
        for exchange in &mut expected.exchange[renewals..] {
            exchange.issued_after = exchange.issued_after.map(|_| renewals);
        }
        expected.outcome = rest.outcome;
        return Ok(());
    }
    let Some(like) = book.plain_call(call.seed().unwrap_or_default(), &call.args) else {
        // Whatever is asked for: that it is asked for shows that the call goes on.
        let mut any = sent_with(&book.recorded("errors.pine.http_400").exchange[0], &token);
        any.check.any_request = true;
        expected.outcome = outcomes::refused(&any);
        expected.exchange.push(any);
        return Ok(());
    };
    for mut exchange in like.exchange {
        exchange.request.path = exchange.request.path.replace("/v6/", "/v7/");
        expected.exchange.push(sent_with(&exchange, &token));
    }
    expected.outcome = outcomes::recorded(&like.outcome, None);
    Ok(())
}

/// What a session token tells: when it was issued, when it expires.
fn claim(token: &str, name: &str) -> Option<i64> {
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
    serde_json::from_slice::<Value>(&bytes).ok()?[name].as_i64()
}
