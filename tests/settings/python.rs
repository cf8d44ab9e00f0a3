//! The same file with the Python SDK 14.5.0.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Dir, get, skip, token};

/// A Python with the SDK in it; `None`, with a word about it, where there is none to be had.
fn python(dir: &Path) -> Option<PathBuf> {
    let run = |program: &Path, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or_default().to_owned();
        if output.status.success() { Ok(()) } else { Err(said) }
    };
    let environment = dir.join("venv");
    let made = run(Path::new("python3"), &["-m", "venv", &environment.to_string_lossy()]);
    let python = environment.join("bin/python");
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "balena-sdk==14.5.0"];
    match made.and_then(|()| run(&python, &install)) {
        Ok(()) => Some(python),
        Err(why) => {
            skip(&format!("no Python with balena-sdk 14.5.0: the file is not held against it ({why})"));
            None
        }
    }
}

/// Runs it with the SDK's settings as `settings`.
fn run(python: &Path, dir: &Dir, script: &str) -> String {
    let head = "import sys\nfrom balena.settings import Settings\nsettings = Settings({'data_directory': sys.argv[1]})\n";
    let output = Command::new(python).arg("-c").arg(format!("{head}{script}")).arg(&dir.0).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "the SDK has nothing to complain about");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_python_sdk_and_this_library_share_the_file() {
    let tools = Dir::new();
    let Some(python) = python(&tools.0) else { return };
    let dir = Dir::new();
    let balena = dir.open();
    balena.auth().login_with_token("from-rust").unwrap();
    balena.settings().set("Odd", "100% of %(x)s").unwrap();
    balena.settings().set("flag", true).unwrap();
    balena.settings().set("long", "one\ntwo").unwrap();
    let seen = run(
        &python,
        &dir,
        "a = settings.get_all()\nprint([a[k] for k in ('token', 'odd', 'flag', 'long', 'timeout', 'api_endpoint')])",
    );
    let expected =
        "['from-rust', '100% of %(x)s', True, 'one\\ntwo', '30000', 'https://api.balena-cloud.com/']\n";
    assert_eq!(seen, expected);

    // The SDK can read a value with `%` and not write it.
    assert!(balena.settings().remove("odd").unwrap());
    run(
        &python,
        &dir,
        "settings.get('token')\nsettings.set('token', 'from-python')\nsettings.set('theirs', 'x')",
    );
    assert_eq!((token(&balena).as_deref(), &*get(&balena, "theirs")), (Some("from-python"), "x"));
    assert_eq!(get(&dir.open(), "long"), "one\ntwo");
    balena.settings().set("ours", "y").unwrap();
    let seen = run(
        &python,
        &dir,
        "print(settings.get('ours'), settings.get('theirs'), settings.has('odd'), settings.get('token'))",
    );
    assert_eq!(seen, "y x False from-python\n");
    run(&python, &dir, "settings.remove('token')");
    assert_eq!(token(&balena), None);

    // A file that Python begins is ours to go on with, and the other way round.
    let theirs = Dir::new();
    let begin = "from balena.settings import Settings\nimport sys\nSettings({'data_directory': sys.argv[1]}).set('token', 'first')";
    assert!(Command::new(&python).args(["-c", begin]).arg(&theirs.0).output().unwrap().status.success());
    let before = theirs.text();
    assert_eq!(token(&theirs.open()).as_deref(), Some("first"));
    assert_eq!(theirs.text(), before, "reading writes nothing");
    let incomplete = Dir::new();
    incomplete.write("[Settings]\ntoken = kept\n");
    incomplete.open();
    assert_eq!(run(&python, &incomplete, "print(settings.get('token'))"), "kept\n");
}
