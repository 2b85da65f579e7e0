//! Requests.

mod read;
mod schema;
mod settings;
mod write;
mod write_part;

pub(crate) use read::read_request;
pub(crate) use write::write_request;

/// The generation of a model, told from its name: `gemini-2.5-flash` is 2.5.
fn generation(model: &str) -> Option<(u32, u32)> {
    let version = model.get(model.find("gemini-")? + "gemini-".len()..)?;
    let mut numbers = version.split('-').next()?.split('.');
    let major = numbers.next()?.parse().ok()?;
    let minor = numbers.next().and_then(|minor| minor.parse().ok());
    Some((major, minor.unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::generation;

    #[test]
    fn a_model_s_generation_is_in_its_name() {
        assert_eq!(generation("gemini-2.5-flash"), Some((2, 5)));
        assert_eq!(generation("models/gemini-3-pro-preview"), Some((3, 0)));
        assert_eq!(generation("gemini-pro"), None);
        assert_eq!(generation("gemma-3"), None);
    }
}
