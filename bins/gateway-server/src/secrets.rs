//! Gives the values of secrets that operators keep outside the store.

use ai_gateway_model::{Secret, SecretSource};

/// Reads a secret from where the operator said that it is.
///
/// An environment variable is the process's own; a file is read anew each time, without the line
/// end that editors put there.
///
/// # Errors
///
/// What is wrong, for the operator: it names the variable or the file, never a value.
pub(crate) fn read(source: &SecretSource) -> Result<Secret, String> {
    let text = match source {
        SecretSource::Literal(secret) => return Ok(secret.clone()),
        #[expect(
            clippy::disallowed_methods,
            reason = "this binary is where the environment enters"
        )]
        SecretSource::Env(name) => std::env::var(name)
            .map_err(|_| format!("the environment variable {name} is not set for the gateway"))?,
        SecretSource::File(path) => std::fs::read_to_string(path)
            .map_err(|error| format!("the file {} cannot be read: {error}", path.display()))?,
    };
    let text = text.trim_end_matches(['\n', '\r']);
    if text.is_empty() {
        return Err("the credential is empty".to_owned());
    }
    Ok(Secret::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_without_its_line_end() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "Bearer sk-1\n").unwrap();
        let secret = read(&SecretSource::File(file.path().to_owned())).unwrap();
        assert_eq!(secret.expose(), "Bearer sk-1");
    }

    #[test]
    fn what_is_missing_is_named() {
        let missing = read(&SecretSource::Env("AIGW_TEST_NO_SUCH_VARIABLE".to_owned()));
        assert!(missing.unwrap_err().contains("AIGW_TEST_NO_SUCH_VARIABLE"));
        let missing = read(&SecretSource::File("/no/such/file".into()));
        assert!(missing.unwrap_err().contains("/no/such/file"));
    }
}
