//! A cloud of one's own: its addresses, its certificates, and the proxy in between. Real sockets and real TLS.
#![cfg(feature = "rustls-ring")]
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::time::Duration;

use balena_agent::secrecy::SecretString;
use balena_agent::{Balena, Builder, Environment, Error, RetryPolicy, Settings};

use servers::{Proxy, Tls};

mod exposed;
mod itself;
mod servers;

const AUTHORITY: &str = include_str!("authority.pem");

fn authority_file() -> String {
    format!("{}/tests/own_cloud/authority.pem", env!("CARGO_MANIFEST_DIR"))
}

fn at(endpoint: &str) -> Builder {
    let settings = Settings { api_endpoint: Some(endpoint.to_owned()), ..Settings::default() };
    Balena::builder().settings(settings).retry(RetryPolicy::never()).token("t0ken".into()).allow_http()
}

fn file(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/own_cloud/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn environment<'a>(vars: impl IntoIterator<Item = (&'a str, &'a str)>) -> Environment {
    Environment::from_vars(vars).unwrap()
}

async fn ask(builder: Builder) -> Result<(), Error> {
    builder.try_build()?.organization().get_all().await.map(drop)
}

#[tokio::test]
async fn its_own_authority_is_trusted_when_it_is_named_and_only_then() {
    let cloud = Tls::start().await;
    let here = format!("https://localhost:{}", cloud.port);
    let error = ask(at(&here)).await.unwrap_err();
    assert!(error.is_unreachable() && !error.was_sent(), "{error}");
    assert!(error.advice().unwrap().contains("BALENA_EXTRA_CA_CERTS"), "{error}");
    assert_eq!(cloud.asked(), [""; 0], "the token is not given to a stranger");

    ask(at(&here).ca_certs_file(authority_file())).await.unwrap();
    ask(at(&here).ca_certs(AUTHORITY)).await.unwrap();
    ask(at(&format!("https://127.0.0.1:{}", cloud.port)).ca_certs(AUTHORITY)).await.unwrap();
    for name in ["BALENA_EXTRA_CA_CERTS", "NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"] {
        ask(at(&here).environment(environment([(name, &*authority_file())]))).await.unwrap();
    }
    let odd = format!("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n{AUTHORITY}");
    ask(at(&here).ca_certs(odd)).await.unwrap();
    assert_eq!(cloud.asked().len(), 7);
    assert!(cloud.asked().iter().all(|head| head.contains("Bearer t0ken")));
}

#[tokio::test]
async fn certificates_that_are_none_are_refused_at_the_start() {
    let nowhere = at("https://localhost:1");
    let error = ask(nowhere.clone().ca_certs("no certificate")).await.unwrap_err();
    assert!(error.is_config() && error.to_string().contains("PEM"), "{error}");
    let missing = ask(nowhere.clone().ca_certs_file("/nowhere/at.pem")).await.unwrap_err();
    assert!(missing.is_config() && missing.to_string().contains("/nowhere/at.pem"), "{missing}");
    let variable = nowhere.clone().environment(environment([("NODE_EXTRA_CA_CERTS", "/nowhere/at.pem")]));
    assert!(ask(variable).await.unwrap_err().is_config());
    let late = nowhere.ca_certs("no certificate").build().organization().get_all().await.unwrap_err();
    assert!(late.is_config() && !late.was_sent(), "{late}");
}

#[tokio::test]
async fn a_proxy_gets_user_and_password_and_sees_no_token() {
    let cloud = Tls::start().await;
    let proxy = Proxy::start(cloud.port).await;
    let address = format!("http://me:p%40ss@localhost:{}", proxy.port);
    let own = Settings { balena_host: "own.example".into(), ..Settings::default() };
    let to_own = || {
        Balena::builder()
            .settings(own.clone())
            .retry(RetryPolicy::never())
            .token("t0ken".into())
            .ca_certs(AUTHORITY)
    };
    ask(to_own().proxy(address.as_str())).await.unwrap();
    ask(to_own().environment(environment([("HTTPS_PROXY", &*address)]))).await.unwrap();
    ask(to_own().environment(environment([("https_proxy", &*address), ("HTTP_PROXY", "http://localhost:1")]))).await.unwrap();
    let asked = proxy.asked();
    assert_eq!(asked.len(), 3);
    for head in asked {
        assert!(head.starts_with("CONNECT api.own.example:443 "), "{head}");
        assert!(head.to_lowercase().contains("proxy-authorization: basic bwu6cebzcw=="), "{head}");
        assert!(!head.contains("t0ken"), "{head}");
    }
    assert!(cloud.asked().iter().all(|head| head.contains("Bearer t0ken") && !head.contains("Basic")));
}

#[tokio::test]
async fn plain_addresses_go_through_the_proxy_for_them() {
    let proxy = Proxy::start(1).await;
    let address = format!("localhost:{}", proxy.port);
    ask(at("http://api.own.example").environment(environment([("http_proxy", &*address)]))).await.unwrap();
    ask(at("http://api.own.example").proxy(format!("http://{address}"))).await.unwrap();
    assert!(proxy.asked().iter().all(|head| head.starts_with("GET http://api.own.example/v6/organization?")));
    assert_eq!(proxy.asked().len(), 2);
}

#[tokio::test]
async fn this_machine_is_never_reached_through_a_proxy() {
    let cloud = Tls::start().await;
    let proxy = Proxy::start(cloud.port).await;
    let address = format!("http://localhost:{}", proxy.port);
    for host in ["localhost", "127.0.0.1"] {
        let endpoint = format!("https://{host}:{}", cloud.port);
        let both = [("HTTPS_PROXY", &*address), ("HTTP_PROXY", &*address)];
        ask(at(&endpoint).ca_certs(AUTHORITY).environment(environment(both))).await.unwrap();
        ask(at(&endpoint).ca_certs(AUTHORITY).proxy(address.as_str())).await.unwrap();
    }
    for host in ["127.8.9.1", "[::1]", "x.localhost"] {
        drop(ask(at(&format!("http://{host}:1")).proxy(address.as_str())).await.unwrap_err());
    }
    assert_eq!((cloud.asked().len(), proxy.asked()), (4, vec![]));
}

#[tokio::test]
async fn what_no_proxy_names_is_reached_without_one() {
    let proxy = Proxy::start(1).await;
    let address = format!("http://localhost:{}", proxy.port);
    for list in ["own.invalid", ".own.invalid", "x.y, own.invalid", "*", "api.own.invalid"] {
        for name in ["NO_PROXY", "no_proxy"] {
            let env = environment([("HTTP_PROXY", &*address), (name, list)]);
            let error = ask(at("http://api.own.invalid").environment(env)).await.unwrap_err();
            assert!(error.is_unreachable(), "{list}: {error}");
            let env = environment([(name, list)]);
            drop(
                ask(at("http://api.own.invalid").environment(env).proxy(address.as_str())).await.unwrap_err(),
            );
        }
    }
    assert_eq!(proxy.asked(), [""; 0]);
    // Names and addresses as other programs take them.
    for (host, list) in [
        ("api.own.invalid", "*.own.invalid"),
        ("api.own.invalid", "own.invalid:80"),
        ("api.own.invalid", "x.y own.invalid"),
        ("127.0.0.0.1.invalid", "*"),
        ("192.0.2.1:1", "*"),
        ("192.0.2.1:1", "192.0.2.1:1"),
        ("[100::1]:1", "*"),
        ("[100::1]:1", "[100::1]"),
        ("[100::1]:1", "[100::1]:1"),
        ("[100::1]:1", "100::/64"),
    ] {
        let settings = Settings {
            api_endpoint: Some(format!("http://{host}")),
            timeout: Duration::from_millis(100),
            ..Settings::default()
        };
        let env = environment([("HTTP_PROXY", &*address), ("NO_PROXY", list)]);
        drop(ask(at("").settings(settings).environment(env)).await.unwrap_err());
        assert_eq!(proxy.asked(), [""; 0], "{host} {list}");
    }
    let others = ["n.invalid", "own.invalid.x", "10.0.0.0/8", "", "*.api.own.invalid", "own.invalid:8080"];
    for list in others {
        let env = environment([("HTTP_PROXY", &*address), ("NO_PROXY", list)]);
        ask(at("http://api.own.invalid").environment(env)).await.unwrap();
    }
    assert_eq!(proxy.asked().len(), others.len());
}

#[tokio::test]
async fn no_text_shows_the_proxys_password() {
    let refusing = Proxy::refusing().await;
    let address = format!("http://me:s3cret-word@localhost:{}", refusing.port);
    let error = ask(at("https://api.own.example").proxy(address.as_str())).await.unwrap_err();
    assert!(error.is_unreachable() && !error.was_sent(), "{error}");
    let mut texts = vec![format!("{error} {error:?}")];
    let dead =
        ask(at("https://api.own.example").proxy("http://me:s3cret-word@localhost:1")).await.unwrap_err();
    assert!(dead.to_string().contains("through the proxy localhost:1: Connection refused"), "{dead}");
    for error in [&error, &dead] {
        assert!(error.advice().unwrap().contains("HTTPS_PROXY"), "{error}");
    }
    let address = address.as_str();
    let plain = ask(at("http://api.own.example").proxy(address)).await.unwrap_err();
    assert!(plain.status() == Some(407) && plain.advice().unwrap().contains("user and password"), "{plain}");
    texts.push(format!("{dead} {dead:?} {plain} {plain:?}"));
    for odd in [
        "ftp://me:s3cret-word@x",
        "http://",
        "http://me:s3cret-word@",
        "me s3cret-word",
        "http://me:s3cret-word@x:99999",
    ] {
        let error = ask(at("https://api.own.example").proxy(odd)).await.unwrap_err();
        assert!(error.is_config() && error.advice().unwrap().contains("3128"), "{odd}: {error}");
        texts.push(format!("{error} {error:?}"));
        let error = at("https://x.y").proxy(odd).build().organization().get_all().await.unwrap_err();
        assert!(error.is_config(), "{error}");
    }
    let builder = at("https://api.own.example").proxy(SecretString::from(address));
    let environment = environment([("HTTPS_PROXY", address)]);
    texts.extend([format!("{builder:?}"), format!("{environment:?}"), format!("{:?}", builder.build())]);
    for text in texts {
        assert!(!text.contains("s3cret-word"), "{text}");
    }
}

#[tokio::test]
async fn an_address_of_the_environment_is_looked_at_too() {
    for odd in ["api.own.invalid", "https://me:s3cret-word@own.invalid", "https://own.invalid/#x", "x y"] {
        let build = || {
            Balena::builder().retry(RetryPolicy::never()).environment(environment([("BALENA_API_URL", odd)]))
        };
        let error = build().try_build().unwrap_err();
        assert!(error.is_config() && error.to_string().contains("BALENA_API_URL"), "{odd}: {error}");
        let late = build().build().organization().get_all().await.unwrap_err();
        for text in [format!("{error} {error:?}"), format!("{late} {late:?}")] {
            assert!(!text.contains("s3cret-word"), "{text}");
        }
    }
}

#[test]
fn the_builder_that_gets_the_token_is_the_own_clouds() {
    let env = environment([("BALENA_API_URL", "https://api.own.example")]);
    let balena = Balena::builder().environment(env).try_build().unwrap();
    assert_eq!(balena.settings().get("builder_url").unwrap().expose(), "https://builder.own.example/");
}

#[test]
fn the_other_addresses_follow_the_host() {
    let own = Settings { balena_host: "own.example".into(), ..Settings::default() };
    let balena = Balena::builder().settings(own).build();
    let get = |name: &str| balena.settings().get(name).unwrap().expose().to_owned();
    assert_eq!(get("api_endpoint"), "https://api.own.example/");
    assert_eq!(get("builder_url"), "https://builder.own.example/");
    assert_eq!(
        balena.device().get_dashboard_url("8deb12a5").unwrap(),
        "https://dashboard.own.example/devices/8deb12a5/summary"
    );
    balena.settings().set("api_endpoint", "https://api.other.example").unwrap();
    assert_eq!(
        balena.device().get_dashboard_url("8deb12a5").unwrap(),
        "https://dashboard.other.example/devices/8deb12a5/summary"
    );
}
