//! A model's name that is copied without an allocation, as nearly all are short.

/// A model's name, owned.
#[derive(Clone)]
pub(crate) enum ModelName {
    Short { len: u8, bytes: [u8; SHORT] },
    Long(Box<str>),
}

impl ModelName {
    pub(crate) fn new(name: &str) -> Self {
        let mut bytes = [0; SHORT];
        match (bytes.get_mut(..name.len()), u8::try_from(name.len())) {
            (Some(slot), Ok(len)) => {
                slot.copy_from_slice(name.as_bytes());
                Self::Short { len, bytes }
            }
            _ => Self::Long(name.into()),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Short { len, bytes } => {
                let name = bytes.get(..usize::from(*len)).unwrap_or_default();
                std::str::from_utf8(name).unwrap_or_default()
            }
            Self::Long(name) => name,
        }
    }
}

const SHORT: usize = 46;

#[cfg(not(loom))]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_any_length_come_back_whole() {
        for len in [0, 1, SHORT - 1, SHORT, SHORT + 1, 1000] {
            let name = "m".repeat(len);
            assert_eq!(ModelName::new(&name).as_str(), name);
        }
        assert_eq!(ModelName::new("modèle-é").as_str(), "modèle-é");
    }
}
