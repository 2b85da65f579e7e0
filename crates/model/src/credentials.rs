//! How a target is shown who calls.

pub(crate) mod written;

use std::{collections::BTreeMap, path::PathBuf};

use crate::{Secret, write::Writer};

/// How a target is shown who calls.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Credentials {
    /// A header.
    Header {
        /// Its name, as written.
        name: String,
        /// Where its whole value comes from.
        value: SecretSource,
    },
    /// A parameter.
    Param {
        /// Its name.
        name: String,
        /// Where its value comes from.
        value: SecretSource,
        /// Where it goes.
        location: ParamLocation,
    },
    /// A key of AWS, by which each request is signed (Signature Version 4).
    Aws {
        /// The key's name, which is no secret.
        access_key_id: String,
        /// Where the key itself comes from.
        secret_access_key: SecretSource,
        /// Where the token of a key that was lent for a while comes from.
        session_token: Option<SecretSource>,
    },
}

/// Where a credential's parameter goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ParamLocation {
    /// Into the query of the URL.
    Query,
    /// Into the body, as a field of its object.
    Body,
}

impl ParamLocation {
    /// Returns the location's name: `query` or `body`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Body => "body",
        }
    }
}

/// Where a secret comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SecretSource {
    /// It was written itself, and the store keeps it.
    Literal(Secret),
    /// An environment variable of the gateway, written `${env:NAME}`.
    Env(String),
    /// A file that the gateway can read, written `${file:PATH}`.
    File(PathBuf),
}

impl Credentials {
    /// Returns where the value comes from: what the credential is known by.
    pub fn value(&self) -> &SecretSource {
        match self {
            Self::Header { value, .. } | Self::Param { value, .. } => value,
            Self::Aws {
                secret_access_key, ..
            } => secret_access_key,
        }
    }

    /// Writes the object, with the secret put aside under `slot`.
    pub(crate) fn write(&self, slot: &str, secrets: &mut BTreeMap<String, Secret>) -> Writer {
        let mut writer = Writer::default();
        match self {
            Self::Header { name, value } => {
                writer.put("header_name", name.as_str());
                value.write(&mut writer, HEADER_VALUE, slot, secrets);
            }
            Self::Param {
                name,
                value,
                location,
            } => {
                writer.put("param_name", name.as_str());
                value.write(&mut writer, PARAM_VALUE, slot, secrets);
                writer.put("param_location", location.as_str());
            }
            Self::Aws {
                access_key_id,
                secret_access_key,
                session_token,
            } => {
                writer.put("aws_access_key_id", access_key_id.as_str());
                secret_access_key.write(&mut writer, AWS_SECRET, slot, secrets);
                if let Some(token) = session_token {
                    token.write(&mut writer, AWS_TOKEN, slot, secrets);
                }
            }
        }
        writer
    }
}

impl SecretSource {
    fn write(
        &self,
        writer: &mut Writer,
        field: &str,
        slot: &str,
        secrets: &mut BTreeMap<String, Secret>,
    ) {
        match self {
            Self::Literal(secret) => {
                secrets.insert(format!("{slot}/{field}"), secret.clone());
                writer.put(field, Secret::MASK);
            }
            Self::Env(name) => writer.put(field, format!("${{env:{name}}}")),
            Self::File(path) => writer.put(field, format!("${{file:{}}}", path.display())),
        }
    }
}

const HEADER_VALUE: &str = "header_value";
const PARAM_VALUE: &str = "param_value";
const AWS_SECRET: &str = "aws_secret_access_key";
const AWS_TOKEN: &str = "aws_session_token";
