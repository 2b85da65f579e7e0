//! A judge with a window of its own.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::{Deref, DerefMut};

use crate::{Detail, Event, Judge, Moment, Settings, Transition, Window};

/// The health of one target: administrative word, observed state, cooling.
///
/// ```text
/// Enabled --drain--> Draining --last request, or its date--> Disabled --enable--> Enabled
/// Healthy --trip--> Unhealthy --its date--> probing --passes--> Healthy, ramping --> Healthy
///                      ^---------- a failed probe, or a failure while ramping, for longer
/// ```
///
/// Nothing here waits or reads a clock: hand in the time. A time before an earlier one is taken
/// as no time having passed. All that needs no window is said by the [`Judge`] that it derefs to.
#[derive(Debug)]
pub struct Machine {
    judge: Judge,
    window: Arc<Window>,
}

impl Machine {
    /// Makes the machine of a healthy target that takes its whole share from the start.
    ///
    /// `seed` spreads rests and active checks: give each target another one, and the same one to
    /// repeat a run.
    pub fn new(settings: Arc<Settings>, seed: u64, now: Moment) -> Self {
        let window = Arc::new(Window::new(settings.window_span()));
        Self {
            judge: Judge::new(settings, seed, now),
            window,
        }
    }

    /// Takes note of `event`, which happened at `now`, and says what it changed.
    pub fn on(&mut self, event: Event, now: Moment) -> Vec<Transition> {
        self.judge.on(event, &self.window, now)
    }

    /// Takes over new settings. What was observed stays; a running rest keeps its date.
    pub fn configure(&mut self, settings: Arc<Settings>, now: Moment) {
        self.judge.configure(settings, &self.window, now);
    }

    /// The counts of passed and failed requests. Whoever hears of a success that
    /// [`wants_success`](Judge::wants_success) does not ask for may record it here, without the
    /// machine.
    pub fn window(&self) -> Option<&Arc<Window>> {
        self.judge.watches_rate().then_some(&self.window)
    }

    /// Everything there is to say about the target at `now`.
    pub fn detail(&self, now: Moment) -> Detail {
        self.judge.detail(&self.window, now)
    }
}

impl Deref for Machine {
    type Target = Judge;

    fn deref(&self) -> &Judge {
        &self.judge
    }
}

impl DerefMut for Machine {
    fn deref_mut(&mut self) -> &mut Judge {
        &mut self.judge
    }
}

#[cfg(test)]
mod tests;
