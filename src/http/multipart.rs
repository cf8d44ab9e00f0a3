//! A multipart form (RFC 7578). It is built in memory, so that a retry sends the same bytes.

use std::fmt::Write as _;

use bytes::Bytes;
use http::HeaderValue;

/// A multipart form with the parts so far.
#[derive(Debug)]
pub(crate) struct MultipartForm {
    boundary: String,
    body: Vec<u8>,
}

impl MultipartForm {
    pub(crate) fn new() -> Self {
        let mut boundary = "balena-agent-".to_owned();
        for _ in 0..3 {
            // If the system has no randomness, the boundary is still one that no content contains by chance.
            let random = getrandom::u64().unwrap_or(0x5bd1_e995_9e37_79b9);
            // Writing into a text cannot fail.
            let _ = write!(boundary, "{random:016x}");
        }
        Self { boundary, body: Vec::new() }
    }

    /// Adds a text field.
    pub(crate) fn text(self, name: &str, value: &str) -> Self {
        let head = format!("Content-Disposition: form-data; name=\"{}\"", escaped(name));
        self.part(&head, value.as_bytes())
    }

    /// Adds a file.
    pub(crate) fn file(self, name: &str, filename: &str, content_type: Option<&str>, content: &[u8]) -> Self {
        let mut head = format!(
            "Content-Disposition: form-data; name=\"{}\"; filename=\"{}\"",
            escaped(name),
            escaped(filename)
        );
        if let Some(content_type) = content_type {
            head += "\r\nContent-Type: ";
            head += &escaped(content_type);
        }
        self.part(&head, content)
    }

    fn part(mut self, head: &str, content: &[u8]) -> Self {
        self.body.reserve(self.boundary.len() + head.len() + content.len() + 16);
        for piece in
            [b"--", self.boundary.as_bytes(), b"\r\n", head.as_bytes(), b"\r\n\r\n", content, b"\r\n"]
        {
            self.body.extend_from_slice(piece);
        }
        self
    }

    /// Returns the content type and the body.
    pub(crate) fn finish(mut self) -> (HeaderValue, Bytes) {
        self.body.extend_from_slice(format!("--{}--\r\n", self.boundary).as_bytes());
        let content_type = HeaderValue::try_from(format!("multipart/form-data; boundary={}", self.boundary));
        let fallback = HeaderValue::from_static("multipart/form-data");
        (content_type.unwrap_or(fallback), self.body.into())
    }
}

/// Percent-encodes quotes and line breaks, as browsers do.
fn escaped(text: &str) -> String {
    text.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_stay_apart_whatever_their_names() {
        let form = MultipartForm::new().text("na\"me", "a\r\nb").file(
            "logo",
            "l\r\n.png",
            Some("image/png"),
            b"\x89PNG",
        );
        let (content_type, body) = form.finish();
        let boundary = content_type.to_str().unwrap().rsplit('=').next().unwrap();
        let expected = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"na%22me\"\r\n\r\na\r\nb\r\n\
             --{boundary}\r\nContent-Disposition: form-data; name=\"logo\"; filename=\"l%0D%0A.png\"\r\n\
             Content-Type: image/png\r\n\r\n\u{1}PNG\r\n--{boundary}--\r\n"
        );
        let expected: Vec<u8> = expected.bytes().map(|byte| if byte == 1 { 0x89 } else { byte }).collect();
        assert_eq!(body, expected);
        assert_ne!(MultipartForm::new().boundary, MultipartForm::new().boundary);
    }
}
