//! Whose credentials: asked once for each login, and told by kind.

use balena_agent::{ActorKind, Balena, Environment, RetryPolicy};
use std::sync::Arc;

use crate::support::{Answer, Cloud, answer, session_of_age};

const USER: &str = r#"{"id":4,"actorType":"user","actorTypeId":12,"username":"u","email":"e@x.y"}"#;

fn cloud() -> Cloud {
    Cloud::new(|call, _| match call {
        "GET /actor/v1/whoami" => answer(200, USER),
        "GET /user/v1/refresh-token" => answer(200, session_of_age(0)),
        _ => answer(200, r#"{"d":[],"id":1}"#),
    })
}

fn questions(cloud: &Cloud) -> usize {
    let count = cloud.asked().iter().filter(|call| *call == "GET /actor/v1/whoami").count();
    cloud.forget();
    count
}

#[tokio::test(start_paused = true)]
async fn one_answer_serves_all_nouns_until_somebody_else_logs_in() {
    let cloud = cloud();
    let balena = cloud.client(Some("one"));
    let all = |balena: Balena| async move {
        balena.auth().whoami().await.unwrap();
        assert_eq!(balena.auth().get_actor_id().await.unwrap(), 4);
        let info = balena.auth().get_user_info().await.unwrap();
        assert_eq!(
            (info.id, info.actor, &*info.username, info.email.as_deref()),
            (12, 4, "u", Some("e@x.y"))
        );
        balena.key().create("title", "ssh-rsa AAAA").rows::<serde_json::Value>().await.unwrap();
        balena.api_key().get_all_named_user_api_keys().await.unwrap();
        balena.auth().request_verification_email().await.unwrap();
    };
    all(balena.clone()).await;
    assert_eq!(questions(&cloud), 1);
    all(balena.clone()).await;
    assert_eq!(questions(&cloud), 0);

    balena.auth().login_with_token("two").unwrap();
    all(balena.clone()).await;
    assert_eq!(questions(&cloud), 1, "another login");
    balena.settings().set("token", "three").unwrap();
    all(balena.clone()).await;
    assert_eq!(questions(&cloud), 1, "another token");
    balena.settings().set("timeout", "1000").unwrap();
    balena.settings().remove("timeout").unwrap();
    all(balena.clone()).await;
    assert_eq!(questions(&cloud), 0, "another setting");
    balena.auth().logout().unwrap();
    assert!(balena.auth().whoami().await.unwrap_err().is_unauthorized());
    assert_eq!(questions(&cloud), 0);

    balena.auth().login_with_token(session_of_age(0)).unwrap();
    all(balena.clone()).await;
    cloud.advance(std::time::Duration::from_secs(7200));
    all(balena.clone()).await;
    assert_eq!(questions(&cloud), 1, "a renewed token is of the same login");
}

#[tokio::test(start_paused = true)]
async fn an_answer_for_the_login_before_is_not_taken_for_the_next() {
    let cloud = cloud();
    let balena = cloud.client(Some("one"));
    let first = async { drop(balena.auth().whoami().await.unwrap()) };
    let second = async {
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        balena.auth().login_with_token("two").unwrap();
    };
    futures_util::future::join(first, second).await;
    balena.auth().whoami().await.unwrap();
    assert_eq!(questions(&cloud), 2);
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_actor_is_told() {
    let who = |body: &'static str| async move {
        let cloud = Cloud::new(move |_, _| answer(200, body));
        let balena = cloud.client(Some("x"));
        (balena.auth().whoami().await, balena.auth().get_user_info().await)
    };
    let (device, info) = who(r#"{"id":5,"actorType":"device","actorTypeId":7,"uuid":"abc"}"#).await;
    assert_eq!(device.unwrap().actor, ActorKind::Device { id: 7, uuid: Some("abc".into()) });
    assert!(info.unwrap_err().is_unsupported());
    let (fleet, info) = who(r#"{"id":5,"actorType":"application","actorTypeId":7,"slug":"a/b"}"#).await;
    assert_eq!(fleet.unwrap().actor, ActorKind::Application { id: 7, slug: Some("a/b".into()) });
    assert!(info.unwrap_err().is_unsupported());
    let (newer, info) = who(r#"{"id":5,"actorType":"robot","actorTypeId":7}"#).await;
    assert_eq!(newer.unwrap().actor, ActorKind::Other { actor_type: "robot".into(), id: Some(7) });
    assert!(info.unwrap_err().is_unsupported());
    let (_, info) = who(r#"{"id":5,"actorType":"user","actorTypeId":7,"username":"u"}"#).await;
    assert_eq!(info.unwrap().email, None);
    for odd in ["", "null", "{}", "<html>", "[]", r#"{"id":"x","actorType":"user"}"#] {
        let (who, info) = who(odd).await;
        assert!(who.unwrap_err().is_decode() && info.unwrap_err().is_decode(), "{odd}");
    }
}

#[tokio::test(start_paused = true)]
async fn not_logged_in_is_only_what_the_server_says() {
    for (status, known) in
        [(200, Some(true)), (401, Some(false)), (403, Some(false)), (404, None), (429, None), (500, None)]
    {
        let cloud = Cloud::new(move |_, _| answer(status, USER));
        let result = cloud.client(Some("x")).auth().is_logged_in().await;
        assert_eq!(result.as_ref().ok().copied(), known, "{status}: {result:?}");
    }
    let broken = Cloud::new(|_, _| Answer::Breaks);
    assert!(broken.client(Some("x")).auth().is_logged_in().await.unwrap_err().is_unreachable());
    assert!(!broken.client(None).auth().is_logged_in().await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn the_key_of_the_environment_counts_while_nobody_is_logged_in() {
    let cloud = cloud();
    let environment = Environment::from_vars([("RESIN_API_KEY", "key-0f-device")]).unwrap();
    let balena = Balena::builder()
        .environment(environment)
        .retry(RetryPolicy::never())
        .transport(Arc::new(cloud.clone()))
        .clock(Arc::new(cloud.clone()))
        .build();
    assert!(balena.auth().get_token().unwrap().is_none(), "a key of the environment is no login");
    balena.auth().whoami().await.unwrap();
    balena.auth().login_with_token("session").unwrap();
    balena.auth().whoami().await.unwrap();
    balena.auth().logout().unwrap();
    balena.auth().whoami().await.unwrap();
    assert_eq!(cloud.tokens(), ["key-0f-device", "session", "key-0f-device"]);
}
