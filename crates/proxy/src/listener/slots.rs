//! How many connections there may be: in all, and of one address.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The places for connections. A clone hands out the same places.
#[derive(Clone, Debug)]
pub(super) struct Slots {
    all: Arc<Semaphore>,
    addresses: Arc<Mutex<HashMap<IpAddr, usize>>>,
    max_per_address: usize,
}

/// A connection's place; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Slot {
    _place: OwnedSemaphorePermit,
    address: IpAddr,
    addresses: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Slots {
    pub(super) fn new(max: usize, max_per_address: usize) -> Self {
        Self {
            all: Arc::new(Semaphore::new(max.min(Semaphore::MAX_PERMITS))),
            addresses: Arc::default(),
            max_per_address,
        }
    }

    /// Waits for a place, for whoever comes next.
    pub(super) async fn free(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.all).acquire_owned().await.ok()
    }

    /// Gives the place to `peer`; `None` when its address has as many as it may have.
    pub(super) fn take(&self, place: OwnedSemaphorePermit, peer: IpAddr) -> Option<Slot> {
        let address = network_of(peer);
        let mut addresses = self
            .addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let count = addresses.entry(address).or_insert(0);
        if *count >= self.max_per_address {
            return None;
        }
        *count += 1;
        drop(addresses);
        Some(Slot {
            _place: place,
            address,
            addresses: Arc::clone(&self.addresses),
        })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut addresses = self
            .addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = addresses.entry(self.address) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

/// What one customer of a network has: an address, or with IPv6 the 64 bits that are given out
/// together.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        IpAddr::V4(address) => address.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_has_its_share_and_gets_it_back() {
        let slots = Slots::new(8, 2);
        let take = async |peer: &str| {
            let place = slots.free().await.unwrap();
            slots.take(place, peer.parse().unwrap())
        };
        let first = take("10.0.0.1").await;
        let second = take("::ffff:10.0.0.1").await;
        assert!(first.is_some() && second.is_some());
        assert!(take("10.0.0.1").await.is_none());
        assert!(take("10.0.0.2").await.is_some());
        drop(first);
        assert!(take("10.0.0.1").await.is_some());
        drop(second);
        assert!(slots.addresses.lock().unwrap().is_empty());
        assert_eq!(slots.all.available_permits(), 8);
    }

    #[tokio::test]
    async fn an_ipv6_customer_is_one_address() {
        let slots = Slots::new(8, 1);
        let take = async |peer: &str| {
            let place = slots.free().await.unwrap();
            slots.take(place, peer.parse().unwrap())
        };
        let first = take("2001:db8:1:2::1").await;
        assert!(first.is_some());
        assert!(take("2001:db8:1:2:ffff::9").await.is_none());
        assert!(take("2001:db8:1:3::1").await.is_some());
    }
}
