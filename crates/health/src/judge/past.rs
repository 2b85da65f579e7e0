//! What went wrong with a target, or was decided about it.

use alloc::boxed::Box;
use core::ops::{Deref, DerefMut};

use super::ProbeToken;
use super::active::Checks;
use crate::cooling::Cooling;
use crate::{FailureKind, Moment, Reason};

/// What went wrong with a target, or was decided about it: nothing takes no room, until somebody
/// writes.
#[derive(Debug, Default)]
pub(super) struct Past(Option<Box<Events>>);

#[derive(Debug)]
pub(super) struct Events {
    pub(super) drain_until: Option<Moment>,
    pub(super) observed: Observed,
    pub(super) consecutive: u32,
    pub(super) refusals: u32,
    pub(super) ejections: u32,
    /// From when on the healthy time counts that makes `ejections` fade.
    pub(super) fades_from: Moment,
    pub(super) cooling: Cooling,
    pub(super) checks: Checks,
    pub(super) tokens: u32,
    pub(super) last_failure: Option<(Moment, FailureKind)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Observed {
    Healthy {
        ramping_since: Option<Moment>,
    },
    Unhealthy {
        reason: Reason,
        until: Moment,
        passes: u32,
        token: Option<ProbeToken>,
    },
}

impl Events {
    const NONE: Self = Self {
        drain_until: None,
        observed: Observed::Healthy {
            ramping_since: None,
        },
        consecutive: 0,
        refusals: 0,
        ejections: 0,
        fades_from: Moment::ZERO,
        cooling: Cooling::NONE,
        checks: Checks::NONE,
        tokens: 0,
        last_failure: None,
    };
}

impl Past {
    /// What there is to read; a `const fn`, which `deref` cannot be.
    pub(super) const fn events(&self) -> &Events {
        const NONE: &Events = &Events::NONE;
        match &self.0 {
            Some(events) => events,
            None => NONE,
        }
    }
}

impl Deref for Past {
    type Target = Events;

    fn deref(&self) -> &Events {
        self.events()
    }
}

impl DerefMut for Past {
    fn deref_mut(&mut self) -> &mut Events {
        self.0.get_or_insert_with(|| Box::new(Events::NONE))
    }
}
