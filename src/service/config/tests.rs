use super::table::{Kind, SETTINGS};
use super::*;
use crate::{Balena, Environment};

fn on_a_device() -> Balena {
    let vars = [("BALENA_SUPERVISOR_ADDRESS", "http://127.0.0.1:1"), ("BALENA_SUPERVISOR_API_KEY", "s3cret")];
    Balena::builder().environment(Environment::from_vars(vars).unwrap()).build()
}

fn checked(vars: &[(&str, &str)]) -> Checked {
    Config::from_vars(vars.iter().copied()).check(&on_a_device()).unwrap()
}

/// The faults of settings that can't work.
fn refused(vars: &[(&str, &str)]) -> Vec<Fault> {
    Config::from_vars(vars.iter().copied()).check(&on_a_device()).unwrap_err().faults
}

#[test]
fn every_default_is_its_value_and_in_its_range() {
    for setting in SETTINGS.iter().filter(|setting| !setting.default.is_empty()) {
        // Sets another value first, so that the parsed default is seen to be set.
        let mut to = Checked::default();
        parse::apply(setting, setting.default, &mut to).unwrap();
        assert_eq!(format!("{to:?}"), format!("{:?}", Checked::default()), "{}", setting.name);
    }
}

#[test]
fn every_setting_sets_a_field() {
    for setting in SETTINGS {
        let other = match setting.kind {
            Kind::Addresses(_) => "10.0.0.1:1, [::1]:2",
            Kind::Hosts(_) => "Agent.local b",
            Kind::Directory(_) => "/state",
            Kind::Duration(..) => "15s",
            Kind::Number(..) => "77",
            Kind::Size(..) => "64 KiB",
            Kind::LogLevel(_) => "WARN",
            Kind::Library | Kind::Client(_) => continue,
        };
        let mut to = Checked::default();
        parse::apply(setting, other, &mut to).unwrap();
        assert_ne!(format!("{to:?}"), format!("{:?}", Checked::default()), "{}", setting.name);
    }
}

#[test]
fn defaults_variables_and_setters() {
    let vars = [("AGENT_LISTEN", ""), ("AGENT_POLL_SLOW", "15s"), ("AGENT_EVENTS_CLIENTS", " 5 ")];
    let config = Config::from_vars(vars).poll_quick(Duration::from_millis(1500)).hosts("a.b,C");
    let checked = config.check(&on_a_device()).unwrap();
    assert_eq!(checked.listen, ["127.0.0.1:48485".parse().unwrap()]);
    assert_eq!(
        (checked.poll_quick, checked.poll_slow),
        (Duration::from_millis(1500), Duration::from_secs(15))
    );
    assert_eq!((checked.poll_away, checked.events_clients), (Duration::from_secs(30), 5));
    assert_eq!(checked.hosts, ["a.b", "c"]);
    assert!(checked.faults.is_empty());
}

#[test]
fn every_duration_that_a_setter_takes_is_read_back() {
    for millis in [0, 1, 10, 1500, 59_999, 3_600_000, 90_061_001] {
        let duration = Duration::from_millis(millis);
        assert_eq!(parse::duration(&duration_text(duration)), Some(duration), "{duration:?}");
    }
    let error = Config::default().heartbeat(Duration::MAX).check(&on_a_device()).unwrap_err();
    assert!(error.error().to_string().contains("AGENT_EVENTS_HEARTBEAT"));
}

#[test]
fn every_wrong_value_is_named_with_an_example() {
    for (name, values) in [
        (
            "AGENT_LISTEN",
            &["x", "48485", "localhost:48485", "127.0.0.1", "127.0.0.1:70000", "127.0.0.1:1,x"][..],
        ),
        ("AGENT_HOSTS", &["http://a", "a:80", "*", "a/b", "a..b", "a,-b", ","]),
        ("AGENT_STATE_DIRECTORY", &["data", "./data", "/", "/data/../etc", "~/x"]),
        ("AGENT_POLL_QUICK", &["5", "soon", "9ms", "2h", "-1s", "1e3s", "2 s s"]),
        ("AGENT_POLL_SLOW", &["10", "often", "2h", "0s"]),
        ("AGENT_POLL_AWAY", &["99h", "30", "P1Y", "0.5"]),
        ("AGENT_EVENTS_HEARTBEAT", &["61s", "0s", "1", "never"]),
        ("AGENT_EVENTS_CLIENTS", &["0", "-1", "1025", "many", "1.5", "99999999999999999999999"]),
        ("AGENT_EVENTS_HISTORY", &["15", "4097", "all", "-256"]),
        ("AGENT_LOG", &["trace", "loud", "1", "warn,info"]),
        ("AGENT_LEASES_PER_CLIENT", &["0", "257", "x"]),
        ("AGENT_LOCK_MAX_TTL", &["0s", "24", "31d", "forever"]),
        ("AGENT_REQUEST_RATE", &["0", "20/s", "10001"]),
        ("AGENT_STREAMS_PER_CLIENT", &["0", "257", "x"]),
        ("AGENT_LEDGER_ENTRIES", &["9", "100001", "1e3"]),
        ("AGENT_LEDGER_DAYS", &["0", "90d", "4000"]),
        ("AGENT_LEDGER_SIZE", &["1", "256KB", "17MiB", "-1", "KiB", "18446744073709551615MiB", "ä"]),
    ] {
        for value in values {
            let faults = refused(&[(name, value)]);
            assert_eq!(faults.len(), 1, "{name}={value}: {faults:?}");
            let text = faults[0].to_string();
            assert_eq!(faults[0].setting, name);
            assert!(text.starts_with(&format!("{name} is \"{value}\": ")), "{text}");
            assert!(text.contains("e.g. "), "{text}");
        }
    }
    // Every setting with a value is tried above.
    let tried = 17;
    let all = SETTINGS.iter().filter(|setting| !matches!(setting.kind, Kind::Library | Kind::Client(_)));
    assert_eq!(all.count(), tried);
}

#[test]
fn all_faults_at_once() {
    let vars = [
        ("AGENT_LISTEN", "localhost"),
        ("AGENT_POLL_QUICK", "soon"),
        ("AGENT_EVENTS_CLIENTS", "-1"),
        ("AGENT_POLL_SLOW", "2h"),
        ("AGENT_LGO", "info"),
        ("AGENT_CLIENT_WEB", "state"),
    ];
    let refused = Config::from_vars(vars).check(&Balena::builder().build()).unwrap_err();
    assert_eq!(refused.listen, [DEFAULT_LISTEN]);
    let error = refused.error();
    assert!(error.is_config());
    let text = error.to_string();
    for word in [
        "7 faults",
        "AGENT_LISTEN",
        "AGENT_POLL_QUICK",
        "CLIENTS",
        "AGENT_POLL_SLOW",
        "AGENT_LOG",
        "AGENT_CLIENT_WEB_TOKEN",
        "(7) ",
        "BALENA_SUPERVISOR_ADDRESS",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
    assert_eq!(text.lines().count(), 1, "{text}");
}

#[test]
fn a_flag_replaces_a_bad_variable_and_order_counts() {
    let config = Config::from_vars([("AGENT_LISTEN", "nonsense")]).listen("[::1]:0");
    assert!(config.check(&on_a_device()).is_ok());
    assert!(Config::default().listen(" ").check(&on_a_device()).is_err());
    let faults = refused(&[("AGENT_POLL_SLOW", "1s")]);
    assert!(faults[0].text.contains("must not decrease") && faults[0].text.contains("e.g. "), "{faults:?}");
    assert!(Config::default().heartbeat(Duration::ZERO).check(&on_a_device()).is_err());
}

#[test]
fn a_parked_service_listens_where_it_can() {
    let listen = |text: &str| Config::default().listen(text).check(&on_a_device()).unwrap_err().listen;
    assert_eq!(listen("nonsense"), [DEFAULT_LISTEN]);
    assert_eq!(listen("10.0.0.7:80 nonsense 10.0.0.7:80"), ["10.0.0.7:80".parse().unwrap()]);
    let refused = Config::from_vars([("AGENT_LOG", "x")]).listen("0.0.0.0:80").check(&on_a_device());
    assert_eq!(refused.unwrap_err().listen, ["0.0.0.0:80".parse().unwrap()]);
}

#[test]
fn clients_of_this_machine_use_loopback() {
    let local = |listen: &str| Config::default().listen(listen).local_address().unwrap().to_string();
    assert_eq!(local("0.0.0.0:80"), "127.0.0.1:80");
    assert_eq!(local("[::]:80"), "[::1]:80");
    assert_eq!(local("10.0.0.7:80"), "10.0.0.7:80");
    assert_eq!(local("10.0.0.7:80, 127.0.0.1:81"), "127.0.0.1:81");
    assert_eq!(local("nonsense"), "127.0.0.1:48485");
    assert!(Config::default().listen("127.0.0.1:0").local_address().unwrap_err().is_config());
}

#[test]
fn an_unknown_variable_is_told_with_the_nearest_and_without_its_value() {
    for (name, near) in [
        ("AGENT_LISTN", "did you mean AGENT_LISTEN?"),
        ("AGENT_POLL_QICK", "did you mean AGENT_POLL_QUICK?"),
        ("AGENT_CLIENTWEB_TOKEN", "AGENT_CLIENTWEB_TOKEN is no setting"),
        ("AGENT_", "AGENT_ is no setting"),
        ("AGENT_NAME", "AGENT_NAME is no setting"),
    ] {
        let faults = checked(&[(name, "s3cr3t-0123456789")]).faults;
        assert_eq!((faults.len(), faults[0].setting.as_str()), (1, name));
        assert!(faults[0].text.contains(near) && !faults[0].text.contains("s3cr3t"), "{faults:?}");
    }
    assert!(checked(&[("AGENT_ALLOW_HTTP", "1"), ("BALENA_X", "y"), ("agent_x", "")]).faults.is_empty());
}

const TOKEN: &str = "0123456789abcdef-s3cr3t";

#[test]
fn clients_are_read() {
    let clients = checked(&[
        ("AGENT_CLIENT_WEB", "state, actions:restart:web"),
        ("AGENT_CLIENT_WEB_TOKEN", TOKEN),
        ("AGENT_CLIENT_WEB_SOCKET", "/run/web/agent.sock"),
        ("AGENT_CLIENT_A_B2", "locks"),
        ("AGENT_CLIENT_A_B2_SERVICE", "a-b"),
    ])
    .clients;
    let [first, second] = &clients[..] else { panic!("{clients:?}") };
    assert_eq!((first.name.as_str(), first.service.as_deref()), ("a_b2", Some("a-b")));
    assert_eq!(
        (second.name.as_str(), second.scopes.to_string().as_str()),
        ("web", "state actions:restart:web")
    );
    assert_eq!(second.token.as_ref().unwrap().expose_secret(), TOKEN);
    assert_eq!(second.socket.as_deref(), Some(Path::new("/run/web/agent.sock")));
}

#[test]
fn a_bad_client_is_off_and_the_others_work() {
    let good = [("AGENT_CLIENT_GOOD", "state"), ("AGENT_CLIENT_GOOD_SERVICE", "good")];
    for (vars, setting, word) in [
        (&[("AGENT_CLIENT_WEB", "state")][..], "WEB", "AGENT_CLIENT_WEB_TOKEN"),
        (&[("AGENT_CLIENT_WEB", "sate"), ("AGENT_CLIENT_WEB_TOKEN", TOKEN)], "WEB", "`state`"),
        (&[("AGENT_CLIENT_WEB", TOKEN), ("AGENT_CLIENT_WEB_SERVICE", "web")], "WEB", "word 1"),
        (&[("AGENT_CLIENT_WEB_TOKEN", TOKEN)], "WEB_TOKEN", "has no client"),
        (&[("AGENT_CLIENT_WEB_SOCKET", "/run/web/a.sock")], "WEB_SOCKET", "has no client"),
        (&[("AGENT_CLIENT_WEB_SERVICE", "web")], "WEB_SERVICE", "has no client"),
        (&[("AGENT_CLIENT_WEB", "state"), ("AGENT_CLIENT_WEB_TOKEN", "s3cr3t")], "WEB_TOKEN", "6 characters"),
        (
            &[("AGENT_CLIENT_WEB", "state"), ("AGENT_CLIENT_WEB_TOKEN", "s3cr3t 0123456789")],
            "WEB_TOKEN",
            "white space",
        ),
        (
            &[("AGENT_CLIENT_WEB", "state"), ("AGENT_CLIENT_WEB_TOKEN", "s3cr3t-0123456789-ä")],
            "WEB_TOKEN",
            "not ASCII",
        ),
        (&[("AGENT_CLIENT_WEB", "state"), ("AGENT_CLIENT_WEB_SOCKET", "a.sock")], "WEB_SOCKET", "absolute"),
        (
            &[("AGENT_CLIENT_WEB", "state"), ("AGENT_CLIENT_WEB_SOCKET", "/a.sock")],
            "WEB_SOCKET",
            "of its own",
        ),
        (&[("AGENT_CLIENT_WEB", "state"), ("AGENT_CLIENT_WEB_SOCKET", "/run/../a/b")], "WEB_SOCKET", "`..`"),
        (
            &[("AGENT_CLIENT_WEB", "state"), ("AGENT_CLIENT_WEB_SOCKET", "/data/balena-agent/a")],
            "WEB_SOCKET",
            "state directory",
        ),
        (&[("AGENT_CLIENT_WEB", "state"), ("AGENT_CLIENT_WEB_SERVICE", "a b")], "WEB_SERVICE", "e.g. main"),
        (&[("AGENT_CLIENT_WEB", "state tags"), ("AGENT_CLIENT_WEB_SERVICE", "web")], "WEB_SERVICE", "tags"),
        (
            &[("AGENT_CLIENT_WEB", "locks:keep"), ("AGENT_CLIENT_WEB_SERVICE", "web")],
            "WEB_SERVICE",
            "locks:keep",
        ),
        (
            &[
                ("AGENT_CLIENT_WEB", "admin"),
                ("AGENT_CLIENT_WEB_SERVICE", "web"),
                ("AGENT_CLIENT_WEB_TOKEN", TOKEN),
            ],
            "WEB_SERVICE",
            "admin",
        ),
        (
            &[("AGENT_CLIENT_MYTOKEN", "state"), ("AGENT_CLIENT_MYTOKEN_SERVICE", "web")],
            "MYTOKEN",
            "ends in TOKEN",
        ),
        (
            &[("AGENT_CLIENT_SOCKET", "state"), ("AGENT_CLIENT_SOCKET_SERVICE", "web")],
            "SOCKET",
            "ends in SOCKET",
        ),
        (&[("AGENT_CLIENT_web", "state"), ("AGENT_CLIENT_web_SERVICE", "web")], "web", "capital letters"),
        (&[("AGENT_CLIENT_", "state"), ("AGENT_CLIENT__SERVICE", "web")], "", "lacks the name"),
        (&[("AGENT_CLIENT_ADMIN", "state"), ("AGENT_CLIENT_ADMIN_SERVICE", "web")], "ADMIN", "uses itself"),
    ] {
        let checked = checked(&[vars, &good[..]].concat());
        assert_eq!(checked.clients.len(), 1, "{vars:?}");
        assert_eq!(checked.clients[0].name, "good");
        let fault = checked.faults.iter().find(|fault| fault.setting == format!("AGENT_CLIENT_{setting}"));
        let text = &fault.unwrap_or_else(|| panic!("{vars:?}: {:?}", checked.faults)).text;
        assert!(text.contains(word) && text.contains("e.g. ") || text.contains("openssl rand"), "{text}");
        let all = format!("{:?}", checked.faults);
        assert!(!all.contains("s3cr3t") && !all.contains("0123456789"), "{all}");
    }
}

#[test]
fn clients_that_could_be_taken_for_each_other_are_both_off() {
    for (end, one, other) in [
        ("TOKEN", TOKEN, TOKEN),
        ("SOCKET", "/run/both/a.sock", "/run/both//b.sock"),
        ("SERVICE", "web", "web"),
    ] {
        let (first, second) = (format!("AGENT_CLIENT_A_{end}"), format!("AGENT_CLIENT_B_{end}"));
        let checked = checked(&[
            ("AGENT_CLIENT_A", "state"),
            ("AGENT_CLIENT_B", "state"),
            ("AGENT_CLIENT_C", "state"),
            ("AGENT_CLIENT_C_TOKEN", "another-0123456789"),
            (&first, one),
            (&second, other),
        ]);
        assert_eq!(checked.clients.iter().map(|client| client.name.as_str()).collect::<Vec<_>>(), ["c"]);
        let named: Vec<&str> = checked.faults.iter().map(|fault| fault.setting.as_str()).collect();
        assert_eq!(named, [&first, &second]);
        assert!(!format!("{:?}", checked.faults).contains("s3cr3t"));
    }
}

#[test]
fn there_may_be_64_clients() {
    let mut config = Config::default();
    for number in 0..66 {
        config = config.client(&format!("C{number:02}"), "state", format!("token-of-number-{number}"));
    }
    let checked = config.check(&on_a_device()).unwrap();
    assert_eq!((checked.clients.len(), checked.faults.len()), (64, 2));
}

#[test]
fn no_secret_is_shown() {
    let config = Config::from_vars([
        ("AGENT_CLIENT_WEB", "state"),
        ("AGENT_CLIENT_WEB_TOKEN", TOKEN),
        ("AGENT_CLIENT_WEB_TOKN", TOKEN),
        ("AGENT_UNKNOWN", TOKEN),
    ]);
    let checked = config.check(&on_a_device()).unwrap();
    let mut texts = vec![format!("{config:?}"), format!("{checked:?}")];
    #[cfg(feature = "cli")]
    {
        let rows = serde_json::to_string(&shown(&config)).unwrap();
        assert!(rows.contains("\"***\"") && rows.contains("AGENT_CLIENT_WEB_TOKN"), "{rows}");
        texts.push(rows);
    }
    assert!(!texts.join("\n").contains("s3cr3t"), "{texts:?}");
}
