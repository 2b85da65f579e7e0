//! A tenant, with its own upstreams, services, rules and keys.

use serde_json::Value;
use url::Host;
use uuid::Uuid;

use crate::{
    Faults, Name,
    read::Field,
    reading::Reading,
    upstream::required_name,
    value::{read_description, read_tags},
    write::Writer,
};

/// A tenant, found by the host name that a request asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Gateway {
    id: Uuid,
    name: Name,
    subdomain: Option<String>,
    hosts: Vec<String>,
    is_default: bool,
    requires_key: bool,
    tags: Vec<String>,
    description: Option<String>,
}

impl Gateway {
    /// Returns its identity.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Returns its name, unique among gateways.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Returns the label under the base domain that it answers to, in lower case: the one written,
    /// else its name where that can be one.
    pub fn subdomain(&self) -> Option<String> {
        self.subdomain
            .clone()
            .or_else(|| Some(self.name.to_ascii_lowercase()).filter(|name| is_label(name)))
    }

    /// Returns the host names it answers to, in lower case.
    pub fn hosts(&self) -> &[String] {
        &self.hosts
    }

    /// Tells whether it takes the requests that no host name or key gives to another.
    pub fn is_default(&self) -> bool {
        self.is_default
    }

    /// Tells whether its rules need a key unless they are public; so it is by default.
    pub fn requires_key(&self) -> bool {
        self.requires_key
    }

    /// Returns its tags.
    pub fn tags(&self) -> &[String] {
        &self.tags
    }

    /// Returns what the operator says of it.
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// Writes the canonical JSON.
    pub(crate) fn write(&self) -> Value {
        let mut writer = Writer::default();
        writer.put("name", &*self.name);
        writer.put_some("subdomain", self.subdomain.as_deref());
        writer.put_list("hosts", &self.hosts);
        writer.put("default", self.is_default);
        writer.put("require_key", self.requires_key);
        writer.put_list("tags", &self.tags);
        writer.put_some("description", self.description.as_deref());
        writer.finish()
    }

    /// Reads the document of the gateway `id`; faults are left in `reading`.
    pub(crate) fn read(id: Uuid, document: &Value, reading: &mut Reading<'_>) -> Option<Self> {
        let document = Field::document(document);
        let mut fields = document.fields(&mut reading.faults)?;
        let name = required_name(&mut fields, reading);
        let faults = &mut reading.faults;
        let subdomain = fields.get("subdomain").and_then(|field| {
            let label = field.text(faults)?.to_ascii_lowercase();
            if !is_label(&label) {
                let message = "must be a DNS label: letters, digits and hyphens, up to 63";
                faults.push(&field.pointer, message);
            }
            is_label(&label).then_some(label)
        });
        let hosts = fields
            .get("hosts")
            .and_then(|field| field.items(MAX_HOSTS, faults, read_host))
            .unwrap_or_default();
        let mut is_on = |name, default| {
            let written = fields.get(name).and_then(|field| field.boolean(faults));
            written.unwrap_or(default)
        };
        let (is_default, requires_key) = (is_on("default", false), is_on("require_key", true));
        let tags = fields
            .get("tags")
            .and_then(|field| read_tags(&field, faults));
        let description = fields
            .get("description")
            .and_then(|field| read_description(&field, faults));
        fields.finish(faults);
        Some(Self {
            id,
            name: name?,
            subdomain,
            hosts,
            is_default,
            requires_key,
            tags: tags.unwrap_or_default(),
            description,
        })
    }
}

fn read_host(item: &Field<'_>, faults: &mut Faults) -> Option<String> {
    let text = item.text(faults)?;
    match Host::parse(text) {
        Ok(host) if text.len() <= 253 && !text.is_empty() => Some(host.to_string()),
        Ok(_) | Err(_) => {
            faults.push(&item.pointer, "must be a host name without a port");
            None
        }
    }
}

fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

const MAX_HOSTS: usize = 100;
