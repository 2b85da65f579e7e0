//! What is known of models: their provider, size, price and abilities.

mod price;
mod written;

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::Deserialize;

pub use price::Price;
pub use written::CatalogueError;

use written::WrittenModel;

use crate::table::provider;

/// What is known of one model.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ModelFacts {
    /// The provider that serves it: its name in the table of providers, or the host of a server
    /// that is not in the table.
    pub provider: String,
    /// The model's name, without the date that providers append to it.
    pub id: String,
    /// How many tokens a conversation with it may have, its answer included.
    pub context_tokens: u32,
    /// How many tokens an answer of it may have.
    pub max_output_tokens: u32,
    /// What its tokens cost.
    pub price: Price,
    /// What it can do beyond text.
    pub abilities: Vec<Ability>,
}

/// What a model can do beyond text.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Ability {
    /// Calls tools.
    Tools,
    /// Sees pictures.
    Images,
    /// Hears sound.
    Audio,
    /// Keeps its answer to a schema.
    StructuredOutput,
    /// Thinks before it answers.
    Reasoning,
}

/// The models that are known.
///
/// ```
/// use ai_gateway_providers::{Catalogue, Usage};
///
/// let facts = Catalogue::builtin().find("openai", "gpt-4o-mini-2024-07-18").expect("is listed");
/// assert_eq!(facts.context_tokens, 128_000);
/// let usage = Usage { input: 1_000_000, output: 500_000, ..Usage::default() };
/// assert_eq!(facts.price.nano_usd(&usage), 450_000_000);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    /// In the order of the file.
    models: Vec<ModelFacts>,
    /// By provider, then by model.
    places: HashMap<String, HashMap<String, usize>>,
}

impl Catalogue {
    /// The models that come with the gateway. Prices change: an operator's own catalogue goes
    /// over them.
    pub fn builtin() -> &'static Self {
        static BUILTIN: LazyLock<Catalogue> = LazyLock::new(|| {
            Catalogue::default()
                .overlaid(include_str!("catalogue/models.json"))
                .unwrap_or_default()
        });
        &BUILTIN
    }

    /// Lays an operator's catalogue over this one: a JSON object of the form of the one that comes
    /// with the gateway, `{"models": [{"provider": …, "id": …, …}]}`.
    ///
    /// What an entry leaves out stays as it is known; a model that is not known must have all but
    /// `abilities`.
    ///
    /// # Errors
    ///
    /// [`CatalogueError`] when it is not of that form, or an entry makes no sense.
    pub fn overlaid(mut self, json: &str) -> Result<Self, CatalogueError> {
        for (index, written) in written::read(json)?.into_iter().enumerate() {
            self.take(index, written)?;
        }
        Ok(self)
    }

    fn take(&mut self, index: usize, written: WrittenModel) -> Result<(), CatalogueError> {
        let place = self.place(&written.provider, &written.id);
        let known = place.and_then(|at| self.models.get_mut(at));
        let facts = written.over(index, known.as_deref())?;
        match known {
            Some(known) => *known = facts,
            None => {
                self.places
                    .entry(facts.provider.clone())
                    .or_default()
                    .insert(facts.id.clone(), self.models.len());
                self.models.push(facts);
            }
        }
        Ok(())
    }

    fn place(&self, provider: &str, model: &str) -> Option<usize> {
        self.places.get(provider)?.get(model).copied()
    }

    /// Finds a model of a provider by its name, with or without the date or `-latest` at its end.
    ///
    /// Where the provider sells models of others and has no entry of its own, the maker's counts:
    /// `azure` finds `gpt-4o` as `openai` has it.
    pub fn find(&self, provider_name: &str, model: &str) -> Option<&ModelFacts> {
        let of = |provider: &str| {
            let at = self
                .place(provider, model)
                .or_else(|| self.place(provider, undated(model)))?;
            self.models.get(at)
        };
        of(provider_name).or_else(|| {
            let sells = provider(provider_name).map_or(&[][..], |provider| provider.sells);
            sells.iter().find_map(|maker| of(maker))
        })
    }

    /// The models that [`find`](Self::find) finds for a provider, by the names it has for them: its
    /// own, and those of the makers whose models it sells.
    pub fn models_of<'c>(&'c self, provider_name: &'c str) -> impl Iterator<Item = &'c ModelFacts> {
        let sells = provider(provider_name).map_or(&[][..], |provider| provider.sells);
        self.models.iter().filter(move |facts| {
            facts.provider == provider_name || sells.contains(&&*facts.provider)
        })
    }

    /// How many tokens a conversation with a model may have, its answer included; `None` when
    /// nothing is known of it.
    pub fn context_window(&self, provider: &str, model: &str) -> Option<u32> {
        self.find(provider, model).map(|facts| facts.context_tokens)
    }

    /// Goes over all models, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &ModelFacts> {
        self.models.iter()
    }
}

/// Returns a model's name as its maker has it: without what platforms put around it
/// (`us.anthropic.…-v1:0`, `…@20250929`), and without `-20241022`, `-2024-07-18`, `-2411` or
/// `-latest` at its end.
fn undated(model: &str) -> &str {
    let model = model.split('@').next().unwrap_or(model);
    let model = match model.split_once("anthropic.") {
        Some((_, name)) => unversioned(name),
        None => model,
    };
    if let Some(name) = model.strip_suffix("-latest") {
        return name;
    }
    // A version has a digit or two before the date: `claude-sonnet-4-20250514`.
    let undated = [8, 4].into_iter().find_map(|length| {
        let mut end = model.len();
        let mut left = length;
        while left > 0 {
            end = end.checked_sub(1)?;
            match model.as_bytes().get(end)? {
                byte if byte.is_ascii_digit() => left -= 1,
                b'-' => {}
                _ => return None,
            }
        }
        model.get(..end)?.strip_suffix('-')
    });
    undated.unwrap_or(model)
}

/// Returns a name without Bedrock's `-v1:0` at its end.
fn unversioned(model: &str) -> &str {
    let name = model.split(':').next().unwrap_or(model);
    match name.rsplit_once("-v") {
        Some((name, version)) if version.parse::<u8>().is_ok() => name,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::{Catalogue, undated};
    use crate::table::provider;
    use crate::usage::Usage;

    #[test]
    fn the_catalogue_that_comes_with_the_gateway_is_valid() {
        let models = Catalogue::default()
            .overlaid(include_str!("catalogue/models.json"))
            .unwrap();
        assert!(models.iter().count() > 30);
        assert_eq!(models.iter().count(), Catalogue::builtin().iter().count());
        for model in models.iter() {
            assert!(provider(&model.provider).is_some(), "{}", model.provider);
            let usage = Usage {
                input: 1_000,
                output: 1_000,
                ..Usage::default()
            };
            assert!(model.price.nano_usd(&usage) > 0, "{}", model.id);
        }
    }

    #[test]
    fn a_dated_name_is_the_same_model() {
        assert_eq!(undated("gpt-4o-mini-2024-07-18"), "gpt-4o-mini");
        assert_eq!(undated("claude-3-5-sonnet-20241022"), "claude-3-5-sonnet");
        assert_eq!(undated("claude-sonnet-4-20250514"), "claude-sonnet-4");
        assert_eq!(undated("claude-3-7-sonnet-latest"), "claude-3-7-sonnet");
        assert_eq!(undated("mistral-large-2411"), "mistral-large");
        assert_eq!(undated("gpt-4"), "gpt-4");
        assert_eq!(undated("gemini-2.5-flash"), "gemini-2.5-flash");
        assert_eq!(undated("-4"), "-4");
        assert_eq!(undated(""), "");
    }

    #[test]
    fn the_window_of_a_known_model_is_told() {
        let window = |provider, model| Catalogue::builtin().context_window(provider, model);
        assert_eq!(window("openai", "gpt-4"), Some(8_192));
        assert_eq!(
            window("anthropic", "claude-3-5-haiku-20241022"),
            Some(200_000)
        );
        assert_eq!(window("azure", "gpt-4o"), Some(128_000));
        assert_eq!(
            window("bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
            Some(200_000)
        );
        assert_eq!(
            window("vertex-anthropic", "claude-opus-4-1@20250805"),
            Some(200_000)
        );
        assert_eq!(window("anthropic", "gpt-4o"), None);
        assert_eq!(window("example.com", "gpt-4o"), None);
    }
}
