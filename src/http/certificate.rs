//! Parser for the parts of an X.509 certificate that are checked when the settings contain the certificate itself.
//!
//! webpki reads version 3 only, and rejects a server that presents a certificate of an authority.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use rustls::CertificateError;
use rustls::pki_types::{IpAddr, ServerName, UnixTime};
use std::time::Duration;

/// Tags of DER (X.690).
mod tag {
    pub(super) const BOOLEAN: u8 = 0x01;
    pub(super) const INTEGER: u8 = 0x02;
    pub(super) const BIT_STRING: u8 = 0x03;
    pub(super) const OCTET_STRING: u8 = 0x04;
    pub(super) const OID: u8 = 0x06;
    pub(super) const UTC_TIME: u8 = 0x17;
    pub(super) const GENERALIZED_TIME: u8 = 0x18;
    pub(super) const SEQUENCE: u8 = 0x30;
    pub(super) const SET: u8 = 0x31;
    /// `[0]`: the version. Absent in certificates of version 1.
    pub(super) const VERSION: u8 = 0xa0;
    /// `[3]`: the extensions.
    pub(super) const EXTENSIONS: u8 = 0xa3;
    /// `[2]` and `[7]` of a subjectAltName.
    pub(super) const DNS_NAME: u8 = 0x82;
    pub(super) const IP_ADDRESS: u8 = 0x87;
}

/// OID 2.5.29.17.
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];
/// OID 2.5.4.3.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];

/// A parsed certificate.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Certificate<'a> {
    not_before: UnixTime,
    not_after: UnixTime,
    /// Names in subjectAltName; `None` without that extension.
    names: Option<Vec<Name<'a>>>,
    /// The common name of the subject; used if there is no subjectAltName.
    common_name: Option<&'a [u8]>,
    /// The subjectPublicKeyInfo, as DER.
    pub(super) key_info: &'a [u8],
    /// Algorithm of the key, as DER without its outer sequence.
    pub(super) key_algorithm: &'a [u8],
    /// The key itself.
    pub(super) key: &'a [u8],
}

#[derive(Debug, PartialEq, Eq)]
enum Name<'a> {
    Dns(&'a [u8]),
    Ip(&'a [u8]),
}

/// A reader of DER elements.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// Reads the next element. Returns its tag, its content and the whole element.
    fn next_element(&mut self) -> Option<(u8, &'a [u8], &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, mut rest) = rest.split_first()?;
        let length = match first {
            0..=0x7f => usize::from(first),
            0x81..=0x84 => {
                let (digits, after) = rest.split_at_checked(usize::from(first & 0x7f))?;
                rest = after;
                digits.iter().try_fold(0_usize, |length, digit| {
                    length.checked_mul(256)?.checked_add(usize::from(*digit))
                })?
            }
            // Indefinite length, or longer than 4 GiB.
            _ => return None,
        };
        let (content, after) = rest.split_at_checked(length)?;
        let whole = self.0.get(..self.0.len() - after.len())?;
        self.0 = after;
        Some((tag, content, whole))
    }

    /// Reads the next element and returns its content, if it has this tag.
    fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (found, content, _) = self.next_element()?;
        (found == tag).then_some(content)
    }

    /// Reads the next element, if it has this tag, and returns a reader of its content.
    fn inside(&mut self, tag: u8) -> Option<Self> {
        self.take(tag).map(Self)
    }
}

/// Returns the first element of the bytes.
pub(super) fn first_element(der: &[u8]) -> Option<&[u8]> {
    Der(der).next_element().map(|(.., whole)| whole)
}

impl<'a> Certificate<'a> {
    /// Parses a certificate. Returns `None` if it is not valid or followed by other bytes.
    pub(super) fn read(der: &'a [u8]) -> Option<Self> {
        let mut all = Der(der);
        let mut signed = all.inside(tag::SEQUENCE)?.inside(tag::SEQUENCE)?;
        if !all.0.is_empty() {
            return None;
        }
        if signed.peek()? == tag::VERSION {
            signed.take(tag::VERSION)?;
        }
        signed.take(tag::INTEGER)?;
        let (_algorithm, _issuer) = (signed.take(tag::SEQUENCE)?, signed.take(tag::SEQUENCE)?);
        let mut validity = signed.inside(tag::SEQUENCE)?;
        let (not_before, not_after) = (time(&mut validity)?, time(&mut validity)?);
        let common_name = common_names(signed.inside(tag::SEQUENCE)?)?.pop();
        let (key_tag, key_content, key_info) = signed.next_element()?;
        if key_tag != tag::SEQUENCE {
            return None;
        }
        let mut key_parts = Der(key_content);
        let key_algorithm = key_parts.take(tag::SEQUENCE)?;
        // Keys are whole bytes: the number of unused bits is 0.
        let key = key_parts.take(tag::BIT_STRING)?.strip_prefix(&[0])?;
        let mut names = None;
        while let Some((tag, content, _)) = signed.next_element() {
            if tag == tag::EXTENSIONS {
                alt_names(Der(content).inside(tag::SEQUENCE)?, &mut names)?;
            }
        }
        if !signed.0.is_empty() {
            return None;
        }
        Some(Self { not_before, not_after, names, common_name, key_info, key_algorithm, key })
    }

    /// Checks dates and name of the certificate.
    ///
    /// # Errors
    /// The reason why it is not valid for this server at this time.
    pub(super) fn check(&self, server: &ServerName<'_>, now: UnixTime) -> Result<(), CertificateError> {
        if now < self.not_before {
            return Err(CertificateError::NotValidYetContext { time: now, not_before: self.not_before });
        }
        if now > self.not_after {
            return Err(CertificateError::ExpiredContext { time: now, not_after: self.not_after });
        }
        let is_for_it = match &self.names {
            Some(names) => names.iter().any(|name| name.is_of(server)),
            None => self.common_name.is_some_and(|name| match server {
                ServerName::IpAddress(_) => server.to_str().as_bytes() == name,
                _ => Name::Dns(name).is_of(server),
            }),
        };
        if is_for_it {
            return Ok(());
        }
        let presented = match &self.names {
            Some(names) => names.iter().map(Name::shown).collect(),
            None => self.common_name.iter().map(|name| Name::Dns(name).shown()).collect(),
        };
        Err(CertificateError::NotValidForNameContext { expected: server.to_owned(), presented })
    }
}

impl Name<'_> {
    /// Returns whether this name is that of the server.
    fn is_of(&self, server: &ServerName<'_>) -> bool {
        match (self, server) {
            (Self::Dns(pattern), ServerName::DnsName(name)) => fits(pattern, name.as_ref().as_bytes()),
            (Self::Ip(bytes), ServerName::IpAddress(IpAddr::V4(address))) => *bytes == address.as_ref(),
            (Self::Ip(bytes), ServerName::IpAddress(IpAddr::V6(address))) => *bytes == address.as_ref(),
            _ => false,
        }
    }

    /// Returns the name as text.
    fn shown(&self) -> String {
        match self {
            Self::Dns(name) => String::from_utf8_lossy(name).into_owned(),
            Self::Ip(bytes) => {
                let v4 = <[u8; 4]>::try_from(*bytes).map(std::net::IpAddr::from);
                let address = v4.or_else(|_| <[u8; 16]>::try_from(*bytes).map(std::net::IpAddr::from));
                address.map_or_else(|_| "an invalid address".to_owned(), |address| address.to_string())
            }
        }
    }
}

/// Returns whether the name matches the pattern: a name, or `*` as its whole first label (RFC 9525). `*` directly below
/// a top-level domain matches nothing.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let name = name.strip_suffix(b".").unwrap_or(name);
    match pattern.strip_prefix(b"*.") {
        Some(domain) => {
            let label = name.iter().position(|byte| *byte == b'.');
            let rest = label.filter(|at| *at > 0).and_then(|at| name.get(at + 1..));
            domain.contains(&b'.') && rest.is_some_and(|rest| rest.eq_ignore_ascii_case(domain))
        }
        None => !pattern.is_empty() && name.eq_ignore_ascii_case(pattern),
    }
}

/// Returns the common names of a subject.
fn common_names(mut subject: Der<'_>) -> Option<Vec<&[u8]>> {
    let mut found = Vec::new();
    while !subject.0.is_empty() {
        let mut set = subject.inside(tag::SET)?;
        while !set.0.is_empty() {
            let mut pair = set.inside(tag::SEQUENCE)?;
            let kind = pair.take(tag::OID)?;
            let (_, value, _) = pair.next_element()?;
            if kind == COMMON_NAME {
                found.push(value);
            }
        }
    }
    Some(found)
}

/// Reads the names in subjectAltName into `found`, if the extensions contain it.
fn alt_names<'a>(mut extensions: Der<'a>, found: &mut Option<Vec<Name<'a>>>) -> Option<()> {
    while !extensions.0.is_empty() {
        let mut extension = extensions.inside(tag::SEQUENCE)?;
        let kind = extension.take(tag::OID)?;
        if extension.peek()? == tag::BOOLEAN {
            extension.take(tag::BOOLEAN)?;
        }
        let value = extension.take(tag::OCTET_STRING)?;
        if kind != SUBJECT_ALT_NAME {
            continue;
        }
        let mut names = Vec::new();
        let mut list = Der(value).inside(tag::SEQUENCE)?;
        while !list.0.is_empty() {
            match list.next_element()? {
                (tag::DNS_NAME, name, _) => names.push(Name::Dns(name)),
                (tag::IP_ADDRESS, address, _) => names.push(Name::Ip(address)),
                _ => {}
            }
        }
        *found = Some(names);
    }
    Some(())
}

/// Parses a time: `YYMMDDhhmmssZ` until 2049, `YYYYMMDDhhmmssZ` from 2050 on (RFC 5280, 4.1.2.5).
fn time(der: &mut Der<'_>) -> Option<UnixTime> {
    let (tag, text, _) = der.next_element()?;
    let digits = text.strip_suffix(b"Z").filter(|text| text.iter().all(u8::is_ascii_digit))?;
    let number = |part: Option<&[u8]>| -> Option<i16> { std::str::from_utf8(part?).ok()?.parse().ok() };
    let (year, rest) = match tag {
        tag::UTC_TIME => {
            let year = number(digits.get(..2))?;
            (if year < 50 { 2000 + year } else { 1900 + year }, digits.get(2..)?)
        }
        tag::GENERALIZED_TIME => (number(digits.get(..4))?, digits.get(4..)?),
        _ => return None,
    };
    let pair = |at: usize| number(rest.get(at..at + 2)).and_then(|number| i8::try_from(number).ok());
    if rest.len() != 10 {
        return None;
    }
    let time = DateTime::new(year, pair(0)?, pair(2)?, pair(4)?, pair(6)?, pair(8)?, 0).ok()?;
    let seconds = TimeZone::UTC.to_timestamp(time).ok()?.as_second();
    // Times before 1970 become 1970.
    Some(UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(seconds).unwrap_or(0))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;

    const PEMS: [&[u8]; 6] = [
        include_bytes!("../../tests/own_cloud/own_ca.pem"),
        include_bytes!("../../tests/own_cloud/own_v1.pem"),
        include_bytes!("../../tests/own_cloud/own_cn.pem"),
        include_bytes!("../../tests/own_cloud/own_other.pem"),
        include_bytes!("../../tests/own_cloud/own_expired.pem"),
        include_bytes!("../../tests/own_cloud/own_future.pem"),
    ];

    fn der(pem: &[u8]) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(pem).unwrap()
    }

    /// Returns why the certificate is not valid for this server at this time.
    fn check(pem: &[u8], server: &str, seconds: u64) -> Option<CertificateError> {
        let der = der(pem);
        let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        Certificate::read(&der).unwrap().check(&server.try_into().unwrap(), now).err()
    }

    #[test]
    fn names_and_dates_count_in_every_version() {
        use CertificateError::{ExpiredContext, NotValidForNameContext, NotValidYetContext};
        const NOW: u64 = 1_800_000_000;
        let [ca, v1, cn, other, expired, future] = PEMS;
        for (pem, good) in [
            (ca, &["localhost", "api.own.example", "127.0.0.1"][..]),
            (v1, &["localhost", "LOCALHOST"]),
            (cn, &["localhost"]),
            (other, &["other.example"]),
        ] {
            for server in [
                "localhost",
                "LOCALHOST",
                "api.own.example",
                "a.b.own.example",
                "127.0.0.1",
                "::1",
                "other.example",
            ] {
                match check(pem, server, NOW) {
                    None => assert!(good.iter().any(|good| good.eq_ignore_ascii_case(server)), "{server}"),
                    Some(NotValidForNameContext { presented, .. }) => {
                        assert!(!good.contains(&server) && !presented.is_empty(), "{server}");
                    }
                    Some(error) => panic!("{server}: {error}"),
                }
            }
        }
        assert!(
            matches!(check(expired, "localhost", NOW), Some(ExpiredContext { not_after, .. }) if not_after.as_secs() == 1_609_459_200)
        );
        assert!(
            matches!(check(future, "localhost", NOW), Some(NotValidYetContext { not_before, .. }) if not_before.as_secs() == 3_786_912_000)
        );
        assert!(matches!(check(ca, "localhost", 0), Some(NotValidYetContext { .. })));
    }

    #[test]
    fn what_follows_a_certificate_is_not_of_it() {
        let der = der(PEMS[0]);
        let longer = [&*der, b"\x30\x03\x02\x01\x00"].concat();
        assert!(Certificate::read(&longer).is_none());
        assert_eq!(first_element(&longer), Some(&*der));
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_odd(which in 0..PEMS.len(), changes in proptest::collection::vec((0..600_usize, any::<u8>()), 1..6), end in 0..600_usize) {
            let mut bytes = der(PEMS[which]).to_vec();
            for (at, byte) in changes {
                if let Some(place) = bytes.get_mut(at) {
                    *place = byte;
                }
            }
            bytes.truncate(bytes.len().min(end.max(1)));
            if let Some(certificate) = Certificate::read(&bytes) {
                drop(certificate.check(&"localhost".try_into().unwrap(), UnixTime::now()));
                prop_assert!(certificate.key_info.len() > certificate.key.len());
            }
        }

        #[test]
        fn nor_are_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Certificate::read(&bytes).is_none());
            prop_assert!(first_element(&bytes).is_none_or(|first| bytes.starts_with(first)));
        }
    }

    #[test]
    fn names_fit_by_whole_labels() {
        for (pattern, name, expected) in [
            ("api.own.example", "API.own.example", true),
            ("api.own.example", "api.own.example.", true),
            ("*.own.example", "api.own.example", true),
            ("*.own.example", "own.example", false),
            ("*.own.example", "a.b.own.example", false),
            ("*.own.example", ".own.example", false),
            ("*.example", "own.example", false),
            ("a*.own.example", "api.own.example", false),
            ("*", "own", false),
            ("", "", false),
        ] {
            assert_eq!(fits(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }
}
