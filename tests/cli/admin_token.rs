//! `token`: the admin token of the service in this container.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use balena_agent::service::Client;
use serde_json::Value;

use crate::support::{agent, assert_fails, device, free_address, run, stderr, stdout, until_complete};

#[tokio::test]
async fn it_is_shown_and_replaced_while_the_service_runs() {
    let (_device, mut environment) = device().await;
    let state = std::env::temp_dir().join(format!("balena-agent-cli-token-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&state);
    std::fs::create_dir(&state).unwrap();
    let address = free_address();
    environment.insert("AGENT_LISTEN".into(), address.clone());
    environment.insert("AGENT_STATE_DIRECTORY".into(), state.to_str().unwrap().into());
    for command in ["show", "rotate"] {
        let output = run(&environment, &["token", command]).await;
        assert_fails(&output, 3, &["no admin token", "balena-agent run"]);
    }

    let _service = agent(&environment, &["run"]).stderr(Stdio::null()).spawn().unwrap();
    until_complete(&address).await;
    let show = run(&environment, &["token", "show"]).await;
    assert_eq!(show.status.code(), Some(0), "{}", stderr(&show));
    let first = stdout(&show).trim_end().to_owned();
    assert!(first.len() == 64 && first.bytes().all(|byte| byte.is_ascii_hexdigit()), "{first}");
    let with = |token: &str| Client::new(&address).unwrap().token(token).unwrap();
    with(&first).locks().await.unwrap();

    let rotated = run(&environment, &["--json", "token", "rotate"]).await;
    let rotated: Value = serde_json::from_str(&stdout(&rotated)).unwrap();
    let (second, file) = (rotated["token"].as_str().unwrap(), rotated["file"].as_str().unwrap());
    assert!(second != first && second.len() == 64);
    assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o7777, 0o600);
    assert!(with(&first).locks().await.unwrap_err().is_unauthorized());
    with(second).locks().await.unwrap();
    assert_eq!(stdout(&run(&environment, &["token", "show"]).await).trim_end(), second);

    // A file that others can read is not used, and replaced.
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_fails(&run(&environment, &["token", "show"]).await, 1, &["644", "token rotate"]);
    let third = stdout(&run(&environment, &["token", "rotate"]).await);
    with(third.trim_end()).locks().await.unwrap();
    std::fs::remove_dir_all(&state).unwrap();
}
