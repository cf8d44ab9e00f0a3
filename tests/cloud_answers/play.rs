//! Plays one exchange to a call of the same kind and judges what comes of it.

use balena_agent::secrecy::SecretString;
use balena_agent::{ApiVersion, Balena, Error, Resource, RetryPolicy, Settings};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::reading::compared;
use super::server::Server;
use super::{ByType, Exchange, by_type, rule};

const UUID: &str = "8deb12a58e3b6d3920db1c2b6303d1ff";

/// # Errors
/// What is wrong.
pub(crate) async fn play(server: &Server, exchange: &Exchange) -> Result<(), String> {
    let is_v7 = exchange.request.target.starts_with("/v7/");
    let settings = Settings {
        api_endpoint: Some(server.url.clone()),
        api_version: if is_v7 { ApiVersion::V7 } else { ApiVersion::V6 },
        ..Settings::default()
    };
    let builder = Balena::builder().settings(settings).token(SecretString::from("t0ken"));
    let balena = builder.retry(RetryPolicy::never()).build();
    server.play(exchange.clone());
    // A stream is recorded by its name only.
    if exchange.body == "<stream>" && exchange.status < 300 {
        return Ok(());
    }
    let result = if exchange.status >= 300 {
        refused(&balena, exchange).await
    } else {
        answered(&balena, server, exchange).await
    };
    if server.played() != 1 {
        return Err(format!("it was asked for {} times", server.played()));
    }
    result
}

/// A call that the exchange refuses.
async fn refused(balena: &Balena, exchange: &Exchange) -> Result<(), String> {
    let (method, target) = (exchange.request.method.as_str(), exchange.request.target.as_str());
    let result = match method {
        "GET" if exchange.resource().is_some() => balena.device().get_all().await.map(drop),
        "GET" if is_logs(target) => balena.logs().history(UUID).await.map(drop),
        "GET" if target.starts_with("/actor/v1/whoami") => balena.auth().whoami().await.map(drop),
        "GET" if is_state(target) => balena.device().get_supervisor_target_state(3).await.map(drop),
        "GET" => balena.config().get_all().await.map(drop),
        "PATCH" | "PUT" => balena.device().rename(3, "name").await,
        "DELETE" => balena.device().remove(3).await,
        _ if target.starts_with("/supervisor/") => balena.device().identify(3).await,
        _ if exchange.resource().is_some() => balena.organization().create("name").await.map(drop),
        _ if target.starts_with("/application/") => balena.application().restart(3).await,
        _ => balena.api_key().create("name").await.map(drop),
    };
    match result {
        Ok(()) => Err("it went well".to_owned()),
        // How the server says that a device is gone.
        Err(error) if exchange.status == 304 && is_state(target) => {
            if error.is_not_found() {
                Ok(())
            } else {
                Err(error.to_string())
            }
        }
        Err(error) => rule::check(exchange, &error),
    }
}

fn is_logs(target: &str) -> bool {
    target.starts_with("/device/v2/") && target.split('?').next().is_some_and(|path| path.ends_with("/logs"))
}

fn is_state(target: &str) -> bool {
    target.starts_with("/device/v") && target.split('?').next().is_some_and(|path| path.ends_with("/state"))
}

/// A call that the exchange answers.
async fn answered(balena: &Balena, server: &Server, exchange: &Exchange) -> Result<(), String> {
    let (method, target) = (exchange.request.method.as_str(), exchange.request.target.as_str());
    let body: Option<Value> = serde_json::from_str(&exchange.body).ok();
    let went = |result: Result<(), Error>| result.map_err(|error| error.to_string());
    match (method, exchange.resource()) {
        ("GET", Some(resource)) => match body.as_ref().map(|body| &body["d"]) {
            Some(Value::Array(rows)) => read(balena, resource, rows).await,
            Some(Value::Number(count)) => {
                let counted = balena.organization().membership().get_all().count().await;
                let counted = counted.map_err(|error| error.to_string())?;
                if Some(counted) == count.as_u64() { Ok(()) } else { Err(format!("counted {counted}")) }
            }
            _ => match balena.device().get_all().await {
                Err(error) if error.is_decode() => Ok(()),
                other => Err(format!("an answer that is none is read as {other:?}")),
            },
        },
        // A row that was made is read as one that is read.
        ("POST", Some(resource)) if body.as_ref().is_some_and(Value::is_object) => {
            let row = body.unwrap_or_default();
            let mut again = exchange.clone();
            "GET".clone_into(&mut again.request.method);
            again.body = json!({ "d": [row] }).to_string();
            again.status = 200;
            server.play(again);
            read(balena, resource, &[row]).await
        }
        ("PATCH" | "PUT", _) => went(balena.device().rename(3, "name").await),
        ("DELETE", _) => went(balena.device().remove(3).await),
        ("POST", None) if target.starts_with("/supervisor/") => proxied(balena, exchange, body).await,
        ("GET", None) if body.is_some() && is_logs(target) => {
            let logs = balena.logs().history(UUID).await.map_err(|error| error.to_string())?;
            let count = body.as_ref().and_then(Value::as_array).map(Vec::len);
            if Some(logs.len()) == count { Ok(()) } else { Err(format!("{} of {count:?} lines", logs.len())) }
        }
        ("GET", None) if body.is_some() && target.starts_with("/actor/v1/whoami") => {
            went(balena.auth().whoami().await.map(drop))
        }
        ("GET", None) if body.is_some() && is_state(target) => {
            went(balena.device().get_supervisor_target_state(3).await.map(drop))
        }
        ("GET", None) if body.is_some() && target == "/config/vars" => {
            went(balena.config().get_config_var_schema().await.map(drop))
        }
        ("GET", None) if body.is_some() && target == "/device-types/v1" => {
            went(balena.config().get_device_types().await.map(drop))
        }
        _ => match body {
            Some(body) => {
                let read = balena.config().get_all().decode::<Value>().await;
                let read = read.map_err(|error| error.to_string())?;
                if read == body { Ok(()) } else { Err(format!("{body} is read as {read}")) }
            }
            // Tokens and keys as bare text, and what has no body: nothing to read.
            None => match balena.config().get_all().decode::<Value>().await {
                Err(error) if error.is_decode() => Ok(()),
                other => Err(format!("{:?} is read as {other:?}", exchange.body)),
            },
        },
    }
}

/// An answer of the device; a list is that of several.
async fn proxied(balena: &Balena, exchange: &Exchange, body: Option<Value>) -> Result<(), String> {
    let parts = body.as_ref().and_then(Value::as_array).filter(|_| exchange.status == 207);
    let all_took_it = parts
        .is_none_or(|parts| parts.iter().all(|part| matches!(part["statusCode"].as_u64(), Some(200..300))));
    let told = body.as_ref().and_then(|body| body["Error"].as_str()).filter(|told| !told.is_empty());
    match (balena.device().identify(3).await, all_took_it && told.is_none()) {
        (Ok(()), true) | (Err(_), false) => Ok(()),
        (Err(error), true) => Err(error.to_string()),
        (Ok(()), false) => Err("a refusal is no success".to_owned()),
    }
}

struct ReadRows<'a>(&'a Balena);

type Rows = std::pin::Pin<Box<dyn Future<Output = Result<Vec<Value>, Error>>>>;

impl ByType for ReadRows<'_> {
    type Output = Rows;
    fn with<R: Resource + DeserializeOwned + Serialize + Send + 'static>(self) -> Rows {
        let list = self.0.device().get_all().rows::<R>();
        Box::pin(async move {
            let rows = list.await?;
            Ok(rows.into_iter().map(|row| serde_json::to_value(row).expect("rows are JSON")).collect())
        })
    }
}

/// Reads rows into the type of their resource, and holds each column against what was answered. A resource of no
/// type, and a column that a type does not have, say nothing.
async fn read(balena: &Balena, resource: &str, rows: &[Value]) -> Result<(), String> {
    let typed = match by_type(resource, ReadRows(balena)) {
        Some(typed) => typed.await,
        None => balena.device().get_all().rows::<Value>().await,
    };
    let typed = typed.map_err(|error| error.to_string())?;
    if typed.len() != rows.len() {
        return Err(format!("{} of {} rows", typed.len(), rows.len()));
    }
    for (row, typed) in rows.iter().zip(&typed) {
        let reading = compared(row, typed);
        if !reading.misread.is_empty() {
            return Err(reading.misread.join("; "));
        }
    }
    Ok(())
}
