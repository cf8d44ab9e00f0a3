//! From the bytes of a file to the live entries, whatever happened to the bytes. Pure.

use super::frame::{self, ForeignOp, HEAD_LENGTH, HEADER_LENGTH, Header, MARK, MINOR, Op};
use super::live::LiveEntries;
use super::status::Recovery;

/// Storage writes these pieces whole or not at all.
const SECTOR: usize = 512;
/// Most bytes of operations of newer releases that are kept.
const FOREIGN_LIMIT: usize = 1024 * 1024;

/// What a file says.
#[derive(Debug)]
pub(super) struct Replayed {
    /// The live entries.
    pub(super) live: LiveEntries,
    /// Operations of a newer release, in order.
    pub(super) foreign: Vec<ForeignOp>,
    /// Minor version of the file: what is new in it is kept.
    pub(super) minor: u8,
    /// Sequence of the next frame.
    pub(super) next_sequence: u64,
    /// Offset behind the last frame.
    pub(super) end: usize,
    /// Bytes behind it that are not zero.
    pub(super) tail: usize,
    /// Whether everything could be read.
    pub(super) recovery: Recovery,
}

impl Replayed {
    /// What is known if there is no file.
    pub(super) fn fresh() -> Self {
        Self {
            live: LiveEntries::default(),
            foreign: Vec::new(),
            minor: MINOR,
            next_sequence: 1,
            end: 0,
            tail: 0,
            recovery: Recovery::Fresh,
        }
    }
}

/// The file was written by a release with another major version of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NewerFormat(pub(super) u8);

/// Reads a file.
///
/// Behind the last frame a file has zeros, its room for further frames. Where a frame can't be read, reading goes on
/// at the next valid one.
///
/// # Errors
/// [`NewerFormat`]: nothing was read.
pub(super) fn replay(bytes: &[u8]) -> Result<Replayed, NewerFormat> {
    let (minor, start, base, is_header_right) = match frame::parse_header(bytes) {
        Header::Readable { minor, length, base } => (minor, length, Some(base), true),
        Header::Newer(major) => return Err(NewerFormat(major)),
        Header::Damaged => (MINOR, HEADER_LENGTH, None, false),
    };
    let mut reader = Reader {
        bytes,
        at: start.min(bytes.len()),
        expected: base,
        live: LiveEntries::default(),
        foreign: Vec::new(),
        foreign_bytes: 0,
        lost: Lost::default(),
    };
    if !is_header_right {
        reader.lost.damaged(bytes.len().min(HEADER_LENGTH));
    }
    let tail = reader.read_all();
    let recovery = match (reader.lost, tail) {
        (Lost { gap: true, frames, bytes }, _) => Recovery::Gap { frames, bytes },
        (_, 0) => Recovery::Clean,
        (_, tail) => Recovery::TornTail { bytes: u64::try_from(tail).unwrap_or(u64::MAX) },
    };
    Ok(Replayed {
        live: reader.live,
        foreign: reader.foreign,
        minor,
        next_sequence: reader.expected.unwrap_or(1),
        end: reader.at,
        tail,
        recovery,
    })
}

/// What could not be read.
#[derive(Debug, Default, Clone, Copy)]
struct Lost {
    gap: bool,
    frames: u64,
    bytes: u64,
}

impl Lost {
    fn damaged(&mut self, bytes: usize) {
        self.gap = true;
        self.bytes = self.bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    expected: Option<u64>,
    live: LiveEntries,
    foreign: Vec<ForeignOp>,
    foreign_bytes: usize,
    lost: Lost,
}

impl Reader<'_> {
    /// Reads all frames. Returns the length of what follows the last one, without its zeros.
    fn read_all(&mut self) -> usize {
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            if let Some(length) = self.take_frame(rest) {
                self.at = self.at.saturating_add(length);
                continue;
            }
            let tail = length_without_zeros(rest);
            if tail == 0 {
                return 0;
            }
            if let Some(skipped) = self.next_frame(rest) {
                self.lost.damaged(skipped);
                self.at = self.at.saturating_add(skipped);
            } else {
                if !is_torn(rest, self.at, tail) {
                    self.lost.damaged(tail);
                }
                return tail;
            }
        }
    }

    /// Applies the frame at the start of `rest`. Returns its length.
    fn take_frame(&mut self, rest: &[u8]) -> Option<usize> {
        let frame = frame::parse_frame(rest)?;
        let missing = frame.sequence.checked_sub(self.expected.unwrap_or(frame.sequence))?;
        if missing > 0 {
            self.lost.damaged(0);
            self.lost.frames = self.lost.frames.saturating_add(missing);
        }
        self.expected = Some(frame.sequence.saturating_add(1));
        for op in frame.ops {
            match op {
                Op::Change(change) => self.live.apply(&change),
                Op::Foreign(op) => {
                    self.foreign_bytes = self.foreign_bytes.saturating_add(op.cost());
                    if self.foreign_bytes <= FOREIGN_LIMIT {
                        self.foreign.push(op);
                    } else {
                        self.lost.damaged(op.cost());
                    }
                }
            }
        }
        Some(frame.length)
    }

    /// Returns the offset of the next valid frame behind the start of `rest`.
    fn next_frame(&self, rest: &[u8]) -> Option<usize> {
        let finds = memchr::memmem::find_iter(rest, &MARK).filter(|at| *at > 0);
        finds.into_iter().find(|at| {
            let frame = rest.get(*at..).and_then(frame::parse_frame);
            frame.is_some_and(|frame| self.expected.is_none_or(|expected| frame.sequence >= expected))
        })
    }
}

/// Returns the length of `bytes` without the zeros at its end.
fn length_without_zeros(mut bytes: &[u8]) -> usize {
    while let Some((before, zeros)) = bytes.split_last_chunk::<SECTOR>()
        && *zeros == [0; SECTOR]
    {
        bytes = before;
    }
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last.saturating_add(1))
}

/// Returns whether `rest`, which begins at offset `at` of the file and has no valid frame, is a write that was cut
/// off, or overwritten with zeros in part: the file ends in it, or a part of it that the storage writes whole is zero.
/// Otherwise all of it was written, and was damaged later.
fn is_torn(rest: &[u8], at: usize, tail: usize) -> bool {
    let length = frame::frame_length(rest).unwrap_or(tail.max(HEAD_LENGTH));
    let Some(written) = rest.get(..length) else { return true };
    // A frame begins with its mark and ends with text.
    if written.starts_with(&[0; MARK.len()]) || written.last() == Some(&0) {
        return true;
    }
    let to_boundary = SECTOR.saturating_sub(at % SECTOR).min(written.len());
    let (first, others) = written.split_at(to_boundary);
    std::iter::once(first).chain(others.chunks(SECTOR)).any(|part| part.iter().all(|byte| *byte == 0))
}
