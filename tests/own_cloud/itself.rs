//! A server's certificate that is named itself, and what is said of one that is refused.

use balena_agent::RetryPolicy;
use tokio_rustls::rustls::version::{TLS12, TLS13};

use super::servers::{Proxy, Tls};
use super::{AUTHORITY, ask, at, file};

#[tokio::test]
async fn a_server_whose_certificate_is_named_itself_is_trusted() {
    for version in [&TLS12, &TLS13] {
        for (name, hosts) in [
            ("own_ca", &["localhost", "127.0.0.1"][..]),
            ("own_v1", &["localhost"]),
            ("own_cn", &["localhost"]),
        ] {
            let cloud = Tls::with(name, name, version).await;
            for host in hosts {
                let named = file(&format!("{name}.pem"));
                ask(at(&format!("https://{host}:{}", cloud.port)).ca_certs(named)).await.unwrap();
            }
            assert_eq!(cloud.asked().len(), hosts.len(), "{name}");
        }
        // OpenSSL's form, with what it is trusted for behind it; and one among others.
        let cloud = Tls::with("own_ca", "own_ca", version).await;
        let here = format!("https://localhost:{}", cloud.port);
        ask(at(&here).ca_certs(file("own_ca_trusted.pem"))).await.unwrap();
        ask(at(&here).ca_certs(AUTHORITY).ca_certs([file("own_v1.pem"), file("own_ca.pem")].concat()))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn what_is_refused_is_said_in_words_and_not_tried_again() {
    for version in [&TLS12, &TLS13] {
        for (certificate, key, named, words, advice) in [
            ("own_expired", "own_expired", "own_expired", "expired at 2021-01-01T00:00:00Z", "renew it"),
            (
                "own_future",
                "own_future",
                "own_future",
                "not valid before 2090-01-01T00:00:00Z",
                "starts in 1970",
            ),
            (
                "own_other",
                "own_other",
                "own_other",
                "not for this name, but for: other.example",
                "one of these names",
            ),
            ("own_ca", "own_ca", "own_v1", "not issued by a trusted authority", "BALENA_EXTRA_CA_CERTS"),
            ("own_v1", "own_v1", "own_cn", "not issued by a trusted authority", "BALENA_EXTRA_CA_CERTS"),
            ("server", "server", "own_ca", "not issued by a trusted authority", "BALENA_EXTRA_CA_CERTS"),
            // It shows a certificate that is not its own.
            ("own_ca", "own_v1", "own_ca", "refused", "another certificate"),
            ("own_v1", "own_ca", "own_v1", "", ""),
        ] {
            let cloud = Tls::with(certificate, key, version).await;
            let here = format!("https://localhost:{}", cloud.port);
            let named = file(&format!("{named}.pem"));
            let error =
                ask(at(&here).ca_certs(named.clone()).retry(RetryPolicy::standard())).await.unwrap_err();
            assert!(error.is_unreachable() && !error.was_sent(), "{certificate} {error}");
            assert!(error.to_string().contains(words), "{certificate}: {error}");
            assert!(error.advice().is_some_and(|told| told.contains(advice)), "{certificate}: {error}");
            assert_eq!((cloud.knocks(), error.attempts()), (1, 1), "{certificate}: {error}");
            assert_eq!(cloud.asked(), [""; 0]);
            // Through a proxy, that is named too.
            let proxy = Proxy::start(cloud.port).await;
            let way = format!("http://localhost:{}", proxy.port);
            let error = ask(at("https://api.own.example").ca_certs(named).proxy(way)).await.unwrap_err();
            assert!(
                error.to_string().contains(&format!("through the proxy localhost:{}: ", proxy.port)),
                "{error}"
            );
        }
    }
}
