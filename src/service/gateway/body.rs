//! Reads the body of a request that changes something, and checks that it is one JSON object without duplicate keys.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::header::{self, HeaderValue};
use http_body::Body;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use tokio::time::timeout;

use super::response::Refusal;

/// Time for a client to send its body.
const READ_LIMIT: Duration = Duration::from_secs(5);

/// Reads and checks a body of at most `limit` bytes. An empty one is accepted: it stands for `{}`.
///
/// # Errors
/// 413, 408, or 400 with what is wrong. After the first two the connection is closed.
pub(crate) async fn read<B>(body: B, limit: usize) -> Result<Bytes, Refusal>
where
    B: Body<Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
{
    let too_long = || {
        let text = format!("the body is longer than {limit} bytes");
        closing(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "too_long", text))
    };
    if body.size_hint().lower() > u64::try_from(limit).unwrap_or(u64::MAX) {
        return Err(too_long());
    }
    let collected = timeout(READ_LIMIT, Limited::new(body, limit).collect()).await.map_err(|_| {
        let text = format!("the body did not come within {} s", READ_LIMIT.as_secs());
        closing(Refusal::new(StatusCode::REQUEST_TIMEOUT, "too_slow", text))
    })?;
    let bytes = match collected {
        Ok(collected) => collected.to_bytes(),
        Err(cause) if cause.is::<LengthLimitError>() => return Err(too_long()),
        Err(_) => return Err(closing(Refusal::bad_request("bad_body", "the body could not be read"))),
    };
    check(&bytes).map(|()| bytes)
}

fn closing(refusal: Refusal) -> Refusal {
    refusal.with_header(header::CONNECTION, HeaderValue::from_static("close"))
}

/// Checks that this is one JSON object in which no object has a key twice.
fn check(bytes: &[u8]) -> Result<(), Refusal> {
    if bytes.is_empty() {
        return Ok(());
    }
    let bad =
        |why: &dyn fmt::Display| Refusal::bad_request("bad_body", format!("the body is refused: {why}"));
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err(bad(&"it has to be a JSON object"));
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    UniqueKeys.deserialize(&mut json).and_then(|()| json.end()).map_err(|cause| bad(&cause))
}

/// Reads a value and keeps nothing of it but the keys of the objects that it is in.
struct UniqueKeys;

impl<'de> DeserializeSeed<'de> for UniqueKeys {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for UniqueKeys {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(UniqueKeys)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let mut keys = BTreeSet::new();
        while let Some(key) = object.next_key::<String>()? {
            object.next_value_seed(UniqueKeys)?;
            if let Some(key) = keys.replace(key) {
                return Err(A::Error::custom(format_args!(
                    "the key \"{}\" is there twice",
                    key.escape_debug()
                )));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::Full;

    #[test]
    fn one_object_without_duplicates() {
        for good in ["", "{}", " {\"a\": [1, {\"b\": null}], \"b\": 1.5}\n", "{\"a\":{\"a\":{\"a\":true}}}"] {
            assert!(check(good.as_bytes()).is_ok(), "{good}");
        }
        for bad in [
            " ",
            "[]",
            "\"x\"",
            "null",
            "{",
            "{} {}",
            "{}x",
            "{'a':1}",
            "{\"a\":1,\"a\":1}",
            "{\"a\":1,\"\\u0061\":1}",
            "{\"a\":[{\"b\":{\"c\":1,\"c\":2}}]}",
            "ttl=60&reason=x",
            "{\"a\":NaN}",
            "{\"a\":1,}",
            "\u{feff}{}",
        ] {
            assert!(check(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(check(b"{\"a\":\"\xff\"}").is_err());
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(5000), "]".repeat(5000));
        assert!(check(deep.as_bytes()).is_err(), "the depth is bounded");
    }

    #[tokio::test(start_paused = true)]
    async fn long_and_slow_bodies() {
        let status = |refusal: Refusal| http::Response::from(refusal).status().as_u16();
        let long = Full::new(Bytes::from(vec![b' '; 17]));
        assert_eq!(status(read(long, 16).await.unwrap_err()), 413);
        assert_eq!(read(Full::new(Bytes::from("{}")), 16).await.unwrap(), "{}");
        assert_eq!(status(read(Silent, 16).await.unwrap_err()), 408);
    }

    /// A body that never comes.
    struct Silent;

    impl Body for Silent {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
            std::task::Poll::Pending
        }
    }
}
