//! The settings of the transport to the cloud: proxies and trusted certificates.

use std::fmt;

use http::Uri;
use secrecy::{ExposeSecret as _, SecretString};

use crate::error::Result;

use super::proxy::{self, NoProxy, ProxyMatcher};
use super::root_certificates::RootCertificates;

/// Proxies, and certificate authorities besides the public ones.
#[derive(Clone, Default)]
pub(crate) struct TransportConfig {
    /// Proxy for https URLs.
    pub(crate) https_proxy: Option<SecretString>,
    /// Proxy for http URLs.
    pub(crate) http_proxy: Option<SecretString>,
    /// Hosts to reach without a proxy, as in `NO_PROXY`.
    pub(crate) no_proxy: Option<String>,
    #[cfg_attr(not(feature = "rustls-ring"), expect(dead_code, reason = "used with TLS only"))]
    pub(crate) authorities: Vec<RootCertificates>,
}

impl fmt::Debug for TransportConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransportConfig").field("no_proxy", &self.no_proxy).finish_non_exhaustive()
    }
}

impl TransportConfig {
    /// Checks the proxies and reads the certificates.
    ///
    /// # Errors
    /// `is_config` if a proxy or a certificate is not valid; `is_io` if a file can't be read.
    pub(crate) fn check(&self) -> Result<()> {
        self.routes()?;
        #[cfg(feature = "rustls-ring")]
        super::tls::TrustAnchors::of(&self.authorities)?;
        Ok(())
    }

    /// Returns the parsed proxies; `None` if none is set.
    pub(super) fn routes(&self) -> Result<Option<ProxyMatcher>> {
        let of = |address: &Option<SecretString>, scheme| {
            address
                .as_ref()
                .map(|address| proxy::parse_proxy_url(address.expose_secret(), scheme))
                .transpose()
        };
        let (https, http) = (of(&self.https_proxy, "https")?, of(&self.http_proxy, "http")?);
        if https.is_none() && http.is_none() {
            return Ok(None);
        }
        Ok(Some(ProxyMatcher { https, http, direct: NoProxy::of(self.no_proxy.as_deref())? }))
    }

    /// Returns host and port of the proxy for requests to this URL, if there is one.
    pub(super) fn proxy_to(&self, url: &Uri) -> Option<String> {
        let routes = self.routes().ok()??;
        let proxy = routes.to(&url.to_string().parse().ok()?)?;
        let host = proxy.host_str()?;
        Some(proxy.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
    }
}
