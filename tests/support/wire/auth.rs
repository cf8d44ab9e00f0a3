//! Logins and settings.

use balena_agent::secrecy::ExposeSecret as _;
use balena_agent::{Auth, Balena, Credentials, Setting};
use serde_json::{Map, Value};

use super::args::{Args, Failure, Outcome, json, unit};

/// Makes the call; `None` if it is not one of these.
pub(crate) async fn call(balena: &Balena, function: &str, args: &Args) -> Option<Outcome> {
    if let Some(function) = function.strip_prefix("settings.") {
        return settings(balena, function, args).transpose();
    }
    let function = function.strip_prefix("auth.")?;
    match function.strip_prefix("two_factor.") {
        Some(function) => two_factor(balena, function, args).await.transpose(),
        None => auth(&balena.auth(), function, args).await.transpose(),
    }
}

type Found = Result<Option<Value>, Failure>;

async fn auth(auth: &Auth, function: &str, args: &Args) -> Found {
    Ok(Some(match function {
        "authenticate" => auth.authenticate(credentials(args)?).await?.expose_secret().into(),
        "login" => unit(auth.login(credentials(args)?).await)?,
        "login_with_token" => unit(auth.login_with_token(args.text(0, "token")?))?,
        "logout" => unit(auth.logout())?,
        "register" => auth.register(credentials(args)?).await?.expose_secret().into(),
        "whoami" => json(auth.whoami().await)?,
        "get_user_info" => json(auth.get_user_info().await)?,
        "get_actor_id" => json(auth.get_actor_id().await)?,
        "is_logged_in" => json(auth.is_logged_in().await)?,
        "get_token" => auth.get_token()?.map_or(Value::Null, |token| token.expose_secret().into()),
        _ => return Ok(None),
    }))
}

/// They come by name, whatever they are.
fn credentials(args: &Args) -> Result<Credentials, Failure> {
    let fields = args.named.iter();
    fields
        .map(|(name, value)| match value {
            Value::String(text) => Ok((name, text.clone())),
            _ => Err(Failure::NoSuchType(format!("{name}: {value}"))),
        })
        .try_fold(Credentials::default(), |all, field| field.map(|(name, text)| all.field(name, text)))
}

async fn two_factor(balena: &Balena, function: &str, args: &Args) -> Found {
    let two_factor = balena.auth().two_factor();
    Ok(Some(match function {
        "is_enabled" => two_factor.is_enabled()?.into(),
        "is_passed" => two_factor.is_passed()?.into(),
        "get_setup_key" => two_factor.get_setup_key().await?.expose_secret().into(),
        "enable" => two_factor.enable(args.text(0, "code")?).await?.expose_secret().into(),
        "verify" => two_factor.verify(args.text(0, "code")?).await?.expose_secret().into(),
        "challenge" => unit(two_factor.challenge(args.text(0, "code")?).await)?,
        "disable" => two_factor.disable(args.text(0, "password")?).await?.expose_secret().into(),
        _ => return Ok(None),
    }))
}

fn settings(balena: &Balena, function: &str, args: &Args) -> Found {
    let settings = balena.settings();
    Ok(Some(match function {
        "has" => settings.has(&args.text(0, "key")?)?.into(),
        "get" => plain(&settings.get(&args.text(0, "key")?)?),
        "get_all" => all(balena)?,
        "set" => {
            let value = match args.get(1, "value") {
                Some(Value::String(text)) => Setting::from(text.as_str()),
                Some(Value::Bool(flag)) => Setting::from(*flag),
                other => return Err(Failure::NoSuchType(format!("value: {other:?}"))),
            };
            unit(settings.set(&args.text(0, "key")?, value))?
        }
        "remove" => settings.remove(&args.text(0, "key")?)?.into(),
        _ => return Ok(None),
    }))
}

/// All settings, as the SDK has them.
pub(crate) fn all(balena: &Balena) -> balena_agent::Result<Value> {
    let all = balena.settings().get_all()?;
    Ok(Value::Object(all.iter().map(|(name, value)| (name.clone(), plain(value))).collect::<Map<_, _>>()))
}

fn plain(value: &Setting) -> Value {
    match value {
        Setting::Flag(flag) => (*flag).into(),
        other => other.expose().into(),
    }
}
