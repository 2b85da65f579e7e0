//! Which requests go to which service.

pub(crate) mod matching;

use std::collections::BTreeMap;

use serde_json::Value;
use uuid::Uuid;

use crate::{
    Faults, HeaderMatch, Kind, Limits, Name, PathMatch,
    headers::is_header_name,
    limits::MAX_ATTEMPTS,
    read::{Field, Fields, join},
    reading::Reading,
    write::Writer,
};

/// Which requests go to which service, and what they may do.
#[derive(Clone, Debug)]
pub struct Rule {
    id: Uuid,
    name: Name,
    path: PathMatch,
    methods: Vec<String>,
    headers: BTreeMap<String, HeaderMatch>,
    service: Uuid,
    retry_attempts: Option<u32>,
    limits: Limits,
    switches: Switches,
}

/// The parts of a rule that are on or off.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Switches {
    path: PathHandling,
    host: HostHandling,
    activity: Activity,
    access: Access,
}

/// What becomes of the part of the path that the rule matched.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PathHandling {
    /// It travels on.
    Keep,
    /// It is cut off.
    Strip,
}

/// Which `Host` the target sees.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HostHandling {
    /// Its own.
    Target,
    /// The client's.
    Client,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Activity {
    Active,
    Inactive,
}

/// Who may use a rule.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Access {
    Key,
    Public,
}

impl Rule {
    /// Returns its identity.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Returns its name, unique in its gateway.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Returns which paths it is for.
    pub fn path(&self) -> &PathMatch {
        &self.path
    }

    /// Returns the methods it is for, in upper case; empty: all.
    pub fn methods(&self) -> &[String] {
        &self.methods
    }

    /// Returns the headers a request must have, by lower-case name.
    pub fn headers(&self) -> &BTreeMap<String, HeaderMatch> {
        &self.headers
    }

    /// Returns the service that takes its requests.
    pub fn service(&self) -> Uuid {
        self.service
    }

    /// Returns what becomes of the part of the path that it matched.
    pub fn path_handling(&self) -> PathHandling {
        self.switches.path
    }

    /// Returns which `Host` the target sees.
    pub fn host_handling(&self) -> HostHandling {
        self.switches.host
    }

    /// Returns how many further attempts follow the first; goes before the service's.
    pub fn retry_attempts(&self) -> Option<u32> {
        self.retry_attempts
    }

    /// Tells whether it takes part at all.
    pub fn is_active(&self) -> bool {
        self.switches.activity == Activity::Active
    }

    /// Tells whether it can be used without a key.
    pub fn is_public(&self) -> bool {
        self.switches.access == Access::Public
    }

    /// Returns how much may be used through it.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Writes the canonical JSON.
    pub(crate) fn write(&self) -> Value {
        let mut writer = Writer::default();
        writer.put("name", &*self.name);
        writer.put("path", self.path.to_text());
        writer.put_list("methods", &self.methods);
        let headers: Vec<_> = self
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_text()))
            .collect();
        let pairs = headers.iter().map(|(name, text)| (*name, text.as_str()));
        writer.put_texts("headers", pairs);
        writer.put("service", self.service.to_string());
        if self.switches.path == PathHandling::Strip {
            writer.put("strip_path", true);
        }
        if self.switches.host == HostHandling::Client {
            writer.put("preserve_host", true);
        }
        writer.put_some("retry_attempts", self.retry_attempts);
        writer.put("active", self.is_active());
        writer.put("public", self.is_public());
        writer.put_some("limits", self.limits.write());
        writer.finish()
    }

    /// Reads the document of the rule `id`; faults are left in `reading`.
    pub(crate) fn read(id: Uuid, document: &Value, reading: &mut Reading<'_>) -> Option<Self> {
        let document = Field::document(document);
        let mut fields = document.fields(&mut reading.faults)?;
        let faults = &mut reading.faults;
        let name = match fields.get("name") {
            Some(field) => Name::read(&field, faults),
            None => Name::new(&default_name(id)).ok(),
        };
        let path = match fields.get("path") {
            Some(field) => PathMatch::read(&field, faults),
            None => {
                faults.push(fields.at("path"), "path is required");
                None
            }
        };
        let methods = fields
            .get("methods")
            .and_then(|field| field.items(32, faults, read_method))
            .unwrap_or_default();
        let headers = fields
            .get("headers")
            .and_then(|field| read_header_matches(&field, faults))
            .unwrap_or_default();
        let retry_attempts = fields
            .get("retry_attempts")
            .and_then(|field| field.whole(0, MAX_ATTEMPTS - 1, faults));
        let limits = fields
            .get("limits")
            .and_then(|field| Limits::read(&field, faults))
            .unwrap_or_default();
        let switches = Switches::read(&mut fields, faults);
        let service = reading.reference(Kind::Service, ["service", "service_id"], &mut fields);
        if service.is_none() {
            reading
                .faults
                .push(fields.at("service"), "service is required");
        }
        fields.finish(&mut reading.faults);
        Some(Self {
            id,
            name: name?,
            path: path?,
            methods: sorted(methods),
            headers,
            service: service??,
            retry_attempts,
            limits,
            switches,
        })
    }
}

impl Switches {
    fn read(fields: &mut Fields<'_>, faults: &mut Faults) -> Self {
        let mut is_on = |name, default| {
            let written = fields.get(name).and_then(|field| field.boolean(faults));
            written.unwrap_or(default)
        };
        Self {
            path: if is_on("strip_path", false) {
                PathHandling::Strip
            } else {
                PathHandling::Keep
            },
            host: if is_on("preserve_host", false) {
                HostHandling::Client
            } else {
                HostHandling::Target
            },
            activity: if is_on("active", true) {
                Activity::Active
            } else {
                Activity::Inactive
            },
            access: if is_on("public", false) {
                Access::Public
            } else {
                Access::Key
            },
        }
    }
}

/// Returns the name of a rule that was written without one.
fn default_name(id: Uuid) -> String {
    let digits = id.simple().to_string();
    format!("rule-{}", digits.get(20..).unwrap_or_default())
}

fn sorted(mut methods: Vec<String>) -> Vec<String> {
    methods.sort_unstable();
    methods.dedup();
    methods
}

/// Reads a method, in upper case.
pub(crate) fn read_method(field: &Field<'_>, faults: &mut Faults) -> Option<String> {
    let text = field.text(faults)?;
    let is_good =
        (1..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    if !is_good {
        faults.push(&field.pointer, "invalid method");
    }
    is_good.then(|| text.to_ascii_uppercase())
}

fn read_header_matches(
    field: &Field<'_>,
    faults: &mut Faults,
) -> Option<BTreeMap<String, HeaderMatch>> {
    let Some(map) = field
        .value
        .as_object()
        .filter(|map| map.len() <= MAX_HEADERS)
    else {
        return field.wrong("an object of up to 32 headers", faults);
    };
    let mut headers = BTreeMap::new();
    for (name, value) in map {
        if !is_header_name(name) {
            faults.push(join(&field.pointer, name), "invalid header name");
        }
        if let Some(value) = HeaderMatch::read(&field.under(name, value), faults) {
            headers.insert(name.to_ascii_lowercase(), value);
        }
    }
    Some(headers)
}

const MAX_HEADERS: usize = 32;
