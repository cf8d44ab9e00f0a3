//! Arguments that can't be meant, and how they are named.

use crate::support::{assert_fails, device, run, stderr};

/// Refused where it leaves no time for an answer; where something is waited for it means one look.
#[tokio::test]
async fn a_timeout_of_zero_is_refused_or_means_one_look() {
    let (device, environment) = device().await;
    std::fs::create_dir_all(device.lock_directory(1, "main")).unwrap();
    let refused: &[&[&str]] = &[
        &["device", "ping"],
        &["device", "state"],
        &["device", "restart-service", "main"],
        &["device", "stop-service", "main", "--until-done", "1s"],
        &["device", "set-host-config", "--hostname", "sea"],
        &["device", "logs"],
        &["device", "logs", "--service", "main"],
        &["supervisor", "version"],
        &["supervisor", "local-logs"],
        &["lock", "status"],
        &["doctor"],
        &["run"],
        &["healthcheck"],
        &["events"],
        &["simulate"],
        &["simulate", "ctl", "state"],
    ];
    for arguments in refused {
        let output = run(&environment, &[&["--timeout", "0s"], *arguments].concat()).await;
        assert_fails(&output, 2, &["--timeout", "no time for a response"]);
    }
    assert_eq!(device.requests(), []);
    for (arguments, code) in [
        (&["supervisor", "wait-ready"][..], 0),
        (&["supervisor", "wait-for", "main", "running"], 0),
        (&["supervisor", "wait-for", "main", "exited"], 7),
        (&["supervisor", "wait-for", "main", "exited", "10m"], 7),
        (&["lock", "run", "--", "/bin/true"], 0),
    ] {
        let output = run(&environment, &[&["--timeout", "0s"], arguments].concat()).await;
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", stderr(&output));
    }
}

/// An option of the command line is told by its own name, and a name that is too long to read is cut.
#[tokio::test]
async fn an_argument_is_named_as_it_was_given() {
    let (device, environment) = device().await;
    let long = "x".repeat(100_000);
    let proxy = "socks5://10.0.0.1:1080";
    let set = |options: &[&'static str]| [&["device", "set-host-config"], options].concat();
    for (arguments, words) in [
        (set(&["--hostname", "foo-"]), &["`--hostname`"][..]),
        (set(&["--proxy", "socks5://fd00::1"]), &["`--proxy`", "IPv6"]),
        (set(&["--proxy", "socks5://10.0.0.256:1080"]), &["`--proxy`", "four numbers"]),
        (set(&["--proxy", "socks5://u:p@10.0.0.1:1080"]), &["`--proxy`", "--proxy-login"]),
        (set(&["--proxy", proxy, "--no-proxy", "example.com"]), &["`--no-proxy`"]),
        (set(&["--proxy", proxy, "--proxy-dns", "[fd00::1]:53"]), &["`--proxy-dns`"]),
        (vec!["device", "logs", "--count", "0"], &["`--count`"]),
        (vec!["device", "logs", "--service", ""], &["`--service`", "empty"]),
        (vec!["device", "logs", "--service", " ", "--follow"], &["`--service`", "empty"]),
        (vec!["device", "restart-service", ""], &["service", "empty"]),
        (vec!["supervisor", "wait-for", "", "running", "0s"], &["service", "empty"]),
        (vec!["supervisor", "container-id", ""], &["SERVICE", "empty"]),
    ] {
        assert_fails(&run(&environment, &arguments).await, 2, words);
    }
    assert_eq!(device.requests(), []);
    for arguments in [
        vec!["device", "logs", "--service", &long],
        vec!["supervisor", "wait-for", &long, "running", "0s"],
        vec!["supervisor", "container-id", &long],
        vec!["device", "stop-service", &long],
    ] {
        let output = run(&environment, &arguments).await;
        assert_fails(&output, 3, &["has no service \"xxxx", "…\""]);
        assert!(stderr(&output).len() < 1000, "{}", stderr(&output).len());
    }
    for arguments in [
        &["device", "logs", "--service", "mian"][..],
        &["supervisor", "wait-for", "mian", "running", "0s"],
        &["supervisor", "container-id", "mian"],
        &["device", "start-service", "mian"],
    ] {
        assert_fails(&run(&environment, arguments).await, 3, &["did you mean \"main\"?"]);
    }
}
