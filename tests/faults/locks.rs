//! Refusals by an update lock, in every form in which supervisors tell them.

use balena_agent::{ErrorKind, LockHolder};
use serde_json::json;

use crate::client;
use crate::client_calls::{ENDPOINTS, Options, perform};
use crate::scripted::{Scripted, Turn};

const FILE: &str = "/tmp/balena-supervisor/services/1234567/main/updates.lock";
const OLD_FILE: &str = "/mnt/root/tmp/resin-supervisor/services/1234567/main/resin-updates.lock";

/// The endpoints that locks can refuse (reference section 3: 423 among their failures, or `force` among their
/// fields).
const TAKE_LOCKS: &[&str] = &[
    "/v1/update",
    "/v1/reboot",
    "/v1/shutdown",
    "/v1/device/host-config",
    "/v1/restart",
    "/v1/purge",
    "/v2/applications/:app/restart",
    "/v2/applications/:app/purge",
    "/v2/applications/:app/restart-service",
    "/v2/applications/:app/stop-service",
    "/v1/apps/:app/stop",
    "/v2/local/target-state",
];

#[tokio::test]
async fn a_503_that_says_so_is_locked_where_locks_are_taken() {
    for file in [FILE, OLD_FILE] {
        let words = format!("Updates are locked: EEXIST: file already exists, open '{file}'");
        for endpoint @ (method, path, _) in ENDPOINTS {
            let turns = [
                Turn::text(503, &words),
                Turn::json(503, &json!({"status": "failed", "message": words})),
                Turn::json(503, &json!({"Data": "", "Error": words})),
            ];
            let server = Scripted::new(turns);
            let supervisor = client(&server.url());
            for _ in 0..3 {
                let error = perform(&supervisor, *endpoint, None, Options::default()).await.unwrap_err();
                assert_eq!(error.status(), Some(503), "{error}");
                if *method != "GET" && TAKE_LOCKS.contains(path) {
                    assert_eq!(error.kind(), ErrorKind::Locked, "{method} {path}");
                    let holder = LockHolder::Service { app_id: 1_234_567, service: "main".into() };
                    assert_eq!(error.lock_holder(), Some(&holder), "{method} {path}");
                } else {
                    assert_eq!(error.kind(), ErrorKind::Server, "{method} {path}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_423_has_a_holder_in_every_form_and_advises_force_only_once() {
    let main = || Some(LockHolder::Service { app_id: 1_234_567, service: "main".into() });
    for (words, holder) in [
        ("Lockfile exists for { appId: 1234567, service: main }".to_owned(), main()),
        (format!("Updates are locked: {FILE}"), main()),
        (format!("Updates are locked: EEXIST, open '{OLD_FILE}'"), main()),
        ("Updates are locked".to_owned(), None),
    ] {
        let server = Scripted::new((0..2).map(|_| Turn::json(423, &json!({"Data": "", "Error": words}))));
        let supervisor = client(&server.url());
        let error = supervisor.reboot().await.unwrap_err();
        assert!(error.is_locked() && error.lock_holder() == holder.as_ref(), "{error:?}");
        assert!(error.advice().unwrap().contains("force"), "{error}");
        let error = supervisor.reboot().force().await.unwrap_err();
        assert!(error.is_locked() && error.lock_holder() == holder.as_ref(), "{error:?}");
        let advice = error.advice().unwrap();
        assert!(!advice.contains("force") && advice.contains("directory"), "{error}");
    }
}

#[tokio::test]
async fn a_401_of_the_single_container_endpoints_is_told_by_its_label() {
    let endpoints: Vec<_> = ENDPOINTS.iter().filter(|(_, path, _)| path.starts_with("/v1/apps/")).collect();
    assert_eq!(endpoints.len(), 3);
    for endpoint in endpoints {
        let labels = [("text/html; charset=utf-8", true), ("text/plain; charset=utf-8", false)];
        for (label, out_of_scope) in labels {
            let server = Scripted::new([Turn::answer(401, Some(label), "Unauthorized")]);
            let error =
                perform(&client(&server.url()), *endpoint, None, Options::default()).await.unwrap_err();
            assert!(error.is_unauthorized(), "{error:?}");
            assert_eq!(error.is_out_of_scope(), out_of_scope, "{endpoint:?} {label}: {error}");
        }
    }
    // A page of something in front says nothing about the key's scope, and elsewhere the label is the same for both.
    let page = "<html><title>401 Authorization Required</title></html>";
    let server = Scripted::new([Turn::text(401, page), Turn::text(401, "Unauthorized")]);
    let supervisor = client(&server.url());
    assert!(!supervisor.application().stop_single().await.unwrap_err().is_out_of_scope());
    assert!(!supervisor.reboot().await.unwrap_err().is_out_of_scope());
}
