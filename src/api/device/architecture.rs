//! Compatibility of CPU architectures.

/// Returns whether a device of one architecture can run code for another.
pub(crate) fn runs(device: &str, code: &str) -> bool {
    device == code || matches!((device, code), ("aarch64", "armv7hf" | "rpi") | ("armv7hf", "rpi"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_arms_run_code_for_older_ones_and_not_the_other_way_round() {
        assert!(runs("aarch64", "armv7hf") && runs("aarch64", "rpi") && runs("armv7hf", "rpi"));
        assert!(!runs("armv7hf", "aarch64") && !runs("rpi", "armv7hf") && !runs("amd64", "i386"));
        assert!(runs("amd64", "amd64"));
    }
}
