//! Certificates of authorities that the settings name.

use std::path::PathBuf;

/// Certificates of authorities to trust, besides the public ones.
#[derive(Debug, Clone)]
#[cfg_attr(not(feature = "rustls-ring"), expect(dead_code, reason = "without TLS nobody is asked who he is"))]
pub(crate) enum RootCertificates {
    File(PathBuf),
    Pem(Vec<u8>),
}
