//! The program against a real Admin API, its own, over loopback.

#[cfg(test)]
mod apply;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod kit;
#[cfg(test)]
mod objects;
#[cfg(test)]
mod rehearse;
#[cfg(test)]
mod serve;
