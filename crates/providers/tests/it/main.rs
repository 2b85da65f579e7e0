//! The crate from outside.

// Marked so that the lints know its helpers for test code.
#[cfg(test)]
mod allocations;
#[cfg(test)]
mod behind_end;
#[cfg(test)]
mod citations;
#[cfg(test)]
mod clients;
#[cfg(test)]
mod fuzz_targets;
#[cfg(test)]
mod fuzzed;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod logprobs;
#[cfg(test)]
mod matrix;
#[cfg(test)]
mod mutated;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod pass_through;
#[cfg(test)]
mod round_trip;
#[cfg(test)]
mod setup;
#[cfg(test)]
mod split;
#[cfg(test)]
mod streams;
mod thoughts;
