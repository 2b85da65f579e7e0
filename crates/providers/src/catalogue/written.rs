//! A catalogue as it is written.

use serde::Deserialize;

use super::{Ability, ModelFacts, Price};

/// Why a catalogue can't be taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogueError {
    /// It is not JSON of the form of a catalogue.
    #[error("the catalogue is not valid: line {line}, column {column}")]
    Form {
        /// The line where reading stopped, from 1.
        line: usize,
        /// The column where reading stopped, from 1.
        column: usize,
        /// What is wrong there.
        #[source]
        source: serde_json::Error,
    },
    /// An entry lacks what is not known of its model either.
    #[error("models[{index}]: {field} is missing, and nothing is known of {id} of {provider}")]
    Missing {
        /// The entry's place among the models, from 0.
        index: usize,
        /// The provider it names.
        provider: String,
        /// The model it names.
        id: String,
        /// The field it lacks.
        field: &'static str,
    },
    /// An entry has a value that can't be.
    #[error("models[{index}]: {field} {rule}")]
    Value {
        /// The entry's place among the models, from 0.
        index: usize,
        /// The field at fault.
        field: &'static str,
        /// What it must be.
        rule: &'static str,
    },
}

/// An entry: a provider's model, and what is to be known of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenModel {
    pub(super) provider: String,
    pub(super) id: String,
    context_tokens: Option<u32>,
    max_output_tokens: Option<u32>,
    #[serde(rename = "usd_per_million_tokens")]
    price: Option<Price>,
    abilities: Option<Vec<Ability>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenCatalogue {
    /// For people.
    #[serde(default, rename = "about")]
    _about: String,
    models: Vec<WrittenModel>,
}

/// Reads the entries.
pub(super) fn read(json: &str) -> Result<Vec<WrittenModel>, CatalogueError> {
    serde_json::from_str(json)
        .map(|written: WrittenCatalogue| written.models)
        .map_err(|source| CatalogueError::Form {
            line: source.line(),
            column: source.column(),
            source,
        })
}

impl WrittenModel {
    /// What is known of the model once this is laid over what was known before.
    pub(super) fn over(
        self,
        index: usize,
        known: Option<&ModelFacts>,
    ) -> Result<ModelFacts, CatalogueError> {
        let missing = |field| CatalogueError::Missing {
            index,
            provider: self.provider.clone(),
            id: self.id.clone(),
            field,
        };
        let wrong = |field, rule| CatalogueError::Value { index, field, rule };
        for (field, name) in [("provider", &self.provider), ("id", &self.id)] {
            if name.trim().is_empty() {
                return Err(wrong(field, "must not be empty"));
            }
        }
        let facts = ModelFacts {
            context_tokens: self
                .context_tokens
                .or(known.map(|known| known.context_tokens))
                .ok_or_else(|| missing("context_tokens"))?,
            max_output_tokens: self
                .max_output_tokens
                .or(known.map(|known| known.max_output_tokens))
                .ok_or_else(|| missing("max_output_tokens"))?,
            price: self
                .price
                .or(known.map(|known| known.price))
                .ok_or_else(|| missing("usd_per_million_tokens"))?,
            abilities: self
                .abilities
                .or_else(|| known.map(|known| known.abilities.clone()))
                .unwrap_or_default(),
            provider: self.provider,
            id: self.id,
        };
        if facts.context_tokens == 0 {
            return Err(wrong("context_tokens", "must be 1 or more"));
        }
        if !(1..=facts.context_tokens).contains(&facts.max_output_tokens) {
            return Err(wrong(
                "max_output_tokens",
                "must be from 1 to context_tokens",
            ));
        }
        Ok(facts)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Catalogue;

    fn over(models: &str) -> Result<Catalogue, String> {
        Catalogue::builtin()
            .clone()
            .overlaid(&format!(r#"{{"models":[{models}]}}"#))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn an_operator_s_entry_changes_what_it_says_and_nothing_else() {
        let before = Catalogue::builtin();
        let all = over(
            r#"{"provider":"openai","id":"gpt-4o","context_tokens":64000},
            {"provider":"llm.example.com","id":"own","context_tokens":5,"max_output_tokens":4,"usd_per_million_tokens":{"input":0,"output":0}}"#,
        )
        .unwrap();
        let (was, is) = (
            before.find("openai", "gpt-4o").unwrap(),
            all.find("openai", "gpt-4o").unwrap(),
        );
        assert_eq!(is.context_tokens, 64_000);
        assert_eq!((is.price, &is.abilities), (was.price, &was.abilities));
        assert_eq!(all.context_window("llm.example.com", "own"), Some(5));
        assert_eq!(all.iter().count(), before.iter().count() + 1);
        assert!(all.find("anthropic", "gpt-4o").is_none());
    }

    #[test]
    fn an_entry_of_an_unknown_model_must_be_whole() {
        assert_eq!(
            over(r#"{"provider":"vllm","id":"own","context_tokens":5}"#).unwrap_err(),
            "models[0]: max_output_tokens is missing, and nothing is known of own of vllm"
        );
    }

    #[test]
    fn values_that_cannot_be_are_refused() {
        let with = |field: &str| over(&format!(r#"{{"provider":"openai","id":"gpt-4o",{field}}}"#));
        assert!(with(r#""usd_per_million_tokens":{"input":0.5,"output":2}"#).is_ok());
        for field in [
            r#""usd_per_million_tokens":{"input":-1,"output":2}"#,
            r#""usd_per_million_tokens":{"input":1e3,"output":2}"#,
            r#""usd_per_million_tokens":{"input":1}"#,
            r#""price":3"#,
            r#""context_tokens":-1"#,
            r#""context_tokens":5000000000"#,
            r#""abilities":["flies"]"#,
        ] {
            assert!(with(field).unwrap_err().contains("line 1"), "{field}");
        }
        assert_eq!(
            with(r#""context_tokens":0"#).unwrap_err(),
            "models[0]: context_tokens must be 1 or more"
        );
        assert_eq!(
            with(r#""context_tokens":10"#).unwrap_err(),
            "models[0]: max_output_tokens must be from 1 to context_tokens"
        );
        assert_eq!(
            over(r#"{"provider":"","id":"x"}"#).unwrap_err(),
            "models[0]: provider must not be empty"
        );
        assert!(Catalogue::default().overlaid("[]").is_err());
        assert!(Catalogue::default().overlaid("").is_err());
    }
}
