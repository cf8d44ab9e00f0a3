//! Requests for versions of the host OS.

use std::collections::BTreeMap;
use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::core::Core;
use crate::error::{Error, Result};
use crate::odata::{Expandable, Filter, Query};
use crate::resource::read::ReadTarget;
use crate::rows::{Application, ApplicationTag, DeviceType, Release, ReleaseTag};

use super::versions::{HostApp, OsVersion, by_device_type};

/// Device types of a request for versions: one slug, or several. Implemented by this library only.
pub trait DeviceTypeSlugs {
    /// Form of the output.
    type Form: VersionsOutput;

    #[doc(hidden)]
    fn slugs(self) -> Vec<String>;
}

/// Form of the output: [`One`] list, or a map of [`Several`]. Implemented by this library only.
pub trait VersionsOutput: Send + 'static {
    /// The output, with values of type `T`.
    type Of<T>;

    #[doc(hidden)]
    fn of<T>(slugs: &[String], all: BTreeMap<String, Vec<T>>) -> Self::Of<T>;
}

/// Output for one device type: a list.
#[derive(Debug)]
#[non_exhaustive]
pub struct One;

/// Output for several device types: a map by slug, without those that have no host OS.
#[derive(Debug)]
#[non_exhaustive]
pub struct Several;

impl VersionsOutput for One {
    type Of<T> = Vec<T>;

    fn of<T>(slugs: &[String], mut all: BTreeMap<String, Vec<T>>) -> Vec<T> {
        slugs.first().and_then(|slug| all.remove(slug)).unwrap_or_default()
    }
}

impl VersionsOutput for Several {
    type Of<T> = BTreeMap<String, Vec<T>>;

    fn of<T>(_: &[String], all: BTreeMap<String, Vec<T>>) -> BTreeMap<String, Vec<T>> {
        all
    }
}

impl DeviceTypeSlugs for &str {
    type Form = One;

    fn slugs(self) -> Vec<String> {
        vec![self.to_owned()]
    }
}

impl DeviceTypeSlugs for String {
    type Form = One;

    fn slugs(self) -> Vec<String> {
        vec![self]
    }
}

impl<S: Into<String>> DeviceTypeSlugs for Vec<S> {
    type Form = Several;

    fn slugs(self) -> Vec<String> {
        self.into_iter().map(Into::into).collect()
    }
}

impl<S: Into<String>, const N: usize> DeviceTypeSlugs for [S; N] {
    type Form = Several;

    fn slugs(self) -> Vec<String> {
        self.into_iter().map(Into::into).collect()
    }
}

impl<S: Clone + Into<String>> DeviceTypeSlugs for &[S] {
    type Form = Several;

    fn slugs(self) -> Vec<String> {
        self.iter().cloned().map(Into::into).collect()
    }
}

/// Which releases of a host OS to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReleaseSelection {
    /// All, including invalidated ones.
    All,
    /// Successful, not invalidated, and not drafts.
    Available,
    /// As `Available`, with drafts.
    WithDrafts,
}

/// A request for versions of the host OS, newest first.
///
/// Nothing is sent before `.await`. Options apply to the releases. `R` is the type that they are decoded into.
#[must_use = "nothing is sent before `.await`"]
pub struct OsVersions<F, R = Release> {
    core: Arc<Core>,
    slugs: Vec<String>,
    wanted: ReleaseSelection,
    options: Result<Query>,
    types: PhantomData<fn() -> (F, R)>,
}

impl<F, R> OsVersions<F, R> {
    pub(super) fn new(core: &Arc<Core>, slugs: Vec<String>, wanted: ReleaseSelection) -> Self {
        Self { core: core.clone(), slugs, wanted, options: Ok(Query::new()), types: PhantomData }
    }

    fn change(mut self, change: impl FnOnce(Query) -> Query) -> Self {
        self.options = self.options.map(change);
        self
    }

    /// Includes drafts.
    #[doc(alias = "includeDraft")]
    pub fn include_draft(mut self) -> Self {
        if self.wanted == ReleaseSelection::Available {
            self.wanted = ReleaseSelection::WithDrafts;
        }
        self
    }

    /// Selects these columns of the releases only, instead of the function's. They must include `raw_version`.
    pub fn select<N: Into<String>>(self, names: impl IntoIterator<Item = N>) -> Self {
        self.change(|options| options.select(names))
    }

    /// Expands a navigation of the releases.
    pub fn expand(self, expand: impl Expandable<Release>) -> Self {
        self.change(|options| options.expand(expand))
    }

    /// Returns only releases that match `filter`.
    pub fn filter(self, filter: Filter<Release>) -> Self {
        self.change(|options| options.filter(filter))
    }

    /// Merges options in the SDKs' form: `json!({"$select": …, "$filter": {…}})`.
    pub fn options(mut self, options: &Value) -> Self {
        self.options = self.options.and_then(|known| known.merge(Query::from_json(options)?));
        self
    }

    /// Decodes the releases into another type.
    pub fn rows<U>(self) -> OsVersions<F, U> {
        let Self { core, slugs, wanted, options, .. } = self;
        OsVersions { core, slugs, wanted, options, types: PhantomData }
    }
}

impl<F: VersionsOutput, R: DeserializeOwned + Send + 'static> IntoFuture for OsVersions<F, R> {
    type Output = Result<F::Of<OsVersion<R>>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let apps = host_apps(&self.core, &self.slugs, self.wanted, self.options?).await?;
            Ok(F::of(&self.slugs, by_device_type(self.core.settings().api_version, apps)?))
        })
    }
}

impl<F, R> fmt::Debug for OsVersions<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OsVersions").field("slugs", &self.slugs).finish_non_exhaustive()
    }
}

/// Reads the host OS applications of these device types, with their releases.
async fn host_apps(
    core: &Core,
    slugs: &[String],
    wanted: ReleaseSelection,
    options: Query,
) -> Result<Vec<HostApp>> {
    if slugs.is_empty() || slugs.iter().any(|slug| slug.trim().is_empty()) {
        return Err(Error::argument("device_type", "it is empty"));
    }
    if options.is_count() {
        return Err(Error::argument("$count", "this request returns versions and can't be counted"));
    }
    let tag = [ReleaseTag::TAG_KEY.name(), ReleaseTag::VALUE.name()];
    let defaults = Query::new()
        .select(["id", "known_issue_list", "phase", "raw_version", "variant"])
        .expand(Release::RELEASE_TAG.select(tag));
    let good = Release::IS_INVALIDATED.eq(false).and(Release::STATUS.eq("success"));
    let defaults = match wanted {
        ReleaseSelection::All => defaults,
        ReleaseSelection::Available => defaults.filter(Release::IS_FINAL.eq(true).and(good)),
        ReleaseSelection::WithDrafts => defaults.filter(good),
    };
    let mut releases = defaults.merge(options)?;
    releases.require(&Query::new().expand(Release::RELEASE_TAG.select(tag)));
    let of_these = Application::DEVICE_TYPE.with_alias("dt").any(DeviceType::SLUG.is_in(slugs));
    let query = Query::new()
        .select([Application::DEVICE_TYPE.name()])
        .expand(
            Application::APPLICATION_TAG
                .select([ApplicationTag::TAG_KEY.name(), ApplicationTag::VALUE.name()]),
        )
        .expand(Application::DEVICE_TYPE.select([DeviceType::SLUG.name()]))
        .expand(Application::OWNS_RELEASE.with(releases))
        .filter(Application::IS_HOST.eq(true).and(of_these));
    core.read_target(ReadTarget::list::<Application>(query), Query::new()).await?.rows()
}

/// Returns the versions for one device type.
pub(crate) async fn versions_of(core: &Core, slug: &str, wanted: ReleaseSelection) -> Result<Vec<OsVersion>> {
    let slugs = [slug.to_owned()];
    let apps = host_apps(core, &slugs, wanted, Query::new()).await?;
    Ok(One::of(&slugs, by_device_type(core.settings().api_version, apps)?))
}
