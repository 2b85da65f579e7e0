//! The crate from outside.

// Marked so that the lints know its helpers for test code.
#[cfg(test)]
mod golden;
#[cfg(test)]
mod pass_through;
#[cfg(test)]
mod setup;
#[cfg(test)]
mod split;
