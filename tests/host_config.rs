//! Host settings: what the host can't work with is refused, a proxy is replaced as a whole, and no fault on the
//! way leaves a device without one.
#![cfg(feature = "simulator")]

#[cfg(test)]
#[path = "support/client_calls.rs"]
mod client_calls;
#[cfg(test)]
#[path = "support/scripted.rs"]
mod scripted;

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use balena_agent::simulator::Device;
    use balena_agent::supervisor::{
        Dns, HostConfigOutcome, HostConfigPatch, Proxy, ProxyKind, ProxyPatch, Supervisor,
    };
    use balena_agent::{Environment, Error};
    use serde_json::{Value, json};

    use crate::client_calls::environment;
    use crate::scripted::{Scripted, Turn};

    const PATH: &str = "/v1/device/host-config";

    fn supervisor(device: &Device) -> Supervisor {
        Supervisor::new(&Environment::from_vars(device.environment("main").unwrap()).unwrap())
    }

    /// A device whose proxy has a login, a resolver and a list of exceptions.
    async fn behind_a_proxy() -> (Device, Supervisor) {
        let proxy = json!({
            "type": "socks5", "ip": "192.0.2.1", "port": 1080, "login": "me", "password": "pa55",
            "dns": "1.1.1.1:53", "noProxy": ["198.51.100.0/24"],
        });
        let device = Device::builder().proxy(proxy).start().await.unwrap();
        let supervisor = supervisor(&device);
        (device, supervisor)
    }

    fn new_proxy() -> ProxyPatch {
        ProxyPatch::new(ProxyKind::HttpConnect, "192.0.2.2", 3128)
    }

    async fn stored(supervisor: &Supervisor) -> Option<Proxy> {
        supervisor.host_config().await.unwrap().network.proxy
    }

    #[tokio::test]
    async fn what_the_host_cannot_work_with_is_refused_before_anything_is_sent() {
        let (device, supervisor) = behind_a_proxy().await;
        let at = |ip: &str| new_proxy_at(ip);
        let login = |login: &str, password: &str| new_proxy().login(login, password.to_owned().into());
        let socks = |login: &str, password: &str| {
            ProxyPatch::new(ProxyKind::Socks5, "192.0.2.1", 1).login(login, password.to_owned().into())
        };
        let mut refused = vec![
            HostConfigPatch::new(),
            HostConfigPatch::new().proxy(ProxyPatch::new("ftp".into(), "192.0.2.1", 1)),
            HostConfigPatch::new().proxy(ProxyPatch::new("SOCKS5".into(), "192.0.2.1", 1)),
            HostConfigPatch::new().proxy(ProxyPatch::new(ProxyKind::Socks4, "192.0.2.1", 0)),
            HostConfigPatch::new().proxy(new_proxy().dns(Dns::At("[fd00::1]:53".parse().unwrap()))),
            HostConfigPatch::new().proxy(socks("me", "")),
            HostConfigPatch::new().proxy(socks("me", &"p".repeat(256))),
            // In a change with a good part nothing is sent of that either.
            HostConfigPatch::new().hostname("sea").proxy(at("10.0.0.256")),
        ];
        for ip in [
            "",
            "u:p@10.0.0.2",
            "http://10.0.0.1",
            "10.0.0.1/path",
            "10.0.0.1,10.0.0.2",
            "[fd00::1]",
            "fd00::1",
            "#",
            "a b",
        ] {
            refused.push(HostConfigPatch::new().proxy(at(ip)));
        }
        for text in ["a\"b", "a;b", "a}b", "a{b", "a\\b", "a\nb", "a\r", "a\0", "a=b", "\u{9b}"] {
            refused.push(HostConfigPatch::new().proxy(login(text, "p")));
            refused.push(HostConfigPatch::new().proxy(login("u", text)));
        }
        refused.push(HostConfigPatch::new().proxy(login("", "p")));
        refused.push(HostConfigPatch::new().proxy(login("a:b", "p")));
        for list in ["example.com", "10.0.0.0/33", "", "10.0.0.1\n10.0.0.2"] {
            refused.push(HostConfigPatch::new().proxy(new_proxy().no_proxy([list])));
        }
        for name in ["foo-", "a..b", ".local", "a_b", "a b", "10.0.0.1", &"a".repeat(70)] {
            refused.push(HostConfigPatch::new().hostname(name));
        }
        for patch in &refused {
            for call in [
                supervisor.set_host_config(patch),
                supervisor.set_host_config(patch).unchecked(),
                supervisor.set_host_config(patch).if_changed(),
            ] {
                let error = call.await.unwrap_err();
                assert!(error.is_invalid_argument() && !error.was_sent(), "{patch:?}: {error}");
            }
        }
        assert_eq!(device.requests(), []);
    }

    fn new_proxy_at(ip: &str) -> ProxyPatch {
        ProxyPatch::new(ProxyKind::Socks5, ip, 1080)
    }

    #[tokio::test]
    async fn what_the_host_can_work_with_is_stored_as_it_is_given() {
        let device = Device::start().await.unwrap();
        let supervisor = supervisor(&device);
        for ip in ["10.0.0.1", "proxy", "proxy.example.com"] {
            supervisor.set_host_config(&HostConfigPatch::new().proxy(new_proxy_at(ip))).await.unwrap();
            assert_eq!(stored(&supervisor).await.unwrap().ip.as_deref(), Some(ip));
        }
        for (login, password) in [("me", "pa55"), ("a b", "p@ss:w0rd!#%&'/?"), ("ü", "日本"), ("u#", " p ")]
        {
            let proxy = new_proxy().login(login, password.to_owned().into());
            let patch = HostConfigPatch::new().proxy(proxy);
            supervisor.set_host_config(&patch).await.unwrap();
            // Compared in the library, password and all.
            let again = supervisor.set_host_config(&patch).if_changed().await.unwrap();
            assert_eq!(again, HostConfigOutcome::Unchanged, "{login}");
        }
        for name in ["sea", "3com", "a-b.c", "1234567", &"a".repeat(63)] {
            supervisor.set_host_config(&HostConfigPatch::new().hostname(name)).await.unwrap();
        }
        supervisor.set_host_config(&HostConfigPatch::new().reset_hostname()).await.unwrap();
    }

    #[tokio::test]
    async fn nothing_of_the_old_proxy_goes_to_the_new_one() {
        let (device, supervisor) = behind_a_proxy().await;
        supervisor.set_host_config(&HostConfigPatch::new().proxy(new_proxy())).await.unwrap();
        let proxy = stored(&supervisor).await.unwrap();
        assert_eq!((proxy.kind, proxy.ip.as_deref()), (Some(ProxyKind::HttpConnect), Some("192.0.2.2")));
        assert!(proxy.login.is_none() && proxy.password.is_none(), "the login went to the new proxy");
        assert!(proxy.dns.is_none() && proxy.no_proxy.is_none());
        assert_eq!(device.request_count("PATCH", PATH), 2);

        // Without a stored login, or with a new one, there is nothing to take away first.
        let resolver: SocketAddr = "1.1.1.1:53".parse().unwrap();
        let full = new_proxy()
            .login("you", "other".to_owned().into())
            .dns(Dns::At(resolver))
            .no_proxy(["10.0.0.0/8"]);
        supervisor.set_host_config(&HostConfigPatch::new().proxy(full)).await.unwrap();
        let other =
            ProxyPatch::new(ProxyKind::Socks5, "192.0.2.3", 1).login("she", "third".to_owned().into());
        supervisor.set_host_config(&HostConfigPatch::new().proxy(other)).await.unwrap();
        assert_eq!(device.request_count("PATCH", PATH), 4);
        let proxy = stored(&supervisor).await.unwrap();
        assert_eq!((proxy.login.as_deref(), proxy.dns, proxy.no_proxy), (Some("she"), None, None));
    }

    #[tokio::test]
    async fn a_removed_proxy_leaves_nothing_behind() {
        let (device, supervisor) = behind_a_proxy().await;
        let remove = HostConfigPatch::new().remove_proxy();
        supervisor.set_host_config(&remove).await.unwrap();
        assert!(stored(&supervisor).await.is_none());
        // The list would come back with a proxy that says nothing of one.
        patch_raw(&device, &json!({"proxy": {"type": "socks5", "ip": "192.0.2.1", "port": 1}})).await;
        assert!(stored(&supervisor).await.unwrap().no_proxy.is_none(), "the list came back");

        // One that stayed behind from elsewhere goes too.
        patch_raw(&device, &json!({"proxy": {"noProxy": ["10.0.0.1"]}})).await;
        patch_raw(&device, &json!({"proxy": {}})).await;
        supervisor.set_host_config(&remove).await.unwrap();
        patch_raw(&device, &json!({"proxy": {"type": "socks5", "ip": "192.0.2.1", "port": 1}})).await;
        assert!(stored(&supervisor).await.unwrap().no_proxy.is_none(), "the list came back");
    }

    /// What another program sends.
    async fn patch_raw(device: &Device, network: &Value) {
        let client = bare::Client(device.address());
        client.patch(device.key("global").as_deref(), &json!({ "network": network })).await;
    }

    mod bare {
        use serde_json::Value;
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

        /// One request over a bare socket.
        pub(super) struct Client(pub(super) String);

        impl Client {
            pub(super) async fn patch(&self, key: Option<&str>, body: &Value) {
                let address = self.0.trim_start_matches("http://");
                let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
                let (body, key) = (body.to_string(), key.unwrap());
                let request = format!(
                    "PATCH {}?apikey={key} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                    super::PATH,
                    body.len()
                );
                socket.write_all(request.as_bytes()).await.unwrap();
                let mut answer = String::new();
                socket.read_to_string(&mut answer).await.unwrap();
                assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            }
        }
    }

    #[tokio::test]
    async fn a_change_of_nothing_sends_nothing_if_asked() {
        let (device, supervisor) = behind_a_proxy().await;
        let name = supervisor.host_config().await.unwrap().network.hostname.unwrap();
        let same = ProxyPatch::new(ProxyKind::Socks5, "192.0.2.1", 1080)
            .login("me", "pa55".to_owned().into())
            .dns(Dns::At("1.1.1.1:53".parse().unwrap()))
            .no_proxy(["198.51.100.0/24"]);
        for patch in [
            HostConfigPatch::new().proxy(same.clone()),
            HostConfigPatch::new().hostname(&name),
            HostConfigPatch::new().hostname(&name).proxy(same.clone()),
        ] {
            let outcome = supervisor.set_host_config(&patch).if_changed().await.unwrap();
            assert_eq!(outcome, HostConfigOutcome::Unchanged, "{patch:?}");
        }
        assert_eq!(device.request_count("PATCH", PATH), 0);
        for other in [
            same.clone().login("me", "other".to_owned().into()),
            same.clone().dns(Dns::Off),
            same.clone().no_proxy(["10.0.0.1"]),
        ] {
            let patch = HostConfigPatch::new().hostname(&name).proxy(other);
            assert_eq!(
                supervisor.set_host_config(&patch).if_changed().await.unwrap(),
                HostConfigOutcome::Stored
            );
        }
        let remove = HostConfigPatch::new().remove_proxy();
        assert_eq!(
            supervisor.set_host_config(&remove).if_changed().await.unwrap(),
            HostConfigOutcome::Stored
        );
        assert_eq!(
            supervisor.set_host_config(&remove).if_changed().await.unwrap(),
            HostConfigOutcome::Unchanged
        );
    }

    /// The settings with the old proxy, as the supervisor tells them.
    fn old() -> Turn {
        let proxy = json!({"type": "socks5", "ip": "192.0.2.1", "port": 1080, "login": "me", "password": "pa55",
            "noProxy": ["10.0.0.1"]});
        Turn::json(200, &json!({"network": {"hostname": "h", "proxy": proxy}}))
    }

    fn new() -> Turn {
        let proxy = json!({"type": "http-connect", "ip": "192.0.2.2", "port": 3128});
        Turn::json(200, &json!({"network": {"hostname": "h", "proxy": proxy}}))
    }

    fn none() -> Turn {
        Turn::json(200, &json!({"network": {"hostname": "h"}}))
    }

    fn ok() -> Turn {
        Turn::text(200, "OK")
    }

    /// Plays a replacement against these answers; tells the outcome and the proxies that were sent.
    async fn play(
        turns: Vec<Turn>,
        patch: HostConfigPatch,
    ) -> (Result<HostConfigOutcome, Error>, Vec<Value>) {
        let server = Scripted::new(turns);
        let supervisor = Supervisor::new(&environment(&server.url(), "f1e2d3c4b5a6"));
        let outcome = supervisor.set_host_config(&patch).await;
        let sent = server.requests().into_iter().filter(|request| request.method == "PATCH");
        let proxies = sent.map(|request| {
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            body["network"]["proxy"].clone()
        });
        (outcome, proxies.collect())
    }

    fn replace() -> HostConfigPatch {
        HostConfigPatch::new().proxy(new_proxy())
    }

    #[tokio::test]
    async fn a_failed_second_step_puts_the_old_proxy_back_and_says_so() {
        let again = json!({"type": "socks5", "ip": "192.0.2.1", "port": 1080, "login": "me", "password": "pa55",
            "dns": false, "noProxy": ["10.0.0.1"]});
        // The supervisor refuses; the connection closes, and a look tells that nothing is stored, or is not answered.
        for turns in [
            vec![old(), ok(), Turn::text(503, "no space"), ok()],
            vec![old(), ok(), Turn::text(423, "Lockfile exists for { appId: 1, service: main }"), ok()],
            vec![old(), ok(), Turn::close(), none(), ok()],
            vec![old(), ok(), Turn::close(), Turn::text(503, "no"), ok()],
            // It is tried more than once.
            vec![old(), ok(), Turn::text(503, "no"), Turn::text(503, "no"), ok()],
        ] {
            let (outcome, sent) = play(turns, replace()).await;
            let error = outcome.unwrap_err();
            assert!(error.to_string().contains("the old proxy is set again"), "{error}");
            assert!(!format!("{error} {error:?}").contains("pa55"), "{error:?}");
            assert_eq!(sent.first(), Some(&json!({})));
            assert_eq!(sent.last(), Some(&again), "{sent:?}");
        }
    }

    #[tokio::test]
    async fn a_first_step_that_fails_changes_nothing_or_is_taken_back() {
        let (outcome, sent) = play(vec![old(), Turn::text(423, "locked")], replace()).await;
        let error = outcome.unwrap_err();
        assert!(error.is_locked() && error.to_string().contains("nothing is changed"), "{error}");
        assert_eq!(sent.len(), 1);
        let (outcome, sent) = play(vec![old(), Turn::close(), ok()], replace()).await;
        let error = outcome.unwrap_err();
        assert!(
            error.is_unknown_outcome() && error.to_string().contains("the old proxy is set again"),
            "{error}"
        );
        assert_eq!(sent[1]["login"], "me");
    }

    #[tokio::test]
    async fn a_second_step_that_came_true_without_an_answer_is_a_success() {
        let (outcome, sent) = play(vec![old(), ok(), Turn::close(), new()], replace()).await;
        assert_eq!(outcome.unwrap(), HostConfigOutcome::Stored);
        assert_eq!(sent.len(), 2);
    }

    #[tokio::test]
    async fn settings_that_can_not_be_read_are_not_changed() {
        for turn in [Turn::text(503, "no"), Turn::close(), Turn::text(200, "<html>")] {
            let (outcome, sent) = play(vec![turn], replace()).await;
            outcome.unwrap_err();
            assert_eq!(sent.len(), 0);
        }
    }

    #[tokio::test]
    async fn removing_a_proxy_with_a_list_goes_in_two_steps_too() {
        let remove = || HostConfigPatch::new().remove_proxy();
        let (outcome, sent) = play(vec![old(), ok(), ok()], remove()).await;
        assert_eq!(outcome.unwrap(), HostConfigOutcome::Stored);
        assert_eq!(sent, [json!({"noProxy": []}), json!({})]);
        let (outcome, sent) = play(vec![old(), ok(), Turn::text(503, "no"), ok()], remove()).await;
        let error = outcome.unwrap_err();
        assert!(error.to_string().contains("the old proxy is set again"), "{error}");
        assert_eq!(sent[2], json!({"noProxy": ["10.0.0.1"]}));
        let (outcome, _) =
            play(vec![old(), ok(), Turn::text(503, "a"), Turn::text(503, "b")], remove()).await;
        let error = outcome.unwrap_err();
        assert!(error.to_string().contains("the proxy is still there"), "{error}");
    }
}
