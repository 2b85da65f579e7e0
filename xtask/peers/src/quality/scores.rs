//! What all runs came to.

use super::Figures;
use super::roster::Entry;
use super::simulation::{Metric, Scenario};

/// The figures of every scenario and policy.
pub struct Scores {
    pub rows: Vec<Scenario>,
    pub policies: &'static [Entry],
    /// By scenario and policy; none where the policy takes no part.
    figures: Vec<Vec<Option<Figures>>>,
}

impl Scores {
    /// Takes the median of each figure over the runs of the same scenario and policy.
    pub fn new(rows: Vec<Scenario>, policies: &'static [Entry], runs: &[((usize, usize), Figures)]) -> Self {
        let median = |row, policy| {
            let same = runs.iter().filter(|(of, _)| *of == (row, policy));
            let same: Vec<&Figures> = same.map(|(_, figures)| figures).collect();
            let figure = |n: usize| {
                let mut sorted: Vec<f64> = same.iter().map(|figures| figures[n]).collect();
                sorted.sort_by(f64::total_cmp);
                sorted[sorted.len() / 2]
            };
            (!same.is_empty()).then(|| std::array::from_fn(figure))
        };
        let figures = (0..rows.len())
            .map(|row| (0..policies.len()).map(|policy| median(row, policy)).collect())
            .collect();
        Self { rows, policies, figures }
    }

    pub fn get(&self, row: usize, policy: usize, metric: Metric) -> Option<f64> {
        let place = Metric::ALL.iter().position(|&known| known == metric)?;
        self.figures[row][policy].map(|figures| figures[place])
    }

    /// Whether a figure is the best of its row, or within 3 % of it; or within its bounds.
    pub fn is_among_best(&self, row: usize, policy: usize, metric: Metric) -> bool {
        let all = (0..self.policies.len()).filter_map(|policy| self.get(row, policy, metric));
        let Some(own) = self.get(row, policy, metric) else { return false };
        match better(metric) {
            Better::More => own * 1.03 + 0.005 >= all.fold(0.0, f64::max),
            Better::Less => own <= all.fold(f64::INFINITY, f64::min) * 1.03 + 0.005,
            Better::Between(least, most) => (least..=most).contains(&own),
        }
    }
}

/// Which figures are good.
pub enum Better {
    Less,
    More,
    Between(f64, f64),
}

pub fn better(metric: Metric) -> Better {
    match metric {
        Metric::HitPercent => Better::More,
        // A target that returns should get something, but not be overrun.
        Metric::Surge => Better::Between(0.5, 2.0),
        Metric::ReturnShare => Better::Between(90.0, 110.0),
        _ => Better::Less,
    }
}

/// Whether a time of this length means that queues grew as long as the run lasted.
pub fn diverges(metric: Metric, figure: f64) -> bool {
    matches!(metric, Metric::P50Slowdown | Metric::P99Slowdown | Metric::P99FirstByte) && figure > 1000.0
}
