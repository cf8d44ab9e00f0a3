//! Checksums of downloads: read from the response headers and compared with the body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::HeaderMap;
use md5::Md5;
use sha2::{Digest as _, Sha256, Sha512};

/// The hash of the bytes so far, and the value that the server declared.
#[derive(Clone)]
pub(super) struct Checksum {
    hash: Hash,
    name: &'static str,
    expected: Vec<u8>,
}

#[derive(Clone)]
enum Hash {
    Sha512(Box<Sha512>),
    Sha256(Sha256),
    Md5(Md5),
    Crc32(crc32fast::Hasher),
}

impl Hash {
    /// Names in the headers, strongest first.
    const NAMES: [&str; 4] = ["sha-512", "sha-256", "md5", "crc32"];

    fn of(name: &str) -> Self {
        match name {
            "sha-512" => Self::Sha512(Box::default()),
            "sha-256" => Self::Sha256(Sha256::new()),
            "md5" => Self::Md5(Md5::new()),
            _ => Self::Crc32(crc32fast::Hasher::new()),
        }
    }

    /// Returns the length of the checksum in bytes.
    fn length(&self) -> usize {
        match self {
            Self::Sha512(_) => 64,
            Self::Sha256(_) => 32,
            Self::Md5(_) => 16,
            Self::Crc32(_) => 4,
        }
    }
}

impl Checksum {
    /// Returns the strongest checksum that the headers of a complete response declare.
    ///
    /// Reads `Repr-Digest` and `Content-Digest` (RFC 9530), `Digest` (RFC 3230), `x-amz-checksum-…` and `Content-MD5`.
    /// Ignores `ETag`: it may look like the MD5 of the file and be that of something else (S3 with customer keys,
    /// multipart uploads).
    pub(super) fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let all = |header: &str| {
            let values = headers.get_all(header).iter().filter_map(|value| value.to_str().ok());
            values.flat_map(|value| value.split(',')).map(str::trim).map(str::to_owned).collect::<Vec<_>>()
        };
        let listed: Vec<String> =
            ["repr-digest", "content-digest", "digest"].into_iter().flat_map(all).collect();
        // A checksum of the parts' checksums can't be compared with the whole file.
        let of_parts = headers.get("x-amz-checksum-type").is_some_and(|kind| kind == "COMPOSITE");
        let amz = |name: &str| if of_parts { Vec::new() } else { all(&format!("x-amz-checksum-{name}")) };
        Hash::NAMES.into_iter().find_map(|name| {
            let listed = listed.iter().filter_map(|entry| {
                let (key, value) = entry.split_once('=')?;
                key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches(':').to_owned())
            });
            let alone = match name {
                "md5" => all("content-md5"),
                _ => amz(&name.replace('-', "")),
            };
            let hash = Hash::of(name);
            let mut known = listed.chain(alone).filter_map(|value| BASE64.decode(value).ok());
            let expected = known.find(|value| value.len() == hash.length())?;
            Some(Self { hash, name, expected })
        })
    }

    pub(super) fn update(&mut self, piece: &[u8]) {
        match &mut self.hash {
            Hash::Sha512(hash) => hash.update(piece),
            Hash::Sha256(hash) => hash.update(piece),
            Hash::Md5(hash) => hash.update(piece),
            Hash::Crc32(hash) => hash.update(piece),
        }
    }

    /// Compares the hash with the declared value.
    ///
    /// # Errors
    /// A text with both values.
    pub(super) fn check(self) -> Result<(), String> {
        let found = match self.hash {
            Hash::Sha512(hash) => hash.finalize().to_vec(),
            Hash::Sha256(hash) => hash.finalize().to_vec(),
            Hash::Md5(hash) => hash.finalize().to_vec(),
            Hash::Crc32(hash) => hash.finalize().to_be_bytes().to_vec(),
        };
        if found == self.expected {
            return Ok(());
        }
        let (expected, found) = (BASE64.encode(&self.expected), BASE64.encode(found));
        Err(format!("its {} is {found}, but the server declares {expected}", self.name))
    }
}

impl std::fmt::Debug for Checksum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checksum").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(headers: &[(&'static str, &str)]) -> Option<Checksum> {
        let pairs = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        Checksum::from_headers(&pairs.collect())
    }

    #[test]
    fn every_form_is_checked() {
        // printf hello | openssl dgst -sha256 -binary | base64, and so on.
        let sha256 = "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=";
        let sha512 =
            "m3HSJL1i83hdltRq0+o9czGb+8KJDKra4t/3JRlnPKcjI8PZm6XBHXx6zG4UuMXaDEZjR1wuXDre9G9zvN7AQw==";
        for (header, value, name) in [
            ("repr-digest", format!("sha-256=:{sha256}:"), "sha-256"),
            ("content-digest", format!("unixsum=:AQ==:, sha-512=:{sha512}:, sha-256=:{sha256}:"), "sha-512"),
            ("digest", format!("MD5=XUFAKrxLKna5cZ2REBfFkg==, SHA-256={sha256}"), "sha-256"),
            ("content-md5", "XUFAKrxLKna5cZ2REBfFkg==".to_owned(), "md5"),
            ("x-amz-checksum-sha256", sha256.to_owned(), "sha-256"),
            ("x-amz-checksum-crc32", "NhCmhg==".to_owned(), "crc32"),
        ] {
            let mut checksum = told(&[(header, &value)]).unwrap_or_else(|| panic!("{header}"));
            assert_eq!(checksum.name, name, "{header}");
            checksum.update(b"hel");
            let mut other = checksum.clone();
            checksum.update(b"lo");
            checksum.check().unwrap();
            other.update(b"lp");
            assert!(other.check().unwrap_err().contains(name));
        }
    }

    #[test]
    fn what_is_no_checksum_is_not_taken_for_one() {
        for headers in [
            [("etag", "\"5d41402abc4b2a76b9719d911017c592\""), ("x", "")],
            [("content-md5", "not base64"), ("digest", "sha-256=AAAA")],
            [("x-amz-checksum-crc32", "NhCmhg==-3"), ("digest", "adler32=03da0195")],
            [("x-amz-checksum-crc32", "NhCmhg=="), ("x-amz-checksum-type", "COMPOSITE")],
        ] {
            assert!(told(&headers).is_none(), "{headers:?}");
        }
    }
}
