//! When a target is taken out, for how long, and how it comes back.

use core::time::Duration;

/// When a target is taken out, for how long, and how it comes back.
///
/// | setting | unit | default | meaning |
/// |---|---|---|---|
/// | [`threshold`](Self::threshold) | failures in a row | 3 | takes the target out |
/// | [`success_rate`](Self::success_rate) | share, samples, time | 0.5, 20, 30 s | takes out a target that passes less |
/// | [`interval`](Self::interval) | time | 10 s | period of active checks; first rest after a trip |
/// | [`base_ejection`](Self::base_ejection) | time | the interval | first rest, when not the interval |
/// | [`ejection_cap`](Self::ejection_cap) | time | 300 s, or the interval if longer | longest rest |
/// | [`jitter`](Self::jitter) | share | 0.1 | spread of rests and of active checks |
/// | [`probe_passes`](Self::probe_passes) | requests | 1 | probes that must pass to bring a target back |
/// | [`ramp`](Self::ramp) | time, share | 30 s, 0.1 | how a target's share grows after it came back |
/// | [`credentials_threshold`](Self::credentials_threshold) | refusals | 3 | takes the target out |
/// | [`quota_rest`](Self::quota_rest) | time | 900 s | rest of a target whose account is spent |
/// | [`retry_after_cap`](Self::retry_after_cap) | time | 300 s | longest `Retry-After` that is believed |
/// | [`check_timeout`](Self::check_timeout) | time | 5 s | an active check that takes longer failed |
/// | [`fall`](Self::fall), [`rise`](Self::rise) | active checks in a row | 3, 2 | take out, bring back |
/// | [`active_can_restore`](Self::active_can_restore) | yes or no | no | active checks may end a passive rest |
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub(crate) passive: bool,
    pub(crate) active: bool,
    pub(crate) threshold: u32,
    pub(crate) rate: Option<Rate>,
    pub(crate) interval: Duration,
    pub(crate) base_ejection: Option<Duration>,
    pub(crate) ejection_cap: Duration,
    pub(crate) jitter: f32,
    pub(crate) probe_passes: u32,
    pub(crate) ramp: Duration,
    pub(crate) ramp_from: f32,
    pub(crate) credentials_threshold: u32,
    pub(crate) quota_rest: Duration,
    pub(crate) retry_after_cap: Duration,
    pub(crate) check_timeout: Duration,
    pub(crate) fall: u32,
    pub(crate) rise: u32,
    pub(crate) restored_by: RestoredBy,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rate {
    pub(crate) least: f32,
    pub(crate) samples: u32,
    pub(crate) span: Duration,
}

/// What may end the rest of a target that its requests took out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum RestoredBy {
    Probes,
    ProbesOrChecks,
}

impl Settings {
    /// Judges a target by the requests it is sent; the default.
    pub const fn passive() -> Self {
        Self {
            passive: true,
            active: false,
            threshold: 3,
            rate: Some(Rate {
                least: 0.5,
                samples: 20,
                span: WINDOW,
            }),
            interval: Duration::from_secs(10),
            base_ejection: None,
            ejection_cap: Duration::from_secs(300),
            jitter: 0.1,
            probe_passes: 1,
            ramp: Duration::from_secs(30),
            ramp_from: 0.1,
            credentials_threshold: 3,
            quota_rest: Duration::from_secs(900),
            retry_after_cap: Duration::from_secs(300),
            check_timeout: Duration::from_secs(5),
            fall: 3,
            rise: 2,
            restored_by: RestoredBy::Probes,
        }
    }

    /// Judges a target by active checks alone.
    pub const fn active() -> Self {
        Self {
            passive: false,
            active: true,
            ..Self::passive()
        }
    }

    /// Judges a target by its requests and by active checks.
    pub const fn both() -> Self {
        Self {
            active: true,
            ..Self::passive()
        }
    }

    /// Never takes a target out for failures. A rate limit still cools it, and a spent account
    /// still rests.
    pub const fn off() -> Self {
        Self {
            passive: false,
            ..Self::passive()
        }
    }

    /// Failures in a row that take a target out; 3, at least 1.
    #[must_use]
    pub const fn threshold(mut self, failures: u32) -> Self {
        self.threshold = failures;
        self
    }

    /// Takes out a target of which less than `least` (0 to 1) of at least `samples` requests
    /// passed within `span`; 0.5 of 20 in 30 s.
    #[must_use]
    pub const fn success_rate(mut self, least: f32, samples: u32, span: Duration) -> Self {
        self.rate = Some(Rate {
            least,
            samples,
            span,
        });
        self
    }

    /// Watches failures in a row only, not the success rate.
    #[must_use]
    pub const fn without_success_rate(mut self) -> Self {
        self.rate = None;
        self
    }

    /// Period of active checks, and how long a target rests after its first trip; 10 s.
    #[must_use]
    pub const fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// How long a target rests after its first trip, where that is not the interval. Each
    /// further trip doubles it.
    #[must_use]
    pub const fn base_ejection(mut self, base: Duration) -> Self {
        self.base_ejection = Some(base);
        self
    }

    /// The longest rest; 300 s. An interval that is longer counts instead.
    #[must_use]
    pub const fn ejection_cap(mut self, cap: Duration) -> Self {
        self.ejection_cap = cap;
        self
    }

    /// How far rests and active checks are spread, as a share of their length; 0.1, from 0 to 0.3.
    #[must_use]
    pub const fn jitter(mut self, share: f32) -> Self {
        self.jitter = share;
        self
    }

    /// Probes that must pass, one after the other, to bring a target back; 1.
    #[must_use]
    pub const fn probe_passes(mut self, passes: u32) -> Self {
        self.probe_passes = passes;
        self
    }

    /// Lets a target's share grow from `from` (0.01 to 1) to whole over `duration` after it came
    /// back; 30 s from 0.1. A duration of zero gives it its whole share at once.
    #[must_use]
    pub const fn ramp(mut self, duration: Duration, from: f32) -> Self {
        self.ramp = duration;
        self.ramp_from = from;
        self
    }

    /// Refused credentials that take a target out; 3.
    #[must_use]
    pub const fn credentials_threshold(mut self, refusals: u32) -> Self {
        self.credentials_threshold = refusals;
        self
    }

    /// How long a target whose account is spent rests before it is tried; 900 s.
    #[must_use]
    pub const fn quota_rest(mut self, rest: Duration) -> Self {
        self.quota_rest = rest;
        self
    }

    /// The longest `Retry-After` that is believed; 300 s.
    #[must_use]
    pub const fn retry_after_cap(mut self, cap: Duration) -> Self {
        self.retry_after_cap = cap;
        self
    }

    /// After which time an active check counts as failed; 5 s.
    #[must_use]
    pub const fn check_timeout(mut self, timeout: Duration) -> Self {
        self.check_timeout = timeout;
        self
    }

    /// Active checks in a row that must fail to take a target out; 3.
    #[must_use]
    pub const fn fall(mut self, checks: u32) -> Self {
        self.fall = checks;
        self
    }

    /// Active checks in a row that must pass to bring a target back; 2.
    #[must_use]
    pub const fn rise(mut self, checks: u32) -> Self {
        self.rise = checks;
        self
    }

    /// Whether active checks may end the rest of a target that its requests took out; no.
    ///
    /// A check is often answered by something in front of what fails.
    #[must_use]
    pub const fn active_can_restore(mut self, may: bool) -> Self {
        self.restored_by = if may {
            RestoredBy::ProbesOrChecks
        } else {
            RestoredBy::Probes
        };
        self
    }

    /// Whether active checks are made, whatever was said before.
    #[must_use]
    pub const fn checked_actively(mut self, wanted: bool) -> Self {
        self.active = wanted;
        self
    }

    /// Whether requests are judged.
    pub const fn is_passive(&self) -> bool {
        self.passive
    }

    /// Whether active checks are wanted.
    pub const fn is_active(&self) -> bool {
        self.active
    }

    /// Checks every value against its range.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] with the name of the first setting that is out of range.
    pub fn check(&self) -> Result<(), SettingsError> {
        let refuse = |setting, range| Err(SettingsError { setting, range });
        let counts = [
            ("threshold", self.threshold),
            ("probe_passes", self.probe_passes),
            ("credentials_threshold", self.credentials_threshold),
            ("fall", self.fall),
            ("rise", self.rise),
        ];
        for (setting, count) in counts {
            if count == 0 {
                return refuse(setting, "at least 1");
            }
        }
        let times = [
            ("interval", self.interval),
            ("base_ejection", self.base_ejection.unwrap_or(self.interval)),
            ("ejection_cap", self.ejection_cap),
            ("quota_rest", self.quota_rest),
            ("check_timeout", self.check_timeout),
        ];
        for (setting, time) in times {
            if time.is_zero() || time > LONGEST {
                return refuse(setting, "longer than nothing, at most 30 days");
            }
        }
        if self.ramp > LONGEST {
            return refuse("ramp", "at most 30 days");
        }
        if !(0.01..=1.0).contains(&self.ramp_from) {
            return refuse("ramp_from", "from 0.01 to 1");
        }
        if !(0.0..=0.3).contains(&self.jitter) {
            return refuse("jitter", "from 0 to 0.3");
        }
        match self.rate {
            Some(rate) if !(0.0..=1.0).contains(&rate.least) => {
                refuse("success_rate", "from 0 to 1")
            }
            Some(rate) if rate.samples == 0 => refuse("success_rate", "of at least 1 sample"),
            Some(rate) if rate.span < Duration::from_millis(100) => {
                refuse("success_rate", "over at least 100 ms")
            }
            Some(rate) if rate.span > LONGEST => refuse("success_rate", "over at most 30 days"),
            Some(_) | None => Ok(()),
        }
    }

    /// Over which time the success rate is taken: where it is not watched, as by default.
    pub fn window_span(&self) -> Duration {
        self.rate.map_or(WINDOW, |rate| rate.span)
    }

    /// The longest rest that these settings give.
    pub fn longest_rest(&self) -> Duration {
        self.ejection_cap.max(self.interval)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::passive()
    }
}

/// A setting that is out of its range.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SettingsError {
    /// The setting's name.
    pub setting: &'static str,
    /// What it must be.
    pub range: &'static str,
}

impl core::fmt::Display for SettingsError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} must be {}", self.setting, self.range)
    }
}

impl core::error::Error for SettingsError {}

/// Over which time the success rate is taken, by default.
const WINDOW: Duration = Duration::from_secs(30);
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(settings: &Settings, setting: &str) {
        assert_eq!(
            settings.check().map_err(|error| error.setting),
            Err(setting)
        );
    }

    #[test]
    fn values_out_of_range_are_named() {
        refused(&Settings::passive().threshold(0), "threshold");
        refused(&Settings::passive().interval(Duration::ZERO), "interval");
        refused(&Settings::passive().jitter(f32::NAN), "jitter");
        refused(&Settings::passive().ramp(Duration::ZERO, 0.0), "ramp_from");
        refused(
            &Settings::passive().success_rate(0.5, 0, Duration::from_secs(1)),
            "success_rate",
        );
        refused(&Settings::active().rise(0), "rise");
    }

    #[test]
    fn the_defaults_are_in_range() {
        for settings in [
            Settings::passive(),
            Settings::active(),
            Settings::both(),
            Settings::off(),
        ] {
            assert_eq!(settings.check(), Ok(()));
        }
    }
}
