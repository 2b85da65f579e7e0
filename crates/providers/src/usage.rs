//! What an exchange used.

/// Tokens used by one exchange, counted alike for every dialect.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Usage {
    /// All input tokens, those read from or written to a cache included.
    pub input: u64,
    /// All output tokens, reasoning included.
    pub output: u64,
    /// Input tokens that were read from the provider's cache; part of `input`.
    pub cached_read: u64,
    /// Input tokens that were written to the provider's cache; part of `input`.
    pub cache_write: u64,
    /// Output tokens spent on reasoning; part of `output`.
    pub reasoning: u64,
    /// Whether the provider gave final counts. Until then the counts are what was said so far,
    /// or zero.
    pub complete: bool,
}

impl Usage {
    /// Input tokens that neither came from nor went into a cache, as Anthropic counts them.
    pub const fn input_uncached(&self) -> u64 {
        self.input
            .saturating_sub(self.cached_read)
            .saturating_sub(self.cache_write)
    }

    /// This and `more`, of another target's part of the same answer; complete when that is.
    #[must_use]
    pub const fn plus(&self, more: &Self) -> Self {
        Self {
            input: self.input.saturating_add(more.input),
            output: self.output.saturating_add(more.output),
            cached_read: self.cached_read.saturating_add(more.cached_read),
            cache_write: self.cache_write.saturating_add(more.cache_write),
            reasoning: self.reasoning.saturating_add(more.reasoning),
            complete: more.complete,
        }
    }

    /// Input and output together.
    pub const fn total(&self) -> u64 {
        self.input.saturating_add(self.output)
    }
}
