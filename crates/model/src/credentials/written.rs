//! Reads credentials as an operator writes them.

use super::{
    AWS_SECRET, AWS_TOKEN, Credentials, HEADER_VALUE, PARAM_VALUE, ParamLocation, SecretSource,
};
use crate::{
    Destination, Faults, Secret,
    headers::{CONNECTION_HEADERS, is_header_name, is_header_value},
    read::{Field, Fields},
    reading::Reading,
};

/// Credentials as read: a secret may be one that is already kept.
#[derive(Debug)]
pub(crate) enum WrittenCredentials {
    Header {
        name: String,
        value: WrittenSecret,
    },
    Param {
        name: String,
        value: WrittenSecret,
        location: ParamLocation,
    },
    Aws {
        access_key_id: String,
        secret_access_key: WrittenSecret,
        session_token: Option<WrittenSecret>,
    },
}

/// A secret as read.
#[derive(Debug)]
pub(crate) struct WrittenSecret {
    source: WrittenSource,
    /// The field's name, which its slot ends with.
    field: &'static str,
    /// Where the value stands, for faults that show up later.
    pointer: String,
}

#[derive(Debug)]
enum WrittenSource {
    New(SecretSource),
    Kept,
}

impl WrittenCredentials {
    pub(crate) fn read(field: &Field<'_>, faults: &mut Faults) -> Option<Self> {
        let mut fields = field.fields(faults)?;
        fields.ignore(&["fingerprint"]);
        let header = [fields.get("header_name"), fields.get(HEADER_VALUE)];
        let param = [
            fields.get("param_name"),
            fields.get(PARAM_VALUE),
            fields.get("param_location"),
        ];
        let aws = [
            fields.get("aws_access_key_id"),
            fields.get(AWS_SECRET),
            fields.get(AWS_TOKEN),
        ];
        let is_given = |group: &[Option<Field<'_>>]| group.iter().any(Option::is_some);
        let mut alone = |others: [Option<Field<'_>>; 3], what: &str| {
            if let Some(extra) = others.into_iter().flatten().next() {
                faults.push(extra.pointer, format!("must not stand beside {what}"));
            }
        };
        let written = if is_given(&header) {
            alone(param, "a header");
            alone(aws, "a header");
            read_header(&fields, header, faults)
        } else if is_given(&aws) {
            alone(param, "a key of AWS");
            read_aws(&fields, aws, faults)
        } else if is_given(&param) {
            read_param(&fields, param, faults)
        } else {
            faults.push(
                fields.pointer(),
                "must have header_name and header_value, or param_name, param_value and \
                 param_location, or aws_access_key_id and aws_secret_access_key",
            );
            None
        };
        fields.finish(faults);
        written
    }

    /// Returns the secret that was written out, for telling apart targets without names.
    pub(crate) fn literal(&self) -> Option<&Secret> {
        let secret = match self {
            Self::Header { value, .. } | Self::Param { value, .. } => value,
            Self::Aws {
                secret_access_key, ..
            } => secret_access_key,
        };
        match &secret.source {
            WrittenSource::New(SecretSource::Literal(secret)) => Some(secret),
            WrittenSource::New(_) | WrittenSource::Kept => None,
        }
    }

    /// Fetches secrets that are kept under `slot`, for `destination` only.
    pub(crate) fn resolve(
        self,
        slot: &str,
        destination: &Destination,
        reading: &mut Reading<'_>,
    ) -> Option<Credentials> {
        let mut resolve = |secret: WrittenSecret| secret.resolve(slot, destination, reading);
        Some(match self {
            Self::Header { name, value } => Credentials::Header {
                name,
                value: resolve(value)?,
            },
            Self::Param {
                name,
                value,
                location,
            } => Credentials::Param {
                name,
                value: resolve(value)?,
                location,
            },
            Self::Aws {
                access_key_id,
                secret_access_key,
                session_token,
            } => {
                let secret_access_key = resolve(secret_access_key);
                let session_token = match session_token {
                    Some(token) => Some(resolve(token)?),
                    None => None,
                };
                Credentials::Aws {
                    access_key_id,
                    secret_access_key: secret_access_key?,
                    session_token,
                }
            }
        })
    }
}

impl WrittenSecret {
    fn read(
        fields: &Fields<'_>,
        field: Option<Field<'_>>,
        name: &'static str,
        is_sendable: impl Fn(&str) -> bool,
        faults: &mut Faults,
    ) -> Option<Self> {
        let pointer = fields.at(name);
        let source = required_text(field, &pointer, faults)
            .and_then(|field| WrittenSource::read(&field, is_sendable, faults))?;
        Some(Self {
            source,
            field: name,
            pointer,
        })
    }

    fn resolve(
        self,
        slot: &str,
        destination: &Destination,
        reading: &mut Reading<'_>,
    ) -> Option<SecretSource> {
        match self.source {
            WrittenSource::New(value) => Some(value),
            WrittenSource::Kept => {
                let full_slot = format!("{slot}/{}", self.field);
                match reading.kept_secret(slot, &full_slot, destination) {
                    Ok(secret) => Some(SecretSource::Literal(secret)),
                    Err(message) => {
                        reading.faults.push(self.pointer, message);
                        None
                    }
                }
            }
        }
    }
}

fn read_header(
    fields: &Fields<'_>,
    [name, value]: [Option<Field<'_>>; 2],
    faults: &mut Faults,
) -> Option<WrittenCredentials> {
    let name = required_text(name, &fields.at("header_name"), faults).and_then(|field| {
        let text = field.text(faults)?;
        let is_sendable = is_header_name(text)
            && !CONNECTION_HEADERS.contains(&text.to_ascii_lowercase().as_str());
        if !is_sendable {
            faults.push(&field.pointer, "invalid header name");
        }
        is_sendable.then(|| text.to_owned())
    });
    let value = WrittenSecret::read(fields, value, HEADER_VALUE, is_header_value, faults);
    Some(WrittenCredentials::Header {
        name: name?,
        value: value?,
    })
}

fn read_param(
    fields: &Fields<'_>,
    [name, value, location]: [Option<Field<'_>>; 3],
    faults: &mut Faults,
) -> Option<WrittenCredentials> {
    let name = required_text(name, &fields.at("param_name"), faults)
        .and_then(|field| field.text(faults).map(str::to_owned));
    let is_plain = |text: &str| !text.chars().any(char::is_control);
    let value = WrittenSecret::read(fields, value, PARAM_VALUE, is_plain, faults);
    let location =
        required_text(location, &fields.at("param_location"), faults).and_then(|field| match field
            .text(
            faults,
        )? {
            "query" => Some(ParamLocation::Query),
            "body" => Some(ParamLocation::Body),
            _ => {
                faults.push(&field.pointer, "must be query or body");
                None
            }
        });
    Some(WrittenCredentials::Param {
        name: name?,
        value: value?,
        location: location?,
    })
}

fn read_aws(
    fields: &Fields<'_>,
    [id, secret, token]: [Option<Field<'_>>; 3],
    faults: &mut Faults,
) -> Option<WrittenCredentials> {
    let id = required_text(id, &fields.at("aws_access_key_id"), faults).and_then(|field| {
        let text = field.text(faults)?;
        let is_good = text.len() <= 128 && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !is_good {
            faults.push(&field.pointer, "must be up to 128 letters and digits");
        }
        is_good.then(|| text.to_owned())
    });
    let secret = WrittenSecret::read(fields, secret, AWS_SECRET, is_header_value, faults);
    let session_token = match token {
        Some(token) => Some(WrittenSecret::read(
            fields,
            Some(token),
            AWS_TOKEN,
            is_header_value,
            faults,
        )?),
        None => None,
    };
    Some(WrittenCredentials::Aws {
        access_key_id: id?,
        secret_access_key: secret?,
        session_token,
    })
}

/// Reports a field that is absent or an empty text.
fn required_text<'v>(
    field: Option<Field<'v>>,
    pointer: &str,
    faults: &mut Faults,
) -> Option<Field<'v>> {
    let field = field.filter(|field| field.value.as_str() != Some(""));
    if field.is_none() {
        let name = pointer.rsplit('/').next().unwrap_or_default();
        faults.push(pointer, format!("{name} is required"));
    }
    field
}

impl WrittenSource {
    fn read(
        field: &Field<'_>,
        is_sendable: impl Fn(&str) -> bool,
        faults: &mut Faults,
    ) -> Option<Self> {
        let text = field.text(faults)?;
        if text == Secret::MASK {
            return Some(Self::Kept);
        }
        let reference = text
            .strip_prefix("${")
            .and_then(|rest| rest.strip_suffix('}'));
        if let Some(reference) = reference {
            let source = match reference.split_once(':') {
                Some(("env", name)) if is_variable(name) => SecretSource::Env(name.to_owned()),
                Some(("file", path)) if !path.is_empty() => SecretSource::File(path.into()),
                _ => {
                    faults.push(
                        &field.pointer,
                        "must be a value, ${env:NAME} or ${file:PATH}",
                    );
                    return None;
                }
            };
            return Some(Self::New(source));
        }
        if ["${env:", "${file:"]
            .iter()
            .any(|start| text.contains(start))
        {
            faults.push(
                &field.pointer,
                "must be ${env:NAME} or ${file:PATH} and nothing else: what belongs before or \
                 behind it goes into the variable or the file",
            );
            return None;
        }
        if is_sendable(text) && text.len() <= MAX_SECRET_BYTES {
            return Some(Self::New(SecretSource::Literal(Secret::new(text))));
        }
        faults.push(
            &field.pointer,
            "must be up to 8 KiB of characters that can be sent: no line breaks or control \
             characters",
        );
        None
    }
}

fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Room for a signed token; more is a mistake.
const MAX_SECRET_BYTES: usize = 8 * 1024;
