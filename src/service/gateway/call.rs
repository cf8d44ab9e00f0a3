//! One request, as a handler gets it: matched to its route, from a known caller, with a checked body.

use std::borrow::Cow;

use bytes::Bytes;
use http::HeaderMap;
use http::header::AsHeaderName;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::caller::Caller;
use super::path::Params;
use super::response::Refusal;

/// One request, as a handler gets it.
#[derive(Debug)]
pub(crate) struct Call {
    /// Who asks.
    pub(crate) caller: Caller,
    /// The request without its body. A WebSocket handler passes it to [`hyper::upgrade::on`].
    pub(crate) head: http::Request<()>,
    /// Values of the route's path parameters.
    pub(crate) params: Params,
    /// The body: empty, or JSON without duplicate keys.
    pub(crate) body: Bytes,
    /// Returns the description of all routes, for the handler that publishes it.
    pub(crate) describe: fn() -> Value,
}

impl Call {
    /// Returns the value of a path parameter, percent-decoded. Empty if the route has no such parameter.
    pub(crate) fn param(&self, name: &str) -> &str {
        self.params.get(name)
    }

    /// Returns the headers.
    pub(crate) fn headers(&self) -> &HeaderMap {
        self.head.headers()
    }

    /// Returns the text of a header; `None` if it is absent or not visible ASCII.
    pub(crate) fn header(&self, name: impl AsHeaderName) -> Option<&str> {
        self.headers().get(name)?.to_str().ok()
    }

    /// Decodes the body. An empty body is `{}`. Give `T` `#[serde(deny_unknown_fields)]`.
    ///
    /// # Errors
    /// 400 `bad_body`, with what does not fit.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        let body = if self.body.is_empty() { b"{}" } else { self.body.as_ref() };
        serde_json::from_slice(body)
            .map_err(|cause| Refusal::bad_request("bad_body", format!("the body does not fit: {cause}")))
    }
}

/// Splits a query into decoded pairs. `+` stands for a space, as in forms.
pub(crate) fn query_pairs(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(key), decode(value))
    })
}

fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains(['%', '+']) {
        return Cow::Borrowed(text);
    }
    let text = text.replace('+', " ");
    Cow::Owned(percent_encoding::percent_decode_str(&text).decode_utf8_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_decoded() {
        let pairs: Vec<_> = query_pairs("since=1-2&&kind=a%26b+c&flag&%61pikey=x%ff").collect();
        let expected = [("since", "1-2"), ("kind", "a&b c"), ("flag", ""), ("apikey", "x\u{fffd}")];
        assert_eq!(pairs, expected.map(|(key, value)| (key.into(), value.into())));
    }
}
