//! Targets as their owner describes them.

use std::collections::HashSet;
use std::sync::Arc;

use ai_gateway_health::{Admin, Settings};

use crate::error::BuildError;
use crate::gate::MOST_IN_FLIGHT;

/// A target: who it is, what the caller needs to reach it, and how much it is to take.
///
/// Checked when the balancer is built or updated.
///
/// ```
/// # use ai_gateway_balancer::Target;
/// let target = Target::new("openai", "https://api.openai.com")
///     .weight(70)
///     .priority(1)
///     .models(["gpt-4o", "gpt-4o-mini"])
///     .default_model("gpt-4o-mini")
///     .max_in_flight(64);
/// # let _ = target;
/// ```
#[derive(Clone, Debug)]
pub struct Target<T> {
    pub(crate) id: Arc<str>,
    pub(crate) spec: Spec,
    pub(crate) data: T,
}

/// Everything about a target but its name and what the caller attached to it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Spec {
    /// None where it lists no models, has no default and prices none.
    serves: Option<Arc<Models>>,
    pub(crate) health: Option<Box<Settings>>,
    pub(crate) weight: u32,
    pub(crate) priority: u32,
    /// Requests in flight that it may have; [`UNBOUNDED`] where nothing was said.
    max_in_flight: u32,
    pub(crate) price: f32,
    pub(crate) tokens_per_minute: f32,
    pub(crate) active_check: Option<bool>,
    pub(crate) admin: Admin,
}

/// Which models a target serves: targets that serve the same ones share it.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
struct Models {
    listed: Box<[Box<str>]>,
    default: Option<Box<str>>,
    /// In the order of the models' names.
    prices: Box<[ModelPrice]>,
}

/// A model and what it costs, as the bits of a float.
type ModelPrice = (Box<str>, u32);

impl<T> Target<T> {
    /// Makes a target named `id`, which tells it from all others and by which its state is kept
    /// over updates. `data` is what a lease on it derefs to.
    pub fn new(id: impl Into<Arc<str>>, data: T) -> Self {
        Self {
            id: id.into(),
            spec: Spec {
                serves: None,
                health: None,
                weight: 1,
                priority: 1,
                max_in_flight: UNBOUNDED,
                price: 0.0,
                tokens_per_minute: 1.0,
                active_check: None,
                admin: Admin::Enabled,
            },
            data,
        }
    }

    /// Its share of traffic relative to the others of its priority: 1, from 1 to 100.
    #[must_use]
    pub fn weight(mut self, weight: u32) -> Self {
        self.spec.weight = weight;
        self
    }

    /// Its tier: 1; a lower number is tried first.
    #[must_use]
    pub fn priority(mut self, priority: u32) -> Self {
        self.spec.priority = priority;
        self
    }

    /// The models it serves. Without any it serves whatever is asked for.
    #[must_use]
    pub fn models<M: Into<Box<str>>>(mut self, models: impl IntoIterator<Item = M>) -> Self {
        self.spec.serves().listed = models.into_iter().map(Into::into).collect();
        self
    }

    /// The model it serves when none is asked for, or when nobody serves the one asked for.
    #[must_use]
    pub fn default_model(mut self, model: impl Into<Box<str>>) -> Self {
        self.spec.serves().default = Some(model.into());
        self
    }

    /// Requests that it may have in flight: at least 1; 16 million unless set, and never more. A full
    /// target is passed over, never queued for.
    #[must_use]
    pub fn max_in_flight(mut self, requests: u32) -> Self {
        self.spec.max_in_flight = requests;
        self
    }

    /// Health settings of its own, in place of the balancer's.
    #[must_use]
    pub fn health(mut self, settings: Settings) -> Self {
        self.spec.health = Some(Box::new(settings));
        self
    }

    /// Whether it is checked without traffic, whatever the settings say.
    #[must_use]
    pub fn active_check(mut self, wanted: bool) -> Self {
        self.spec.active_check = Some(wanted);
        self
    }

    /// The operator's decision: enabled, unless said otherwise.
    #[must_use]
    pub fn admin(mut self, admin: Admin) -> Self {
        self.spec.admin = admin;
        self
    }

    /// What it charges for a model without a price of its own, in any unit that the others use too;
    /// 0. For `lowest-cost`.
    #[must_use]
    pub fn price(mut self, price: f32) -> Self {
        self.spec.price = price;
        self
    }

    /// What it charges for each of these models, in the unit of [`price`](Self::price); of one named
    /// twice the first counts. None has a price of its own unless set.
    #[must_use]
    pub fn model_prices<M: Into<Box<str>>>(
        mut self,
        prices: impl IntoIterator<Item = (M, f32)>,
    ) -> Self {
        let prices = prices.into_iter();
        let mut prices: Vec<ModelPrice> = prices
            .map(|(model, price)| (model.into(), price.to_bits()))
            .collect();
        prices.sort_by(|(one, _), (two, _)| one.cmp(two));
        prices.dedup_by(|(later, _), (first, _)| later == first);
        self.spec.serves().prices = prices.into();
        self
    }

    /// Tokens that it may use in a minute, or its size relative to the others; 1. For
    /// `lowest-usage`.
    #[must_use]
    pub fn tokens_per_minute(mut self, tokens: f32) -> Self {
        self.spec.tokens_per_minute = tokens;
        self
    }

    /// Its name.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What the caller attached to it.
    pub fn data(&self) -> &T {
        &self.data
    }
}

impl Spec {
    fn serves(&mut self) -> &mut Models {
        Arc::make_mut(self.serves.get_or_insert_default())
    }

    /// The models it serves; none where it serves whatever is asked for.
    pub(crate) fn models(&self) -> &[Box<str>] {
        self.serves.as_ref().map_or(&[], |serves| &serves.listed)
    }

    /// The model it serves when none is asked for, or when nobody serves the one asked for.
    pub(crate) fn default_model(&self) -> Option<&str> {
        self.serves.as_ref()?.default.as_deref()
    }

    /// Makes targets that serve the same models share the list of them.
    pub(crate) fn share_models(&mut self, known: &mut KnownModels) {
        if let Some(serves) = &mut self.serves {
            match known.0.get(&**serves) {
                Some(known) => *serves = Arc::clone(known),
                None => {
                    known.0.insert(Arc::clone(serves));
                }
            }
        }
    }

    /// Requests that it may have in flight.
    pub(crate) fn most_in_flight(&self) -> u32 {
        self.max_in_flight.min(MOST_IN_FLIGHT)
    }

    /// Checks every value against its range.
    pub(crate) fn check(&self, id: &Arc<str>) -> Result<(), BuildError> {
        let target = || Arc::clone(id);
        if !(1..=MAX_WEIGHT).contains(&self.weight) {
            return Err(BuildError::Weight {
                target: target(),
                weight: self.weight,
            });
        }
        if self.max_in_flight == 0 {
            return Err(BuildError::MaxInFlight { target: target() });
        }
        if let Some(model) = self.default_model()
            && !self.lists(model)
        {
            return Err(BuildError::DefaultModel {
                target: target(),
                model: model.into(),
            });
        }
        let mut prices = self.prices().iter();
        if !prices.all(|(_, price)| is_price(f32::from_bits(*price))) || !is_price(self.price) {
            return Err(BuildError::Price { target: target() });
        }
        if !(self.tokens_per_minute.is_finite() && self.tokens_per_minute > 0.0) {
            return Err(BuildError::TokensPerMinute { target: target() });
        }
        if let Some(settings) = &self.health {
            settings.check().map_err(|fault| BuildError::Health {
                target: Some(target()),
                fault,
            })?;
        }
        Ok(())
    }

    /// What it charges for `model`.
    pub(crate) fn price_of(&self, model: &str) -> f32 {
        let prices = self.prices();
        prices
            .binary_search_by(|(priced, _)| (**priced).cmp(model))
            .ok()
            .and_then(|at| prices.get(at))
            .map_or(self.price, |(_, price)| f32::from_bits(*price))
    }

    /// The models that have a price of their own.
    pub(crate) fn priced_models(&self) -> impl Iterator<Item = &str> {
        self.prices().iter().map(|(model, _)| &**model)
    }

    fn prices(&self) -> &[ModelPrice] {
        self.serves.as_ref().map_or(&[], |serves| &serves.prices)
    }

    /// Whether the target serves `model` when asked for it by name.
    pub(crate) fn lists(&self, model: &str) -> bool {
        self.models().is_empty() || self.models().iter().any(|listed| **listed == *model)
    }
}

fn is_price(price: f32) -> bool {
    price.is_finite() && price >= 0.0
}

/// The lists of models of one plan.
#[derive(Default)]
pub(crate) struct KnownModels(HashSet<Arc<Models>>);

/// More requests than any target may have.
const UNBOUNDED: u32 = u32::MAX;
/// The greatest weight.
pub(crate) const MAX_WEIGHT: u32 = 100;
