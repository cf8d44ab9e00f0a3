//! Services that are not there, and restarts that did not happen: in an application of one service the supervisor
//! acts on that one whatever it is asked for, and it answers 200 when the engine could not stop a container.

use std::time::Duration;

use balena_agent::supervisor::{Confirmation, ServiceSelector};
use balena_agent::{Balena, Error, Local};
use serde_json::{Map, Value, json};

use crate::client_calls::environment;
use crate::scripted::{Scripted, Turn};

/// What the supervisor lists of our application, and of another one.
fn state(names: &[&str]) -> Turn {
    let ours: Map<String, Value> =
        names.iter().map(|name| ((*name).to_owned(), json!({"status": "Running"}))).collect();
    let other = json!({"elsewhere": {"status": "Running"}});
    Turn::json(
        200,
        &json!({"a": {"appId": 7, "services": other}, "demo": {"appId": 1_234_567, "services": ours}}),
    )
}

fn status(containers: &[(&str, &str)]) -> Turn {
    let rows: Vec<Value> = containers
        .iter()
        .map(|(service, id)| {
            json!({"appId": 1_234_567, "serviceName": service, "containerId": id, "status": "Running"})
        })
        .collect();
    Turn::json(200, &json!({"status": "success", "appState": "applied", "containers": rows}))
}

fn ok() -> Turn {
    Turn::text(200, "OK")
}

fn balena(server: &Scripted) -> Balena {
    Balena::builder().environment(environment(&server.url(), "f1e2d3c4b5a6")).build()
}

fn asked(server: &Scripted) -> Vec<String> {
    server.requests().iter().map(|request| request.path().to_owned()).collect()
}

const STATE: &str = "/v2/applications/state";

/// Every call that names a service, through both faces.
async fn act(balena: &Balena, action: &str, name: &str) -> Result<(), Error> {
    let (app, device) = (balena.supervisor().application(), balena.device());
    let service = ServiceSelector::name(name);
    match action {
        "restart" => app.restart_service(service).await,
        "restart --force" => app.restart_service(service).force().await,
        "stop" => app.stop_service(service).await,
        "start" => app.start_service(service).await,
        "device restart" => device.restart_service(Local, service).await,
        "device stop" => device.stop_service(Local, service).force().await,
        "device start" => device.start_service(None, service).await,
        "device own" => device.restart_service("8deb12a58e3b6d3920db1c2b6303d1ff", service).await,
        "confirm" => app.restart_service(service).confirm().await.map(drop),
        "device confirm" => device.restart_service(Local, service).confirm().await.map(drop),
        other => panic!("{other}"),
    }
}

const ACTIONS: &[&str] = &[
    "restart",
    "restart --force",
    "stop",
    "start",
    "device restart",
    "device stop",
    "device start",
    "device own",
    "confirm",
    "device confirm",
];

#[tokio::test]
async fn a_service_that_is_not_there_is_told_before_anything_is_sent() {
    for action in ACTIONS {
        for (services, name, near) in [
            (&["main"][..], "mian", Some("main")),
            (&["main"], "Main", Some("main")),
            (&["main"], "typo", None),
            // It is another application's.
            (&["main"], "elsewhere", None),
            (&["helper", "main"], "helpr", Some("helper")),
        ] {
            let server = Scripted::new([state(services), ok()]);
            let error = act(&balena(&server), action, name).await.unwrap_err();
            assert!(error.is_not_found() && !error.was_sent(), "{action} {name}: {error:?}");
            let text = error.to_string();
            assert!(text.contains(name) && services.iter().all(|known| text.contains(known)), "{text}");
            assert_eq!(text.contains("did you mean "), near.is_some(), "{text}");
            if let Some(near) = near {
                assert!(text.contains(&format!("did you mean \"{near}\"?")), "{text}");
            }
            assert_eq!(asked(&server), [STATE], "{action}");
        }
    }
}

#[tokio::test]
async fn a_look_that_tells_nothing_stops_nothing() {
    for action in ACTIONS.iter().filter(|action| !action.ends_with("confirm")) {
        let looks: [fn() -> Turn; 7] = [
            || state(&["main", "typo"]),
            Turn::close,
            || Turn::json(503, &json!({"status": "failed", "message": "starting"})),
            || Turn::text(404, "Cannot GET /v2/applications/state"),
            || Turn::json(200, &json!({})),
            || state(&[]),
            || Turn::text(200, "nonsense"),
        ];
        for look in looks {
            let server = Scripted::new([look(), ok()]);
            act(&balena(&server), action, "typo").await.unwrap();
            let asked = asked(&server);
            assert!(asked.len() == 2 && asked[0] == STATE && asked[1].ends_with("-service"), "{asked:?}");
        }
    }
}

#[tokio::test]
async fn a_look_that_hangs_takes_no_longer_than_the_call_may() {
    let server = Scripted::new([Turn::silence(), ok()]);
    let app = balena(&server).supervisor().application();
    app.stop_service(ServiceSelector::name("main")).deadline(Duration::from_millis(200)).await.unwrap();
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn unchecked_calls_and_image_ids_are_sent_as_they_are() {
    let server = Scripted::new([ok(), ok(), ok(), ok()]);
    let balena = balena(&server);
    let app = balena.supervisor().application();
    app.restart_service(ServiceSelector::name("typo")).unchecked().await.unwrap();
    balena.device().stop_service(Local, ServiceSelector::name("typo")).unchecked().await.unwrap();
    app.start_service(ServiceSelector::image(5)).await.unwrap();
    balena.device().restart_service(None, 5).await.unwrap();
    assert!(asked(&server).iter().all(|path| path.ends_with("-service")), "{:?}", asked(&server));
}

#[tokio::test]
async fn image_ids_are_looked_up_on_request() {
    let images = || {
        let services = json!({"5": {"status": "Running"}, "6": {"status": "exited"}});
        Turn::json(200, &json!({"local": {"1234567": {"services": services}}}))
    };
    let server = Scripted::new([images(), images(), ok()]);
    let app = balena(&server).supervisor().application();
    let error = app.restart_service(7).checked().await.unwrap_err();
    assert!(error.is_not_found() && !error.was_sent(), "{error:?}");
    assert!(error.to_string().contains("5, 6"), "{error}");
    app.restart_service(6).checked().await.unwrap();
    let state = "/v2/applications/1234567/state";
    assert_eq!(asked(&server), [state, state, "/v2/applications/1234567/restart-service"]);
}

#[tokio::test]
async fn a_restart_is_confirmed_by_new_containers() {
    const A: (&str, &str) = ("main", "a");
    const B: (&str, &str) = ("side", "b");
    type Containers = &'static [(&'static str, &'static str)];
    let service: [(Containers, Containers, Option<bool>); 4] = [
        (&[A, B], &[("main", "x"), B], Some(true)),
        (&[A, B], &[A, B], None),
        (&[A, B], &[B], Some(false)),
        (&[B], &[("main", "x"), B], Some(false)),
    ];
    let judge = |result: Result<Confirmation, Error>, expected: Option<bool>| match (result, expected) {
        (Ok(confirmation), Some(expected)) => assert_eq!(confirmation.is_confirmed(), expected),
        (Err(error), None) => {
            assert!(error.is_server() && error.was_sent(), "{error:?}");
            assert!(error.to_string().contains("did not change") && error.advice().is_some(), "{error}");
        }
        (result, expected) => panic!("expected {expected:?}, got {result:?}"),
    };
    for (before, after, expected) in service {
        let server = Scripted::new([state(&["main", "side"]), status(before), ok(), status(after)]);
        let app = balena(&server).supervisor().application();
        judge(app.restart_service(ServiceSelector::name("main")).confirm().await, expected);
        assert_eq!(server.requests().len(), 4, "one read before and one after");
    }
    let all: [(Containers, Containers, Option<bool>); 2] =
        [(&[A, B], &[("main", "x"), ("side", "y")], Some(true)), (&[A, B], &[("main", "x"), B], None)];
    for (before, after, expected) in all {
        for action in 0..6 {
            let done = Turn::json(200, &json!({"Data": "OK", "Error": ""}));
            let server = Scripted::new([status(before), done, status(after)]);
            let balena = balena(&server);
            let app = balena.supervisor().application();
            let result = match action {
                0 => app.restart().force().confirm().await,
                1 => app.restart_v1().confirm().await,
                2 => app.purge().confirm().await,
                3 => app.purge_v1().confirm().await,
                4 => balena.device().restart_application(Local).confirm().await,
                _ => balena.device().purge(None).confirm().await,
            };
            judge(result, expected);
        }
    }
}

#[tokio::test]
async fn a_restart_that_can_t_be_looked_at_is_not_confirmed() {
    // Not looked at after it either: the first read may have taken the supervisor down.
    let server = Scripted::new([state(&["main"]), Turn::close(), ok(), status(&[("main", "x")])]);
    let app = balena(&server).supervisor().application();
    let confirmation = app.restart_service(ServiceSelector::name("main")).confirm().await.unwrap();
    assert!(!confirmation.is_confirmed());
    assert_eq!(server.requests().len(), 3);

    let server = Scripted::new([state(&["main"]), status(&[("main", "a")]), ok(), Turn::close()]);
    let app = balena(&server).supervisor().application();
    let confirmation = app.restart_service(ServiceSelector::name("main")).confirm().await.unwrap();
    assert!(!confirmation.is_confirmed());
    assert_eq!(server.requests().len(), 4);

    // A refusal is a refusal.
    let locked = Turn::text(423, "Lockfile exists for { appId: 1234567, service: main }");
    let server = Scripted::new([state(&["main"]), status(&[("main", "a")]), locked]);
    let app = balena(&server).supervisor().application();
    assert!(app.restart_service(ServiceSelector::name("main")).confirm().await.unwrap_err().is_locked());
}

/// Our application while the image of `main` is being downloaded.
fn downloading(update: &str) -> Turn {
    let services = json!({
        "main": {"status": "Downloading", "downloadProgress": 5},
        "helper": {"status": "Downloaded"},
    });
    Turn::json(200, &json!({"demo": {"appId": 1_234_567, "updateStatus": update, "services": services}}))
}

#[tokio::test]
async fn a_service_is_not_taken_down_while_the_image_for_its_start_is_missing() {
    for action in ACTIONS.iter().filter(|action| !action.ends_with("confirm")) {
        let stops = action.contains("stop");
        for (name, passes) in [("main", stops), ("helper", true)] {
            let server = Scripted::new([downloading("downloading"), ok()]);
            let result = act(&balena(&server), action, name).await;
            assert_eq!(server.requests().len(), if passes { 2 } else { 1 }, "{action} {name}");
            match result {
                Ok(()) => assert!(passes, "{action} {name}"),
                Err(error) => {
                    let text = error.to_string();
                    assert!(!passes && error.is_conflict() && !error.was_sent(), "{action} {name}: {text}");
                    assert!(text.contains("\"main\"") && text.contains("downloaded"), "{text}");
                }
            }
        }
        // Not all services are listed then.
        let server = Scripted::new([downloading("downloading")]);
        let error = act(&balena(&server), action, "worker").await.unwrap_err();
        assert!(error.is_not_found() && error.to_string().contains("an update is running"), "{error}");
    }
    let images = json!({"5": {"status": "Running"}, "6": {"status": "Downloading"}});
    let images = || Turn::json(200, &json!({"local": {"1234567": {"services": images}}}));
    let server = Scripted::new([images(), images(), ok()]);
    let app = balena(&server).supervisor().application();
    let error = app.restart_service(5).checked().await.unwrap_err();
    assert!(error.is_conflict() && !error.was_sent() && error.to_string().contains("name"), "{error}");
    app.stop_service(5).checked().await.unwrap();
}

/// The engine's 404 is passed on without a text; the supervisor's own has one.
#[tokio::test]
async fn an_image_that_is_not_there_yet_is_told_from_a_missing_service() {
    for (words, image) in [("", true), ("Service not found", false)] {
        let server = Scripted::new((0..3).map(|_| Turn::text(404, words)));
        let app = balena(&server).supervisor().application();
        let main = ServiceSelector::name("main");
        for (error, text) in [
            (
                app.restart_service(main.clone()).unchecked().await.unwrap_err(),
                "the old container is removed",
            ),
            (app.start_service(main).unchecked().await.unwrap_err(), "nothing is changed"),
            (app.start_single().await.unwrap_err(), "nothing is changed"),
        ] {
            assert!(error.is_not_found() && error.was_sent(), "{error}");
            assert_eq!(
                error.to_string().contains("the image of the service's next release"),
                image,
                "{error}"
            );
            assert_eq!(error.to_string().contains(text), image, "{error}");
        }
    }
}
