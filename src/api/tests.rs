//! Cases of the smaller nouns that no recorded call covers.

use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::api::billing::{AccountUpdate, BillingCycle, BillingToken, PlanChange};
use crate::odata::Query;
use crate::resource::test_util::MockTransport;
use crate::{Error, OrganizationId, OrganizationMembershipKey, UserId};

#[tokio::test]
async fn what_names_nothing_is_refused_before_anything_is_sent() {
    let (balena, transport) = MockTransport::answering("{\"d\":[]}");
    let (organization, release, service) = (balena.organization(), balena.release(), balena.service());
    let (billing, keys, types) = (balena.billing(), balena.api_key(), balena.device_type());
    let member =
        OrganizationMembershipKey::Member { user: UserId::new(1), organization: OrganizationId::new(2) };
    let nobody =
        OrganizationMembershipKey::Member { user: UserId::new(0), organization: OrganizationId::new(2) };
    let token = BillingToken::new("");
    let no_plan = PlanChange::new("", BillingCycle::Annual);
    let errors: Vec<Option<Error>> = vec![
        organization.get("").await.err(),
        organization.get(0).await.err(),
        organization.get(u64::MAX).await.err(),
        organization.create(" ").await.err(),
        organization.remove(" ").await.err(),
        organization.remove(0).await.err(),
        organization.membership().get(0).await.err(),
        organization.membership().get(nobody).await.err(),
        organization.membership().get_all_by_organization("").await.err(),
        organization.membership().get_all_by_user("").await.err(),
        organization.membership().get_all_by_user(0).await.err(),
        organization.membership().change_role(0, "member").await.err(),
        organization.membership().change_role(5, " ").await.err(),
        organization.membership().remove(nobody).await.err(),
        balena.application().membership().get_all_by_user(" ").await.err(),
        organization.membership().tags().set(member, "key", "value").await.err(),
        organization.membership().tags().remove(0, "key").await.err(),
        organization.membership().tags().remove(5, "").await.err(),
        organization.invite().create("", "a@example.org").await.err(),
        organization.invite().create(5, "").await.err(),
        organization.invite().revoke(0).await.err(),
        organization.invite().accept("").await.err(),
        keys.create("").await.err(),
        keys.update(5).await.err(),
        keys.update(5).name("").await.err(),
        keys.update(0).name("name").await.err(),
        keys.revoke(0).await.err(),
        keys.get_provisioning_api_keys_by_application("").await.err(),
        keys.get_device_api_keys_by_device("").await.err(),
        balena.key().get(0).await.err(),
        balena.key().remove(0).await.err(),
        balena.key().create("laptop", " \n").await.err(),
        types.get("").await.err(),
        types.get_by_slug_or_name(" ").await.err(),
        types.get_name("").await.err(),
        types.get_slug_by_name("").await.err(),
        release.get("").await.err(),
        release.get(0).await.err(),
        release.get(("my_org/my_app", "")).await.err(),
        release.get(("", "1.2.3")).await.err(),
        release.get_all_by_application("").await.err(),
        release.get_latest_by_application("").await.err(),
        release.get_with_image_details("").await.err(),
        release.get_with_image_details(5).image_options(&json!({"$x": 1})).await.err(),
        release.finalize("").await.err(),
        release.set_note("", None).await.err(),
        release.set_release_version(5, "v1").await.err(),
        release.tags().remove("", "key").await.err(),
        release.tags().set(5, "", "value").await.err(),
        release.tags().get_all_by_release("").await.err(),
        service.get_all_by_application("").await.err(),
        service.var().remove((5, ""), "NAME").await.err(),
        service.var().remove(("", "main"), "NAME").await.err(),
        service.var().remove(0, "NAME").await.err(),
        service.var().set(5, "", "value").await.err(),
        balena.image().get(0).await.err(),
        billing.get_plan("").await.err(),
        billing.download_invoice(5, "").await.err(),
        billing.update_billing_info(5, token).await.err(),
        billing.update_account_info(5, AccountUpdate::new()).await.err(),
        billing.change_plan(5, no_plan).await.err(),
        balena.credit_bundle().get_all_by_org("").await.err(),
        balena.credit_bundle().create(5, 6, 0).await.err(),
    ];
    for (index, error) in errors.into_iter().enumerate() {
        let error = error.unwrap_or_else(|| panic!("number {index} went through"));
        assert!(error.is_invalid_argument() && !error.was_sent(), "number {index}: {error}");
    }
    assert_eq!(*transport.asked.lock().unwrap(), [""; 0]);
}

#[tokio::test]
async fn rows_within_a_row_are_listed_and_counted_and_have_no_pages() {
    let (balena, transport) =
        MockTransport::answering(r#"{"d":[{"service":[{"id":1,"service_name":"main"},{"id":2}]}]}"#);
    let services = balena.service().get_all_by_application(5).await.unwrap();
    assert_eq!(services.len(), 2);
    assert_eq!(services[0].service_name.as_deref(), Some("main"));
    // Two rows for a unique name.
    let error = balena.service().var().remove((5, "main"), "NAME").await.unwrap_err();
    assert!(error.is_ambiguous(), "{error}");
    assert!(transport.asked.lock().unwrap().iter().all(|asked| asked.starts_with("GET ")));
    let page = balena.service().get_all_by_application(5).pages(10).next().await.unwrap();
    assert!(page.unwrap_err().is_invalid_argument());
    // A list in place of a number, and an application that does not exist.
    let error = balena.service().get_all_by_application(5).count().await.unwrap_err();
    assert!(error.is_decode(), "{error}");
    let (empty, _) = MockTransport::answering("{\"d\":[]}");
    let error = empty.service().get_all_by_application(5).count().await.unwrap_err();
    assert!(error.is_not_found() && error.to_string().contains("application 5"), "{error}");
}

#[tokio::test]
async fn a_number_of_rows_is_no_row() {
    let (balena, transport) = MockTransport::answering("{\"d\":7}");
    assert_eq!(balena.organization().invite().get_all().count().await.unwrap(), 7);
    let counting = json!({ "$count": {} });
    let error = balena.organization().invite().get_all().options(&counting).await.unwrap_err();
    assert!(error.is_invalid_argument(), "{error}");
    // These have an order, which `$count` does not allow.
    let error = balena.organization().get_all().options(&counting).count().await.unwrap_err();
    assert!(error.is_invalid_argument(), "{error}");
    assert_eq!(transport.asked.lock().unwrap().len(), 1);
    assert!(Query::new().count().is_count());
}

#[tokio::test]
async fn a_key_is_told_in_either_form_and_never_by_an_error() {
    for body in ["\"secret\"", " secret\n"] {
        let (balena, _) = MockTransport::answering(body);
        let key = balena.api_key().create("name").description("d").expiry_date(jiff::Timestamp::MAX).await;
        assert_eq!(key.unwrap().expose_secret(), "secret");
    }
    for body in ["", "null", "{\"key\":\"secret\"}", "<html>secret</html>", "secret secret"] {
        let (balena, _) = MockTransport::answering(body);
        let error = balena.api_key().create("name").await.unwrap_err();
        assert!(error.is_decode() && !format!("{error} {error:?}").contains("secret"), "{error:?}");
    }
}

#[tokio::test]
async fn tokens_and_numbers_stay_within_their_place_in_the_path() {
    let (balena, transport) = MockTransport::answering("OK");
    balena.organization().invite().accept("a/../b?c#d").await.unwrap();
    let asked = transport.asked.lock().unwrap().join(" ");
    assert_eq!(asked, "POST https://api.balena-cloud.com/org/v1/invitation/a%2F%2E%2E%2Fb%3Fc%23d");
}

#[test]
fn nothing_secret_is_in_a_debug_text() {
    let (balena, _) = MockTransport::answering("");
    let update = balena.api_key().update(5).name("hush");
    let token = BillingToken::new("hush").recaptcha("fine");
    assert!(!format!("{update:?} {token:?}").contains("hush"));
}

#[tokio::test]
async fn an_answer_that_cant_be_read_shows_neither_the_token_nor_a_new_key() {
    let (balena, _) = MockTransport::answering("<p>token</p>");
    let error = balena.device().get_all().await.unwrap_err();
    assert!(error.is_decode() && error.to_string().contains("[REDACTED]"), "{error}");
    assert!(!format!("{error:?} {error:#?}").contains("token"), "{error:#?}");

    let (balena, _) = MockTransport::answering(
        r#"{"d":[{"id":7,"is_for__device_type":[{"slug":"x"}]}],"id":"9","uuid":"u","api_key":"s3cr3t"}"#,
    );
    let device = balena.device().register(7, "8deb12a58e3b6d3920db1c2b6303d1ff");
    let error = device.provisioning_key("k".to_owned()).await.unwrap_err();
    assert!(error.is_decode() && error.to_string().contains("may be registered"), "{error}");
    assert!(!format!("{error:?} {error:#?}").contains("s3cr3t"), "{error:#?}");
}
