//! A model's name that is copied without an allocation, as nearly all are short.

use crate::random::hash;

/// A model's name, owned, and its hash, which each attempt of a request needs.
#[derive(Clone)]
pub(crate) struct ModelName {
    hash: u64,
    text: Text,
}

/// A name without its hash.
#[derive(Clone)]
pub(crate) enum Text {
    Short { len: u8, bytes: [u8; SHORT] },
    Long(Box<str>),
}

impl ModelName {
    pub(crate) fn new(name: &str) -> Self {
        let mut bytes = [0; SHORT];
        let text = match (bytes.get_mut(..name.len()), u8::try_from(name.len())) {
            (Some(slot), Ok(len)) => {
                slot.copy_from_slice(name.as_bytes());
                Text::Short { len, bytes }
            }
            _ => Text::Long(name.into()),
        };
        Self {
            hash: hash(name.as_bytes()),
            text,
        }
    }

    pub(crate) const fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn text(&self) -> Text {
        self.text.clone()
    }

    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    pub(crate) fn as_str(&self) -> &str {
        self.text.as_str()
    }
}

impl Text {
    #[inline]
    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Short { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Self::Long(name) => name.as_bytes(),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Short { .. } => std::str::from_utf8(self.as_bytes()).unwrap_or_default(),
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
