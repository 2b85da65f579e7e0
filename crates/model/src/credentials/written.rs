//! Reads credentials as an operator writes them.

use super::{Credentials, HEADER_VALUE, PARAM_VALUE, ParamLocation, SecretSource};
use crate::{
    Destination, Faults, Secret,
    headers::{CONNECTION_HEADERS, is_header_name, is_header_value},
    read::{Field, Fields},
    reading::Reading,
};

/// Credentials as read: the secret may be one that is already kept.
#[derive(Debug)]
pub(crate) struct WrittenCredentials {
    name: String,
    location: Option<ParamLocation>,
    source: WrittenSource,
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
        let header_name = fields.get("header_name");
        let header_value = fields.get(HEADER_VALUE);
        let param_name = fields.get("param_name");
        let param_value = fields.get(PARAM_VALUE);
        let location = fields.get("param_location");
        let written = if header_name.is_some() || header_value.is_some() {
            if let Some(extra) = param_name.or(param_value).or(location) {
                faults.push(extra.pointer, "must not stand beside a header");
            }
            read_header(&fields, header_name, header_value, faults)
        } else if param_name.is_some() || param_value.is_some() {
            read_param(&fields, param_name, param_value, location, faults)
        } else {
            faults.push(
                fields.pointer(),
                "must have header_name and header_value, or param_name, param_value and \
                 param_location",
            );
            None
        };
        fields.finish(faults);
        written
    }

    /// Returns the secret that was written out, for telling apart targets without names.
    pub(crate) fn literal(&self) -> Option<&Secret> {
        match &self.source {
            WrittenSource::New(SecretSource::Literal(secret)) => Some(secret),
            WrittenSource::New(_) | WrittenSource::Kept => None,
        }
    }

    /// Fetches a secret that is kept under `slot`, for `destination` only.
    pub(crate) fn resolve(
        self,
        slot: &str,
        destination: &Destination,
        reading: &mut Reading<'_>,
    ) -> Option<Credentials> {
        let field = if self.location.is_some() {
            PARAM_VALUE
        } else {
            HEADER_VALUE
        };
        let value = match self.source {
            WrittenSource::New(value) => value,
            WrittenSource::Kept => {
                let full_slot = format!("{slot}/{field}");
                match reading.kept_secret(slot, &full_slot, destination) {
                    Ok(secret) => SecretSource::Literal(secret),
                    Err(message) => {
                        reading.faults.push(self.pointer, message);
                        return None;
                    }
                }
            }
        };
        let name = self.name;
        Some(match self.location {
            None => Credentials::Header { name, value },
            Some(location) => Credentials::Param {
                name,
                value,
                location,
            },
        })
    }
}

fn read_header(
    fields: &Fields<'_>,
    name: Option<Field<'_>>,
    value: Option<Field<'_>>,
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
    let pointer = fields.at(HEADER_VALUE);
    let source = required_text(value, &pointer, faults)
        .and_then(|field| WrittenSource::read(&field, is_header_value, faults));
    Some(WrittenCredentials {
        name: name?,
        location: None,
        source: source?,
        pointer,
    })
}

fn read_param(
    fields: &Fields<'_>,
    name: Option<Field<'_>>,
    value: Option<Field<'_>>,
    location: Option<Field<'_>>,
    faults: &mut Faults,
) -> Option<WrittenCredentials> {
    let name = required_text(name, &fields.at("param_name"), faults)
        .and_then(|field| field.text(faults).map(str::to_owned));
    let pointer = fields.at(PARAM_VALUE);
    let source = required_text(value, &pointer, faults).and_then(|field| {
        WrittenSource::read(&field, |text| !text.chars().any(char::is_control), faults)
    });
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
    Some(WrittenCredentials {
        name: name?,
        location: Some(location?),
        source: source?,
        pointer,
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
