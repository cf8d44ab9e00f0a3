//! What all nouns share: how a row type is defined, how rows are read, written, paged and changed in batches.

pub(crate) mod batch;
pub(crate) mod count;
pub(crate) mod json_request;
pub(crate) mod key_value;
pub(crate) mod keys;
pub(crate) mod pages;
pub(crate) mod read;
pub(crate) mod read_request;
pub(crate) mod request;
pub(crate) mod request_builder;
pub(crate) mod schema;
#[cfg(test)]
pub(crate) mod test_util;
pub(crate) mod upload;
pub(crate) mod write;
pub(crate) mod write_request;
