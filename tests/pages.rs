//! A page of a portal or a login page of a proxy, with status 200, is never a success.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::sync::Arc;

use balena_agent::transport::{Body, BoxFuture, Request, Response, Transport, TransportError};
use balena_agent::{Balena, Error, RetryPolicy};
use futures_util::stream;
use serde_json::json;

const UUID: &str = "8deb12a58e3b6d3920db1c2b6303d1ff";

/// Answers what only finds out ids and addresses, and everything else with a page.
#[derive(Debug)]
struct Portal {
    page: &'static str,
    content_type: Option<&'static str>,
}

impl Transport for Portal {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        let path = request.uri().path();
        let is_look_up = request.method() == "GET" && path.starts_with("/v");
        let asset = if path.contains("8878") { "page.html" } else { "fw.bin" };
        let href = format!("https://storage.example/{asset}");
        let row = json!({
            "id": 5, "uuid": UUID, "slug": "raspberrypi3", "belongs_to__application": [{"id": 7}],
            "supervisor_version": "14.0.0", "asset": {"filename": "x", "href": href},
        });
        let mut answer = http::Response::builder().status(200);
        let body = if is_look_up {
            json!({ "d": [row] }).to_string()
        } else {
            if let Some(content_type) = self.content_type {
                answer = answer.header("content-type", content_type);
            }
            self.page.to_owned()
        };
        let body = Body::new(stream::iter([Ok(body.into_bytes().into())]));
        Box::pin(async move { Ok(answer.body(body).unwrap()) })
    }
}

fn behind(page: &'static str, content_type: Option<&'static str>) -> Balena {
    let builder = Balena::builder().token("t0ken".into()).retry(RetryPolicy::never());
    builder.transport(Arc::new(Portal { page, content_type })).build()
}

/// Writes and calls whose answer says nothing that matters, with whether it must not be sent twice.
async fn calls(balena: &Balena) -> Vec<(&'static str, bool, Result<(), Error>)> {
    vec![
        ("rename", false, balena.device().rename(5, "x").await),
        ("remove", false, balena.device().remove(5).await.map(drop)),
        ("tag", true, balena.device().tags().set(5, "k", "v").await),
        ("remove tag", false, balena.device().tags().remove(5, "k").await),
        ("note", false, balena.device().set_note(5, "x").await.map(drop)),
        ("create", true, balena.application().create("a", "raspberrypi3", "org").await.map(drop)),
        ("restart application", true, balena.application().restart(7).await),
        ("reboot", true, balena.device().reboot(5).await),
        ("accept", true, balena.application().invite().accept("invitation").await),
        ("create key", true, balena.api_key().create("x").await.map(drop)),
        ("revoke key", false, balena.api_key().revoke(7).await),
        ("config", false, balena.config().get_all().await.map(drop)),
        ("history", false, balena.logs().history(UUID).await.map(drop)),
        ("invoice", false, balena.billing().download_invoice(5, "1").await.map(drop)),
    ]
}

#[tokio::test]
async fn a_page_instead_of_an_answer_is_no_success() {
    for (page, said) in [
        (
            "<html><head><title>Sign in to Wi-Fi</title></head></html>",
            "Sign in to Wi-Fi (an HTML page), from something in front of the API",
        ),
        ("<!DOCTYPE html>\n<html><body>sign in", "an HTML page, from something in front of the API"),
    ] {
        for content_type in [None, Some("text/html; charset=utf-8"), Some("application/json")] {
            for (call, once, result) in calls(&behind(page, content_type)).await {
                let error = result.expect_err(call);
                let text = error.to_string();
                assert!(error.is_decode() && error.was_sent(), "{call}: {text}");
                assert!(
                    text.contains(&format!("status 200 with an answer that can't be read: it is {said}")),
                    "{call}: {text}"
                );
                assert_eq!(text.contains("not known whether it took effect"), once, "{call}: {text}");
            }
        }
    }
}

#[tokio::test]
async fn a_log_that_is_a_page_ends_with_an_error() {
    for content_type in [None, Some("text/html")] {
        for page in
            ["<html><head><title>Portal</title></head></html>\n<p>", "<!DOCTYPE html><title>Portal</title>"]
        {
            let portal = Portal { page, content_type };
            // What comes is a page each time: the stream does not go on for ever.
            let builder = Balena::builder().token("t0ken".into()).transport(Arc::new(portal));
            let mut log = builder.build().logs().subscribe(UUID).await.unwrap();
            let error = log.next().await.unwrap().unwrap_err();
            assert!(error.is_decode() && error.to_string().contains("Portal (an HTML page)"), "{error}");
            assert!(log.next().await.is_none());
        }
    }
}

#[tokio::test]
async fn a_file_that_is_a_page_is_not_the_file_unless_it_is_called_so() {
    let page = "<html><head><title>Portal</title></head></html>";
    for content_type in ["text/html", "Text/HTML; charset=utf-8"] {
        let balena = behind(page, Some(content_type));
        for result in [
            balena.os().download("raspberrypi3").version("2.98.33").await,
            balena.release().asset().download(8877).await,
        ] {
            let error = result.map(drop).unwrap_err();
            assert!(error.is_decode() && error.to_string().contains("Portal (an HTML page)"), "{error}");
        }
        drop(balena.release().asset().download(8878).await.unwrap());
    }
    // A file may begin as it likes.
    let balena = behind(page, Some("application/octet-stream"));
    drop(balena.release().asset().download(8877).await.unwrap());
}
