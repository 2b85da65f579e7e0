//! The master key and what it is for: sealing secrets, and marking rows so that damage shows.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    digest::{SHA256, digest},
    hkdf::{HKDF_SHA256, KeyType, Salt},
    hmac, rand,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use zeroize::Zeroizing;

use crate::{data_dir, error::KeyError};

/// The keys that a store needs, all derived from one master key.
pub(crate) struct Keyring {
    id: String,
    sealing: RandomizedNonceKey,
    marking: hmac::Key,
}

/// A 32-byte mark that only the holder of the master key can make.
pub(crate) type Mark = [u8; MARK_LEN];

/// The text under `AAD`, the mark or the tag did not match: altered, or sealed under another key.
#[derive(Debug, thiserror::Error)]
#[error("it was altered, or sealed under another key")]
pub(crate) struct NotAuthentic;

/// What to do when there is no key file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum IfMissing {
    /// Make one: the store is new.
    Create,
    /// Say so: there is a store, and its secrets can't be read without the key.
    Refuse,
}

impl Keyring {
    /// Reads the key file at `path`, or makes it.
    pub(crate) fn load(path: &Path, if_missing: IfMissing) -> Result<Self, KeyError> {
        let text = match fs::read_to_string(path) {
            Ok(text) => Zeroizing::new(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => match if_missing {
                IfMissing::Create => return Self::create(path),
                IfMissing::Refuse => return Err(KeyError::Missing { path: path.into() }),
            },
            Err(source) => {
                return Err(KeyError::Unreadable {
                    path: path.into(),
                    source,
                });
            }
        };
        data_dir::keep_private(path);
        let malformed = || KeyError::Malformed { path: path.into() };
        let encoded = text
            .lines()
            .find_map(|line| line.strip_prefix(KEY_FILE_PREFIX))
            .ok_or_else(malformed)?;
        let master = BASE64_STANDARD
            .decode(encoded.trim())
            .map(Zeroizing::new)
            .map_err(|_| malformed())?;
        if master.len() != KEY_LEN {
            return Err(malformed());
        }
        Self::from_master(&master).map_err(|NotAuthentic| malformed())
    }

    fn create(path: &Path) -> Result<Self, KeyError> {
        let mut master = Zeroizing::new([0_u8; KEY_LEN]);
        rand::fill(master.as_mut_slice()).map_err(|_| KeyError::NoRandomness)?;
        let keyring =
            Self::from_master(master.as_slice()).map_err(|NotAuthentic| KeyError::NoRandomness)?;
        let encoded = Zeroizing::new(BASE64_STANDARD.encode(master.as_slice()));
        let text = Zeroizing::new(format!(
            "{KEY_FILE_COMMENT}{KEY_FILE_PREFIX}{}\n",
            encoded.as_str()
        ));
        data_dir::write_whole(path, text.as_bytes()).map_err(|source| KeyError::Unwritable {
            path: PathBuf::from(path),
            source,
        })?;
        Ok(keyring)
    }

    fn from_master(master: &[u8]) -> Result<Self, NotAuthentic> {
        let root = Salt::new(HKDF_SHA256, b"ai-gateway store").extract(master);
        let derive = |purpose: &[u8]| {
            let mut key = Zeroizing::new([0_u8; KEY_LEN]);
            root.expand(&[purpose], KeyLength)
                .and_then(|okm| okm.fill(key.as_mut_slice()))
                .map_err(|_| NotAuthentic)?;
            Ok(key)
        };
        let sealing = derive(b"secrets: aes-256-gcm")?;
        let marking = derive(b"rows: hmac-sha256")?;
        let name = derive(b"key id")?;
        let id = digest(&SHA256, name.as_slice());
        Ok(Self {
            id: hex::encode(id.as_ref().get(..KEY_ID_LEN).unwrap_or_default()),
            sealing: RandomizedNonceKey::new(&AES_256_GCM, sealing.as_slice())
                .map_err(|_| NotAuthentic)?,
            marking: hmac::Key::new(hmac::HMAC_SHA256, marking.as_slice()),
        })
    }

    /// Returns a short name of the key that says nothing about it: 16 hexadecimal digits.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Encrypts `plain` for the place that `context` names: nonce, text and tag in one.
    pub(crate) fn seal(&self, context: &Context<'_>, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut text = plain.to_vec();
        let nonce = self
            .sealing
            .seal_in_place_append_tag(Aad::from(context.bytes(&self.id)), &mut text)
            .map_err(|_| SealError)?;
        let mut sealed = Vec::with_capacity(NONCE_LEN + text.len());
        sealed.extend_from_slice(nonce.as_ref());
        sealed.append(&mut text);
        Ok(sealed)
    }

    /// Decrypts what [`seal`](Self::seal) made for the same context.
    pub(crate) fn open(
        &self,
        context: &Context<'_>,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, NotAuthentic> {
        let (nonce, text) = sealed.split_at_checked(NONCE_LEN).ok_or(NotAuthentic)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| NotAuthentic)?;
        let mut buffer = Zeroizing::new(text.to_vec());
        let plain_len = self
            .sealing
            .open_in_place(nonce, Aad::from(context.bytes(&self.id)), &mut buffer)
            .map_err(|_| NotAuthentic)?
            .len();
        buffer.truncate(plain_len);
        Ok(buffer)
    }

    /// Marks `parts`; where one part ends and the next begins counts.
    pub(crate) fn mark(&self, parts: &[&[u8]]) -> Mark {
        let mut context = hmac::Context::with_key(&self.marking);
        for part in parts {
            context.update(&part.len().to_le_bytes());
            context.update(part);
        }
        let mut mark = [0; MARK_LEN];
        for (to, from) in mark.iter_mut().zip(context.sign().as_ref()) {
            *to = *from;
        }
        mark
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The place that a sealed text belongs to; it opens nowhere else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'a> {
    /// What is sealed: `secret`, `answer`.
    pub(crate) purpose: &'a str,
    /// The object or the request it belongs to.
    pub(crate) owner: &'a str,
    /// Where in the owner.
    pub(crate) slot: &'a str,
}

impl Context<'_> {
    fn bytes(&self, key_id: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        for part in [self.purpose, self.owner, self.slot, key_id] {
            bytes.extend_from_slice(&part.len().to_le_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes
    }
}

/// The cipher refused to encrypt, as when the machine has no randomness to give.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("could not encrypt a secret")]
pub struct SealError;

/// The length of every derived key, for HKDF.
struct KeyLength;

impl KeyType for KeyLength {
    fn len(&self) -> usize {
        KEY_LEN
    }
}

/// Bytes in the master key and in each key derived from it.
const KEY_LEN: usize = 32;
/// Bytes in a [`Mark`].
const MARK_LEN: usize = 32;
/// Bytes of the digest that make the key's id.
const KEY_ID_LEN: usize = 8;
const KEY_FILE_PREFIX: &str = "ai-gateway-master-key-1:";
const KEY_FILE_COMMENT: &str = "\
# The master key of this store: it encrypts the credentials kept in it.
# Keep it secret, and keep a copy apart from the backups of the store: without it, they can't be read.
";

#[cfg(test)]
mod tests {
    use super::*;

    fn keyring() -> Keyring {
        Keyring::from_master(&[7; KEY_LEN]).unwrap()
    }

    const HERE: Context<'static> = Context {
        purpose: "secret",
        owner: "upstream/1",
        slot: "targets/a",
    };

    #[test]
    fn what_is_sealed_opens_in_its_place_only() {
        let keyring = keyring();
        let sealed = keyring.seal(&HERE, b"sk-canary").unwrap();
        assert_eq!(
            keyring.open(&HERE, &sealed).unwrap().as_slice(),
            b"sk-canary"
        );
        assert!(!sealed.windows(6).any(|window| window == b"canary"));
        for elsewhere in [
            Context {
                purpose: "answer",
                ..HERE
            },
            Context {
                owner: "upstream/2",
                ..HERE
            },
            Context {
                slot: "targets/b",
                ..HERE
            },
            // The same bytes, divided in another way.
            Context {
                owner: "upstream/1t",
                slot: "argets/a",
                ..HERE
            },
        ] {
            assert!(keyring.open(&elsewhere, &sealed).is_err(), "{elsewhere:?}");
        }
        let other = Keyring::from_master(&[8; KEY_LEN]).unwrap();
        assert!(other.open(&HERE, &sealed).is_err());
        assert_ne!(other.id(), keyring.id());
    }

    #[test]
    fn no_altered_byte_goes_unnoticed() {
        let keyring = keyring();
        let sealed = keyring.seal(&HERE, b"sk").unwrap();
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert!(keyring.open(&HERE, &altered).is_err(), "byte {at}");
            assert!(keyring.open(&HERE, &sealed[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_mark_depends_on_where_its_parts_end() {
        let keyring = keyring();
        let split = |parts: &[&str]| {
            keyring.mark(&parts.iter().map(|part| part.as_bytes()).collect::<Vec<_>>())
        };
        assert_eq!(split(&["ab", "c"]), split(&["ab", "c"]));
        assert_ne!(split(&["ab", "c"]), split(&["a", "bc"]));
        assert_ne!(split(&["ab"]), split(&["ab", ""]));
    }

    #[test]
    fn the_key_file_is_made_once_private_and_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("master.key");
        let refused = Keyring::load(&path, IfMissing::Refuse).unwrap_err();
        assert!(matches!(refused, KeyError::Missing { .. }));
        let made = Keyring::load(&path, IfMissing::Create).unwrap();
        let read = Keyring::load(&path, IfMissing::Create).unwrap();
        assert_eq!(made.id(), read.id());
        assert_eq!(data_dir::mode(&path), 0o600);
    }

    #[test]
    fn a_key_file_that_is_not_one_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("master.key");
        for text in [
            "",
            "hello\n",
            "ai-gateway-master-key-1:\n",
            "ai-gateway-master-key-1:AAAA\n",
            "ai-gateway-master-key-1:not base64!\n",
        ] {
            fs::write(&path, text).unwrap();
            let error = Keyring::load(&path, IfMissing::Create).unwrap_err();
            assert!(
                matches!(error, KeyError::Malformed { .. }),
                "{text:?}: {error}"
            );
            assert_eq!(
                fs::read_to_string(&path).unwrap(),
                text,
                "it was overwritten"
            );
        }
    }
}
