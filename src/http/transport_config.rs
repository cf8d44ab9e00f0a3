//! The settings of the transport to the cloud: proxies and trusted certificates.

use std::fmt;

use http::Uri;
use secrecy::{ExposeSecret as _, SecretString};

use crate::error::Result;

use super::proxy::{self, Direct, Routes};
use super::root_certificates::RootCertificates;

/// The way out of this network, and who is trusted at its end.
#[derive(Clone, Default)]
pub(crate) struct TransportConfig {
    pub(crate) https_proxy: Option<SecretString>,
    pub(crate) http_proxy: Option<SecretString>,
    pub(crate) no_proxy: Option<String>,
    #[cfg_attr(
        not(feature = "rustls-ring"),
        expect(dead_code, reason = "without TLS nobody is asked who he is")
    )]
    pub(crate) authorities: Vec<RootCertificates>,
}

impl fmt::Debug for TransportConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransportConfig").field("no_proxy", &self.no_proxy).finish_non_exhaustive()
    }
}

impl TransportConfig {
    /// # Errors
    /// `is_config` for a proxy or certificates that can't be used, `is_io` for a file that can't be read.
    pub(crate) fn check(&self) -> Result<()> {
        self.routes()?;
        #[cfg(feature = "rustls-ring")]
        super::tls::TrustAnchors::of(&self.authorities)?;
        Ok(())
    }

    /// `None` without a proxy.
    pub(super) fn routes(&self) -> Result<Option<Routes>> {
        let of = |address: &Option<SecretString>, scheme| {
            address.as_ref().map(|address| proxy::address(address.expose_secret(), scheme)).transpose()
        };
        let (https, http) = (of(&self.https_proxy, "https")?, of(&self.http_proxy, "http")?);
        if https.is_none() && http.is_none() {
            return Ok(None);
        }
        Ok(Some(Routes { https, http, direct: Direct::of(self.no_proxy.as_deref())? }))
    }

    /// Host and port of the proxy that leads there, if one does.
    pub(super) fn proxy_to(&self, url: &Uri) -> Option<String> {
        let routes = self.routes().ok()??;
        let proxy = routes.to(&url.to_string().parse().ok()?)?;
        let host = proxy.host_str()?;
        Some(proxy.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
    }
}
