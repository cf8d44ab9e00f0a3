//! What a real server answers: every row keeps what it says, every refusal becomes an error in its words.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test stops at the first surprise"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use balena_agent::rows;
use balena_agent::secrecy::SecretString;
use balena_agent::transport::{Body, BoxFuture, Request, Response, Transport, TransportError};
use balena_agent::{Balena, Error, Resource, RetryPolicy};
use bytes::Bytes;
use futures_util::stream;
use reading::{Reading, reread};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[path = "cloud_answers/play.rs"]
mod play;
#[path = "support/rows.rs"]
mod reading;
#[path = "cloud_answers/rule.rs"]
mod rule;
#[path = "cloud_answers/server.rs"]
mod server;

/// One exchange.
#[derive(Debug, Clone, Deserialize)]
struct Exchange {
    request: Asked,
    status: u16,
    content_type: Option<String>,
    retry_after: Option<String>,
    body: String,
}

#[derive(Debug, Clone, Deserialize)]
struct Asked {
    method: String,
    target: String,
}

fn exchanges() -> Vec<Exchange> {
    exchanges_of("tests/cases/cloud-answers.jsonl")
}

/// The exchanges in a file; a path that is not absolute begins in the project.
fn exchanges_of(file: &str) -> Vec<Exchange> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let text = fs::read_to_string(&file).unwrap_or_else(|why| panic!("{}: {why}", file.display()));
    text.lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| serde_json::from_str(line).expect("one exchange a line"))
        .collect()
}

impl Exchange {
    /// The resource that is asked for, without version and key.
    fn resource(&self) -> Option<&str> {
        let path =
            ["/v6/", "/v7/", "/resin/"].iter().find_map(|root| self.request.target.strip_prefix(root))?;
        path.split(['?', '(', '/']).next()
    }

    /// The rows of the answer.
    fn rows(&self) -> Vec<Value> {
        let body: Value = serde_json::from_str(&self.body).unwrap_or_default();
        match (self.request.method.as_str(), &body["d"]) {
            ("GET", Value::Array(rows)) => rows.clone(),
            ("POST", _) if self.status == 201 && body.is_object() => vec![body],
            _ => Vec::new(),
        }
    }
}

/// What is done with a row type once it is known which.
trait ByType {
    type Output;
    fn with<R: Resource + DeserializeOwned + Serialize + Send + 'static>(self) -> Self::Output;
}

struct Reread<'a>(&'a Value);

impl ByType for Reread<'_> {
    type Output = Reading;
    fn with<R: Resource + DeserializeOwned + Serialize + Send + 'static>(self) -> Reading {
        reread::<R>(self.0)
    }
}

/// Reads a row by the type of its resource; `None` if there is no such type.
fn read(resource: &str, row: &Value) -> Option<Reading> {
    by_type(resource, Reread(row))
}

/// Does it with the row type of a resource; `None` if there is no such type.
fn by_type<B: ByType>(resource: &str, what: B) -> Option<B::Output> {
    macro_rules! by_name {
        ($($row:ident)*) => {
            $(if resource == <rows::$row as Resource>::NAME {
                return Some(what.with::<rows::$row>());
            })*
        };
    }
    by_name! {
        ApiKey Application ApplicationConfigVariable ApplicationTag ApplicationType ApplicationVariable
        CpuArchitecture Device DeviceConfigVariable DeviceFamily DeviceManufacturer DeviceServiceVariable
        DeviceTag DeviceType DeviceTypeAlias DeviceVariable Image ImageInstall Organization
        OrganizationMembership Release ReleaseAsset ReleaseImage ReleaseTag Service ServiceInstall ServiceInstance
        ServiceVariable SshKey User
        ImageEnvironmentVariable ImageLabel ServiceLabel UserHasDirectAccessToApplication
    }
    None
}

/// Other names of resources.
const NOT_OURS: [&str; 3] = ["image__is_part_of__release", "my_application", "user_public_key"];

/// Columns that no row keeps, of a row or of one within: secrets that nobody asks for.
const NOT_KEPT: [&str; 3] = ["jwt_secret", "key", "password"];

#[test]
fn rows_keep_what_they_say() {
    let mut faults = Vec::new();
    let (mut count, mut unknown) = (0, BTreeSet::new());
    let more = exchanges_of("tests/cases/cloud-answers-2.jsonl");
    for exchange in exchanges().into_iter().chain(more) {
        let Some(resource) = exchange.resource() else { continue };
        for row in exchange.rows() {
            let Some(reading) = read(resource, &row) else {
                assert!(NOT_OURS.contains(&resource), "no row type for {resource}");
                continue;
            };
            count += 1;
            faults.extend(reading.misread.iter().map(|fault| format!("{resource}: {fault}")));
            unknown.extend(reading.unknown.into_iter().filter_map(|place| {
                let column = place.rsplit('.').next().unwrap_or_default();
                (!NOT_KEPT.contains(&column)).then(|| format!("{resource}.{place}"))
            }));
        }
    }
    assert!(count > 500, "{count} rows");
    assert!(faults.is_empty(), "misread:\n{}", faults.join("\n"));
    assert_eq!(unknown, BTreeSet::<String>::new(), "columns without a field");
}

/// Answers everything with one exchange, but for the look-up of a device.
#[derive(Debug)]
struct Answers(Exchange, Mutex<usize>);

impl Transport for Answers {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        let looked_up = request.method() == "GET" && self.0.request.method != "GET";
        let mut response = http::Response::builder();
        let body = if looked_up {
            r#"{"d":[{"id":3,"uuid":"u","belongs_to__application":[{"id":8}]}]}"#.to_owned()
        } else {
            *self.1.lock().unwrap() += 1;
            response = response.status(self.0.status);
            let headers = [("content-type", &self.0.content_type), ("retry-after", &self.0.retry_after)];
            for (name, value) in headers {
                response = value.iter().fold(response, |response, value| response.header(name, value));
            }
            self.0.body.clone()
        };
        let body = Body::new(stream::iter([Ok(Bytes::from(body))]));
        Box::pin(async move { Ok(response.body(body).expect("a recorded answer is a valid one")) })
    }
}

/// A call of the same kind, for that answer.
async fn call(exchange: &Exchange) -> Error {
    let transport = Arc::new(Answers(exchange.clone(), Mutex::default()));
    let balena = Balena::builder()
        .transport(transport.clone())
        .token(SecretString::from("t0ken"))
        .retry(RetryPolicy::never())
        .build();
    let result = match exchange.request.method.as_str() {
        "GET" => balena.device().get_all().await.map(drop),
        "PATCH" => balena.device().rename(3, "name").await,
        "DELETE" => balena.device().remove(3).await,
        _ if exchange.request.target.starts_with("/supervisor/") => balena.device().identify(3).await,
        _ => balena.api_key().create("name").await.map(drop),
    };
    assert_eq!(*transport.1.lock().unwrap(), 1, "{exchange:?} was not what was answered");
    result.expect_err(&format!("{exchange:?} went well"))
}

#[tokio::test]
async fn refusals_name_the_status_and_the_words() {
    let mut count = 0;
    for exchange in exchanges().iter().filter(|exchange| exchange.status >= 300) {
        let error = call(exchange).await;
        count += 1;
        assert_eq!(error.status(), Some(exchange.status), "{error}");
        let said = match serde_json::from_str(&exchange.body) {
            Ok(Value::String(words)) => words,
            Ok(Value::Object(fields)) => {
                let words = ["Error", "error"].iter().find_map(|name| fields.get(*name)?.as_str());
                words.expect("every recorded object has words").to_owned()
            }
            _ => exchange.body.trim().to_owned(),
        };
        assert_eq!(error.body(), Some(said.as_str()), "{error}");
        let text = error.to_string();
        let first = rule::line(&said);
        assert!(text.contains(&exchange.status.to_string()) && text.contains(&first), "{text} lacks {first}");
        let wait = exchange.retry_after.as_ref().map(|seconds| seconds.parse().unwrap());
        assert_eq!(error.retry_after().map(|wait| wait.as_secs()), wait, "{text}");
    }
    assert!(count > 100, "{count} refusals");
}

/// Every exchange of the recorded files, or of the one that `CLOUD_ANSWERS` names, through a server on this machine.
#[tokio::test]
async fn every_exchange_is_played() {
    let files = match std::env::var("CLOUD_ANSWERS") {
        Ok(file) => vec![std::path::absolute(file).unwrap().to_str().unwrap().to_owned()],
        Err(_) => ["cloud-answers.jsonl", "cloud-answers-2.jsonl"]
            .map(|name| format!("tests/cases/{name}"))
            .to_vec(),
    };
    let server = server::Server::start().await;
    let (mut passed, mut failures) = (0, Vec::new());
    for file in &files {
        for (number, exchange) in exchanges_of(file).into_iter().enumerate() {
            match play::play(&server, &exchange).await {
                Ok(()) => passed += 1,
                Err(why) => {
                    let Asked { method, target } = &exchange.request;
                    let target: String = target.chars().take(100).collect();
                    failures.push(format!(
                        "{file}:{}: {method} {target} {}: {why}",
                        number + 1,
                        exchange.status
                    ));
                }
            }
        }
    }
    for failure in &failures {
        println!("FAILED {failure}");
    }
    println!("{passed} passed, {} failed", failures.len());
    assert!(passed > 0 && failures.is_empty(), "see above");
}
