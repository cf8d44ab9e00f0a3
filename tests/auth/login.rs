//! Logging in: what is refused, what is no token, and what is never shown.

use balena_agent::secrecy::ExposeSecret as _;
use balena_agent::{ApiVersion, Balena, Credentials, Error, ErrorKind, RetryPolicy};
use serde_json::json;
use tracing::Level;

use crate::record::Recorder;
use crate::support::{Answer, Cloud, answer, session, session_of_age, token_of};

const PASSWORD: &str = r#"p&ss "w"/é<x>"#;

/// Everything that asks for a token, and whether that is kept. `None`: a token came back.
async fn exchanges(balena: &Balena) -> Vec<(&'static str, Option<Error>)> {
    let auth = balena.auth();
    let factor = auth.two_factor();
    vec![
        ("authenticate", auth.authenticate(("me", PASSWORD)).await.err()),
        ("login", auth.login(("me", PASSWORD)).await.err()),
        ("register", auth.register(Credentials::for_email("me@x.y", PASSWORD)).await.err()),
        ("verify_email", auth.verify_email("me@x.y", PASSWORD).await.err()),
        ("verify", factor.verify(PASSWORD).await.err()),
        ("enable", factor.enable(PASSWORD).await.err()),
        ("challenge", factor.challenge(PASSWORD).await.err()),
        ("disable", factor.disable(PASSWORD).await.err()),
        ("refresh_login", auth.refresh_login(PASSWORD).await.err()),
    ]
}

fn assert_silent(what: &str, error: &Error, secrets: &[&str]) {
    let mut texts =
        vec![error.to_string(), format!("{error:?}"), error.body().unwrap_or_default().to_owned()];
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        texts.extend([inner.to_string(), format!("{inner:?}")]);
        cause = inner.source();
    }
    for text in texts {
        assert!(!secrets.iter().any(|secret| text.contains(secret)), "{what}: {text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_an_error_and_the_old_token_stays() {
    for (status, kind) in [
        (400, ErrorKind::Rejected),
        (401, ErrorKind::Unauthorized),
        (403, ErrorKind::Unauthorized),
        (404, ErrorKind::NotFound),
        (409, ErrorKind::Conflict),
        (422, ErrorKind::Rejected),
        (429, ErrorKind::RateLimited),
        (500, ErrorKind::Server),
        (503, ErrorKind::Server),
    ] {
        let cloud = Cloud::new(move |_, _| answer(status, "Unauthorized"));
        let balena = cloud.client(Some("old"));
        for (what, error) in exchanges(&balena).await {
            let error = error.unwrap_or_else(|| panic!("{what}: {status}"));
            assert_eq!((error.kind(), error.status()), (kind, Some(status)), "{what}: {error}");
            assert!(error.advice().is_some() || kind != ErrorKind::Unauthorized, "{what}: {error}");
        }
        assert_eq!(token_of(&balena).as_deref(), Some("old"));
        let nobody = cloud.client(None);
        assert!(nobody.auth().login(("me", PASSWORD)).await.is_err());
        assert_eq!(token_of(&nobody), None);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_no_token_is_never_kept() {
    let page = "<!DOCTYPE html><html><body>Log in to the WiFi</body></html>";
    for body in [
        "",
        " \n",
        "null",
        "{}",
        "[]",
        r#"{"token":"x"}"#,
        "\"\"",
        "\"two words\"",
        "Request error: no",
        "OK",
        "Unauthorized",
        "\"Forbidden\"",
        "true",
        "404",
        page,
        "a\tb",
        "\u{e9}",
        "a\u{7f}b",
        "{\"broken",
        "line\nline",
    ] {
        let cloud = Cloud::new(move |_, _| answer(200, body));
        let balena = cloud.client(Some("old"));
        for (what, error) in exchanges(&balena).await {
            let error = error.unwrap_or_else(|| panic!("{what}: {body:?}"));
            assert!(error.is_decode() && error.was_sent(), "{what} {body:?}: {error}");
            assert!(body.trim().len() < 8 || !format!("{error:?}").contains(body), "{what}: shows {body:?}");
        }
        assert_eq!(token_of(&balena).as_deref(), Some("old"), "{body:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_comes_is_kept_where_it_is_promised() {
    for body in ["new-token", "\"new-token\"", "new-token\n"] {
        let cloud = Cloud::new(move |_, _| answer(200, body));
        for (index, kept) in
            [false, true, false, false, false, true, true, true, true].into_iter().enumerate()
        {
            let balena = cloud.client(Some("old"));
            let auth = balena.auth();
            match index {
                0 => drop(auth.authenticate(("me", "x")).await.unwrap()),
                1 => auth.login(("me", "x")).await.unwrap(),
                2 => drop(auth.register(Credentials::for_email("me@x.y", "x")).await.unwrap()),
                3 => drop(auth.verify_email("me@x.y", "x").await.unwrap()),
                4 => drop(auth.two_factor().verify("1").await.unwrap()),
                5 => drop(auth.two_factor().enable("1").await.unwrap()),
                6 => auth.two_factor().challenge("1").await.unwrap(),
                7 => drop(auth.two_factor().disable("x").await.unwrap()),
                _ => auth.refresh_login("x").await.unwrap(),
            }
            let expected = if kept { "new-token" } else { "old" };
            assert_eq!(token_of(&balena).as_deref(), Some(expected), "{index}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_text_repeats_a_password_a_code_or_a_token() {
    let html = PASSWORD.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let json = serde_json::Value::from(PASSWORD).to_string();
    let repeated = [
        format!("wrong password {PASSWORD} for me"),
        format!(r#"{{"message":"wrong","password":{json}}}"#),
        format!("<html>{html}</html>"),
        format!("<title>{html}</title>"),
        "password=p%26ss%20%22w%22%2F%C3%A9%3Cx%3E".to_owned(),
    ];
    for body in repeated {
        for status in [400, 401, 500] {
            let body = body.clone();
            let cloud = Cloud::new(move |_, _| answer(status, body.clone()));
            for (what, error) in exchanges(&cloud.client(Some("t0ken-0f-old"))).await {
                let secrets = [PASSWORD, &html, "p&ss", "p%26ss", "p&amp;ss", "t0ken-0f-old"];
                assert_silent(what, &error.unwrap(), &secrets);
            }
        }
    }
    // A page with status 200.
    let page = format!("<title>wrong password {html}</title>");
    let cloud = Cloud::new(move |_, _| answer(200, page.clone()));
    for (what, error) in exchanges(&cloud.client(Some("t0ken-0f-old"))).await {
        assert_silent(what, &error.unwrap(), &[PASSWORD, &html, "p&ss", "p&amp;ss"]);
    }
    // The server repeats the token of the request.
    let cloud = Cloud::new(|_, _| answer(401, "bad token t0ken-0f-old"));
    let balena = cloud.client(Some("t0ken-0f-old"));
    let error = balena.auth().whoami().await.unwrap_err();
    assert_silent("whoami", &error, &["t0ken-0f-old"]);
    for text in [
        format!("{balena:?}"),
        format!("{:?}", balena.auth()),
        format!("{:?}", balena.settings()),
        format!("{:?}", balena.settings().get_all().unwrap()),
        format!("{:?}", balena.settings().get("token").unwrap()),
        format!("{:?}", Balena::builder().token("t0ken-0f-old".into()).proxy("http://u:t0ken-0f-old@p:1")),
        format!("{:?}", Credentials::new("me", "t0ken-0f-old")),
        format!("{:?}", balena.auth().login(("me", "t0ken-0f-old"))),
    ] {
        assert!(!text.contains("t0ken-0f-old"), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_that_is_logged_shows_a_secret() {
    let old = session_of_age(7200);
    let said = Recorder::default();
    let _guard = tracing::subscriber::set_default(said.clone());
    for status in [200, 302, 401, 407, 429, 503] {
        let token = old.clone();
        let cloud = Cloud::new(move |call, _| {
            let password = if call.starts_with("POST ") { PASSWORD } else { "" };
            answer(status, format!("{password} {token}"))
        });
        let balena =
            cloud.client_that(|builder| builder.retry(RetryPolicy::standard()).token(old.clone().into()));
        drop(exchanges(&balena).await);
        drop(balena.organization().get_all().await);
    }
    let said = said.texts(Level::TRACE);
    assert!(!said.is_empty(), "nothing was recorded");
    for text in said {
        assert!(!text.contains(PASSWORD) && !text.contains(&old), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_builders_token_is_looked_at_like_any_other() {
    let cloud = Cloud::new(|_, _| answer(200, r#"{"d":[]}"#));
    let balena = cloud.client(Some("from-a-file\n"));
    balena.organization().get_all().await.unwrap();
    assert_eq!(cloud.tokens(), ["from-a-file"]);
    for text in ["", " ", "two words", "a\nb", "<html>"] {
        let error = Balena::builder().token(text.into()).try_build().unwrap_err();
        assert!(error.is_invalid_argument(), "{text:?}: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_login_is_sent_once_and_not_sent_on() {
    let broken = Cloud::new(|_, _| Answer::Breaks);
    let error = broken.client(None).auth().login(("me", "x")).await.unwrap_err();
    assert!(error.is_unknown_outcome(), "{error}");
    assert_eq!(broken.asked(), ["POST /login_"]);
    assert_eq!(broken.tokens(), [""], "a login has no token of its own");
}

#[tokio::test(start_paused = true)]
async fn a_login_is_made_fresh_with_the_password_and_sent_once() {
    for api_version in [ApiVersion::V6, ApiVersion::V7] {
        let cloud = Cloud::new(|_, _| answer(200, "fresh-token"));
        let balena = cloud.client_of(Some("old"), api_version);
        balena.auth().refresh_login(PASSWORD).await.unwrap();
        assert_eq!(cloud.asked(), ["POST /user/v1/refresh-token"]);
        assert_eq!(
            (cloud.tokens(), cloud.bodies()),
            (vec!["old".to_owned()], vec![json!({ "password": PASSWORD })])
        );
        assert_eq!(token_of(&balena).as_deref(), Some("fresh-token"));
    }
    let broken = Cloud::new(|_, _| Answer::Breaks);
    let balena = broken.client(Some("old"));
    let error = balena.auth().refresh_login(PASSWORD).await.unwrap_err();
    assert!(error.is_unknown_outcome() && broken.asked().len() == 1, "{error}");
    assert_eq!(token_of(&balena).as_deref(), Some("old"));
    let nobody = Cloud::new(|_, _| answer(200, "fresh-token"));
    let error = nobody.client(None).auth().refresh_login(PASSWORD).await.unwrap_err();
    assert!(error.is_unauthorized() && nobody.asked().is_empty(), "{error}");
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_from_the_start_is_not_sent() {
    let cloud = Cloud::new(|_, _| answer(200, "x"));
    let balena = cloud.client(Some("old"));
    let auth = balena.auth();
    for text in ["", "  ", "two words", "a\nb", "<html>", "{\"a\":1}", "\u{e9}"] {
        let error = auth.login_with_token(text).unwrap_err();
        assert!(error.is_invalid_argument(), "{text:?}: {error}");
        assert!(balena.settings().set("token", text).unwrap_err().is_invalid_argument(), "{text:?}");
        if !text.trim().is_empty() {
            assert!(!error.to_string().contains(text), "{error}");
        }
    }
    for error in [
        auth.two_factor().enable("").await.unwrap_err(),
        auth.two_factor().verify(" ").await.unwrap_err(),
        auth.two_factor().challenge("").await.unwrap_err(),
        auth.two_factor().disable("").await.unwrap_err(),
        auth.verify_email("", "t").await.unwrap_err(),
        auth.verify_email("me@x.y", " ").await.unwrap_err(),
    ] {
        assert!(error.is_invalid_argument(), "{error}");
    }
    let nobody = cloud.client(None);
    let factor = nobody.auth().two_factor();
    for error in [
        factor.enable("1").await.unwrap_err(),
        factor.disable("x").await.unwrap_err(),
        factor.get_setup_key().await.unwrap_err(),
        factor.is_enabled().unwrap_err(),
        factor.is_passed().unwrap_err(),
        nobody.auth().whoami().await.unwrap_err(),
        nobody.auth().request_verification_email().await.unwrap_err(),
    ] {
        assert!(error.is_unauthorized() && !error.was_sent(), "{error}");
    }
    assert_eq!(cloud.asked(), [""; 0]);
    // A line break at its end comes with a token from a file.
    auth.login_with_token(" new\n").unwrap();
    assert_eq!(token_of(&balena).as_deref(), Some("new"));
}

#[tokio::test(start_paused = true)]
async fn who_still_has_to_pass_the_second_factor_is_told() {
    let cloud = Cloud::new(|call, _| match call {
        "POST /login_" => answer(200, session(r#"{"iat":1718452800,"twoFactorRequired":true}"#)),
        "POST /auth/totp/verify" => answer(200, session(r#"{"iat":1718452800,"twoFactorRequired":false}"#)),
        _ => answer(401, "Unauthorized"),
    });
    let balena = cloud.client(None);
    let factor = balena.auth().two_factor();
    balena.auth().login(("me", "x")).await.unwrap();
    assert!(factor.is_enabled().unwrap() && !factor.is_passed().unwrap());
    for error in
        [balena.auth().whoami().await.unwrap_err(), balena.organization().get_all().await.unwrap_err()]
    {
        assert!(error.advice().unwrap().contains("challenge"), "{error}");
    }
    factor.challenge("123456").await.unwrap();
    assert!(factor.is_enabled().unwrap() && factor.is_passed().unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_setup_key_is_found_wherever_it_stands() {
    let get = |body: &'static str| async move {
        let cloud = Cloud::new(move |_, _| answer(200, body));
        cloud.client(Some("x")).auth().two_factor().get_setup_key().await
    };
    for body in [
        "otpauth://totp/b:u?secret=JBSWY3DP&issuer=b",
        "otpauth://totp/b:u?issuer=b&secret=JBSWY3DP",
        "\"otpauth://totp/b:u?secret=JBSWY3DP\"",
        "secret=JBSWY3DP",
        "JBSWY3DP",
    ] {
        assert_eq!(get(body).await.unwrap().expose_secret(), "JBSWY3DP", "{body}");
    }
    for body in ["", "{}", "<html>", "otpauth://totp/b:u?issuer=b", "otpauth://totp/b?secret="] {
        assert!(get(body).await.unwrap_err().is_decode(), "{body}");
    }
}
