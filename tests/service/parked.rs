//! A configuration that can't work: the service stays, says so, and does nothing else.

use std::time::Duration;

use balena_agent::service::{self, Config};
use balena_agent::{Balena, Environment};
use nix::sys::signal::Signal;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::support::{Answer, Fake, KEY, Process, Running, command, eventually, get, on, request};

/// Starts the command with these variables on a free port, and waits until it answers.
async fn parked(fake: &Fake, variables: &[(&str, &str)]) -> Process {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let mut command = command(fake, &["run"]);
    command.env("AGENT_LISTEN", address.to_string()).envs(variables.iter().copied());
    let process = Process::of(command.spawn().unwrap(), address);
    eventually("the parked service", async || tokio::net::TcpStream::connect(address).await.ok()).await;
    process
}

fn faults(answer: &Answer) -> Vec<String> {
    let list = answer.json()["faults"].as_array().unwrap().clone();
    list.iter().map(|fault| fault["setting"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn it_is_alive_not_ready_and_tells_its_faults() {
    let fake = Fake::start().await;
    for (variables, settings) in [
        (&[("AGENT_LOG", "loud")][..], &["AGENT_LOG"][..]),
        (&[("AGENT_POLL_SLOW", "often"), ("AGENT_LGO", "info")], &["AGENT_POLL_SLOW", "AGENT_LGO"]),
        (&[("BALENA_SUPERVISOR_API_KEY", "")], &["BALENA_SUPERVISOR_API_KEY"]),
        (&[("AGENT_STATE_DIRECTORY", "state")], &["AGENT_STATE_DIRECTORY"]),
    ] {
        let process = parked(&fake, variables).await;
        let address = process.address;
        assert_eq!(get(address, "/live").await.status, 200);
        let ready = get(address, "/ready").await;
        assert_eq!((ready.status, faults(&ready)), (503, settings.iter().map(|s| (*s).to_owned()).collect()));
        let body = ready.json();
        assert_eq!(body["status"], "unavailable");
        assert!(body["reason"].as_str().unwrap().contains("config check"), "{body}");
        for path in ["/status", "/metrics", "/events", "/agent/v1/locks", "/nonsense"] {
            let answer = get(address, path).await;
            assert_eq!((answer.status, answer.json()["kind"].as_str()), (503, Some("parked")), "{path}");
            assert_eq!(faults(&answer), faults(&ready));
        }
        // A page whose name resolves to this machine is told no values.
        let foreign = request(address, "GET /ready HTTP/1.1\r\nhost: evil.example\r\n\r\n").await;
        assert!(foreign.status == 503 && foreign.json()["faults"].is_null(), "{}", foreign.body);
        assert!(process.healthcheck(&fake).await.is_some(), "its container is not restarted");
        let (code, log) = process.end(Signal::SIGTERM).await;
        assert_eq!(code, Some(0), "{log}");
        assert_eq!(log.lines().filter(|line| line.contains("parked")).count(), 1, "{log}");
        assert!(settings.iter().all(|name| log.contains(name)) && !log.contains("service started"), "{log}");
        assert!(!log.contains(KEY), "{log}");
    }
    assert_eq!(fake.calls(), 0, "a parked service asks nothing");
}

#[tokio::test]
async fn a_listener_without_a_fault_is_used() {
    let fake = Fake::start().await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    for other in ["nonsense", "203.0.113.1:48485"] {
        let config = Config::default().listen(format!("{other},{address}"));
        let service = service::bind(on(&fake), config).await.unwrap();
        assert_eq!(service.address(), address, "{other}");
        let (stop, stopped) = oneshot::channel::<()>();
        let mut task = JoinSet::new();
        task.spawn(service.run(async {
            let _ = stopped.await;
        }));
        let ready = get(address, "/ready").await;
        assert_eq!((ready.status, faults(&ready)), (503, vec!["AGENT_LISTEN".to_owned()]));
        assert!(ready.body.contains(other), "{}", ready.body);
        stop.send(()).unwrap();
        task.join_next().await.unwrap().unwrap().unwrap();
    }
}

#[tokio::test]
async fn who_reads_its_answers_slowly_costs_the_others_nothing() {
    let fake = Fake::start().await;
    let process = parked(&fake, &[("AGENT_LOG", "loud")]).await;
    let mut silent = Vec::new();
    for _ in 0..40 {
        silent.push(tokio::net::TcpStream::connect(process.address).await.unwrap());
    }
    let took = process.healthcheck(&fake).await.expect("alive");
    assert!(took < Duration::from_secs(6), "{took:?}");
}

#[tokio::test]
async fn strict_is_an_error_before_any_work() {
    let nowhere = Balena::builder().environment(Environment::from_vars([("A", "b")]).unwrap()).build();
    let config = Config::from_vars([("AGENT_LISTEN", "x"), ("AGENT_LGO", "info")]).strict();
    let error = service::bind(nowhere, config).await.unwrap_err();
    let text = error.to_string();
    assert!(error.is_config() && text.contains("3 faults") && text.contains("AGENT_LOG"), "{text}");
    assert!(text.contains("BALENA_SUPERVISOR_ADDRESS"), "{text}");
}

#[tokio::test]
async fn faults_that_it_can_work_with_are_told_and_it_is_ready() {
    let fake = Fake::start().await;
    let config = Config::default().set("AGENT_CLIENT_WEB", "state").set("AGENT_LSITEN", "10.0.0.1:1");
    let service = Running::start(&fake, config).await;
    service.ready().await;
    let ready = get(service.address, "/ready").await;
    assert_eq!(ready.json()["status"], "ok");
    assert_eq!(faults(&ready), ["AGENT_CLIENT_WEB", "AGENT_LSITEN"]);
    service.stop().await;
    let service = Running::start(&fake, Config::default()).await;
    service.ready().await;
    assert_eq!(get(service.address, "/ready").await.body, "{\"status\":\"ok\"}");
    service.stop().await;
}

#[tokio::test]
async fn a_port_in_use_is_an_error_and_not_parked() {
    let fake = Fake::start().await;
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let error = service::bind(on(&fake), Config::default().listen(&address)).await.unwrap_err();
    assert!(error.is_io() && error.to_string().contains(&address), "{error}");
}
