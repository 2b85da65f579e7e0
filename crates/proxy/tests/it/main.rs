//! The proxy over real HTTP, between a client and stand-in providers.

// Marked so that the lints know its helpers for test code too.
#[cfg(test)]
mod allocations;
#[cfg(test)]
mod caller;
#[cfg(test)]
mod clouds;
#[cfg(test)]
mod commit;
#[cfg(test)]
mod continuation;
#[cfg(test)]
mod drain;
#[cfg(test)]
mod failover;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod floods;
#[cfg(test)]
mod hedging;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod routing;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod threats;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod tries;
#[cfg(test)]
mod wire;
