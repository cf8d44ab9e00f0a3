//! The ledger: what happened, who did it, and what is seen without the agent.

use balena_agent::service::{Client, Config, LedgerQuery};
use serde_json::{Value, json};

use crate::support::{Fake, Running, command, event, eventually, get};

#[tokio::test]
async fn the_ledger_answers_and_names_wrong_parameters() {
    let fake = Fake::start().await;
    let service = Running::start(&fake, Config::default()).await;
    let entries = eventually("the first entry", async || {
        let answer = get(service.address, "/agent/v1/ledger").await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()["entries"].as_array().filter(|entries| !entries.is_empty()).cloned()
    })
    .await;
    let first = &entries[0];
    assert_eq!(
        (&first["actor"], &first["action"], &first["result"]),
        (&json!("agent"), &json!("start"), &json!("done"))
    );
    assert!(first["boot_id"].as_str().unwrap().len() > 30, "{first}");
    for (query, words) in
        [("limit=0", "`limit`"), ("after=1", "\"after\""), ("since=x", "`since`"), ("actor=", "`actor`")]
    {
        let answer = get(service.address, &format!("/agent/v1/ledger?{query}")).await;
        assert_eq!(answer.status, 400, "{query}: {}", answer.body);
        assert!(answer.json()["error"].as_str().unwrap().contains(words), "{query}: {}", answer.body);
    }
    let none = get(service.address, "/agent/v1/ledger?action=reboot").await;
    assert_eq!(none.json(), json!({ "entries": [] }));

    let client = Client::from(service.address);
    let entries = client.ledger(&LedgerQuery::default().actor("agent").limit(1)).await.unwrap();
    assert_eq!(entries[0].action, "start");
    assert!(client.ledger(&LedgerQuery::default().limit(0)).await.unwrap_err().is_invalid_argument());
    service.stop().await;
}

#[tokio::test]
async fn a_service_that_stops_by_itself_is_told_as_not_through_the_agent() {
    let fake = Fake::start().await;
    let service = Running::start(&fake, Config::default()).await;
    service.ready().await;
    let mut events = Client::from(service.address).events().await.unwrap();
    // The first look, at services at rest.
    tokio::time::sleep(std::time::Duration::from_secs(17)).await;
    fake.set(|state| state["shop"]["services"]["main"]["status"] = json!("exited"));
    let told = event(&mut events, "service_status_changed").await;
    assert_eq!(told["status"], "exited");
    let entry = eventually("the entry", async || {
        let answer = get(service.address, "/agent/v1/ledger?actor=not-through-agent").await;
        answer.json()["entries"].get(0).cloned()
    })
    .await;
    assert_eq!((&entry["action"], &entry["target"]), (&json!("stop"), &json!("main")));
    assert_eq!((&entry["through_agent"], &entry["result"]), (&json!(false), &json!("done")));

    let listen = service.address.to_string();
    let why = async |arguments: &[&str]| {
        let mut why = command(&fake, &["why", "--listen", &listen]);
        why.args(arguments).stdout(std::process::Stdio::piped());
        let output = why.output().await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let text = why(&[]).await;
    assert!(text.contains("  stop main: done, not through the agent\n  main stopped\n"), "{text}");
    assert!(text.contains("  start of the agent: done, by the agent\n"), "{text}");
    let data: Value = serde_json::from_str(&why(&["--json", "--action", "stop"]).await).unwrap();
    assert_eq!(data[0]["target"], "main");
    service.stop().await;
}
