//! Names, counts and records what happens.
