//! Tokens that age: renewed once, by whoever comes first, and never by anything but their age.

use std::time::Duration;

use balena_agent::{ApiVersion, Environment};
use futures_util::future::join_all;

use crate::support::{Answer, Cloud, answer, session, session_of_age, token_of};

const ROWS: &str = r#"{"d":[]}"#;
const RENEWAL: &str = "GET /user/v1/refresh-token";

/// Renews with this, and answers everything else.
fn renewing_with(status: u16, body: impl Into<String>) -> Cloud {
    let body = body.into();
    Cloud::new(move |call, _| match call {
        RENEWAL => answer(status, body.clone()),
        _ => answer(200, ROWS),
    })
}

fn renewals(cloud: &Cloud) -> usize {
    cloud.asked().iter().filter(|call| *call == RENEWAL).count()
}

#[tokio::test(start_paused = true)]
async fn sixty_four_calls_at_once_make_one_renewal_and_all_use_the_new_token() {
    let (old, new) = (session_of_age(7200), session_of_age(0));
    let cloud = renewing_with(200, new.clone());
    let balena = cloud.client(Some(&old));
    let clones: Vec<_> = (0..64).map(|_| balena.clone()).collect();
    let calls = clones.iter().map(|balena| async move { balena.organization().get_all().await });
    for result in join_all(calls).await {
        result.unwrap();
    }
    assert_eq!((renewals(&cloud), cloud.asked().len()), (1, 65));
    let mut tokens = cloud.tokens();
    assert_eq!(tokens.remove(0), old);
    assert!(tokens.iter().all(|token| *token == new), "{tokens:?}");
    assert_eq!(token_of(&balena), Some(new));
}

#[tokio::test(start_paused = true)]
async fn a_refused_renewal_is_everybodys_error_and_the_token_stays() {
    let old = session_of_age(7200);
    let cloud = renewing_with(401, "Unauthorized");
    let balena = cloud.client(Some(&old));
    let errors =
        join_all((0..64).map(|_| async { balena.organization().get_all().await.unwrap_err() })).await;
    for error in errors {
        assert!(error.is_unauthorized() && error.status() == Some(401), "{error}");
        assert!(
            error
                .to_string()
                .starts_with("GET /user/v1/refresh-token: the session was not renewed: status 401"),
            "{error}"
        );
        assert!(!format!("{error:?}").contains(&old));
    }
    assert_eq!(cloud.asked(), [RENEWAL], "and nothing else is sent");
    assert_eq!(token_of(&balena).as_deref(), Some(&*old));
    assert!(!balena.auth().is_logged_in().await.unwrap());
    balena.auth().login_with_token("an-api-key").unwrap();
    balena.organization().get_all().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_cannot_renew_is_not_asked_before_each_request() {
    let page = "<html><body>portal</body></html>";
    let answers: [(u16, &str); 18] = [
        (400, "Bad Request"),
        (403, page),
        (403, ""),
        (429, "Too Many Requests"),
        (451, ""),
        (404, "Not Found"),
        (407, ""),
        (408, ""),
        (500, "boom"),
        (502, page),
        (503, ""),
        (200, ""),
        (200, page),
        (200, "{}"),
        (200, "Unauthorized"),
        (200, "null"),
        (200, r#""not.a.session""#),
        (204, ""),
    ];
    for (status, body) in answers {
        let old = session_of_age(7200);
        let cloud = renewing_with(status, body);
        let balena = cloud.client(Some(&old));
        let results = join_all((0..8).map(|_| async { balena.organization().get_all().await })).await;
        assert!(results.iter().all(Result::is_ok), "{status} {body}");
        balena.organization().get_all().await.unwrap();
        assert_eq!(renewals(&cloud), 1, "{status} {body}");
        assert!(cloud.tokens().iter().all(|token| *token == old), "{status} {body}");
        assert_eq!(token_of(&balena).as_deref(), Some(&*old), "{status} {body}");
        cloud.advance(Duration::from_secs(59));
        balena.organization().get_all().await.unwrap();
        assert_eq!(renewals(&cloud), 1);
        cloud.advance(Duration::from_secs(1));
        balena.organization().get_all().await.unwrap();
        assert_eq!(renewals(&cloud), 2, "a minute later it may be able to");
    }
    let broken = Cloud::new(|call, _| if call == RENEWAL { Answer::Breaks } else { answer(200, ROWS) });
    let balena = broken.client(Some(&session_of_age(7200)));
    balena.organization().get_all().await.unwrap();
    assert_eq!(broken.asked(), [RENEWAL, "GET /v6/organization"]);
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_lets_the_next_one_renew() {
    let new = session_of_age(0);
    let cloud = renewing_with(200, new.clone());
    let balena = cloud.client(Some(&session_of_age(7200)));
    let first =
        async { drop(tokio::time::timeout(Duration::from_millis(1), balena.organization().get_all()).await) };
    let second = async { balena.organization().get_all().await.unwrap() };
    futures_util::future::join(first, second).await;
    assert_eq!(cloud.asked(), [RENEWAL, RENEWAL, "GET /v6/organization"]);
    assert_eq!(token_of(&balena), Some(new));
}

#[tokio::test(start_paused = true)]
async fn a_login_and_a_logout_in_between_are_not_undone() {
    let cloud = renewing_with(200, session_of_age(0));
    let balena = cloud.client(Some(&session_of_age(7200)));
    let meanwhile = |to: Option<&'static str>| {
        let balena = balena.clone();
        async move {
            tokio::time::sleep(Duration::from_millis(2)).await;
            match to {
                Some(token) => balena.auth().login_with_token(token).unwrap(),
                None => balena.auth().logout().unwrap(),
            }
        }
    };
    let call = async { drop(balena.organization().get_all().await) };
    futures_util::future::join(call, meanwhile(Some("another"))).await;
    assert_eq!(token_of(&balena).as_deref(), Some("another"));
    assert_eq!(cloud.tokens()[1], "another", "and the request goes out as the one who is logged in");

    balena.auth().login_with_token(session_of_age(7200)).unwrap();
    cloud.forget();
    let call = async { drop(balena.organization().get_all().await) };
    futures_util::future::join(call, meanwhile(None)).await;
    assert_eq!(token_of(&balena), None);
    assert_eq!(cloud.tokens()[1], "");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_not_for_who_logged_in_in_between() {
    let cloud = renewing_with(401, "Unauthorized");
    let balena = cloud.client(Some(&session_of_age(7200)));
    let calls = join_all((0..8).map(|_| async { balena.organization().get_all().await }));
    let login = async {
        tokio::time::sleep(Duration::from_millis(2)).await;
        balena.auth().login_with_token("another").unwrap();
    };
    let (results, ()) = futures_util::future::join(calls, login).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(renewals(&cloud), 1);
    assert!(cloud.tokens()[1..].iter().all(|token| token == "another"), "{:?}", cloud.tokens());
}

#[tokio::test(start_paused = true)]
async fn who_logs_out_in_between_goes_on_with_the_key_of_the_environment() {
    for (status, body) in [(200, session_of_age(0)), (401, String::new()), (503, String::new())] {
        let cloud = renewing_with(status, body);
        let key = Environment::from_vars([("BALENA_API_KEY", "device-key")]).unwrap();
        let balena = cloud.client_that(|builder| builder.environment(key).token(session_of_age(7200).into()));
        let calls = join_all((0..8).map(|_| async { balena.organization().get_all().await }));
        let logout = async {
            tokio::time::sleep(Duration::from_millis(2)).await;
            balena.auth().logout().unwrap();
        };
        let (results, ()) = futures_util::future::join(calls, logout).await;
        assert!(results.iter().all(Result::is_ok), "{status}: {results:?}");
        let tokens = cloud.tokens();
        assert!(tokens[1..].iter().all(|token| token == "device-key"), "{status}: {tokens:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn age_alone_decides() {
    let cases = [
        (session_of_age(3600), true),
        (session_of_age(3599), false),
        (session_of_age(-600), false),
        (session(r#"{"iat":1718449200,"exp":1718452801}"#), true),
        (session(r#"{"iat":1718452799,"exp":1718452801}"#), false),
        (session(r#"{"iat":1718449199.9}"#), true),
        (session(r#"{"iat":"1718449199"}"#), true),
        (session(r#"{"iat":null}"#), false),
        (session(r#"{"iat":99999999999999999999}"#), false),
        (session(r#"{"iat":9223372036854775807}"#), false),
        (session(r#"{"exp":99999999999999}"#), false),
        (session("[]"), false),
        ("an-api-key".to_owned(), false),
        ("a.b.c".to_owned(), false),
    ];
    for (token, renewed) in cases {
        for version in [ApiVersion::V6, ApiVersion::V7] {
            let cloud = renewing_with(200, session_of_age(0));
            let balena = cloud.client_of(Some(&token), version);
            balena.organization().get_all().await.unwrap();
            assert_eq!(renewals(&cloud), usize::from(renewed), "{token} {version:?}");
            assert!(!cloud.asked().contains(&"GET /whoami".to_owned()), "it renews nothing");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_interval_is_a_setting_that_counts_at_once() {
    let cloud = renewing_with(200, session_of_age(0));
    let balena = cloud.client(Some(&session_of_age(1800)));
    balena.organization().get_all().await.unwrap();
    assert_eq!(renewals(&cloud), 0);
    balena.settings().set("token_refresh_interval", "1800000").unwrap();
    balena.organization().get_all().await.unwrap();
    assert_eq!(renewals(&cloud), 1);
}

/// The server is two hours behind, or ahead, of the clock here: each token that it gives seems old, or too new.
#[tokio::test(start_paused = true)]
async fn a_renewed_token_ages_by_a_clock_that_nobody_sets() {
    for issued_ago in [7200, -7200] {
        let cloud = renewing_with(200, session_of_age(issued_ago));
        let balena = cloud.client(Some(&session_of_age(7201)));
        let mut expected = 0;
        for (passes, renews) in [(0, true), (0, false), (3599, false), (1, true), (1, false), (3599, true)] {
            cloud.advance(Duration::from_secs(passes));
            balena.organization().get_all().await.unwrap();
            expected += usize::from(renews);
            assert_eq!(renewals(&cloud), expected, "issued {issued_ago} s ago, {passes} s later");
            // As a device does that learns the time after its start, or is told a wrong one.
            for set in ["2024-06-15T09:00:00Z", "2024-06-16T12:00:00Z", "1970-01-01T00:00:00Z"] {
                cloud.set_clock(set);
                balena.organization().get_all().await.unwrap();
                assert_eq!(renewals(&cloud), expected, "the clock says {set}");
            }
        }
        assert_eq!(token_of(&balena), Some(session_of_age(issued_ago)));
        // Another login is another token: nobody knows how old it is but by what it says.
        cloud.set_clock("2024-06-15T12:00:00Z");
        balena.auth().login_with_token(session_of_age(3601)).unwrap();
        balena.organization().get_all().await.unwrap();
        assert_eq!(renewals(&cloud), expected + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_was_renewed_lives_as_long_as_it_says() {
    // A week from noon by the server's clock, which is two weeks behind the one here.
    let new = session(r#"{"iat":1717243200,"exp":1717848000}"#);
    let cloud = renewing_with(200, new.clone());
    let balena = cloud.client(Some(&session_of_age(7200)));
    balena.organization().get_all().await.unwrap();
    balena.organization().get_all().await.unwrap();
    assert_eq!((renewals(&cloud), token_of(&balena)), (1, Some(new)));
    cloud.advance(Duration::from_secs(604_800));
    cloud.forget();
    assert!(balena.organization().get_all().await.unwrap_err().is_unauthorized());
    assert_eq!(cloud.asked(), [""; 0]);
}

/// Not logged in, without a request: neither a renewal nor the call itself, and not by what was cached either.
#[tokio::test(start_paused = true)]
async fn an_expired_session_is_nobodys() {
    for claims in [
        r#"{"iat":1718452740,"exp":1718452740}"#,
        r#"{"iat":1718366400,"exp":1718452799}"#,
        r#"{"iat":1718452740,"exp":1718452800}"#,
        r#"{"exp":1718452799.9}"#,
        r#"{"exp":"1"}"#,
    ] {
        let cloud = renewing_with(200, session_of_age(0));
        let expired = session(claims);
        let key = Environment::from_vars([("BALENA_API_KEY", "device-key")]).unwrap();
        let balena = cloud.client_that(|builder| builder.environment(key).token(expired.clone().into()));
        let auth = balena.auth();
        let errors = [
            balena.organization().get_all().await.map(drop),
            balena.device().deactivate("8deb12a58e3b6d3920db1c2b6303d1ff").await,
            balena.config().get_all().await.map(drop),
            auth.whoami().await.map(drop),
            auth.get_user_info().await.map(drop),
            auth.two_factor().is_enabled().map(drop),
            auth.two_factor().challenge("123456").await,
            auth.get_token().map(drop),
            auth.login_with_token(expired.clone()),
            balena.logs().subscribe("8deb12a58e3b6d3920db1c2b6303d1ff").await.map(drop),
        ];
        for (index, error) in errors.into_iter().enumerate() {
            let error = error.expect_err(&format!("call {index} with {claims}"));
            assert!(error.is_unauthorized() && !error.was_sent(), "call {index} with {claims}: {error}");
            assert!(error.to_string().contains("the session expired at "), "{error}");
            assert!(!format!("{error:?}").contains(&expired));
        }
        assert!(!auth.is_logged_in().await.unwrap(), "{claims}");
        assert_eq!(cloud.asked(), [""; 0], "{claims}");
        assert_eq!(balena.settings().get("token").unwrap().expose(), expired, "the token stays");
        // Who logs out goes on with the key of the environment.
        auth.logout().unwrap();
        balena.organization().get_all().await.unwrap();
        assert_eq!(cloud.tokens(), ["device-key"]);
    }
}
