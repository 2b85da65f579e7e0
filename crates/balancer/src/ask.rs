//! What one pick is asked for, borrowed from whoever asks.

use crate::name::ModelName;

/// A request as the choice of its target sees it.
#[derive(Clone, Copy, Default)]
pub(crate) struct Ask<'a> {
    /// The model asked for by name.
    pub(crate) model: Option<&'a ModelName>,
    /// What requests have in common that should meet at one target.
    pub(crate) key: Option<u64>,
    /// The serials of the targets tried already.
    pub(crate) tried: &'a [u32],
    /// The priority whose targets may be tried once more.
    pub(crate) again: Option<u32>,
}
