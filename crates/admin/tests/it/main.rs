//! The Admin API over real HTTP, on a real store.

#[cfg(test)]
mod access;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod kit;
#[cfg(test)]
mod objects;
#[cfg(test)]
mod outages;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod targets;
#[cfg(test)]
mod tenants;
