//! What is in the file, and what counts of it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use balena_agent::{ApiVersion, Balena, Settings};
use tracing::Level;

use crate::record::Recorder;
use crate::support::{Dir, environment, get, mode, token};

const NEW: &str = "[Settings]\nbalena_host = balena-cloud.com\napi_version = v6\n\
    device_actions_endpoint_version = v1\nimage_cache_time = 604800000\ntoken_refresh_interval = 3600000\n\
    timeout = 30000\nrequest_limit_interval = 60\nretry_rate_limited_request = false\n\
    builder_url = https://builder.balena-cloud.com/\napi_endpoint = https://api.balena-cloud.com/\n\
    pine_endpoint = https://api.balena-cloud.com/v6/\n";

#[test]
fn a_new_file_is_the_sdks_and_nobody_elses_to_read() {
    let dir = Dir::new();
    let deep = dir.0.join("a/b");
    let balena = Balena::builder().data_directory(&deep).try_build().unwrap();
    let text = fs::read_to_string(deep.join("balena.cfg")).unwrap();
    let (data, cache) = (deep.display(), deep.join("cache"));
    assert_eq!(text, format!("{NEW}data_directory = {data}\ncache_directory = {}\n\n", cache.display()));
    assert_eq!((mode(&deep), mode(&deep.join("balena.cfg"))), (0o700, 0o600));
    fs::set_permissions(deep.join("balena.cfg"), fs::Permissions::from_mode(0o644)).unwrap();
    balena.settings().set("x", "1").unwrap();
    assert_eq!(mode(&deep.join("balena.cfg")), 0o600, "there may be a token in it");
    assert_eq!(fs::read_dir(&deep).unwrap().count(), 1, "and nothing beside it");
}

#[test]
fn without_being_asked_for_there_is_no_file() {
    let dir = Dir::new();
    let home = dir.0.display().to_string();
    let balena =
        Balena::builder().environment(environment([("HOME", &home)])).token("x".into()).try_build().unwrap();
    balena.settings().set("a", "b").unwrap();
    balena.auth().login_with_token("y").unwrap();
    assert_eq!(dir.names(), [""; 0]);
    assert_eq!(get(&balena, "data_directory"), "false");
}

#[test]
fn the_environment_names_home_section_and_file() {
    let dir = Dir::new();
    let (home, other) = (dir.0.display().to_string(), dir.0.join("other").display().to_string());
    let build = |vars| Balena::builder().environment(vars).default_data_directory().try_build();
    build(environment([("HOME", &home)])).unwrap();
    assert!(dir.0.join(".balena/balena.cfg").is_file());
    let vars = [
        ("HOME", &*home),
        ("BALENA_SETTINGS_HOME_DIRECTORY", &other),
        ("BALENA_SETTINGS_CONFIG_SECTION", "Mine"),
        ("BALENA_SETTINGS_CONFIG_FILENAME", "mine.cfg"),
    ];
    build(environment(vars)).unwrap();
    assert!(fs::read_to_string(dir.0.join("other/.balena/mine.cfg")).unwrap().starts_with("[Mine]\n"));
    let error = build(environment([])).unwrap_err();
    assert!(error.is_config() && error.advice().unwrap().contains("HOME"), "{error}");
}

#[test]
fn reading_writes_nothing() {
    let dir = Dir::new();
    dir.open().auth().login_with_token("stored").unwrap();
    fs::set_permissions(dir.cfg(), fs::Permissions::from_mode(0o444)).unwrap();
    let before = fs::metadata(dir.cfg()).unwrap().modified().unwrap();
    let balena = dir.open();
    assert!(balena.settings().has("timeout").unwrap() && !balena.settings().has("nope").unwrap());
    assert!(balena.settings().get("nope").unwrap_err().is_invalid_argument());
    assert!(!balena.settings().remove("nope").unwrap());
    assert_eq!(token(&balena).as_deref(), Some("stored"));
    assert_eq!(fs::metadata(dir.cfg()).unwrap().modified().unwrap(), before);
    // Setting what is there already is no reason to write either: flash is precious.
    balena.settings().set("timeout", "30000").unwrap();
    assert_eq!(fs::metadata(dir.cfg()).unwrap().modified().unwrap(), before);
}

#[test]
fn the_constructor_counts_before_the_file_and_the_files_token_stays() {
    let dir = Dir::new();
    dir.open().auth().login_with_token("stored").unwrap();
    dir.open().settings().set("request_limit", "5").unwrap();
    let before = dir.text();
    let given = Settings {
        balena_host: "own.example".into(),
        timeout: Duration::from_millis(1),
        api_version: ApiVersion::V7,
        ..Settings::default()
    };
    let balena = dir.builder().settings(given).try_build().unwrap();
    for (name, value) in [
        ("balena_host", "own.example"),
        ("timeout", "1"),
        ("api_endpoint", "https://api.own.example/"),
        ("pine_endpoint", "https://api.own.example/v7/"),
        ("builder_url", "https://builder.own.example/"),
        ("request_limit", "5"),
        ("token", "stored"),
    ] {
        assert_eq!(get(&balena, name), value, "{name}");
    }
    assert_eq!(dir.text(), before, "what one program asked for is not the next one's");
    balena.settings().set("other", "x").unwrap();
    assert_eq!(get(&dir.open(), "timeout"), "30000");
    balena.settings().set("timeout", "2").unwrap();
    assert_eq!((get(&balena, "timeout"), get(&dir.open(), "timeout")), ("2".into(), "2".into()));
    balena.settings().set("balena_host", "balena-cloud.com").unwrap();
    assert_eq!(get(&balena, "balena_host"), "balena-cloud.com", "what is set counts, default or not");
}

#[test]
fn a_builders_token_is_a_login() {
    let dir = Dir::new();
    dir.open().auth().login_with_token("stored").unwrap();
    let balena = dir.builder().token("given".into()).try_build().unwrap();
    assert_eq!((token(&balena), token(&dir.open())), (Some("given".into()), Some("given".into())));
    let error = dir.builder().token("two words".into()).try_build().unwrap_err();
    assert!(error.is_invalid_argument(), "{error}");
    assert_eq!(token(&dir.open()).as_deref(), Some("given"));
}

#[test]
fn what_is_no_settings_file_is_set_aside() {
    for garbage in
        ["", "this is not\nan ini file", "[Other]\na = 1\n", "[Settings]\na = 1\na = 2\n", "\0\0\0\0"]
    {
        let dir = Dir::new();
        dir.write(garbage);
        let balena = dir.open();
        assert_eq!(dir.names(), ["balena.cfg", "balena.cfg.old"], "{garbage:?}");
        assert_eq!(fs::read_to_string(dir.0.join("balena.cfg.old")).unwrap(), garbage);
        assert_eq!(mode(&dir.0.join("balena.cfg.old")), 0o600, "there may be a token in it");
        assert!(dir.text().starts_with(NEW));
        assert_eq!(token(&balena), None);
    }
    let dir = Dir::new();
    fs::File::create(dir.cfg())
        .and_then(|mut file| std::io::Write::write_all(&mut file, b"\xff\xfe[Settings]"))
        .unwrap();
    dir.open();
    assert_eq!(dir.names(), ["balena.cfg", "balena.cfg.old"]);
}

#[test]
fn garbage_behind_a_symlink_is_kept_too() {
    let (dir, elsewhere) = (Dir::new(), Dir::new());
    elsewhere.write("token = all that is left");
    std::os::unix::fs::symlink(elsewhere.cfg(), dir.cfg()).unwrap();
    dir.open();
    assert_eq!(fs::read_to_string(dir.0.join("balena.cfg.old")).unwrap(), "token = all that is left");
    assert!(elsewhere.text().starts_with(NEW), "the symlink stays one");
}

#[test]
fn a_file_from_another_system_costs_nobody_the_login() {
    let dir = Dir::new();
    dir.open().auth().login_with_token("stored").unwrap();
    let text = dir.text();
    for odd in [format!("\u{feff}{text}"), text.replace('\n', "\r\n"), text.replace('\n', "\r")] {
        dir.write(&odd);
        let balena = dir.open();
        assert_eq!((token(&balena).as_deref(), &*get(&balena, "timeout")), (Some("stored"), "30000"));
        balena.settings().set("x", "y").unwrap();
        assert_eq!((dir.names(), token(&dir.open()).as_deref()), (vec!["balena.cfg".into()], Some("stored")));
        balena.settings().remove("x").unwrap();
        assert_eq!(dir.text(), text);
    }
}

#[test]
fn garbage_that_comes_later_costs_nobody_the_login() {
    let dir = Dir::new();
    let balena = dir.open();
    balena.auth().login_with_token("mine").unwrap();
    dir.write("half a fi");
    assert_eq!(token(&balena).as_deref(), Some("mine"), "somebody may be writing it just now");
    assert_eq!(dir.names(), ["balena.cfg"], "so it is not touched");
    balena.settings().set("x", "y").unwrap();
    assert_eq!(dir.names(), ["balena.cfg", "balena.cfg.old"]);
    assert_eq!((token(&dir.open()).as_deref(), &*get(&dir.open(), "x")), (Some("mine"), "y"));
}

#[test]
fn what_a_file_lacks_is_added_and_what_it_has_stays() {
    let dir = Dir::new();
    dir.write("# by hand\n[Settings]\ntoken: stored\nMine = 1\n[Other]\nkept = yes\n");
    let balena = dir.open();
    assert_eq!((token(&balena).as_deref(), &*get(&balena, "mine")), (Some("stored"), "1"));
    let text = dir.text();
    for line in
        ["token = stored\n", "mine = 1\n", "timeout = 30000\n", "cache_directory = ", "[Other]\nkept = yes\n"]
    {
        assert!(text.contains(line), "{line:?}: {text}");
    }
    dir.write("[Settings]\nbalena_host = own.example\n");
    assert_eq!(get(&dir.open(), "api_endpoint"), "https://api.own.example/");
    assert!(dir.text().contains("pine_endpoint = https://api.own.example/v6/\n"));
}

#[test]
fn values_are_what_was_set_or_refused() {
    let dir = Dir::new();
    let balena = dir.open();
    let settings = balena.settings();
    for value in ["100%", "%(timeout)s", "%%", "a = b : c", "#no", "[x]", "line\nline", "\u{e4}\u{1f680}", ""]
    {
        settings.set("Odd", value).unwrap();
        assert_eq!(get(&balena, "odd"), value);
        assert_eq!(get(&dir.open(), "ODD"), value, "{}", dir.text());
    }
    let before = dir.text();
    for (name, value) in [
        ("", "x"),
        (" ", "x"),
        ("a=b", "x"),
        ("a:b", "x"),
        ("[a]", "x"),
        ("#a", "x"),
        ("a\nb", "x"),
        ("a", " x"),
        ("a", "x\n"),
        ("a", "x\n# y"),
        ("a", "x\r\ny"),
        ("a", "x\ry"),
        ("timeout", "soon"),
        ("timeout", "0"),
        ("timeout", "-1"),
        ("request_limit", "0"),
        ("api_version", "v5"),
        ("api_endpoint", "api.own.example"),
        ("api_endpoint", "https://user@own.example"),
        ("balena_host", "https://own.example"),
        ("retry_rate_limited_request", "perhaps"),
        ("token", ""),
    ] {
        let Err(error) = settings.set(name, value) else { panic!("{name:?} {value:?}: {}", dir.text()) };
        assert!(error.is_invalid_argument(), "{name:?} {value:?}: {error}");
    }
    let longer = "x".repeat(64 * 1024);
    assert!(settings.set("a", &*longer).unwrap_err().is_invalid_argument(), "nobody would read it");
    assert_eq!(dir.text(), before);
    settings.set("retry_rate_limited_request", true).unwrap();
    assert!(dir.text().contains("retry_rate_limited_request = true\n"));
    assert!(settings.remove("Retry_Rate_Limited_Request").unwrap());
    assert!(!dir.text().contains("retry_rate_limited_request"));
}

#[test]
fn a_file_made_to_keep_us_busy_does_not() {
    let dir = Dir::new();
    dir.open().auth().login_with_token("stored").unwrap();
    let good = dir.text();
    let doubling = (1..10).map(|level| format!("a{level} = {}\n", format!("%(a{})s", level - 1).repeat(700)));
    let many = (0..7_000).map(|number| format!("n{number}=\n"));
    for bomb in [format!("a0 = xxxx\n{}", doubling.collect::<String>()), many.collect()] {
        dir.write(&format!("{good}{bomb}").replace("\n\n", "\n"));
        let start = Instant::now();
        assert_eq!(token(&dir.open()).as_deref(), Some("stored"));
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    }
}

#[test]
fn a_wrong_value_in_the_file_is_named() {
    let dir = Dir::new();
    dir.open().auth().login_with_token("stored").unwrap();
    let good = dir.text();
    dir.write(&good.replace("timeout = 30000", "timeout = soon"));
    let error = dir.refused();
    assert!(
        error.is_config()
            && error.to_string().contains("timeout")
            && error.to_string().contains("balena.cfg")
    );
    assert!(!error.to_string().contains("stored") && dir.text().contains("token = stored"));
    dir.write(&good);
    let balena = dir.open();
    dir.write(&good.replace("timeout = 30000", "timeout = soon").replace("stored", "newer"));
    let said = Recorder::default();
    tracing::subscriber::with_default(said.clone(), || {
        for _ in 0..100 {
            assert_eq!(token(&balena).as_deref(), Some("stored"), "who lives goes on with what it knows");
        }
    });
    let said = said.texts(Level::WARN);
    assert!(said.len() == 1 && said[0].contains("setting timeout"), "and says so once: {said:?}");
    dir.write(&good.replace("stored", "newest"));
    assert_eq!(token(&balena).as_deref(), Some("newest"));
}
