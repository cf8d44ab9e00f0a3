use super::*;
use crate::service::config::Checked;
use tokio::net::UdpSocket;

const TOKEN: &str = "t0ken-of-web-0123456789";

fn settings(clients: &[(&str, &str, Option<&str>, Option<&str>)]) -> Checked {
    let clients = clients.iter().map(|(name, scopes, token, service)| ClientSettings {
        name: (*name).into(),
        scopes: Scopes::parse(scopes).unwrap(),
        token: token.map(Into::into),
        socket: None,
        service: service.map(Into::into),
    });
    let mut settings = Checked { clients: clients.collect(), ..Checked::default() };
    settings.limits.requests_per_second = 5;
    settings
}

fn bearer(token: &str) -> HeaderMap {
    let value = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
    HeaderMap::from_iter([(header::AUTHORIZATION, value)])
}

fn tcp(address: &str) -> Origin {
    Origin::tcp(address.parse().unwrap())
}

#[tokio::test]
async fn who_is_known_and_how() {
    let config = settings(&[
        ("web", "state actions:restart:web", Some(TOKEN), None),
        ("tool", "locks tags", None, None),
    ]);
    let clients = Clients::new(&config, None, NAME_SERVER);
    let (local, remote, socket) =
        (tcp("127.0.0.1"), tcp("203.0.113.7"), Origin::socket(config.clients[1].name.as_str().into()));
    for (origin, headers, name, via, scopes) in [
        (&local, HeaderMap::new(), "anonymous", Via::Anonymous, "state events"),
        (&tcp("::ffff:127.0.0.1"), HeaderMap::new(), "anonymous", Via::Anonymous, "state events"),
        (&remote, HeaderMap::new(), "anonymous", Via::Anonymous, ""),
        (&remote, bearer(TOKEN), "web", Via::Token, "state actions:restart:web"),
        (&local, bearer(TOKEN), "web", Via::Token, "state actions:restart:web"),
        (&socket, HeaderMap::new(), "tool", Via::Socket, "locks"),
        (&socket, bearer(TOKEN), "web", Via::Token, "state actions:restart:web"),
    ] {
        let caller = clients.identify(origin, &headers).await.unwrap();
        assert_eq!((&*caller.name, caller.via), (name, via), "{origin:?}");
        let expected: Vec<_> = scopes.split_whitespace().collect();
        for scope in expected {
            assert!(caller.allows(Scopes::parse(scope).unwrap().iter().next().unwrap()), "{name}: {scope}");
        }
        assert!(!caller.allows(&Scope::Admin) && !caller.allows(&Scope::Force), "{name}");
    }
}

#[tokio::test]
async fn a_wrong_credential_is_401_and_never_falls_back() {
    let clients = Clients::new(&settings(&[("web", "state", Some(TOKEN), None)]), None, NAME_SERVER);
    for origin in [tcp("127.0.0.1"), tcp("203.0.113.7"), Origin::socket("web".into())] {
        for wrong in ["t0ken-of-web-012345678", "t0ken-of-web-01234567890", "T0KEN-OF-WEB-0123456789"] {
            assert!(clients.identify(&origin, &bearer(wrong)).await.is_err(), "{wrong}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Basic eDp5"));
        let refusal = clients.identify(&origin, &headers).await.unwrap_err();
        let response = crate::service::gateway::Response::from(refusal);
        assert_eq!(
            (response.status(), response.headers()["www-authenticate"].to_str().unwrap()),
            (StatusCode::UNAUTHORIZED, "Bearer")
        );
    }
}

/// Answers each name with these addresses.
async fn name_server(
    names: &'static [(&'static str, &'static [[u8; 4]])],
) -> (SocketAddr, tokio::task::JoinSet<()>) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move {
        let mut buffer = [0; 512];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            let mut answer = buffer[..length].to_vec();
            answer[2] |= 0x80;
            let asked = answer.clone();
            let found = names.iter().find(|(name, _)| asked[13..].starts_with(name.as_bytes()));
            answer[3] = if found.is_some() { 0 } else { 3 };
            for bytes in found.map_or(&[][..], |(_, addresses)| addresses) {
                answer[7] += 1;
                answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4]);
                answer.extend(bytes);
            }
            socket.send_to(&answer, from).await.unwrap();
        }
    });
    (address, tasks)
}

#[tokio::test]
async fn a_service_is_known_by_its_address_if_it_is_the_only_one() {
    let (server, _tasks) = name_server(&[
        ("web", &[[172, 18, 0, 2], [172, 18, 0, 3]]),
        ("db", &[[172, 18, 0, 4]]),
        ("two", &[[172, 18, 0, 3], [172, 18, 0, 5]]),
    ])
    .await;
    let config = settings(&[
        ("web", "admin", None, Some("web")),
        ("db", "state tags", None, Some("db")),
        ("two", "state", None, Some("two")),
        ("gone", "state", None, Some("gone")),
    ]);
    let clients = Clients::new(&config, None, server);
    let at = async |last| clients.only_service_at([172, 18, 0, last].into()).await;
    assert_eq!((at(2).await, at(4).await, at(5).await, at(6).await), (Some(0), Some(1), Some(2), None));
    assert_eq!(at(3).await, None, "two match");
    let caller = clients.known[0].caller(Via::Service, Ipv4Addr::LOCALHOST.into()).at_most(&for_services());
    assert_eq!(caller.scopes.to_string(), "state events logs locks", "never more than these");
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let clients = Clients::new(&config, None, silent.local_addr().unwrap());
    assert_eq!(
        clients.only_service_at([172, 18, 0, 2].into()).await,
        None,
        "without an answer nobody is known"
    );
}
