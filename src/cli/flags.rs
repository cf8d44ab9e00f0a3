//! The flags `--force` and `--yes`, which several commands have.

use clap::Args;

use crate::error::{Error, Result};

// Override update locks.
#[derive(Debug, Args)]
pub(super) struct Force {
    /// Override update locks
    #[arg(long)]
    pub(super) force: bool,
}

// Confirms an action that can't be undone.
#[derive(Debug, Args)]
pub(super) struct Yes {
    /// Confirm an action that can't be undone
    #[arg(long)]
    yes: bool,
}

impl Yes {
    pub(super) fn check(&self, what: &str) -> Result<()> {
        if self.yes {
            Ok(())
        } else {
            Err(Error::argument("--yes", format_args!("required, because this {what}")))
        }
    }
}
