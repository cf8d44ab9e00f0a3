use super::*;

/// Clones are shared between tasks and threads.
const _: () = {
    const fn shared<T: Clone + Send + Sync + 'static>() {}
    shared::<Balena>();
};

#[test]
fn what_is_wrong_with_the_environments_key_and_address_is_told_before_anything_is_sent() {
    for (variable, value, word) in [
        ("BALENA_API_URL", "api.example", "begin with"),
        ("RESIN_API_URL", "https://me:s3cret@api.example", "user"),
        ("BALENA_API_URL", "https://api.example?apikey=s3cret", "query"),
        ("BALENA_API_URL", "https://api.example/#s3cret", "fragment"),
        ("BALENA_API_URL", "https://api.example\n", "line break"),
        ("BALENA_API_URL", "'https://api.example'", "quotes"),
        ("BALENA_API_URL", "https://api.example:99999", "port"),
        ("BALENA_API_KEY", "s3cret\n", "line break"),
        ("BALENA_API_KEY", "\"s3cret\"", "quotes"),
        ("RESIN_API_KEY", "s3cret ", "white space"),
        ("RESIN_API_KEY", &"s3cret".repeat(12_000), "longer"),
    ] {
        let env = Environment::from_vars([(variable, value)]).unwrap();
        let error = Balena::builder().environment(env).try_build().unwrap_err();
        let text = error.to_string();
        assert!(error.is_config() && text.starts_with(variable) && text.contains(word), "{text}");
        assert!(!text.contains("s3cret"), "{text}");
    }
    let env = Environment::from_vars([("BALENA_API_URL", "https://api.example/base/")]).unwrap();
    let balena = Balena::builder().environment(env).try_build().unwrap();
    assert_eq!(balena.0.settings().api(), "https://api.example/base");
}

#[tokio::test]
async fn a_malformed_key_is_an_error_of_what_needs_it() {
    let env = Environment::from_vars([("RESIN_API_KEY", "s3cret\n")]).unwrap();
    let error = Balena::builder().environment(env).build().auth().whoami().await.unwrap_err();
    let text = error.to_string();
    assert!(error.is_config() && text.contains("RESIN_API_KEY") && !text.contains("s3cret"), "{text}");
    assert!(!error.was_sent(), "{text}");
}

#[test]
fn the_devices_key_goes_to_the_devices_cloud() {
    let api = |balena_host: &str| {
        let env = Environment::from_vars([("BALENA_API_URL", "https://api.own.example")]).unwrap();
        let settings = Settings { balena_host: balena_host.into(), ..Settings::default() };
        Balena::builder().environment(env).settings(settings).build().0.settings().api()
    };
    assert_eq!(api("balena-cloud.com"), "https://api.own.example");
    assert_eq!(api("balena-staging.com"), "https://api.balena-staging.com", "what was asked for counts");
}
