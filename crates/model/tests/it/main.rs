//! The model from outside: documents in, records and faults out.

#[cfg(test)]
mod configurations;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod fuzz_targets;
#[cfg(test)]
mod fuzzed;
#[cfg(test)]
mod kit;
#[cfg(test)]
mod routes;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod tries;
