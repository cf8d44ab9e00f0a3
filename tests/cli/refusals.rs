//! Bad input and bad answers: one line, a code, nothing half done.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use balena_agent::simulator::{Fault, Injection};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{agent, assert_fails, device, first_line, run, stderr, stdout};

#[tokio::test]
async fn missing_variables_name_the_variable_and_the_label() {
    let (_device, mut environment) = device().await;
    let nothing = BTreeMap::new();
    assert_fails(
        &run(&nothing, &["device", "state"]).await,
        78,
        &["BALENA_SUPERVISOR_ADDRESS", "io.balena.features.supervisor-api"],
    );
    environment.retain(|name, _| !name.ends_with("_APP_ID"));
    assert_fails(&run(&environment, &["device", "restart"]).await, 78, &["BALENA_APP_ID"]);
    // Only calls that name the application need it.
    assert_eq!(run(&environment, &["device", "ping"]).await.status.code(), Some(0));
}

#[tokio::test]
async fn bad_addresses_and_dead_ones() {
    let (device, mut environment) = device().await;
    for bad in ["10.0.0.1:48484", "https://127.0.0.1:1", "http://127.0.0.1:99999", "rubbish"] {
        environment.insert("BALENA_SUPERVISOR_ADDRESS".into(), bad.into());
        assert_fails(&run(&environment, &["device", "ping"]).await, 78, &["BALENA_SUPERVISOR_ADDRESS", bad]);
    }
    environment.insert("BALENA_SUPERVISOR_ADDRESS".into(), device.address());
    device.stop_supervisor().await;
    assert_fails(
        &run(&environment, &["device", "ping"]).await,
        6,
        &["can't reach the supervisor", "refused"],
    );
}

#[tokio::test]
async fn a_malformed_key_or_address_names_its_variable_and_is_not_shown() {
    let (device, environment) = device().await;
    let (key, address) = ("BALENA_SUPERVISOR_API_KEY", "BALENA_SUPERVISOR_ADDRESS");
    let with = |variable: &str, value: String| {
        let mut environment = environment.clone();
        environment.insert(variable.to_owned(), value);
        environment
    };
    let good = device.key("main").unwrap();
    for (variable, value, words) in [
        (key, format!("{good}\n"), ["line break", "remove"]),
        (key, format!("{good}\r\n"), ["line break", "remove"]),
        (key, format!("\"{good}\""), ["quotes", "remove"]),
        (key, format!("'{good}'"), ["quotes", "remove"]),
        (key, format!(" {good}"), ["white space", "remove"]),
        (key, format!("{good}\u{7}"), ["control", "copy"]),
        (key, good.repeat(2000), ["longer", "key alone"]),
        (address, format!("{}/v1", device.address()), ["path", "http://10.114.104.1:48484"]),
        (address, format!("{}?apikey={good}", device.address()), ["query", "http://10.114.104.1:48484"]),
        (address, format!("{}/#{good}", device.address()), ["fragment", "http://10.114.104.1:48484"]),
        (
            address,
            device.address().replace("//", &format!("//me:{good}@")),
            ["user", "http://10.114.104.1:48484"],
        ),
        (address, format!("{}\n", device.address()), ["line break", "http://10.114.104.1:48484"]),
    ] {
        let environment = with(variable, value);
        let output = run(&environment, &["device", "state"]).await;
        assert_fails(&output, 78, &[variable, words[0], words[1]]);
        assert!(!stderr(&output).contains(&good), "{}", stderr(&output));
        let output = run(&environment, &["doctor"]).await;
        let report = stdout(&output);
        assert_eq!(output.status.code(), Some(1), "{report}");
        assert!(
            report.contains(variable) && report.contains(words[0]) && !report.contains(&good),
            "{report}"
        );
    }
    let slash = with(address, format!("{}/", device.address()));
    assert_eq!(run(&slash, &["device", "ping"]).await.status.code(), Some(0));
}

#[tokio::test]
async fn refusals_have_codes_of_their_own() {
    let (device, mut environment) = device().await;
    assert_fails(
        &run(&environment, &["device", "restart-service", "nope"]).await,
        3,
        &["has no service \"nope\""],
    );
    assert_fails(
        &run(&environment, &["supervisor", "container-id", "nope"]).await,
        3,
        &["has no service \"nope\""],
    );
    assert_fails(&run(&environment, &["device", "restart-service", ""]).await, 2, &["service", "empty"]);
    assert_fails(&run(&environment, &["device", "set-tags", "a b=c"]).await, 2, &["tags"]);
    assert_fails(&run(&environment, &["device", "set-tags", "novalue"]).await, 2, &["="]);
    assert_fails(
        &run(&environment, &["supervisor", "restart", "777"]).await,
        4,
        &["not for this application"],
    );

    let lock = device.lock_directory(1, "plain").join("updates.lock");
    std::fs::create_dir_all(lock.parent().unwrap()).unwrap();
    std::fs::File::create_new(lock).unwrap();
    assert_fails(&run(&environment, &["device", "reboot"]).await, 5, &["locked (423)", "service: plain"]);
    assert_fails(&run(&environment, &["device", "restart-service", "main"]).await, 5, &["locked (423)"]);

    environment.insert("BALENA_SUPERVISOR_API_KEY".into(), "0123456789abcdef0123456789abcdef".into());
    assert_fails(
        &run(&environment, &["device", "state"]).await,
        4,
        &["refused the key (401)", "BALENA_SUPERVISOR_API_KEY"],
    );
}

#[tokio::test]
async fn answers_that_are_none() {
    let (device, environment) = device().await;
    device.inject(Injection::new(Fault::Garbage).times(2));
    assert_fails(
        &run(&environment, &["device", "state"]).await,
        1,
        &["does not speak HTTP", "BALENA_SUPERVISOR_ADDRESS"],
    );
    device.clear_faults();
    device.inject(Injection::new(Fault::Silence).times(1));
    assert_fails(
        &run(&environment, &["--timeout", "500ms", "device", "state"]).await,
        7,
        &["no response within"],
    );
    device.clear_faults();
    device.inject(Injection::new(Fault::Status(500)).times(1));
    assert_fails(&run(&environment, &["device", "state"]).await, 1, &["status 500"]);
    device.clear_faults();
    device.inject(Injection::new(Fault::Status(502)).times(1));
    assert_fails(&run(&environment, &["device", "state"]).await, 6, &["502"]);
    device.clear_faults();
    device.inject(Injection::new(Fault::ResetAfter).times(1).on("/v2/applications/1/restart-service"));
    assert_fails(
        &run(&environment, &["device", "restart-service", "main"]).await,
        8,
        &["it may have taken effect"],
    );
}

#[tokio::test]
async fn what_cant_be_undone_wants_a_yes() {
    let (device, environment) = device().await;
    for arguments in [
        &["device", "purge"][..],
        &["device", "shutdown"],
        &["supervisor", "purge"],
        &["supervisor", "cleanup-volumes"],
        &["supervisor", "regenerate-api-key"],
    ] {
        assert_fails(&run(&environment, arguments).await, 2, &["--yes"]);
    }
    assert_eq!(device.requests(), [], "something was sent");
}

#[tokio::test]
async fn errors_are_json_when_asked() {
    let output = run(&BTreeMap::new(), &["--json", "device", "state"]).await;
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(error["error"]["kind"], "config");
    assert_eq!(error["error"]["exit_code"], 78);
    assert!(error["error"]["help"].as_str().unwrap().contains("io.balena.features.supervisor-api"));
}

#[tokio::test]
async fn usage_errors_are_two() {
    let nothing = BTreeMap::new();
    for arguments in
        [&["nonsense"][..], &["device", "restart-service"], &["--wait", "5", "device", "ping"], &[]]
    {
        let output = run(&nothing, arguments).await;
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
    for arguments in [&["--help"][..], &["--version"], &["device", "--help"]] {
        assert_eq!(run(&nothing, arguments).await.status.code(), Some(0));
    }
}

#[tokio::test]
async fn a_reader_that_has_seen_enough_ends_a_command_in_silence() {
    let (_device, environment) = device().await;
    let mut child = agent(&environment, &["device", "logs", "--follow"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    first_line(&mut child).await;
    drop(child.stdout.take());
    let output = tokio::time::timeout(Duration::from_secs(30), child.wait_with_output()).await;
    let output = output.unwrap().unwrap();
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(141), ""));
}

#[tokio::test]
async fn wrong_usage_is_json_when_asked() {
    for arguments in [
        &["--json", "nonsense"][..],
        &["--json"],
        &["device", "restart-service", "--json"],
        &["run", "--listen", "x", "--json"],
    ] {
        let output = run(&BTreeMap::new(), arguments).await;
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let error: Value = serde_json::from_slice(&output.stderr).unwrap();
        assert_eq!(error["error"]["kind"], "invalid_argument", "{arguments:?}");
        assert!(!error["error"]["message"].as_str().unwrap().is_empty(), "{arguments:?}");
    }
    // What follows `--` is the command's.
    let output = run(&BTreeMap::new(), &["nonsense", "--", "--json"]).await;
    assert!(stderr(&output).starts_with("error: "), "{}", stderr(&output));
}

#[tokio::test]
async fn what_is_refused_is_refused_before_anything_is_sent() {
    let (device, environment) = device().await;
    let proxy = ["device", "set-host-config", "--proxy", "socks5://192.0.2.1:1080", "--proxy-login", "me"];
    for (arguments, word) in [
        (&["device", "stop-service", "--image-id", "11", "--until-done", "5s"][..], "--until-done"),
        (&["device", "restart-service", "--image-id", "-5"], "-5"),
        (&["device", "set-tags", "a=1", "b=1", "a=2"], "before"),
        // Its stdin is empty, and an empty password is none.
        (&proxy, "password"),
        (&["device", "set-host-config"], "nothing"),
    ] {
        assert_fails(&run(&environment, arguments).await, 2, &[word]);
    }
    assert_eq!(device.requests(), [], "something was sent");
}

#[tokio::test]
async fn faulty_settings_are_told_all_at_once_on_one_line() {
    let (_device, mut environment) = device().await;
    for (name, value) in [
        ("AGENT_LISTEN", "x"),
        ("AGENT_POLL_QUICK", "5"),
        ("AGENT_POLL_AWAY", "99h"),
        ("AGENT_EVENTS_CLIENTS", "0"),
    ] {
        environment.insert(name.to_owned(), value.to_owned());
    }
    let words = ["4 faults", "AGENT_LISTEN", "AGENT_POLL_QUICK", "AGENT_POLL_AWAY", "AGENT_EVENTS_CLIENTS"];
    assert_fails(&run(&environment, &["run", "--strict"]).await, 78, &words);
    assert_fails(&run(&environment, &["config", "check"]).await, 78, &words);
    // What `run` can work with is a fault too.
    for (name, value, words) in [
        ("AGENT_LISTN", "x", &["AGENT_LISTN", "did you mean AGENT_LISTEN?"][..]),
        ("AGENT_CLIENT_WEB", "state", &["AGENT_CLIENT_WEB_TOKEN", "e.g. "]),
        ("BALENA_SUPERVISOR_API_KEY", "", &["BALENA_SUPERVISOR_API_KEY"]),
    ] {
        let (_device, mut environment) = device().await;
        // An empty value counts as none, and then the older name counts.
        environment.remove(&name.replace("BALENA", "RESIN"));
        environment.insert(name.to_owned(), value.to_owned());
        assert_fails(&run(&environment, &["config", "check"]).await, 78, words);
    }
    let (_device, environment) = device().await;
    assert_eq!(run(&environment, &["config", "check"]).await.status.code(), Some(0));
}

#[tokio::test]
async fn a_servers_words_dont_steer_the_terminal() {
    let (listener, mut environment) =
        (tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap(), device().await.1);
    let address = format!("http://{}", listener.local_addr().unwrap());
    environment.insert("BALENA_SUPERVISOR_ADDRESS".into(), address);
    let server = async {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await;
            let body = "no \u{1b}[2J\u{7}\u{9b}31m";
            let head = format!("HTTP/1.1 400 Bad Request\r\ncontent-length: {}\r\n\r\n", body.len());
            let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
        }
    };
    let output = tokio::select! {
        output = run(&environment, &["-vvv", "device", "name"]) => output,
        () = server => panic!("the server ended"),
    };
    let text = stderr(&output);
    assert!(text.contains("error: ") && text.contains("no \\u{1b}[2J"), "{text:?}");
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
}
