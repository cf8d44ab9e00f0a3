//! Supervisor releases.

use std::sync::Arc;

use crate::core::Core;
use crate::error::Result;
use crate::odata::{Filter, Query};
use crate::resource::keys::CpuArchitectureKey;
use crate::resource::read::ReadTarget;
use crate::resource::read_request::List;
use crate::rows::{Application, CpuArchitecture, DeviceType, Release};

use super::DeviceOs;

impl DeviceOs {
    /// Lists the supervisor releases for a CPU architecture, given by slug or id, newest first (`GET /v6/release`).
    ///
    /// # Errors
    /// `is_invalid_argument` if the slug is empty.
    #[doc(alias = "getSupervisorReleasesForCpuArchitecture")]
    pub fn get_supervisor_releases_for_cpu_architecture(
        &self,
        cpu_architecture: impl Into<CpuArchitectureKey>,
    ) -> List<Release> {
        supervisor_releases(&self.core, cpu_architecture.into())
    }
}

pub(crate) fn supervisor_releases(core: &Arc<Core>, architecture: CpuArchitectureKey) -> List<Release> {
    List::new(core, async move {
        let columns = [Release::ID.name(), Release::RAW_VERSION.name(), Release::KNOWN_ISSUE_LIST.name()];
        let query = Query::new()
            .select(columns)
            .filter(of_supervisor(&architecture)?)
            .order_by(Release::SEMVER_MAJOR.desc())
            .order_by(Release::SEMVER_MINOR.desc())
            .order_by(Release::SEMVER_PATCH.desc())
            .order_by(Release::REVISION.desc());
        Ok(ReadTarget::list::<Release>(query))
    })
}

/// Returns the filter for supervisor releases. The platform has a public application for each architecture.
fn of_supervisor(architecture: &CpuArchitectureKey) -> Result<Filter<Release>> {
    architecture.check()?;
    let of_architecture = match architecture {
        CpuArchitectureKey::Id(id) => DeviceType::CPU_ARCHITECTURE.id().eq(id.get()),
        CpuArchitectureKey::Name(slug) => {
            DeviceType::CPU_ARCHITECTURE.with_alias("c").any(CpuArchitecture::SLUG.eq(slug.as_str()))
        }
    };
    let supervisor = Application::SLUG
        .starts_with("balena_os/")
        .and(Application::SLUG.ends_with("-supervisor"))
        .and(Application::IS_PUBLIC.eq(true))
        .and(Application::IS_HOST.eq(false))
        .and(Application::DEVICE_TYPE.with_alias("dt").any(of_architecture));
    Ok(Release::STATUS
        .eq("success")
        .and(Release::IS_FINAL.eq(true))
        .and(Release::IS_INVALIDATED.eq(false))
        .and(Release::SEMVER_MAJOR.gt(0))
        .and(Release::BELONGS_TO_APPLICATION.with_alias("a").any(supervisor)))
}
