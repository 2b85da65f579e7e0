//! The store as its users see it, on real files.

#[cfg(test)]
mod answers;
#[cfg(test)]
mod broken;
#[cfg(test)]
mod changes;
#[cfg(test)]
mod failures;
#[cfg(test)]
mod kills;
#[cfg(test)]
mod kit;
