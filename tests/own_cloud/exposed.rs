//! A key over plain HTTP, and the proxy in what fails.

use std::time::Duration;

use balena_agent::{Balena, Builder, RetryPolicy, Settings};

use super::servers::Proxy;
use super::{ask, at, environment};

fn to(endpoint: &str) -> Builder {
    let settings = Settings { api_endpoint: Some(endpoint.to_owned()), ..Settings::default() };
    Balena::builder().settings(settings).retry(RetryPolicy::never())
}

#[tokio::test]
async fn a_key_goes_over_plain_http_only_where_that_is_allowed() {
    let proxy = Proxy::start(1).await;
    let way = format!("http://localhost:{}", proxy.port);
    let plain = || to("http://api.own.example").proxy(way.as_str());
    let with_token = || plain().token("t0ken".into());
    let error = ask(with_token()).await.unwrap_err();
    assert!(error.is_config() && error.to_string().contains("api.own.example over plain http"), "{error}");
    assert!(error.advice().unwrap().contains("AGENT_ALLOW_HTTP=1"), "{error}");
    let keyed = |allow| {
        environment([
            ("BALENA_API_KEY", "k"),
            ("BALENA_API_URL", "http://api.own.example"),
            ("http_proxy", way.as_str()),
            ("AGENT_ALLOW_HTTP", allow),
        ])
    };
    for builder in
        [with_token(), Balena::builder().environment(keyed("0")), Balena::builder().environment(keyed(""))]
    {
        let balena = builder.build();
        for error in [
            balena.organization().get_all().await.map(drop).unwrap_err(),
            balena.auth().whoami().await.map(drop).unwrap_err(),
            balena.device().rename(3, "x").await.unwrap_err(),
            balena.auth().authenticate(("me", "pass")).await.map(drop).unwrap_err(),
        ] {
            assert!(error.is_config() && !error.was_sent(), "{error}");
        }
    }
    assert_eq!(proxy.asked(), [""; 0], "a key went out");
    ask(with_token().allow_http()).await.unwrap();
    ask(Balena::builder().environment(keyed("1"))).await.unwrap();
    // What is public needs no key.
    ask(plain()).await.unwrap();
    assert_eq!(proxy.asked().len(), 3);
    // This machine is no other.
    let error = ask(to("http://localhost:1").token("t0ken".into())).await.unwrap_err();
    assert!(error.is_unreachable(), "{error}");
}

#[tokio::test]
async fn all_proxy_counts_where_no_other_is_named() {
    let (proxy, other) = (Proxy::start(1).await, Proxy::start(1).await);
    let (all, own) = (format!("http://localhost:{}", proxy.port), format!("http://localhost:{}", other.port));
    for name in ["ALL_PROXY", "all_proxy"] {
        ask(at("http://api.own.example").environment(environment([(name, &*all)]))).await.unwrap();
        let both = environment([(name, &*all), ("http_proxy", &*own)]);
        ask(at("http://api.own.example").environment(both)).await.unwrap();
        let socks = environment([(name, "socks5://localhost:1080")]);
        let error = ask(at("http://api.own.example").environment(socks)).await.unwrap_err();
        assert!(error.is_config() && error.to_string().contains("SOCKS"), "{error}");
    }
    assert_eq!((proxy.asked().len(), other.asked().len()), (2, 2));
}

#[tokio::test]
async fn the_proxy_is_named_whenever_it_had_a_part() {
    // One that says nothing, one that refuses, and one that leads nowhere.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = silent.local_addr().unwrap().port();
    let (refusing, leading) = (Proxy::refusing().await, Proxy::start(1).await);
    for (scheme, port) in [
        ("http", silent),
        ("https", silent),
        ("http", refusing.port),
        ("https", refusing.port),
        ("https", leading.port),
        ("http", 1),
    ] {
        let settings = Settings {
            api_endpoint: Some(format!("{scheme}://api.own.example")),
            timeout: Duration::from_millis(300),
            ..Settings::default()
        };
        let builder = at("").settings(settings).proxy(format!("http://me:s3cret@localhost:{port}"));
        let error = ask(builder).await.unwrap_err();
        let named = format!("through the proxy localhost:{port}: ");
        assert_eq!(error.to_string().matches(&named).count(), 1, "{scheme}: {error}");
        assert!(!format!("{error} {error:?} {error:#?}").contains("s3cret"), "{error:#?}");
    }
}
