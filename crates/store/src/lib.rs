//! Keeps revisions of the configuration and tells who watches.
//!
//! [`Store::open`] reads a store into memory, [`Store::current`] and [`Store::watch`] give what is
//! configured without touching the disk, [`Store::commit`] makes the next revision: all of a change
//! or nothing, on the disk before anyone sees it. Credentials rest encrypted. When the store is
//! broken, the last good configuration is served and [`Store::condition`] says why.

mod answers;
mod clock;
mod data_dir;
mod error;
mod keyring;
mod last_good;
mod options;
mod rows;
mod sqlite;
mod steps;
mod store;
mod writer;

pub use answers::{Answer, Ticket};
pub use clock::Clock;
pub use error::{AnswerError, BackendError, Broken, CommitError, Damage, KeyError, OpenError};
pub use keyring::SealError;
pub use options::{Location, StoreOptions};
pub use store::{Committed, Condition, Store};
