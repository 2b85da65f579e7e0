//! The whole gateway: in the test's own process, and as a program that is killed and started again.

#[cfg(test)]
mod doors;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod gateway;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod restart;
#[cfg(test)]
mod scarce;
