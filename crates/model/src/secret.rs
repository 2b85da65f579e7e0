//! Values that must never be shown.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

/// A credential's value.
///
/// `Debug` and `Display` print `***`; the memory is wiped when the value goes. The text itself
/// leaves only through [`expose`](Self::expose).
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// What stands in for a secret wherever one is shown, and what an operator writes to keep it.
    pub const MASK: &'static str = "***";

    /// Takes `text` into custody.
    pub fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    /// Returns the text, for the one place that must send or seal it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Returns a short digest by which a person recognises the secret: `sha256:ab12cd34`.
    pub fn fingerprint(&self) -> String {
        let digest = Sha256::digest(self.expose().as_bytes());
        let mut text = format!("sha256:{}", hex::encode(digest));
        text.truncate("sha256:".len() + FINGERPRINT_DIGITS);
        text
    }
}

impl PartialEq for Secret {
    /// Compares digests, so that the time taken tells nothing of the texts.
    fn eq(&self, other: &Self) -> bool {
        Sha256::digest(self.expose().as_bytes()) == Sha256::digest(other.expose().as_bytes())
    }
}

impl Eq for Secret {}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::MASK)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::MASK)
    }
}

/// Enough to tell two keys apart, too little to find a key by.
const FINGERPRINT_DIGITS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_prints_shows_the_text() {
        let secret = Secret::new("sk-canary");
        assert_eq!(
            format!("{secret} {secret:?} {:#?}", Some(&secret)),
            "*** *** Some(\n    ***,\n)"
        );
        assert_eq!(secret.expose(), "sk-canary");
    }

    #[test]
    fn a_fingerprint_is_the_start_of_the_sha256() {
        assert_eq!(Secret::new("abc").fingerprint(), "sha256:ba7816bf");
    }

    #[test]
    fn equal_texts_are_equal_secrets() {
        assert_eq!(Secret::new("a"), Secret::new("a"));
        assert_ne!(Secret::new("a"), Secret::new("b"));
    }
}
