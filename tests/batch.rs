//! Changes for many devices: in parts, reported, bounded, and gone on with where they stopped.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

#[path = "batch/cloud.rs"]
mod cloud;
#[path = "batch/each.rs"]
mod each;
#[path = "batch/effect.rs"]
mod effect;
#[path = "batch/ends.rs"]
mod ends;
#[path = "batch/many.rs"]
mod many;
#[path = "batch/resume.rs"]
mod resume;
