//! A balena device in a box.
