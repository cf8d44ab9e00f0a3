//! What is refused before anything is sent, and with which words.

use std::time::Duration;

use balena_agent::supervisor::{
    HostConfigPatch, JournalQuery, LocalTarget, ProxyKind, ProxyPatch, ServiceSelector, Supervisor,
};
use balena_agent::{Balena, DeviceTarget, Environment, Error, ErrorKind, Local, RetryPolicy, Settings};

use crate::client;
use crate::client_calls::{APP, ENDPOINTS, Options, perform};
use crate::scripted::Scripted;

const LABEL: &str = "io.balena.features.supervisor-api";

fn unsent(error: &Error, kind: ErrorKind) {
    assert_eq!(error.kind(), kind, "{error:?}");
    assert!(!error.was_sent() && error.attempts() == 0 && error.status().is_none(), "{error:?}");
}

fn environment(vars: &[(&str, &str)]) -> Environment {
    Environment::from_vars(vars.iter().copied()).unwrap()
}

#[tokio::test]
async fn without_address_or_key_every_call_names_the_variable_and_the_label() {
    let server = Scripted::new([]);
    let url = server.url();
    let key = ("BALENA_SUPERVISOR_API_KEY", "k");
    let address = ("BALENA_SUPERVISOR_ADDRESS", url.as_str());
    let cases: [(&[(&str, &str)], &str); 5] = [
        (&[], address.0),
        (&[key], address.0),
        (&[key, (address.0, "")], address.0),
        (&[address], key.0),
        (&[address, (key.0, "")], key.0),
    ];
    for (vars, missing) in cases {
        let vars = [vars, &[("BALENA_APP_ID", APP)]].concat();
        let supervisor = Supervisor::new(&environment(&vars));
        assert!(!supervisor.is_configured());
        for endpoint in ENDPOINTS {
            let error = perform(&supervisor, *endpoint, Some("main"), Options::default()).await.unwrap_err();
            unsent(&error, ErrorKind::Config);
            let text = error.to_string();
            assert!(text.contains(missing) && text.contains(LABEL), "{endpoint:?}: {text}");
        }
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn the_old_names_of_the_variables_serve_too() {
    let server = Scripted::new([crate::scripted::Turn::text(200, "OK")]);
    let url = server.url();
    let vars = [
        ("RESIN_SUPERVISOR_ADDRESS", url.as_str()),
        ("BALENA_SUPERVISOR_ADDRESS", ""),
        ("RESIN_SUPERVISOR_API_KEY", "k"),
        ("RESIN_APP_ID", "7"),
    ];
    Supervisor::new(&environment(&vars)).application().restart().await.unwrap();
    assert_eq!(server.requests()[0].target, "/v2/applications/7/restart?apikey=k");
}

#[tokio::test]
async fn a_bad_address_is_shown_with_what_is_wrong() {
    for bad in [
        "10.114.104.1:48484",
        "https://10.114.104.1:48484",
        "ftp://10.114.104.1",
        "http://",
        "http://:48484",
        "http://10.114.104.1:",
        "http://10.114.104.1:99999",
        "http://10.114.104.1:48484x",
        "http://a b",
        "http://a\nb",
        "unix://relative",
        "nonsense",
    ] {
        let supervisor = Supervisor::new(&environment(&[
            ("BALENA_SUPERVISOR_ADDRESS", bad),
            ("BALENA_SUPERVISOR_API_KEY", "k"),
        ]));
        let error = supervisor.ping().await.unwrap_err();
        unsent(&error, ErrorKind::Config);
        let text = error.to_string();
        assert!(
            text.contains("BALENA_SUPERVISOR_ADDRESS") && text.contains("http://10.114.104.1:48484"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn an_application_id_that_is_none_is_never_sent() {
    let server = Scripted::new([]);
    let url = server.url();
    for bad in ["12 34", "1/../2", "abc", "-7", "+7", "1e3", "0x10", "7.0", "0", "000", "७", "7?x", ""] {
        let supervisor = Supervisor::new(&environment(&[
            ("BALENA_SUPERVISOR_ADDRESS", url.as_str()),
            ("BALENA_SUPERVISOR_API_KEY", "k"),
            ("BALENA_APP_ID", bad),
        ]));
        for endpoint in ENDPOINTS.iter().filter(|(_, path, _)| path.contains(":app")) {
            let error = perform(&supervisor, *endpoint, None, Options::default()).await.unwrap_err();
            unsent(&error, ErrorKind::Config);
            assert!(error.to_string().contains("BALENA_APP_ID"), "{error}");
        }
        for error in [supervisor.application().restart_v1().await, supervisor.application().purge_v1().await]
        {
            unsent(&error.unwrap_err(), ErrorKind::Config);
        }
    }
    let supervisor = client(&url);
    for bad in [0, -1, i64::MIN] {
        unsent(&supervisor.application_by_id(bad).restart().await.unwrap_err(), ErrorKind::InvalidArgument);
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn arguments_are_refused_by_their_names() {
    let server = Scripted::new([]);
    let supervisor = client(&server.url());
    let app = supervisor.application();
    let named = |error: Error, name: &str| {
        unsent(&error, ErrorKind::InvalidArgument);
        assert!(error.to_string().contains(&format!("`{name}`")), "{error}");
    };
    for empty in ["", " ", "\t\n"] {
        named(app.restart_service(ServiceSelector::name(empty)).await.unwrap_err(), "service");
        named(app.start_service(ServiceSelector::name(empty)).await.unwrap_err(), "service");
        named(app.stop_service(ServiceSelector::name(empty)).await.unwrap_err(), "service");
        named(supervisor.container_id(empty).await.unwrap_err(), "service");
        named(supervisor.set_tags([(empty, "x")]).await.unwrap_err(), "tags");
    }
    for id in [0, -5] {
        named(app.restart_service(id).force().await.unwrap_err(), "service");
    }
    named(supervisor.set_tags([("good", "x"), ("a b", "y")]).await.unwrap_err(), "tags");
    let long = "x".repeat(100_000);
    for name in ["", " ", &long] {
        named(supervisor.container_id(name).await.unwrap_err(), "service");
    }
    for name in ["", "\t"] {
        let status = balena_agent::supervisor::ServiceStatus::Running;
        named(supervisor.wait_for(name, status, Duration::ZERO).await.unwrap_err(), "service");
    }
    // The cloud takes no longer value, and the supervisor would try to bring it there for ever.
    named(supervisor.set_tags([("good", "x"), ("long", &*long)]).await.unwrap_err(), "tags");
    named(supervisor.journal_logs(JournalQuery::new().count(0)).await.unwrap_err(), "count");
    named(supervisor.journal_logs(JournalQuery::new().unit("")).await.unwrap_err(), "unit");
    named(supervisor.journal_logs(JournalQuery::new().container("")).await.unwrap_err(), "containerId");
    named(supervisor.set_local_target_state(&LocalTarget::default()).await.unwrap_err(), "target");
    named(supervisor.set_host_config(&HostConfigPatch::new()).await.unwrap_err(), "patch");
    named(
        supervisor.set_host_config(&HostConfigPatch::new().hostname("a_b")).force().await.unwrap_err(),
        "hostname",
    );
    let proxy = ProxyPatch::new(ProxyKind::Socks5, "192.0.2.1", 0);
    named(supervisor.set_host_config(&HostConfigPatch::new().proxy(proxy)).await.unwrap_err(), "proxy");
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn only_this_device_is_reached_through_its_supervisor() {
    let server = Scripted::new((0..3).map(|_| crate::scripted::Turn::text(200, "OK")));
    let env = crate::client_calls::environment(&server.url(), "k");
    let own = env.device_uuid.clone().unwrap();
    // A cloud that is not there: whatever is meant for it goes nowhere.
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let settings = Settings { api_endpoint: Some(format!("http://{nowhere}")), ..Settings::default() };
    let balena = Balena::builder().environment(env).settings(settings).retry(RetryPolicy::never());
    let device = balena.token("t".to_owned().into()).build().device();
    for target in [DeviceTarget::from(None), Local.into(), own.as_str().into()] {
        device.ping(target).await.unwrap();
    }
    assert_eq!(server.requests().len(), 3);
    let others: [DeviceTarget; 4] = [
        own[..7].into(),
        "ffffffffffffffffffffffffffffffff".into(),
        7_654_321.into(),
        own.to_uppercase().into(),
    ];
    for other in others {
        let error = device.reboot(other).force().await.unwrap_err();
        assert!(error.is_unreachable() && error.to_string().contains(&nowhere.to_string()), "{error}");
    }
    let none: [DeviceTarget; 4] = ["".into(), "  ".into(), 0.into(), u64::MAX.into()];
    for none in none {
        unsent(&device.reboot(none).await.unwrap_err(), ErrorKind::InvalidArgument);
    }
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn odd_names_arrive_as_they_are() {
    let name = "ä/?&=#%+ \"x\"";
    let server = Scripted::new([
        crate::scripted::Turn::json(200, &serde_json::json!({"containerId": "c"})),
        crate::scripted::Turn::text(200, "OK"),
    ]);
    let supervisor = client(&server.url());
    supervisor.container_id(name).await.unwrap();
    supervisor.application().restart_service(ServiceSelector::name(name)).unchecked().await.unwrap();
    let requests = server.requests();
    assert_eq!(requests[0].query()[1], ("service".to_owned(), name.to_owned()));
    let body: serde_json::Value = serde_json::from_slice(&requests[1].body).unwrap();
    assert_eq!(body, serde_json::json!({"serviceName": name}));
}

#[tokio::test]
async fn requests_are_neutral() {
    let server = Scripted::new(ENDPOINTS.iter().map(|_| crate::scripted::Turn::text(418, "no")));
    let supervisor = client(&server.url());
    for endpoint in ENDPOINTS {
        perform(&supervisor, *endpoint, None, Options::default()).await.unwrap_err();
    }
    for request in server.requests() {
        let agent = request.header("user-agent").unwrap();
        assert!(
            agent.starts_with("balena-agent/"),
            "the proxy in front sends `Supervisor/…` to the cloud: {agent}"
        );
        for name in ["if-none-match", "if-modified-since", "authorization", "accept-encoding", "cookie"] {
            assert_eq!(request.header(name), None, "{request:?}");
        }
        assert_eq!(request.query(), [("apikey".to_owned(), "f1e2d3c4b5a6".to_owned())]);
        let json = request.header("content-type") == Some("application/json");
        assert_eq!(json, !request.body.is_empty(), "{request:?}");
    }
}
