//! What no recorded call shows.
