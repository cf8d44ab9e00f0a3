//! `Debug` of errors.

use std::error::Error as StdError;
use std::fmt::{self, Write as _};

use super::{Error, escaped};

/// `{:?}` has the text of `Display` and the causes that it omits, because `main` may return this error. `{:#?}`
/// shows the fields.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            return fmt::Debug::fmt(&self.0, f);
        }
        let mut told = self.to_string();
        let mut source = StdError::source(self);
        while let Some(cause) = source {
            let text = cause.to_string();
            if !told.contains(&text) {
                let _ = write!(told, "; caused by: {}", escaped(&text));
            }
            source = cause.source();
        }
        f.write_str(&told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn debug_reads_like_display_with_the_causes_it_does_not_name() {
        let refused = || std::io::Error::other("connection refused");
        let error = |message: &'static str| {
            Error::new(ErrorKind::Unreachable, message)
                .with_operation("GET /v1/device")
                .with_help("try again")
        };
        let inner = error("the engine is away").with_source(refused());
        for (error, expected) in [
            (error("late"), "GET /v1/device: late; try again"),
            (
                error("connection refused").with_source(refused()),
                "GET /v1/device: connection refused; try again",
            ),
            (
                Error::new(ErrorKind::Io, "no lock").with_source(inner),
                "no lock; caused by: GET /v1/device: the engine is away; try again; caused by: connection refused",
            ),
        ] {
            assert_eq!(format!("{error:?}"), expected);
            assert_eq!(format!("{:?}", Err::<(), _>(&error)), format!("Err({expected})"));
            let fields = format!("{error:#?}");
            assert!(fields.starts_with("Inner {\n    kind: "), "{fields}");
        }
    }
}
