//! The shared cells that the crate is built on, so that loom can play every interleaving of them.

#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// A lock that a panic does not poison: what it guards is whole between any two statements.
pub(crate) struct Mutex<V> {
    #[cfg(not(loom))]
    inner: std::sync::Mutex<V>,
    #[cfg(loom)]
    inner: loom::sync::Mutex<V>,
}

#[cfg(not(loom))]
pub(crate) type MutexGuard<'a, V> = std::sync::MutexGuard<'a, V>;
#[cfg(loom)]
pub(crate) type MutexGuard<'a, V> = loom::sync::MutexGuard<'a, V>;

impl<V> Mutex<V> {
    pub(crate) fn new(value: V) -> Self {
        #[cfg(not(loom))]
        let inner = std::sync::Mutex::new(value);
        #[cfg(loom)]
        let inner = loom::sync::Mutex::new(value);
        Self { inner }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, V> {
        self.inner
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The lock, unless somebody else holds it.
    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, V>> {
        match self.inner.try_lock() {
            Ok(guard) => Some(guard),
            Err(std::sync::TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(std::sync::TryLockError::WouldBlock) => None,
        }
    }
}

/// A lock that nobody waits for: whoever finds it taken goes another way.
#[cfg(not(loom))]
pub(crate) use try_lock::{Locked as TryLocked, TryLock};

#[cfg(loom)]
pub(crate) struct TryLock<V>(Mutex<V>);
#[cfg(loom)]
pub(crate) type TryLocked<'a, V> = MutexGuard<'a, V>;

#[cfg(loom)]
impl<V> TryLock<V> {
    pub(crate) fn new(value: V) -> Self {
        Self(Mutex::new(value))
    }

    pub(crate) fn try_lock(&self) -> Option<TryLocked<'_, V>> {
        self.0.try_lock()
    }
}

/// A pointer to an immutable value that is read far more often than it is replaced.
#[cfg(not(loom))]
pub(crate) struct Swap<V>(arc_swap::ArcSwap<V>);

#[cfg(not(loom))]
impl<V> Swap<V> {
    pub(crate) fn new(value: std::sync::Arc<V>) -> Self {
        Self(arc_swap::ArcSwap::new(value))
    }

    #[inline]
    pub(crate) fn load(&self) -> arc_swap::Guard<std::sync::Arc<V>> {
        self.0.load()
    }

    pub(crate) fn load_full(&self) -> std::sync::Arc<V> {
        self.0.load_full()
    }

    pub(crate) fn store(&self, value: std::sync::Arc<V>) {
        self.0.store(value);
    }
}

/// The same under loom, which cannot look into arc-swap.
#[cfg(loom)]
pub(crate) struct Swap<V>(Mutex<std::sync::Arc<V>>);

#[cfg(loom)]
impl<V> Swap<V> {
    pub(crate) fn new(value: std::sync::Arc<V>) -> Self {
        Self(Mutex::new(value))
    }

    pub(crate) fn load(&self) -> std::sync::Arc<V> {
        std::sync::Arc::clone(&self.0.lock())
    }

    pub(crate) fn load_full(&self) -> std::sync::Arc<V> {
        self.load()
    }

    pub(crate) fn store(&self, value: std::sync::Arc<V>) {
        *self.0.lock() = value;
    }
}
