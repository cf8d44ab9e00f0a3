//! Cases that no recorded call covers.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::{AccountUpdate, BillingAddress, BillingCycle, BillingToken, BillingTokenType, PlanChange, TaxId};
use crate::transport::{Body, BoxFuture, Request, Response, Transport, TransportError};
use crate::{Balena, RetryPolicy};

/// A fake API with one organization, which returns this text to all billing requests.
#[derive(Debug)]
struct Provider {
    answer: &'static str,
    asked: Mutex<Vec<(String, Vec<u8>)>>,
}

struct Whole(Option<Bytes>);

impl Stream for Whole {
    type Item = Result<Bytes, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.take().map(Ok))
    }
}

impl Transport for Provider {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        let (method, path) = (request.method(), request.uri().path());
        let organization = path.contains("/organization(");
        if !organization {
            self.asked.lock().unwrap().push((format!("{method} {path}"), request.body().to_vec()));
        }
        let text = if organization { r#"{"d":[{"id":7}]}"# } else { self.answer };
        Box::pin(async move { Ok(Response::new(Body::new(Whole(Some(text.into()))))) })
    }
}

fn answering(answer: &'static str) -> (super::Billing, Arc<Provider>) {
    let transport = Arc::new(Provider { answer, asked: Mutex::default() });
    let token = SecretString::from("token");
    let balena =
        Balena::builder().token(token).retry(RetryPolicy::never()).transport(transport.clone()).build();
    (balena.billing(), transport)
}

#[tokio::test]
async fn a_change_may_be_answered_with_nothing() {
    for answer in ["", "OK", "null"] {
        let (billing, provider) = answering(answer);
        let plan = PlanChange::new("prototype", BillingCycle::Monthly);
        assert_eq!(billing.change_plan("my_org", plan).await.unwrap(), Value::Null);
        let update = AccountUpdate::new().email("a@example.org");
        assert_eq!(billing.update_account_info("my_org", update).await.unwrap(), Value::Null);
        billing.remove_billing_info("my_org").await.unwrap();
        assert_eq!(provider.asked.lock().unwrap()[2].0, "DELETE /billing/v1/account/7/info");
    }
    let error = answering("<html>").0.change_plan(7, PlanChange::new("x", BillingCycle::Annual)).await;
    assert!(error.unwrap_err().is_decode(), "a page of a portal is no answer");
}

#[tokio::test]
async fn nobody_may_pay_yet() {
    assert_eq!(answering("null").0.get_billing_info(7).await.unwrap(), None);
    let info = answering(r#"{"full_name":"A"}"#).0.get_billing_info(7).await.unwrap();
    assert_eq!(info.unwrap().full_name.as_deref(), Some("A"));
}

#[tokio::test]
async fn what_is_given_is_sent_and_no_more() {
    let (billing, provider) = answering("{}");
    let address = BillingAddress { city: Some("Berlin".into()), ..BillingAddress::default() };
    let number = TaxId { kind: Some("eu_vat".into()), value: Some("DE1".into()), ..TaxId::default() };
    let update = AccountUpdate::new().company_name("A").address(&address).tax_id(&number);
    billing.update_account_info(7, update).await.unwrap();
    billing.update_account_info(7, AccountUpdate::new().no_tax_id()).await.unwrap();
    let token = BillingToken::new("secret-token").token_type(BillingTokenType::SetupIntent);
    assert!(!format!("{token:?}").contains("secret-token"));
    billing.update_billing_info(7, token.set_as_company_address()).await.unwrap();
    let asked = provider.asked.lock().unwrap();
    let bodies: Vec<Value> = asked.iter().map(|(_, body)| serde_json::from_slice(body).unwrap()).collect();
    let expected = [
        json!({ "company_name": "A", "address": { "city": "Berlin" }, "tax_id": { "type": "eu_vat", "value": "DE1" } }),
        json!({ "tax_id": null }),
        json!({ "token_id": "secret-token", "token_type": "setup_intent", "setAsCompanyAddress": true }),
    ];
    assert_eq!(bodies, expected);
}

#[tokio::test]
async fn the_secret_of_an_intent_is_shown_to_nobody() {
    let (billing, provider) = answering(r#"{"id":"seti_1","client_secret":"seti_1_secret"}"#);
    let create = billing.create_setup_intent(7).recaptcha("answer").parameter("currency", "eur");
    assert!(!format!("{create:?}").contains("answer"));
    let intent = create.await.unwrap();
    assert_eq!((&*intent.id, intent.client_secret.expose_secret()), ("seti_1", "seti_1_secret"));
    assert!(!format!("{intent:?}").contains("seti_1_secret"));
    let body: Value = serde_json::from_slice(&provider.asked.lock().unwrap()[0].1).unwrap();
    assert_eq!(body, json!({ "g-recaptcha-response": "answer", "currency": "eur" }));

    let odd = answering(r#"{"id":"seti_1","client_secret":{"secret":"seti_1_secret"}}"#).0;
    let error = odd.create_setup_intent(7).await.unwrap_err();
    assert!(error.is_decode() && !format!("{error} {error:?}").contains("seti_1_secret"), "{error:?}");
}
