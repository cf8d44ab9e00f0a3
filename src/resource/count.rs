//! Counting the rows of a list.

use super::read_request::List;
use super::request::Request;
use super::schema::Resource;

impl<R: Resource, T> List<R, T> {
    /// Returns the number of rows instead of the rows (`GET /v6/…/$count`). Columns, expands and order do not change
    /// the number and are not sent.
    ///
    /// # Errors
    /// `is_invalid_argument` if a limit or an offset is set: the API ignores them when counting.
    pub fn count(self) -> Request<u64> {
        let (core, target, options) = self.into_parts();
        Request::new(async move {
            let (mut target, mut options) = (target.await?, options?);
            // An explicit `$count` option drops no other options, as in the SDKs.
            if !options.is_count() {
                options = options.into_count();
                target.defaults = target.defaults.into_count();
            }
            core.read_target(target, options).await?.count()
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};

    use super::*;
    use crate::resource::test_util::whole;
    use crate::rows::{Application, Device};
    use crate::transport::{BoxFuture, Request as Sent, Response, Transport, TransportError};
    use crate::{ApiVersion, Balena, RetryPolicy, Settings};

    /// A fake API that returns a number for a count and one row for everything else.
    #[derive(Debug, Default)]
    struct CountingTransport(Mutex<Vec<String>>);

    impl Transport for CountingTransport {
        fn send(&self, request: Sent) -> BoxFuture<'_, Result<Response, TransportError>> {
            let url = request.uri().to_string();
            let body = if url.contains("$expand=") {
                r#"{"d":[{"service":7,"release_asset":7,"release_tag":7}]}"#
            } else if url.contains("/$count") {
                r#"{"d":7}"#
            } else if url.contains("/whoami") {
                r#"{"id":1,"actorType":"user","actorTypeId":2,"username":"u"}"#
            } else {
                r#"{"d":[{"id":1,"uuid":"u","actor":{"__id":1}}]}"#
            };
            self.0.lock().unwrap().push(url);
            Box::pin(async move { Ok(whole(200, body)) })
        }
    }

    fn cloud() -> (Balena, Arc<CountingTransport>) {
        let transport = Arc::new(CountingTransport::default());
        let balena = Balena::builder()
            .settings(Settings { api_version: ApiVersion::V6, ..Settings::default() })
            .token("token".into())
            .retry(RetryPolicy::never())
            .transport(transport.clone())
            .build();
        (balena, transport)
    }

    /// Counts a list, and returns the last request.
    async fn counts<R: Resource>(name: &str, transport: &CountingTransport, list: List<R>) {
        let number = list.count().await.unwrap_or_else(|error| panic!("{name}: {error}"));
        let url = transport.0.lock().unwrap().last().cloned().unwrap();
        assert_eq!(number, 7, "{name}: {url}");
        let (path, query) = url.split_once('?').unwrap_or((&url, ""));
        if path.ends_with("(1)") {
            assert!(query.ends_with(&format!("&$expand={}/$count", R::NAME)), "{name}: {url}");
        } else {
            assert!(path.ends_with(&format!("/{}/$count", R::NAME)), "{name}: {url}");
            assert!(query.is_empty() || query.starts_with("$filter="), "{name}: {url}");
            assert!(!query.contains("&$"), "{name}: {url}");
        }
    }

    #[tokio::test]
    async fn every_list_is_counted() {
        let (balena, transport) = cloud();
        macro_rules! lists {
            ($($list:expr;)*) => {$(
                counts(stringify!($list), &transport, $list).await;
            )*};
        }
        lists! {
            balena.key().get_all();
            balena.api_key().get_all();
            balena.api_key().get_all_named_user_api_keys();
            balena.api_key().get_provisioning_api_keys_by_application(1);
            balena.api_key().get_device_api_keys_by_device(1);
            balena.team().get_all_by_organization(1);
            balena.team().membership().get_all_by_team(1);
            balena.team().membership().get_all_by_user(1);
            balena.team().application_access().get_all_by_team(1);
            balena.release().get_all_by_application(1);
            balena.release().asset().get_all_by_release(1);
            balena.release().tags().get_all();
            balena.release().tags().get_all_by_application(1);
            balena.release().tags().get_all_by_release(1);
            balena.application().get_all();
            balena.application().get_all().any_access();
            balena.application().get_all_directly_accessible();
            balena.application().get_all_by_organization(1);
            balena.application().tags().get_all_by_application(1);
            balena.application().env_var().get_all_by_application(1);
            balena.application().config_var().get_all_by_application(1);
            balena.application().build_var().get_all_by_application(1);
            balena.application().invite().get_all();
            balena.application().invite().get_all_by_application(1);
            balena.application().membership().get_all();
            balena.application().membership().get_all_by_application(1);
            balena.application().membership().get_all_by_user(1);
            balena.device_type().get_all();
            balena.device_type().get_all_supported();
            balena.service().get_all_by_application(1);
            balena.service().var().get_all_by_service(1);
            balena.service().var().get_all_by_application(1);
            balena.os().get_supervisor_releases_for_cpu_architecture("amd64");
            balena.credit_bundle().get_all_by_org(1);
            balena.device().get_all();
            balena.device().get_all_by_application(1);
            balena.device().get_all_by_organization(1);
            balena.device().get_by_name("name");
            balena.device().tags().get_all();
            balena.device().tags().get_all_by_device(1);
            balena.device().tags().get_all_by_application(1);
            balena.device().env_var().get_all_by_device(1);
            balena.device().env_var().get_all_by_application(1);
            balena.device().config_var().get_all_by_device(1);
            balena.device().config_var().get_all_by_application(1);
            balena.device().service_var().get_all_by_device(1);
            balena.device().service_var().get_all_by_application(1);
            balena.device().history().get_all_by_device(1);
            balena.device().history().get_all_by_application(1);
            balena.organization().get_all();
            balena.organization().invite().get_all();
            balena.organization().invite().get_all_by_organization(1);
            balena.organization().membership().get_all();
            balena.organization().membership().get_all_by_organization(1);
            balena.organization().membership().get_all_by_user(1);
            balena.organization().membership().tags().get_all();
            balena.organization().membership().tags().get_all_by_organization(1);
            balena.organization().membership().tags().get_all_by_organization_membership(1);
        }
    }

    #[tokio::test]
    async fn what_a_caller_asked_for_besides_is_dropped_and_filters_stay() {
        let (balena, transport) = cloud();
        let all = || balena.device().get_all();
        let url = || transport.0.lock().unwrap().pop().unwrap();
        let list = all().select(["id"]).expand(Device::APPLICATION).order_by(Device::UUID.asc());
        list.filter(Device::IS_ONLINE.eq(true)).count().await.unwrap();
        assert_eq!(url(), "https://api.balena-cloud.com/v6/device/$count?$filter=is_online%20eq%20true");
        all().options(&json!({"$orderby": "uuid asc"})).count().await.unwrap();
        assert_eq!(url(), "https://api.balena-cloud.com/v6/device/$count");
        let apps = balena.application().get_all_by_organization(1);
        apps.filter(Application::APP_NAME.eq("a")).rows::<Value>().count().await.unwrap();
        let filter = "$filter=(organization%20eq%201)%20and%20(app_name%20eq%20'a')";
        assert_eq!(url(), format!("https://api.balena-cloud.com/v6/application/$count?{filter}"));
    }

    #[tokio::test]
    async fn a_limit_is_refused_and_so_is_the_option_beside_an_order() {
        let (balena, transport) = cloud();
        let all = || balena.device().get_all();
        for refused in [
            all().top(5).count().await,
            all().skip(5).count().await,
            all().options(&json!({"$count": {}})).count().await,
            all().options(&json!({"$count": {}})).order_by(Device::UUID.asc()).count().await,
        ] {
            assert!(refused.unwrap_err().is_invalid_argument());
        }
        assert_eq!(*transport.0.lock().unwrap(), [""; 0]);
    }
}
