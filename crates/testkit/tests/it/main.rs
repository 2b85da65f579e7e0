//! Stand-ins over real connections: what a caller sees and what the journal says.

// Marked so that the lints know its helpers for test code too.
#[cfg(test)]
mod stand_in;
