//! Settings as people write them.

use core::time::Duration;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Settings;

/// What is written of settings: `{"passive": true, "threshold": 3, "interval": 60}` is complete.
/// Times are in seconds.
#[derive(Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
struct Shape {
    passive: bool,
    active: bool,
    threshold: u32,
    interval: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    base_ejection: Option<u64>,
    ejection_cap: u64,
    probe_passes: u32,
    ramp: u64,
    check_timeout: u64,
    healthy_threshold: u32,
    unhealthy_threshold: u32,
}

impl Default for Shape {
    fn default() -> Self {
        Self::of(&Settings::default())
    }
}

impl Shape {
    fn of(settings: &Settings) -> Self {
        Self {
            passive: settings.passive,
            active: settings.active,
            threshold: settings.threshold,
            interval: settings.interval.as_secs(),
            base_ejection: settings.base_ejection.map(|time| time.as_secs()),
            ejection_cap: settings.ejection_cap.as_secs(),
            probe_passes: settings.probe_passes,
            ramp: settings.ramp.as_secs(),
            check_timeout: settings.check_timeout.as_secs(),
            healthy_threshold: settings.rise,
            unhealthy_threshold: settings.fall,
        }
    }

    fn settings(&self) -> Settings {
        let defaults = Settings::default();
        Settings {
            passive: self.passive,
            active: self.active,
            threshold: self.threshold,
            interval: Duration::from_secs(self.interval),
            base_ejection: self.base_ejection.map(Duration::from_secs),
            ejection_cap: Duration::from_secs(self.ejection_cap),
            probe_passes: self.probe_passes,
            ramp: Duration::from_secs(self.ramp),
            check_timeout: Duration::from_secs(self.check_timeout),
            rise: self.healthy_threshold,
            fall: self.unhealthy_threshold,
            ..defaults
        }
    }
}

impl Serialize for Settings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Shape::of(self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let settings = Shape::deserialize(deserializer)?.settings();
        settings.check().map_err(D::Error::custom)?;
        Ok(settings)
    }
}
