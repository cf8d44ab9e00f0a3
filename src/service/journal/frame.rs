//! Bytes of the file: its header, and frames with a group of operations each. Pure.
//!
//! All numbers are little-endian. The marks contain bytes that never occur in UTF-8, so no JSON value looks like one.
//!
//! | header: offset | length | |
//! |---|---|---|
//! | 0 | 8 | magic |
//! | 8 | 1 | major version: a reader refuses a larger one |
//! | 9 | 1 | minor version: a reader accepts a larger one |
//! | 10 | 2 | length of the header; the first frame follows |
//! | 12 | 8 | sequence of the first frame |
//! | 20 | 4 | CRC-32 of the above |
//!
//! | frame: offset | length | |
//! |---|---|---|
//! | 0 | 4 | mark |
//! | 4 | 4 | length of the operations |
//! | 8 | 8 | sequence: one more than that of the frame before |
//! | 16 | 4 | CRC-32 of the above |
//! | 20 | 4 | CRC-32 of the above and of the operations |
//! | 24 | | operations: tag (1), length (4), body |
//!
//! | operation | tag | body |
//! |---|---|---|
//! | put | 1 | kind (1), length of the key (2), key, value |
//! | delete | 2 | kind (1), key |

use super::change::{Change, Kind};

/// Major version of the format. A file with a larger one is not read.
pub(super) const MAJOR: u8 = 1;
/// Minor version of the format. A file with a larger one is read; what is unknown in it is kept.
pub(super) const MINOR: u8 = 0;
/// Length of the header that this release writes.
pub(super) const HEADER_LENGTH: usize = 24;
/// Length of a frame without its operations.
pub(super) const HEAD_LENGTH: usize = 24;
/// Most bytes of operations in one frame.
pub(super) const FRAME_LIMIT: usize = 512 * 1024;

const MAGIC: [u8; 8] = *b"\xf7BALJNL\n";
pub(super) const MARK: [u8; 4] = *b"\xf7JF\xf8";
const PUT: u8 = 1;
const DELETE: u8 = 2;

/// What the header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Header {
    /// A header of a version that this release reads.
    Readable {
        /// Minor version.
        minor: u8,
        /// Where the first frame begins.
        length: usize,
        /// Sequence of the first frame.
        base: u64,
    },
    /// The major version is newer.
    Newer(u8),
    /// The header is not complete or is damaged.
    Damaged,
}

/// An operation of a newer release, kept as it is. Such an operation must keep its meaning when it is read after the
/// live entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ForeignOp {
    tag: u8,
    body: Vec<u8>,
}

impl ForeignOp {
    /// Returns how many bytes it takes in a frame.
    pub(super) fn cost(&self) -> usize {
        self.body.len().saturating_add(5)
    }
}

/// One operation of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Op {
    /// A change of an entry.
    Change(Change),
    /// An operation of a newer release.
    Foreign(ForeignOp),
}

/// A frame whose checks are right.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// Its number.
    pub(super) sequence: u64,
    /// Its operations, in order.
    pub(super) ops: Vec<Op>,
    /// Its length in the file.
    pub(super) length: usize,
}

/// Returns the header of a file.
pub(super) fn encode_header(minor: u8, base: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_LENGTH);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&[MAJOR, minor]);
    bytes.extend_from_slice(&u16::try_from(HEADER_LENGTH).unwrap_or_default().to_le_bytes());
    bytes.extend_from_slice(&base.to_le_bytes());
    let check = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&check.to_le_bytes());
    bytes
}

/// Parses the header at the start of `bytes`.
pub(super) fn parse_header(bytes: &[u8]) -> Header {
    parse_header_fields(bytes).unwrap_or(Header::Damaged)
}

fn parse_header_fields(bytes: &[u8]) -> Option<Header> {
    let checked = bytes.get(..20)?;
    let mut rest = bytes;
    let magic: [u8; 8] = take(&mut rest)?;
    let [major, minor] = take(&mut rest)?;
    let length = usize::from(u16::from_le_bytes(take(&mut rest)?));
    let base = u64::from_le_bytes(take(&mut rest)?);
    let check = u32::from_le_bytes(take(&mut rest)?);
    if magic != MAGIC || check != crc32fast::hash(checked) || length < HEADER_LENGTH {
        return None;
    }
    Some(if major > MAJOR { Header::Newer(major) } else { Header::Readable { minor, length, base } })
}

/// Collects the operations of one frame.
#[derive(Debug, Default)]
pub(super) struct FrameBuilder {
    ops: Vec<u8>,
}

impl FrameBuilder {
    /// Adds a change.
    pub(super) fn change(&mut self, change: &Change) {
        let (kind, key) = change.target();
        match change.value() {
            Some(value) => self.put(kind, key, value),
            None => self.op(DELETE, &[&[kind.number()], key.as_bytes()]),
        }
    }

    /// Adds a put.
    pub(super) fn put(&mut self, kind: Kind, key: &str, value: &[u8]) {
        let key_length = u16::try_from(key.len()).unwrap_or(u16::MAX).to_le_bytes();
        self.op(PUT, &[&[kind.number()], &key_length, key.as_bytes(), value]);
    }

    /// Adds an operation of a newer release.
    pub(super) fn foreign(&mut self, op: &ForeignOp) {
        self.op(op.tag, &[&op.body]);
    }

    fn op(&mut self, tag: u8, body: &[&[u8]]) {
        let length: usize = body.iter().map(|part| part.len()).sum();
        self.ops.push(tag);
        self.ops.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
        for part in body {
            self.ops.extend_from_slice(part);
        }
    }

    /// Returns the bytes of the operations so far.
    pub(super) fn length(&self) -> usize {
        self.ops.len()
    }

    /// Returns the bytes of the frame.
    pub(super) fn finish(self, sequence: u64) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.ops.len().saturating_add(HEAD_LENGTH));
        bytes.extend_from_slice(&MARK);
        bytes.extend_from_slice(&u32::try_from(self.ops.len()).unwrap_or(u32::MAX).to_le_bytes());
        bytes.extend_from_slice(&sequence.to_le_bytes());
        let head_check = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&head_check.to_le_bytes());
        let check = check_of(&bytes, &self.ops);
        bytes.extend_from_slice(&check.to_le_bytes());
        bytes.extend_from_slice(&self.ops);
        bytes
    }
}

fn check_of(head: &[u8], ops: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(head);
    hasher.update(ops);
    hasher.finalize()
}

/// Returns a frame with operations that were encoded elsewhere.
#[cfg(test)]
pub(super) fn frame_of_ops(ops: Vec<u8>, sequence: u64) -> Vec<u8> {
    FrameBuilder { ops }.finish(sequence)
}

/// Returns the length of the frame at the start of `bytes`, if its head is right.
pub(super) fn frame_length(bytes: &[u8]) -> Option<usize> {
    let head = bytes.get(..16)?;
    let mut rest = bytes;
    let mark: [u8; 4] = take(&mut rest)?;
    let ops = usize::try_from(u32::from_le_bytes(take(&mut rest)?)).ok()?;
    let _sequence: [u8; 8] = take(&mut rest)?;
    let head_check = u32::from_le_bytes(take(&mut rest)?);
    let is_right = mark == MARK && ops <= FRAME_LIMIT && head_check == crc32fast::hash(head);
    is_right.then(|| ops.saturating_add(HEAD_LENGTH))
}

/// Parses the frame at the start of `bytes`. Returns `None` if it is not complete or is damaged.
pub(super) fn parse_frame(bytes: &[u8]) -> Option<Frame> {
    let length = frame_length(bytes)?;
    let frame = bytes.get(..length)?;
    let (head, mut rest) = frame.split_at_checked(20)?;
    let check = u32::from_le_bytes(take(&mut rest)?);
    if check != check_of(head, rest) {
        return None;
    }
    let sequence = u64::from_le_bytes(head.get(8..16)?.try_into().ok()?);
    let mut ops = Vec::new();
    while !rest.is_empty() {
        let [tag] = take(&mut rest)?;
        let length = usize::try_from(u32::from_le_bytes(take(&mut rest)?)).ok()?;
        let (body, after) = rest.split_at_checked(length)?;
        rest = after;
        ops.push(parse_op(tag, body)?);
    }
    Some(Frame { sequence, ops, length })
}

fn parse_op(tag: u8, mut body: &[u8]) -> Option<Op> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    Some(match tag {
        PUT => {
            let [kind] = take(&mut body)?;
            let key_length = usize::from(u16::from_le_bytes(take(&mut body)?));
            let (key, value) = body.split_at_checked(key_length)?;
            let kind = Kind::from_number(kind);
            Op::Change(Change::Put { kind, key: text(key)?, value: value.to_vec() })
        }
        DELETE => {
            let [kind] = take(&mut body)?;
            Op::Change(Change::Delete { kind: Kind::from_number(kind), key: text(body)? })
        }
        _ => Op::Foreign(ForeignOp { tag, body: body.to_vec() }),
    })
}

/// Takes the first `N` bytes off `rest`.
fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (first, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*first)
}
