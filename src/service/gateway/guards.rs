//! What a request has to be like before it is looked at. Pure: head in, refusal out.

use std::net::IpAddr;

use http::header::{self, HeaderMap};
use http::uri::{Authority, Uri};
use http::{StatusCode, Version};

use super::call::query_pairs;
use super::path;
use super::response::Refusal;

/// Names of query parameters that carry a credential: it would end in logs and histories.
const CREDENTIALS: [&str; 14] = [
    "apikey",
    "api_key",
    "api-key",
    "key",
    "token",
    "access_token",
    "accesstoken",
    "auth",
    "authorization",
    "bearer",
    "jwt",
    "password",
    "passwd",
    "secret",
];

/// Refuses a target that is not a path as it is written.
pub(crate) fn check_target(uri: &Uri) -> Result<(), Refusal> {
    if uri.scheme().is_some() || uri.authority().is_some() || !uri.path().starts_with('/') {
        return Err(Refusal::bad_request("bad_target", "the request target has to be a path, e.g. /live"));
    }
    match path::fault(uri.path()) {
        Some(fault) => Err(Refusal::bad_request("bad_path", format!("this path is not accepted: {fault}"))),
        None => Ok(()),
    }
}

/// Prevents DNS rebinding: a request with a foreign host may come from a web page whose name resolves to this device.
/// Addresses and `localhost` can't be made to resolve to something else; `names` are known to be ours.
pub(crate) fn check_host(headers: &HeaderMap, version: Version, names: &[String]) -> Result<(), Refusal> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (None, _) if version < Version::HTTP_11 => return Ok(()),
        (Some(host), None) => host,
        _ => return Err(Refusal::bad_request("bad_host", "the request has to have one header `host`")),
    };
    let authority = host.to_str().ok().filter(|host| !host.contains('@'));
    let authority = authority.and_then(|host| host.parse::<Authority>().ok());
    let is_ours = authority.is_some_and(|authority| {
        let host = authority.host();
        let ip = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        host.eq_ignore_ascii_case("localhost")
            || ip.parse::<IpAddr>().is_ok()
            || names.iter().any(|name| name.eq_ignore_ascii_case(host))
    });
    if is_ours {
        return Ok(());
    }
    Err(Refusal::new(
        StatusCode::MISDIRECTED_REQUEST,
        "wrong_host",
        "this is not a name of this service: use an IP address, localhost, the name of its compose service, or add \
         the name to AGENT_HOSTS",
    ))
}

/// Refuses a credential in the query, and parameters that the route does not have.
pub(crate) fn check_query(query: &str, known: &[&str]) -> Result<(), Refusal> {
    for (name, _) in query_pairs(query) {
        if CREDENTIALS.iter().any(|word| name.eq_ignore_ascii_case(word)) {
            let why = "a credential in an address ends in logs: send it as `authorization: Bearer <token>`";
            return Err(Refusal::bad_request("credential_in_address", why));
        }
        if !known.contains(&&*name) {
            let has = match known {
                [] => "none".to_owned(),
                known => known.join(", "),
            };
            let text = format!("unknown query parameter \"{}\"; the path has {has}", name.escape_debug());
            return Err(Refusal::bad_request("unknown_parameter", text));
        }
    }
    Ok(())
}

/// Refuses what a web page of another origin sends. Only browsers send these headers, and a page can't change them.
pub(crate) fn check_origin(headers: &HeaderMap) -> Result<(), Refusal> {
    let site = headers.get_all(header::HeaderName::from_static("sec-fetch-site"));
    let is_same_site = site.iter().all(|site| matches!(site.as_bytes(), b"same-origin" | b"none"));
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let is_same_origin = headers.get_all(header::ORIGIN).iter().all(|origin| {
        let origin = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok());
        match (origin.as_ref().and_then(Uri::authority), host) {
            (Some(origin), Some(host)) => origin.as_str().eq_ignore_ascii_case(host),
            _ => false,
        }
    });
    if is_same_site && is_same_origin {
        return Ok(());
    }
    let why = "web pages of another origin can't use this service";
    Err(Refusal::new(StatusCode::FORBIDDEN, "other_origin", why))
}

/// Refuses a body that is not said to be JSON. Without a body, the header still keeps simple requests of web pages out.
pub(crate) fn check_content_type(headers: &HeaderMap, has_body: HasBody) -> Result<(), Refusal> {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let is_json = match (types.next(), types.next()) {
        (None, _) => has_body == HasBody::Never,
        (Some(kind), None) => kind.to_str().is_ok_and(|kind| {
            let (kind, parameter) = kind.split_once(';').unwrap_or((kind, ""));
            let parameter = parameter.trim();
            kind.trim().eq_ignore_ascii_case("application/json")
                && (parameter.is_empty() || parameter.eq_ignore_ascii_case("charset=utf-8"))
        }),
        _ => false,
    };
    if is_json {
        return Ok(());
    }
    let why = "the request has to have the header `content-type: application/json`";
    Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json", why))
}

/// Whether the requests of a route have a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HasBody {
    /// It may be empty, which is `{}`.
    Maybe,
    /// A body is not looked at.
    Never,
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn targets_are_paths() {
        let good = |target: &str| check_target(&target.parse().unwrap()).is_ok();
        assert!(good("/live") && good("/agent/v1/locks/a%20b?x=1") && good("/"));
        for bad in
            ["http://localhost/live", "https://a:b@localhost/", "*", "localhost:80", "/a/../b", "/%2e%2e"]
        {
            assert!(!good(bad), "{bad}");
        }
    }

    #[test]
    fn hosts() {
        let names = ["agent".to_owned(), "gateway.local".to_owned()];
        let check = |pairs: &[(&'static str, &'static str)]| {
            check_host(&headers(pairs), Version::HTTP_11, &names).is_ok()
        };
        for good in [
            "127.0.0.1:48485",
            "10.0.0.7",
            "[::1]:48485",
            "[fe80::1]",
            "localhost",
            "LocalHost:1",
            "agent:48485",
            "AGENT",
            "gateway.local",
        ] {
            assert!(check(&[("host", good)]), "{good}");
        }
        for bad in [
            "evil.example:48485",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "agent.evil.example",
            "",
            "a b",
            "user@localhost",
            "localhost, evil.example",
            "[::1",
        ] {
            assert!(!check(&[("host", bad)]), "{bad}");
        }
        assert!(!check(&[]) && !check(&[("host", "localhost"), ("host", "localhost")]));
        assert!(check_host(&headers(&[]), Version::HTTP_10, &names).is_ok());
    }

    #[test]
    fn queries() {
        let good = |query: &str| check_query(query, &["since", "kind"]).is_ok();
        assert!(good("") && good("since=1&kind=a,b") && good("&&"));
        for bad in ["apikey=x", "%61pikey=x", "APIKEY", "since=1&token=x", "other=1", "sınce=1", "Since=1"] {
            assert!(!good(bad), "{bad}");
        }
    }

    #[test]
    fn origins() {
        let good = |pairs: &[(&'static str, &'static str)]| {
            let mut all = headers(&[("host", "localhost:48485")]);
            all.extend(headers(pairs));
            check_origin(&all).is_ok()
        };
        assert!(
            good(&[]) && good(&[("origin", "http://LOCALHOST:48485"), ("sec-fetch-site", "same-origin")])
        );
        assert!(good(&[("sec-fetch-site", "none")]), "a person typed the address");
        for origin in ["http://localhost", "https://evil.example", "null", "", "file:///x"] {
            assert!(!good(&[("origin", origin)]), "{origin}");
        }
        assert!(!good(&[("origin", "http://localhost:48485"), ("origin", "http://evil.example")]));
        for site in ["cross-site", "same-site", ""] {
            assert!(!good(&[("sec-fetch-site", site)]), "{site}");
        }
    }

    #[test]
    fn content_types() {
        let good = |value| check_content_type(&headers(&[("content-type", value)]), HasBody::Maybe).is_ok();
        assert!(good("application/json") && good("Application/JSON; charset=UTF-8"));
        for bad in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/jsonp",
            "application/json, text/plain",
            "text/plain; application/json",
            "application/json; charset=latin1",
            "",
        ] {
            assert!(!good(bad), "{bad}");
        }
        let twice = [("content-type", "application/json"), ("content-type", "text/plain")];
        assert!(check_content_type(&headers(&twice), HasBody::Maybe).is_err());
        assert!(check_content_type(&headers(&[]), HasBody::Maybe).is_err());
        assert!(check_content_type(&headers(&[]), HasBody::Never).is_ok());
    }
}
