//! What a run measured: one number a line, and what they come to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Everything about one run.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Record {
    /// When it began, in UTC.
    pub(crate) date: String,
    /// The commit that was measured, with `+` when the work tree differed.
    pub(crate) commit: String,
    /// Processor, cores, kernel.
    pub(crate) machine: String,
    /// The command line.
    pub(crate) command: String,
    /// Each peer's version.
    pub(crate) versions: BTreeMap<String, String>,
    /// Peers that were left out, and why.
    pub(crate) skipped: BTreeMap<String, String>,
    /// Faults by peer and case; any makes the run fail.
    pub(crate) faults: Vec<String>,
    /// The numbers.
    pub(crate) samples: Vec<Sample>,
}

/// One number.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Sample {
    /// The round it was taken in, from 0.
    pub(crate) round: u32,
    /// Whose it is.
    pub(crate) peer: String,
    /// What was done: `plain-1k-c64`.
    pub(crate) case: String,
    /// What was measured: `cpu_us`.
    pub(crate) figure: String,
    /// The value, in the figure's unit.
    pub(crate) value: f64,
}

/// A case and a figure.
pub(crate) type Source = (&'static str, &'static str);

/// Several rounds' numbers in short.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    /// The middle one, or the mean of the two in the middle.
    pub(crate) median: f64,
    /// The smallest.
    pub(crate) least: f64,
    /// The largest.
    pub(crate) most: f64,
}

impl Spread {
    /// Of `values` in any order; `None` without a finite one.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values
            .into_iter()
            .filter(|value| value.is_finite())
            .collect();
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        let upper = *values.get(values.len() / 2)?;
        let lower = *values.get((values.len() - 1) / 2)?;
        Some(Self {
            median: f64::midpoint(lower, upper),
            least,
            most,
        })
    }
}

impl Record {
    /// `peer`'s numbers for a figure.
    pub(crate) fn spread(&self, peer: &str, case: &str, figure: &str) -> Option<Spread> {
        Spread::of(self.by_round(peer, case, figure).into_values())
    }

    /// `peer`'s numbers as multiples of `base`'s, round by round; each with its case and figure.
    /// `None` where a number of either is not above zero: a difference that noise outweighs.
    pub(crate) fn ratio(
        &self,
        (peer, own): (&str, Source),
        (base, other): (&str, Source),
    ) -> Option<Spread> {
        let bases = self.by_round(base, other.0, other.1);
        let own = self.by_round(peer, own.0, own.1);
        let ratio = |(round, value): (&u32, &f64)| match bases.get(round) {
            Some(base) if *base > 0.0 && *value > 0.0 => Some(value / base),
            Some(_) => Some(f64::NAN),
            None => None,
        };
        let ratios: Vec<f64> = own.iter().filter_map(ratio).collect();
        let is_sound = ratios.iter().all(|ratio| ratio.is_finite());
        Spread::of(ratios).filter(|_| is_sound)
    }

    /// The peers that have numbers of their own, in the order they came.
    pub(crate) fn peers(&self) -> Vec<&str> {
        let mut peers: Vec<&str> = Vec::new();
        for sample in &self.samples {
            let is_shown = sample.peer != "direct" && !sample.case.starts_with("growth");
            if is_shown && !peers.contains(&sample.peer.as_str()) {
                peers.push(&sample.peer);
            }
        }
        peers
    }

    fn by_round(&self, peer: &str, case: &str, figure: &str) -> BTreeMap<u32, f64> {
        let wanted = self
            .samples
            .iter()
            .filter(|sample| sample.peer == peer && sample.case == case && sample.figure == figure);
        wanted.map(|sample| (sample.round, sample.value)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Record, Sample, Spread};

    #[track_caller]
    fn check(values: &[f64], expected: Option<(f64, f64, f64)>) {
        let expected = expected.map(|(median, least, most)| Spread {
            median,
            least,
            most,
        });
        assert_eq!(Spread::of(values.iter().copied()), expected);
    }

    #[test]
    fn a_ratio_of_what_noise_outweighs_is_none() {
        let source = ("case", "figure");
        let ratio = |own: [f64; 2], base: [f64; 2]| {
            let mut record = Record::default();
            for (peer, values) in [("own", own), ("base", base)] {
                for (round, value) in (0..).zip(values) {
                    record.samples.push(Sample {
                        round,
                        peer: peer.to_owned(),
                        case: source.0.to_owned(),
                        figure: source.1.to_owned(),
                        value,
                    });
                }
            }
            let spread = record.ratio(("own", source), ("base", source));
            spread.map(|spread| spread.median)
        };
        assert_eq!(ratio([2.0, 3.0], [1.0, 1.0]), Some(2.5));
        assert_eq!(ratio([2.0, -3.0], [1.0, 1.0]), None);
        assert_eq!(ratio([2.0, 3.0], [1.0, 0.0]), None);
    }

    #[test]
    fn the_median_is_the_middle_of_the_sorted_values() {
        check(&[], None);
        check(&[3.0], Some((3.0, 3.0, 3.0)));
        check(&[9.0, 1.0, 2.0], Some((2.0, 1.0, 9.0)));
        check(&[4.0, 1.0, 2.0, 9.0], Some((3.0, 1.0, 9.0)));
        check(&[f64::NAN, 5.0], Some((5.0, 5.0, 5.0)));
    }
}
