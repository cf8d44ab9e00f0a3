//! TLS trust: the public authorities, those in the settings, and server certificates that are in the settings
//! themselves.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{
    WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature,
    verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::error::{Error, ErrorKind, Result};

use super::certificate::{Certificate, first_element};
use super::root_certificates::RootCertificates;

/// The trusted certificates.
pub(super) struct TrustAnchors {
    roots: RootCertStore,
    /// The certificates of the settings. A server that presents one of them is trusted.
    named: Vec<CertificateDer<'static>>,
}

impl TrustAnchors {
    /// Reads these certificates, and adds the public authorities. Those are compiled in, because a `FROM scratch` image
    /// has none.
    ///
    /// # Errors
    /// `is_config` if a source has no certificate; `is_io` if a file can't be read.
    pub(super) fn of(sources: &[RootCertificates]) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        let mut named = Vec::new();
        for source in sources {
            let (pem, operation) = match source {
                RootCertificates::Pem(pem) => {
                    (pem.clone(), "read the certificates of the authority".to_owned())
                }
                RootCertificates::File(path) => {
                    let pem = std::fs::read(path);
                    let pem = pem.map_err(|cause| {
                        crate::fs::failed("read the certificates in", path, cause).with_help(
                            "set BALENA_EXTRA_CA_CERTS, NODE_EXTRA_CA_CERTS or SSL_CERT_FILE to a file with certificates, or unset it",
                        )
                    })?;
                    (pem, format!("read the certificates in {}", path.display()))
                }
            };
            // Bundles may contain certificates that can't be parsed; these are skipped.
            let certificates = certificates(&pem);
            let (added, _) = roots.add_parsable_certificates(certificates.iter().cloned());
            let known = named.len();
            named.extend(certificates.into_iter().filter(|der| Certificate::read(der).is_some()));
            if added == 0 && named.len() == known {
                return Err(Error::new(ErrorKind::Config, "there is no certificate in it")
                    .with_operation(operation)
                    .with_help("certificates must be PEM: -----BEGIN CERTIFICATE-----"));
            }
        }
        Ok(Self { roots, named })
    }

    /// Returns the configuration of rustls.
    ///
    /// # Errors
    /// The error of rustls, if it does not support its own defaults.
    pub(super) fn config(self) -> Result<ClientConfig, Box<dyn StdError + Send + Sync>> {
        let provider = ring::default_provider();
        let verifier = Verifier {
            algorithms: provider.signature_verification_algorithms,
            named: self.named,
            roots: self.roots,
        };
        Ok(ClientConfig::builder_with_provider(provider.into())
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth())
    }
}

/// Returns the certificates in a PEM text. Accepts OpenSSL's `TRUSTED CERTIFICATE`, a certificate with trust settings
/// appended.
fn certificates(pem: &[u8]) -> Vec<CertificateDer<'static>> {
    let text = String::from_utf8_lossy(pem);
    let text = text.replace("TRUSTED CERTIFICATE-----", "CERTIFICATE-----");
    let all = CertificateDer::pem_slice_iter(text.as_bytes()).flatten();
    all.map(|der| first_element(&der).map_or(der.clone(), |first| first.to_vec().into())).collect()
}

/// Verifies as rustls's own verifier does. A certificate that fails is still accepted if the settings contain it, its
/// name and dates are valid and the server has its key; its issuer and its key usage are not checked. rustls's own
/// verifier is not used, because its revocation lists add 16 KB of code that this crate does not need.
#[derive(Debug)]
struct Verifier {
    roots: RootCertStore,
    named: Vec<CertificateDer<'static>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    /// Verifies that a trusted authority signed the certificate and that it is valid for this name.
    fn signed(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let certificate = ParsedCertificate::try_from(end_entity)?;
        let algorithms = self.algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&certificate, &self.roots, intermediates, now, algorithms)?;
        verify_server_name(&certificate, server_name)?;
        Ok(ServerCertVerified::assertion())
    }

    /// Returns the certificate, parsed, if the settings contain it.
    fn pinned<'a>(&self, certificate: &'a CertificateDer<'_>) -> Option<Certificate<'a>> {
        let is_named = self.named.iter().any(|named| named == certificate);
        is_named.then(|| Certificate::read(certificate)).flatten()
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let signed = self.signed(end_entity, intermediates, server_name, now);
        match (signed, self.pinned(end_entity)) {
            (Err(_), Some(certificate)) => {
                certificate.check(server_name, now)?;
                Ok(ServerCertVerified::assertion())
            }
            (signed, _) => signed,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let usual = verify_tls12_signature(message, certificate, signed, &self.algorithms);
        let (Err(refused), Some(named)) = (&usual, self.pinned(certificate)) else { return usual };
        // webpki can't parse this certificate, so its key is used directly.
        let mapping = self.algorithms.mapping.iter().filter(|(scheme, _)| *scheme == signed.scheme);
        let mut fitting = mapping
            .flat_map(|(_, all)| all.iter())
            .filter(|one| one.public_key_alg_id().as_ref() == named.key_algorithm);
        let is_good = fitting.any(|one| one.verify_signature(named.key, message, signed.signature()).is_ok());
        if is_good { Ok(HandshakeSignatureValid::assertion()) } else { Err(refused.clone()) }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let usual = verify_tls13_signature(message, certificate, signed, &self.algorithms);
        let (Err(_), Some(named)) = (&usual, self.pinned(certificate)) else { return usual };
        let key = SubjectPublicKeyInfoDer::from(named.key_info);
        verify_tls13_signature_with_raw_key(message, &key, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Returns the error for a rejected certificate, if that is the cause. `way` is the beginning of the text and names the
/// proxy.
pub(super) fn refused(cause: &(dyn StdError + 'static), host: &str, way: &str) -> Option<Error> {
    let (text, help) = explanation(refusal(cause)?, host);
    // Another attempt would fail as well.
    Some(Error::new(ErrorKind::Unreachable, format!("{way}{text}")).with_help(help).permanent())
}

/// Finds the rejection of a certificate in a chain of causes.
fn refusal<'a>(cause: &'a (dyn StdError + 'static)) -> Option<&'a CertificateError> {
    let mut next = Some(cause);
    while let Some(cause) = next {
        if let Some(rustls::Error::InvalidCertificate(refusal)) = cause.downcast_ref() {
            return Some(refusal);
        }
        // `source` of an `io::Error` skips the error inside it.
        let inside = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = inside.map(|inside| inside as &(dyn StdError + 'static)).or_else(|| cause.source());
    }
    None
}

/// Returns the text of the error and its help.
fn explanation(refusal: &CertificateError, host: &str) -> (String, String) {
    let day = |time: &UnixTime| {
        let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        Timestamp::from_second(seconds).map_or("long after".to_owned(), |time| time.to_string())
    };
    let of = format!("the certificate of {host}");
    match refusal {
        CertificateError::ExpiredContext { time, not_after } => (
            format!("{of} expired at {}", day(not_after)),
            format!("renew it on the server, or correct the clock of this machine: it says {}", day(time)),
        ),
        CertificateError::NotValidYetContext { time, not_before } => (
            format!("{of} is not valid before {}, and the clock of this machine says {}", day(not_before), day(time)),
            "set the clock, or wait until the time service has set it: a device without a battery starts in 1970".to_owned(),
        ),
        CertificateError::NotValidForNameContext { presented, .. } => {
            let names = presented.iter().take(8).map(|name| crate::error::escaped(name).to_string());
            let names = names.collect::<Vec<_>>().join(", ");
            (
                format!("{of} is not for this name, but for: {names}"),
                "use one of these names in the address, or install a certificate for this name on the server".to_owned(),
            )
        }
        CertificateError::UnknownIssuer | CertificateError::BadEncoding | CertificateError::Other(_) => (
            format!("{of} was not issued by a trusted authority"),
            "set BALENA_EXTRA_CA_CERTS to a PEM file with the certificate of the authority, or with the server's own".to_owned(),
        ),
        other => (
            format!("{of} is refused: {other}"),
            "install another certificate on the server, or set BALENA_EXTRA_CA_CERTS to a PEM file with this one".to_owned(),
        ),
    }
}
