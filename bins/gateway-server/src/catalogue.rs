//! Reads the operator's catalogue of models.

use std::path::{Path, PathBuf};

use ai_gateway_providers::{Catalogue, CatalogueError};

/// Why an operator's catalogue cannot be taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogueFault {
    /// The file is not there, or not for this user.
    #[error("the catalogue {} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What stood in the way.
        source: std::io::Error,
    },
    /// The file is no catalogue.
    #[error("the catalogue {} is not valid", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and where.
        source: CatalogueError,
    },
}

/// Lays the catalogue at `path` over the one that comes with the gateway.
///
/// # Errors
///
/// [`CatalogueFault`] when the file cannot be read or is no catalogue.
pub(crate) fn read(path: Option<&Path>) -> Result<Catalogue, CatalogueFault> {
    let builtin = Catalogue::builtin().clone();
    let Some(path) = path else {
        return Ok(builtin);
    };
    let text = std::fs::read_to_string(path).map_err(|source| CatalogueFault::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    builtin
        .overlaid(&text)
        .map_err(|source| CatalogueFault::Invalid {
            path: path.to_owned(),
            source,
        })
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn an_operator_s_file_goes_over_what_is_built_in() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let models = r#"{"models":[{"provider":"openai","id":"gpt-4o","context_tokens":64000}]}"#;
        std::fs::write(file.path(), models).unwrap();
        let catalogue = read(Some(file.path())).unwrap();
        assert_eq!(catalogue.context_window("openai", "gpt-4o"), Some(64_000));
        assert_eq!(catalogue.context_window("openai", "gpt-4"), Some(8_192));
    }

    #[test]
    fn a_file_that_is_no_catalogue_is_named_with_its_fault() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), r#"{"models":[{"provider":"x","id":"y"}]}"#).unwrap();
        let fault = read(Some(file.path())).unwrap_err();
        assert!(
            fault
                .to_string()
                .contains(&file.path().display().to_string())
        );
        let cause = fault.source().unwrap().to_string();
        assert!(
            cause.contains("models[0]: context_tokens is missing"),
            "{cause}"
        );
        assert!(read(Some(Path::new("/no/such/file"))).is_err());
    }
}
