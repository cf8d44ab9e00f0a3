//! Cases that no recorded call covers.

use std::sync::Arc;

use secrecy::ExposeSecret as _;

use crate::resource::test_util::MockTransport;
use crate::{ApiVersion, Error, ErrorKind};

use super::{ApplicationMembershipKey, Applications};

fn applications(
    status: u16,
    body: &'static str,
    api_version: ApiVersion,
) -> (Applications, Arc<MockTransport>) {
    let (balena, transport) = MockTransport::cloud(api_version, status, body);
    (balena.application(), transport)
}

#[tokio::test]
async fn what_names_nothing_is_refused_before_anything_is_sent() {
    let (applications, transport) = applications(200, "{\"d\":[]}", ApiVersion::V6);
    let membership = ApplicationMembershipKey::from(0);
    let now = jiff::Timestamp::MAX;
    let errors: Vec<Option<Error>> = vec![
        applications.get("").await.err(),
        applications.get(0).await.err(),
        applications.get_by_name(" ").await.err(),
        applications.get_by_owner("app", "").await.err(),
        applications.get_by_owner("", "org").await.err(),
        applications.get_all_by_organization("").await.err(),
        applications.get_with_device_service_details("").await.err(),
        applications.has("").await.err(),
        applications.get_id("").await.err(),
        applications.create("", "raspberrypi3", 1).await.err(),
        applications.create("app", "", 1).await.err(),
        applications.create("app", "raspberrypi3", "").await.err(),
        applications.remove("").await.err(),
        applications.remove(0).await.err(),
        applications.rename("", "name").await.err(),
        applications.rename(5, "").await.err(),
        applications.restart("").await.err(),
        applications.purge("").await.err(),
        applications.reboot("").force().await.err(),
        applications.shutdown("").await.err(),
        applications.grant_support_access("", now).await.err(),
        applications.revoke_support_access("").await.err(),
        applications.enable_device_urls("").await.err(),
        applications.pin_to_release("", "abc").await.err(),
        applications.pin_to_release(5, "").await.err(),
        applications.track_latest_release("").await.err(),
        applications.generate_provisioning_key("").await.err(),
        applications.tags().set(5, "", "value").await.err(),
        applications.env_var().remove("", "NAME").await.err(),
        applications.env_var().remove(5, "").await.err(),
        applications.membership().remove(membership).await.err(),
        applications.membership().change_role(5, "").await.err(),
        applications.membership().create(5, "").await.err(),
        applications.membership().create(5, "user").role_name("").await.err(),
        applications.invite().create(5, "").await.err(),
        applications.invite().create("", "a@example.org").await.err(),
        applications.invite().revoke(0).await.err(),
        applications.invite().accept("").await.err(),
        applications.get_dashboard_url("my_org/my_app").err(),
    ];
    for (index, error) in errors.into_iter().enumerate() {
        let error = error.unwrap_or_else(|| panic!("number {index} went through"));
        assert!(error.is_invalid_argument() && !error.was_sent(), "number {index}: {error}");
    }
    assert_eq!(*transport.asked.lock().unwrap(), [""; 0]);
}

#[tokio::test]
async fn a_404_names_the_application() {
    let (applications, _) = applications(404, "Not Found", ApiVersion::V6);
    let until = jiff::Timestamp::MAX;
    for error in [
        applications.remove("org/it's").await.err(),
        applications.rename("org/it's", "name").await.err(),
        applications.revoke_support_access("org/it's").await.err(),
        applications.restart("org/it's").await.err(),
        applications.tags().remove("org/it's", "key").await.err(),
    ] {
        // It is the look for its id that is refused, and a row that is missing is no 404.
        let error = error.expect("refused");
        assert!(error.is_unsupported() && !error.to_string().contains("org/it's not found"), "{error}");
    }
    for (error, operation) in [
        (applications.remove(5).await.err(), "DELETE /v6/application(5): "),
        (applications.rename(5, "name").await.err(), "PATCH /v6/application(5): "),
        (applications.grant_support_access(5, until).await.err(), "PATCH /v6/application(5): "),
        (applications.restart(5).await.err(), "POST /application/5/restart: "),
    ] {
        let text = error.expect("refused").to_string();
        assert_eq!(text, format!("{operation}application 5 not found: status 404: Not Found"));
    }
}

#[tokio::test]
async fn an_application_that_is_not_there_gets_no_key_and_one_that_is_gets_it_in_either_form() {
    let (there_is_none, _) =
        applications(500, "No application found to associate with the api key", ApiVersion::V6);
    let error = there_is_none.generate_provisioning_key(5).await.unwrap_err();
    assert!(error.is_not_found() && error.status() == Some(500), "{error}");
    assert!(error.to_string().starts_with("POST /api-key/v1/: application 5 not found"), "{error}");

    for (body, path) in [("\"secret\"", "v1"), ("secret\n", "v2")] {
        let version = if path == "v1" { ApiVersion::V6 } else { ApiVersion::V7 };
        let (known, transport) = applications(200, body, version);
        let request = known.generate_provisioning_key(5).key_name("name");
        assert!(!format!("{request:?}").contains("token"));
        assert_eq!(request.await.unwrap().expose_secret(), "secret");
        let asked = transport.asked.lock().unwrap();
        assert_eq!(*asked, [format!("POST https://api.balena-cloud.com/api-key/{path}/")]);
    }
    for body in ["", "\"\"", "{\"key\":5}", "[]", "null"] {
        let (odd, _) = applications(200, body, ApiVersion::V6);
        assert!(odd.generate_provisioning_key(5).await.unwrap_err().is_decode(), "{body}");
    }
}

#[tokio::test]
async fn a_device_type_that_is_out_of_use_makes_no_application() {
    let (applications, transport) = applications(
        200,
        r#"{"d":[{"id":5,"is_default_for__application":[{"is_archived":true},{"is_archived":true}]}]}"#,
        ApiVersion::V6,
    );
    let error = applications.create("app", "edge", "my_org").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert_eq!(transport.asked.lock().unwrap().len(), 1);
}
