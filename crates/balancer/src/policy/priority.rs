//! `priority`: the first open target, in the order given.
//!
//! Law: no target is picked while one before it is open.

use super::Pool;

pub(super) fn choose(pool: &Pool<'_>) -> Option<usize> {
    pool.first_open()
}
