//! Root certificates besides the public ones: a file or a PEM text.

use std::path::PathBuf;

/// Certificates to trust besides those of the public authorities.
#[derive(Debug, Clone)]
#[cfg_attr(not(feature = "rustls-ring"), expect(dead_code, reason = "used with TLS only"))]
pub(crate) enum RootCertificates {
    /// Path of a PEM file.
    File(PathBuf),
    /// PEM text.
    Pem(Vec<u8>),
}
