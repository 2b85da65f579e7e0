//! What is known of models: their provider, size, price and abilities.

mod price;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::LazyLock;

use serde::Deserialize;

pub use price::Price;

/// What is known of one model.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ModelFacts {
    /// The provider that serves it, by its name in the table of providers.
    pub provider: String,
    /// The model's name, without the date that providers append to it.
    pub id: String,
    /// How many tokens a conversation with it may have, its answer included.
    pub context_tokens: u64,
    /// How many tokens an answer of it may have.
    pub max_output_tokens: u64,
    /// What its tokens cost.
    #[serde(rename = "usd_per_million_tokens")]
    pub price: Price,
    /// What it can do beyond text.
    #[serde(default)]
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
    places: HashMap<(String, String), usize>,
}

/// Why a catalogue can't be read.
#[derive(Debug, thiserror::Error)]
#[error("the catalogue is not valid: line {line}, column {column}")]
pub struct CatalogueError {
    line: usize,
    column: usize,
    #[source]
    source: serde_json::Error,
}

impl Catalogue {
    /// The models that come with the gateway. Prices change: an operator's own catalogue goes
    /// over them.
    pub fn builtin() -> &'static Self {
        static BUILTIN: LazyLock<Catalogue> = LazyLock::new(|| {
            Catalogue::parse(include_str!("catalogue/models.json")).unwrap_or_default()
        });
        &BUILTIN
    }

    /// Reads a catalogue: a JSON array of models, of the form of those that come with the gateway.
    /// Of two entries for one model the later one counts.
    ///
    /// # Errors
    ///
    /// [`CatalogueError`] when it is not of that form.
    pub fn parse(json: &str) -> Result<Self, CatalogueError> {
        let models: Vec<ModelFacts> =
            serde_json::from_str(json).map_err(|source| CatalogueError {
                line: source.line(),
                column: source.column(),
                source,
            })?;
        let mut catalogue = Self::default();
        catalogue.extend(models);
        Ok(catalogue)
    }

    /// Lays another catalogue over this one: its models replace those of the same name.
    pub fn overlaid(mut self, over: Self) -> Self {
        self.extend(over.models);
        self
    }

    fn extend(&mut self, models: Vec<ModelFacts>) {
        for model in models {
            let at = self.models.len();
            match self
                .places
                .entry((model.provider.clone(), model.id.clone()))
            {
                Entry::Vacant(place) => {
                    place.insert(at);
                    self.models.push(model);
                }
                Entry::Occupied(place) => {
                    if let Some(known) = self.models.get_mut(*place.get()) {
                        *known = model;
                    }
                }
            }
        }
    }

    /// Finds a model of a provider by its name, with or without the date or `-latest` at its end.
    pub fn find(&self, provider: &str, model: &str) -> Option<&ModelFacts> {
        let exact = |id: &str| {
            self.places
                .get(&(provider.to_owned(), id.to_owned()))
                .and_then(|at| self.models.get(*at))
        };
        exact(model).or_else(|| exact(undated(model)))
    }

    /// Goes over all models, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &ModelFacts> {
        self.models.iter()
    }
}

/// Returns a model's name without `-20241022`, `-2024-07-18`, `-2411` or `-latest` at its end.
fn undated(model: &str) -> &str {
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

#[cfg(test)]
mod tests {
    use super::{Catalogue, undated};
    use crate::table::provider;
    use crate::usage::Usage;

    #[test]
    fn the_catalogue_that_comes_with_the_gateway_is_valid() {
        let models = Catalogue::parse(include_str!("catalogue/models.json")).unwrap();
        assert_eq!(models.iter().count(), Catalogue::builtin().iter().count());
        for model in models.iter() {
            assert!(provider(&model.provider).is_some(), "{}", model.provider);
            assert!(
                model.max_output_tokens <= model.context_tokens,
                "{}",
                model.id
            );
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
    fn an_operator_s_entry_replaces_the_one_that_comes_with_the_gateway() {
        let own = r#"[{"provider":"openai","id":"gpt-4o","context_tokens":5,"max_output_tokens":4,"usd_per_million_tokens":{"input":1,"output":2}},
            {"provider":"vllm","id":"own","context_tokens":5,"max_output_tokens":4,"usd_per_million_tokens":{"input":0,"output":0}}]"#;
        let all = Catalogue::builtin()
            .clone()
            .overlaid(Catalogue::parse(own).unwrap());
        assert_eq!(all.find("openai", "gpt-4o").unwrap().context_tokens, 5);
        assert!(all.find("vllm", "own").is_some());
        assert_eq!(all.iter().count(), Catalogue::builtin().iter().count() + 1);
        assert!(all.find("anthropic", "gpt-4o").is_none());
    }

    #[test]
    fn a_catalogue_with_unknown_fields_or_prices_is_refused() {
        let with = |field: &str| {
            format!(
                r#"[{{"provider":"p","id":"i","context_tokens":5,"max_output_tokens":4,{field}}}]"#
            )
        };
        let is_valid = |field: &str| Catalogue::parse(&with(field)).is_ok();
        assert!(is_valid(
            r#""usd_per_million_tokens":{"input":0.5,"output":2}"#
        ));
        assert!(!is_valid(
            r#""usd_per_million_tokens":{"input":-1,"output":2}"#
        ));
        assert!(!is_valid(
            r#""usd_per_million_tokens":{"input":1e3,"output":2}"#
        ));
        assert!(!is_valid(
            r#""usd_per_million_tokens":{"input":1,"output":2},"price":3"#
        ));
        assert!(!is_valid(r#""usd_per_million_tokens":{"input":1}"#));
    }
}
