//! The rule against keys over plain HTTP: they could be read on the network.

use http::{Method, Uri};

use crate::error::{Error, ErrorKind};

use super::request::ApiRequest;

/// Whether a key may be sent over plain HTTP to another machine. Refused by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum PlainHttpPolicy {
    #[default]
    Refused,
    Allowed,
}

/// Returns whether requests to this URL can be read on the network: plain HTTP to another machine.
pub(crate) fn is_exposed(url: &Uri) -> bool {
    url.scheme_str() == Some("http") && !url.host().is_some_and(is_this_machine)
}

fn is_this_machine(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase();
    let is_loopback =
        host.parse().is_ok_and(|address: std::net::IpAddr| address.to_canonical().is_loopback());
    is_loopback || host == "localhost" || host.ends_with(".localhost")
}

/// Returns whether the request contains a secret: a token, or a body that may be a login.
pub(super) fn is_secret(api_request: &ApiRequest) -> bool {
    api_request.token.is_some() || (api_request.method == Method::POST && !api_request.body.is_empty())
}

/// Returns the error for a secret that would be sent to this URL.
pub(crate) fn plain_http_error(url: &Uri) -> Error {
    let host = url.host().unwrap_or_default();
    let text =
        format!("the key would be sent to {host} over plain http, where everyone on the network can read it");
    Error::new(ErrorKind::Config, text).with_help(
        "use an https:// address for the cloud; if the whole network is trusted, set AGENT_ALLOW_HTTP=1 or call `Builder::allow_http`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_no_other() {
        for (url, expected) in [
            ("http://api.own.example", true),
            ("http://10.0.0.5:8080/x", true),
            ("http://localhost.own.example", true),
            ("http://127.own.example", true),
            ("http://[fd00::1]", true),
            ("http://localhost:80", false),
            ("http://LOCALHOST.", false),
            ("http://api.localhost", false),
            ("http://127.8.9.1", false),
            ("http://[::1]:80", false),
            ("http://[::ffff:127.0.0.1]:80", false),
            ("https://api.own.example", false),
        ] {
            assert_eq!(is_exposed(&url.parse().unwrap()), expected, "{url}");
        }
    }
}
