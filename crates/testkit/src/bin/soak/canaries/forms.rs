//! A secret that is nowhere else, in every form in which it could be told.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

/// A secret, and what it is.
#[derive(Clone, Debug)]
pub(crate) struct Canary {
    pub(crate) what: &'static str,
    forms: Vec<Vec<u8>>,
}

impl Canary {
    pub(crate) fn new(what: &'static str, secret: &[u8]) -> Self {
        let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut forms = vec![
            secret.to_vec(),
            hex.to_uppercase().into_bytes(),
            hex.into_bytes(),
        ];
        for before in 0..3 {
            forms.extend(encoded(secret, before));
        }
        Self { what, forms }
    }

    /// How often it is in `text`, in whatever form.
    pub(crate) fn count(&self, text: &[u8]) -> usize {
        let forms = self.forms.iter();
        forms.map(|form| count(text, form)).sum()
    }
}

/// Base64 of the secret behind so many other bytes, without what depends on its neighbours.
fn encoded(secret: &[u8], before: usize) -> [Vec<u8>; 2] {
    let mut bytes = vec![0; before];
    bytes.extend_from_slice(secret);
    let core = |text: String| {
        let (start, whole) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
        let core = text.as_bytes().get(start..whole).unwrap_or_default();
        core.to_vec()
    };
    [core(STANDARD.encode(&bytes)), core(URL_SAFE.encode(&bytes))]
}

fn count(text: &[u8], form: &[u8]) -> usize {
    let Some((first, rest)) = form.split_first() else {
        return 0;
    };
    let mut found = 0;
    let mut text = text;
    while let Some(place) = text.iter().position(|byte| byte == first) {
        text = text.get(place + 1..).unwrap_or_default();
        found += usize::from(text.starts_with(rest));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_in_every_form() {
        let secret = b"canary-5f0c9ab1d27e4c3388";
        let canary = Canary::new("test", secret);
        assert!(canary.count(b"a log line with canary-5f0c9ab1d27e4c3388 in it") == 1);
        assert!(canary.count(b"canary-5f0c9ab1d27e4c338").eq(&0));
        for before in ["", "u", "us", "user:"] {
            let told = STANDARD.encode([before.as_bytes(), secret, b"!?"].concat());
            assert!(canary.count(told.as_bytes()) > 0, "{before:?}");
        }
        let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(canary.count(hex.as_bytes()) > 0);
    }
}
