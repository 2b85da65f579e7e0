//! Prices, reckoned in whole numbers.

use serde::Deserialize;
use serde::de::{Deserializer, Error};
use serde_json::value::RawValue;

use crate::usage::Usage;

/// What a model's tokens cost.
///
/// Written in US dollars per million tokens with at most six decimals; kept in millionths of
/// those, which are picodollars a token.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Price {
    #[serde(deserialize_with = "micros")]
    input: u64,
    #[serde(deserialize_with = "micros")]
    output: u64,
    /// When left out, as much as other input.
    #[serde(default, deserialize_with = "some_micros")]
    cached_read: Option<u64>,
    /// When left out, as much as other input.
    #[serde(default, deserialize_with = "some_micros")]
    cache_write: Option<u64>,
}

impl Price {
    /// Reckons what an exchange cost, in billionths of a US dollar, rounded down.
    pub fn nano_usd(&self, usage: &Usage) -> u64 {
        let parts = [
            (usage.input_uncached(), self.input),
            (usage.cached_read, self.cached_read.unwrap_or(self.input)),
            (usage.cache_write, self.cache_write.unwrap_or(self.input)),
            (usage.output, self.output),
        ];
        let pico = parts
            .into_iter()
            .map(|(tokens, price)| u128::from(tokens) * u128::from(price))
            .sum::<u128>();
        u64::try_from(pico / 1_000).unwrap_or(u64::MAX)
    }

    /// What a million tokens of input and as many of output cost, in millionths of a US dollar:
    /// a number to compare models by.
    pub const fn per_million_micro_usd(&self) -> u64 {
        self.input.saturating_add(self.output)
    }

    /// The same in US dollars.
    pub const fn per_million_usd(&self) -> f32 {
        dollars(self.per_million_micro_usd())
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a price to compare by needs no more than seven digits"
)]
const fn dollars(micros: u64) -> f32 {
    micros as f32 / 1e6
}

fn micros<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let raw = <&RawValue>::deserialize(deserializer)?;
    decimal(raw.get())
        .ok_or_else(|| D::Error::custom("a price must be dollars with at most six decimals"))
}

fn some_micros<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    micros(deserializer).map(Some)
}

/// Reads `2.5` as 2 500 000.
fn decimal(text: &str) -> Option<u64> {
    const DECIMALS: usize = 6;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) || fraction.len() > DECIMALS {
        return None;
    }
    let whole: u64 = whole.parse().ok()?;
    let fraction: u64 = format!("{fraction:0<DECIMALS$}").parse().ok()?;
    whole.checked_mul(1_000_000)?.checked_add(fraction)
}

#[cfg(test)]
mod tests {
    use super::{Price, decimal};
    use crate::usage::Usage;

    #[test]
    fn dollars_are_read_without_rounding() {
        assert_eq!(decimal("2.5"), Some(2_500_000));
        assert_eq!(decimal("0.000001"), Some(1));
        assert_eq!(decimal("18.75"), Some(18_750_000));
        assert_eq!(decimal("30"), Some(30_000_000));
        for text in ["", ".5", "1.", "-1", "1e3", "0.0000001", "\"1\""] {
            assert_eq!(decimal(text), None, "{text}");
        }
    }

    #[test]
    fn each_kind_of_token_has_its_price() {
        let price: Price =
            serde_json::from_str(r#"{"input":3,"output":15,"cached_read":0.3,"cache_write":3.75}"#)
                .unwrap();
        let usage = Usage {
            input: 1_000,
            cached_read: 600,
            cache_write: 300,
            output: 10,
            ..Usage::default()
        };
        // 100 * 3000 + 600 * 300 + 300 * 3750 + 10 * 15000 billionths.
        assert_eq!(
            price.nano_usd(&usage),
            300_000 + 180_000 + 1_125_000 + 150_000
        );
        let usage = Usage {
            input: u64::MAX,
            ..usage
        };
        assert_eq!(price.nano_usd(&usage), u64::MAX);
    }
}
