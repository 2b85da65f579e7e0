//! Chooses a target and hands out a lease on it.
