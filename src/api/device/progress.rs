//! Progress and target release of a device.

use crate::odata::Nav;
use crate::resource::keys::DeviceKey;
use crate::resource::request::Request;
use crate::rows::{Application, Device, Release};
use crate::settings::ApiVersion;

use super::Devices;
use super::read::columns;

impl Devices {
    /// Returns the progress of a device's current operation in percent (`GET /v6/device`). `None` if it has none.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    #[doc(alias = "getProgress")]
    pub fn get_progress(&self, device: impl Into<DeviceKey>) -> Request<Option<i64>> {
        self.ask(device, columns(["overall_progress"]), |device| Ok(device.overall_progress))
    }

    /// Returns the commit of a device's target release: its pin, otherwise its application's (`GET /v6/device`).
    /// `None` if there is none.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    #[doc(alias = "getTargetReleaseHash")]
    pub fn get_target_release_hash(&self, device: impl Into<DeviceKey>) -> Request<Option<String>> {
        let own = columns(["id"]).expand(Device::SHOULD_BE_RUNNING_RELEASE.select(["commit"]));
        // The device's release is its target in version 7, and its pin in version 6.
        let query = match self.core.settings().api_version {
            ApiVersion::V7 => own,
            ApiVersion::V6 => {
                let theirs = Application::SHOULD_BE_RUNNING_RELEASE.select(["commit"]);
                own.expand(Device::APPLICATION.select(["id"]).expand(theirs))
            }
        };
        self.ask(device, query, |device| {
            let own = commit(device.should_be_running_release);
            let application = device.belongs_to_application.into_rows().pop();
            Ok(own.or_else(|| commit(application?.should_be_running_release)))
        })
    }
}

fn commit(release: Nav<Release>) -> Option<String> {
    release.into_rows().pop()?.commit
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::resource::test_util::MockTransport;
    use crate::{ApiVersion, Balena};

    fn cloud(api_version: ApiVersion, body: &'static str) -> (Balena, Arc<MockTransport>) {
        MockTransport::cloud(api_version, 200, body)
    }

    #[tokio::test]
    async fn the_target_is_the_pinned_release_or_the_applications() {
        const PINNED: &str = r#"{"d":[{"should_be_running__release":[{"commit":"a"}],
            "belongs_to__application":[{"should_be_running__release":[{"commit":"b"}]}]}]}"#;
        const FOLLOWS: &str = r#"{"d":[{"should_be_running__release":[],
            "belongs_to__application":[{"should_be_running__release":[{"commit":"b"}]}]}]}"#;
        const NONE: &str = r#"{"d":[{"should_be_running__release":[],
            "belongs_to__application":[{"should_be_running__release":[]}]}]}"#;
        for (body, commit) in [(PINNED, Some("a")), (FOLLOWS, Some("b")), (NONE, None)] {
            let (balena, transport) = cloud(ApiVersion::V6, body);
            assert_eq!(balena.device().get_target_release_hash(5).await.unwrap().as_deref(), commit);
            assert_eq!(
                *transport.asked.lock().unwrap(),
                ["GET https://api.balena-cloud.com/v6/device(5)?$select=id\
                  &$expand=should_be_running__release($select=commit),\
                  belongs_to__application($select=id;$expand=should_be_running__release($select=commit))"]
            );
        }
    }

    #[tokio::test]
    async fn version_7_knows_the_target_itself() {
        for (body, commit) in [
            (r#"{"d":[{"should_be_running__release":[{"commit":"b"}]}]}"#, Some("b")),
            (r#"{"d":[{"should_be_running__release":[]}]}"#, None),
        ] {
            let (balena, transport) = cloud(ApiVersion::V7, body);
            assert_eq!(balena.device().get_target_release_hash(5).await.unwrap().as_deref(), commit);
            assert_eq!(
                *transport.asked.lock().unwrap(),
                ["GET https://api.balena-cloud.com/v7/device(5)?$select=id\
                  &$expand=should_be_running__release($select=commit)"]
            );
        }
    }
}
