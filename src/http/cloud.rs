//! HTTPS to the cloud, through reqwest. Built when first used: it costs more memory than all the rest.

use std::fmt;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use futures_core::Stream;
use http::{Uri, header};
use hyper_util::client::proxy::matcher::Matcher;
use secrecy::{ExposeSecret as _, SecretString};

use crate::error::{Error, ErrorKind, Result};

use super::{Body, BoxFuture, Request, Response, Transport, TransportError};

const CONNECT_LIMIT: Duration = Duration::from_secs(10);
const IDLE_LIMIT: Duration = Duration::from_secs(90);

/// What is never reached through a proxy: this machine.
const OWN_MACHINE: &str = "localhost,127.0.0.0/8,::1";

/// How the text of a failure begins in which a proxy had a part.
pub(super) const THROUGH: &str = "through the proxy ";

/// The way out of this network, and who is trusted at its end.
#[derive(Clone, Default)]
pub(crate) struct Way {
    pub(crate) https_proxy: Option<SecretString>,
    pub(crate) http_proxy: Option<SecretString>,
    pub(crate) no_proxy: Option<String>,
    #[cfg_attr(
        not(feature = "rustls-ring"),
        expect(dead_code, reason = "without TLS nobody is asked who he is")
    )]
    pub(crate) authorities: Vec<Authorities>,
}

/// Certificates of authorities to trust, besides the public ones.
#[derive(Debug, Clone)]
#[cfg_attr(not(feature = "rustls-ring"), expect(dead_code, reason = "without TLS nobody is asked who he is"))]
pub(crate) enum Authorities {
    File(PathBuf),
    Pem(Vec<u8>),
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Way").field("no_proxy", &self.no_proxy).finish_non_exhaustive()
    }
}

impl Way {
    /// # Errors
    /// `is_config` for a proxy or certificates that can't be used, `is_io` for a file that can't be read.
    pub(crate) fn check(&self) -> Result<()> {
        self.proxies()?;
        #[cfg(feature = "rustls-ring")]
        self.roots()?;
        Ok(())
    }

    fn proxies(&self) -> Result<Vec<reqwest::Proxy>> {
        type Make = fn(reqwest::Url) -> reqwest::Result<reqwest::Proxy>;
        let direct = self.direct();
        let kinds: [(&str, &Option<SecretString>, Make); 2] = [
            ("https", &self.https_proxy, |url| reqwest::Proxy::https(url)),
            ("http", &self.http_proxy, |url| reqwest::Proxy::http(url)),
        ];
        let mut proxies = Vec::new();
        for (scheme, address, make) in kinds {
            let Some(address) = address else { continue };
            let proxy = proxy_address(address.expose_secret()).and_then(|url| make(url).ok());
            let proxy = proxy.ok_or_else(|| {
                Error::new(ErrorKind::Config, format!("the proxy for {scheme} addresses is none"))
                    .help(format!("{scheme}_proxy has to look like http://proxy.example:3128"))
            })?;
            proxies.push(proxy.no_proxy(reqwest::NoProxy::from_string(&direct)));
        }
        Ok(proxies)
    }

    /// What is reached without a proxy, as the layer below has it: there `*` is for names alone, and neither
    /// `*.` nor a port is known.
    fn direct(&self) -> String {
        let named = self.no_proxy.as_deref().unwrap_or_default().split([',', ' ']).map(|entry| {
            let entry = entry.trim();
            let host = match entry.rsplit_once(':') {
                Some((host, _)) if !host.contains(':') || host.ends_with(']') => host,
                _ => entry,
            };
            match host.trim_matches(['[', ']']) {
                "*" => "*,0.0.0.0/0,::/0",
                host => host.strip_prefix('*').unwrap_or(host),
            }
        });
        std::iter::once(OWN_MACHINE).chain(named).collect::<Vec<_>>().join(",")
    }

    /// Host and port of the proxy that leads there, if one does.
    fn proxy_to(&self, url: &Uri) -> Option<String> {
        let address = |proxy: &Option<SecretString>| {
            proxy.as_ref().map(|proxy| proxy.expose_secret().to_owned()).unwrap_or_default()
        };
        let proxies = Matcher::builder().https(address(&self.https_proxy)).http(address(&self.http_proxy));
        let proxy = proxies.no(self.direct()).build().intercept(url)?;
        let host = proxy.uri().host()?;
        Some(proxy.uri().port_u16().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
    }

    /// The public ones are compiled in: a `FROM scratch` image has no others.
    #[cfg(feature = "rustls-ring")]
    fn roots(&self) -> Result<rustls::RootCertStore> {
        use rustls::pki_types::{CertificateDer, pem::PemObject as _};

        let mut roots = rustls::RootCertStore::empty();
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        for source in &self.authorities {
            let (pem, operation) = match source {
                Authorities::Pem(pem) => (pem.clone(), "read the certificates of the authority".to_owned()),
                Authorities::File(path) => {
                    let pem = std::fs::read(path);
                    let pem = pem.map_err(|cause| {
                        crate::fs::failed("read the certificates in", path, cause).help(
                            "name a file with certificates, or unset what names this: BALENA_EXTRA_CA_CERTS, NODE_EXTRA_CA_CERTS or SSL_CERT_FILE",
                        )
                    })?;
                    (pem, format!("read the certificates in {}", path.display()))
                }
            };
            // Bundles have some that are too odd to be of use; the others do not suffer for it.
            let certificates: Vec<_> = CertificateDer::pem_slice_iter(&pem).flatten().collect();
            let (added, _) = roots.add_parsable_certificates(certificates);
            if added == 0 {
                return Err(Error::new(ErrorKind::Config, "there is no certificate in it")
                    .operation(operation)
                    .help("it has to be PEM: -----BEGIN CERTIFICATE-----"));
            }
        }
        Ok(roots)
    }
}

/// With or without its scheme.
fn proxy_address(text: &str) -> Option<reqwest::Url> {
    let text = text.trim();
    let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url: reqwest::Url = whole.parse().ok()?;
    (matches!(url.scheme(), "http" | "https") && url.has_host()).then_some(url)
}

/// The transport to the cloud. Follows no redirect and retries nothing: that is decided above it.
#[derive(Default)]
pub(crate) struct Cloud {
    way: Way,
    client: OnceLock<reqwest::Client>,
    /// Hands on what comes as it is, whatever it says of itself: for downloads.
    raw: OnceLock<reqwest::Client>,
}

impl fmt::Debug for Cloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cloud").field("way", &self.way).finish_non_exhaustive()
    }
}

impl Cloud {
    pub(crate) fn new(way: Way) -> Self {
        Self { way, client: OnceLock::new(), raw: OnceLock::new() }
    }

    fn client(&self, request: &Request) -> Result<&reqwest::Client, TransportError> {
        let is_raw = request.headers().get(header::ACCEPT_ENCODING).is_some_and(|what| what == "identity");
        let client = if is_raw { &self.raw } else { &self.client };
        if let Some(client) = client.get() {
            return Ok(client);
        }
        let made = build(reqwest::Client::builder().gzip(!is_raw), &self.way).map_err(not_sent)?;
        Ok(client.get_or_init(|| made))
    }
}

fn build(
    builder: reqwest::ClientBuilder,
    way: &Way,
) -> Result<reqwest::Client, Box<dyn std::error::Error + Send + Sync>> {
    // Without this, reqwest looks for proxies in the process's environment, which may not be the one to go by.
    let mut builder = builder
        .no_proxy()
        .connect_timeout(CONNECT_LIMIT)
        .pool_idle_timeout(IDLE_LIMIT)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false);
    for proxy in way.proxies()? {
        builder = builder.proxy(proxy);
    }
    #[cfg(feature = "rustls-ring")]
    let builder = builder.tls_backend_preconfigured(tls(way.roots()?)?);
    Ok(builder.build()?)
}

/// TLS with one provider.
#[cfg(feature = "rustls-ring")]
fn tls(roots: rustls::RootCertStore) -> Result<rustls::ClientConfig, rustls::Error> {
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    Ok(rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

fn not_sent(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> TransportError {
    TransportError { sent: false, reused: false, cause: cause.into() }
}

impl Transport for Cloud {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        Box::pin(async move {
            let client = self.client(&request)?;
            let url = request.uri().clone();
            let request =
                reqwest::Request::try_from(request).map_err(|cause| not_sent(cause.without_url()))?;
            let answer = client.execute(request).await.map_err(|cause| {
                let sent = !cause.is_connect() && !cause.is_builder();
                let error = TransportError { sent, reused: false, cause: cause.without_url().into() };
                match self.way.proxy_to(&url).filter(|_| !sent) {
                    Some(proxy) => not_sent(format!("{THROUGH}{proxy}: {error}")),
                    None => error,
                }
            })?;
            let answer: http::Response<reqwest::Body> = answer.into();
            Ok(answer.map(|body| Body::new(Frames(body))))
        })
    }
}

/// reqwest's body, piece by piece.
struct Frames(reqwest::Body);

impl Stream for Frames {
    type Item = Result<bytes::Bytes, TransportError>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        use http_body::Body as _;
        use std::task::{Poll, ready};
        loop {
            return Poll::Ready(match ready!(std::pin::Pin::new(&mut self.0).poll_frame(cx)) {
                None => None,
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => Some(Ok(data)),
                    Err(_) => continue,
                },
                Some(Err(cause)) => {
                    Some(Err(TransportError { sent: true, reused: false, cause: cause.without_url().into() }))
                }
            });
        }
    }
}
