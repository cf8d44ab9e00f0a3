//! Splits a stream of chunks into lines.

use bytes::{Buf as _, Bytes, BytesMut};

/// Longest line that is returned whole, in bytes.
const LINE_LIMIT: usize = 256 * 1024;

/// Splits chunks of any size into lines. A line within one chunk is a slice of it and is not copied. The buffer is
/// never longer than the longest line and one chunk.
#[derive(Debug, Default)]
pub(crate) struct LineDecoder {
    /// The rest of the last chunk.
    piece: Bytes,
    /// The beginning of a line whose end has not arrived.
    begun: BytesMut,
    /// Whether the rest of an overlong line is being dropped.
    dropping: bool,
}

/// A line without its line break.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Whole(Bytes),
    /// The beginning of a line that is too long; its rest is dropped.
    Cut(Bytes),
}

impl LineDecoder {
    /// Adds the next chunk. Call it only after [`next`](Self::next) returned `None`.
    pub(crate) fn push(&mut self, piece: Bytes) {
        debug_assert!(self.piece.is_empty(), "lines are left");
        self.piece = piece;
    }

    /// Returns the next complete line; `None` when the next chunk is needed.
    pub(crate) fn next(&mut self) -> Option<Line> {
        while let Some(at) = memchr::memchr(b'\n', &self.piece) {
            let line = self.piece.split_to(at);
            self.piece.advance(1);
            if std::mem::take(&mut self.dropping) {
                continue;
            }
            let mut line = if self.begun.is_empty() { line } else { self.join(&line) };
            if line.last() == Some(&b'\r') {
                line.truncate(line.len() - 1);
            }
            return Some(whole_or_cut(line));
        }
        let piece = std::mem::take(&mut self.piece);
        if !self.dropping {
            self.begun.extend_from_slice(&piece);
            // A final `\r` may be part of the line break.
            let end = usize::from(self.begun.last() == Some(&b'\r'));
            if self.begun.len() - end > LINE_LIMIT {
                self.dropping = true;
                return Some(whole_or_cut(self.begun.split().freeze()));
            }
        }
        None
    }

    fn join(&mut self, end: &[u8]) -> Bytes {
        self.begun.extend_from_slice(end);
        self.begun.split().freeze()
    }

    /// Returns the last line if it has no line break, and resets the state for another stream.
    pub(crate) fn rest(&mut self) -> Option<Bytes> {
        self.piece = Bytes::new();
        self.dropping = false;
        let rest = self.begun.split().freeze();
        (!rest.is_empty()).then_some(rest)
    }
}

fn whole_or_cut(mut line: Bytes) -> Line {
    if line.len() > LINE_LIMIT {
        line.truncate(LINE_LIMIT);
        Line::Cut(line)
    } else {
        Line::Whole(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns all lines and the rest, with the text in chunks of this size.
    fn cut(text: &[u8], size: usize) -> (Vec<Line>, Option<Bytes>) {
        let mut lines = LineDecoder::default();
        let mut found = Vec::new();
        for piece in text.chunks(size) {
            lines.push(Bytes::copy_from_slice(piece));
            found.extend(std::iter::from_fn(|| lines.next()));
        }
        (found, lines.rest())
    }

    #[test]
    fn the_pieces_make_no_difference() {
        let long = "x".repeat(LINE_LIMIT);
        let text = format!("one\r\n\ntw\ro\n{long}\r\n{long}y\nthree\n{long}{long}{long}\n\r\nfour");
        let whole = |text: &str| Line::Whole(Bytes::copy_from_slice(text.as_bytes()));
        let over = || Line::Cut(Bytes::copy_from_slice(long.as_bytes()));
        let expected = [
            whole("one"),
            whole(""),
            whole("tw\ro"),
            whole(&long),
            over(),
            whole("three"),
            over(),
            whole(""),
        ];
        for size in [1, 2, 3, 5, 7, 4096, LINE_LIMIT, LINE_LIMIT + 1, text.len()] {
            let (lines, rest) = cut(text.as_bytes(), size);
            assert!(lines == expected, "pieces of {size}: {} lines", lines.len());
            assert_eq!(rest.as_deref(), Some(&b"four"[..]));
        }
    }

    #[test]
    fn nothing_is_left_of_a_stream_that_ended() {
        let mut lines = LineDecoder::default();
        lines.push(Bytes::from(vec![b'x'; LINE_LIMIT + 1]));
        assert!(matches!(lines.next(), Some(Line::Cut(_))) && lines.next().is_none());
        assert_eq!(lines.rest(), None, "the rest of what is dropped");
        lines.push(Bytes::from_static(b"one\ntw"));
        assert_eq!(lines.next(), Some(Line::Whole(Bytes::from_static(b"one"))));
        assert_eq!((lines.next(), lines.rest()), (None, Some(Bytes::from_static(b"tw"))));
    }
}
