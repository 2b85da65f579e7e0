//! Where a target's requests go.

mod site;

use std::fmt;

pub use site::Site;

use serde_json::Value;
use url::{Host, Url};

use crate::{
    Faults, Name,
    fault::{did_you_mean, nearest},
    read::{Field, Fields},
    reading::Reading,
    write::Writer,
};

/// Where a target's requests go.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Destination {
    /// A provider from the table of providers.
    Provider {
        /// Its name in the table.
        name: Name,
        /// Another base URL than the provider's own.
        base_url: Option<Url>,
        /// Which part of the provider, where it has several.
        site: Site,
    },
    /// A host that speaks one of the dialects.
    Address {
        /// How it is spoken to.
        protocol: Protocol,
        /// Its name or IP address, in lower case; an IPv6 address without brackets.
        host: String,
        /// Its port, 1 to 65535.
        port: u16,
    },
    /// Any server that speaks one of the dialects, by its base URL.
    BaseUrl(Url),
}

/// How a host is spoken to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Protocol {
    /// In plain text; port 80 unless said otherwise.
    Http,
    /// Over TLS; port 443 unless said otherwise.
    #[default]
    Https,
}

impl Protocol {
    /// Returns the scheme: `http` or `https`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl Destination {
    /// Returns the provider's name, or the host.
    pub fn label(&self) -> &str {
        match self {
            Self::Provider { name, .. } => name,
            Self::Address { host, .. } => host,
            Self::BaseUrl(url) => url.host_str().unwrap_or_default(),
        }
    }

    /// Returns the provider's name, where there is one.
    pub fn provider(&self) -> Option<&str> {
        match self {
            Self::Provider { name, .. } => Some(name),
            Self::Address { .. } | Self::BaseUrl(_) => None,
        }
    }

    /// Returns which part of a provider is meant.
    pub fn site(&self) -> Option<&Site> {
        match self {
            Self::Provider { site, .. } => Some(site),
            Self::Address { .. } | Self::BaseUrl(_) => None,
        }
    }

    /// Returns the base URL as written or as made of protocol, host and port, without a slash at
    /// its end; `None` for a provider at its own.
    pub fn base_url(&self) -> Option<String> {
        match self {
            Self::Provider { base_url, .. } => base_url.as_ref().map(url_text),
            Self::Address {
                protocol,
                host,
                port,
            } => {
                let scheme = protocol.as_str();
                let host = if host.contains(':') {
                    format!("[{host}]")
                } else {
                    host.clone()
                };
                Some(if *port == protocol.default_port() {
                    format!("{scheme}://{host}")
                } else {
                    format!("{scheme}://{host}:{port}")
                })
            }
            Self::BaseUrl(url) => Some(url_text(url)),
        }
    }

    /// Reads the fields that say where a target is, out of the target's own.
    pub(crate) fn read(fields: &mut Fields<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let provider = fields.get("provider");
        let base_url_field = fields.get("base_url");
        let has_base_url = base_url_field.is_some();
        let base_url = base_url_field.and_then(|field| read_base_url(&field, &mut reading.faults));
        let host = fields.get("host");
        let port = fields.get("port");
        let protocol = fields.get("protocol");
        let site = Site::read(fields, provider.is_some(), &mut reading.faults);
        match (provider, host) {
            (Some(provider), host) => {
                if let Some(extra) = host.or(port).or(protocol) {
                    reading.faults.push(
                        extra.pointer,
                        "provider-type target cannot have host/port configuration",
                    );
                }
                let name = read_provider(&provider, reading)?;
                (!has_base_url || base_url.is_some()).then_some(Self::Provider {
                    name,
                    base_url,
                    site,
                })
            }
            (None, Some(host)) => {
                if has_base_url {
                    reading
                        .faults
                        .push(fields.at("base_url"), "must not stand beside host");
                }
                read_address(&host, port.as_ref(), protocol.as_ref(), &mut reading.faults)
            }
            (None, None) => {
                if let Some(extra) = port.or(protocol) {
                    let message = "must not stand without host";
                    reading.faults.push(extra.pointer, message);
                }
                if !has_base_url {
                    reading.faults.push(
                        fields.pointer(),
                        "target must specify either provider or host",
                    );
                }
                base_url.map(Self::BaseUrl)
            }
        }
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        match self {
            Self::Provider {
                name,
                base_url,
                site,
            } => {
                writer.put("provider", &**name);
                writer.put_some("base_url", base_url.as_ref().map(url_text));
                site.write(writer);
            }
            Self::Address {
                protocol,
                host,
                port,
            } => {
                writer.put("host", host.as_str());
                writer.put("port", *port);
                writer.put("protocol", protocol.as_str());
            }
            Self::BaseUrl(url) => writer.put("base_url", url_text(url)),
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.base_url()) {
            (Self::Provider { name, .. }, Some(url)) => write!(f, "{name} at {url}"),
            (_, Some(url)) => f.write_str(&url),
            (_, None) => f.write_str(self.label()),
        }
    }
}

fn url_text(url: &Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}

fn read_provider(field: &Field<'_>, reading: &mut Reading<'_>) -> Option<Name> {
    let text = field.text(&mut reading.faults)?;
    match Name::new(text) {
        Ok(name) if (reading.provider_known)(text) => Some(name),
        Ok(_) | Err(_) => {
            let near = nearest(text, reading.provider_names.iter().copied());
            let suggestion = did_you_mean(near).unwrap_or_else(|| {
                "a server that is not in the table is written as base_url, or host and port"
                    .to_owned()
            });
            let message = format!("unknown provider {text}");
            reading
                .faults
                .push_with(&field.pointer, message, Some(suggestion));
            None
        }
    }
}

fn read_base_url(field: &Field<'_>, faults: &mut Faults) -> Option<Url> {
    let text = field.text(faults)?;
    let url = Url::parse(text).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https") && url.host().is_some() && text.len() <= 2048
    });
    let Some(url) = url else {
        faults.push(
            &field.pointer,
            "must be a URL that begins with http:// or https://",
        );
        return None;
    };
    if !url.username().is_empty() || url.password().is_some() {
        faults.push(
            &field.pointer,
            "must not carry a user or password: use credentials",
        );
        return None;
    }
    if url.query().is_some() || url.fragment().is_some() {
        faults.push(&field.pointer, "must not have a query or a fragment");
        return None;
    }
    Some(url)
}

fn read_address(
    host: &Field<'_>,
    port: Option<&Field<'_>>,
    protocol: Option<&Field<'_>>,
    faults: &mut Faults,
) -> Option<Destination> {
    let protocol = match protocol {
        None => Some(Protocol::default()),
        Some(field) => match field.value {
            Value::String(text) if text == "http" => Some(Protocol::Http),
            Value::String(text) if text == "https" => Some(Protocol::Https),
            _ => {
                faults.push(&field.pointer, "invalid protocol: must be http or https");
                None
            }
        },
    };
    let port = port.map(|field| {
        let number = field
            .value
            .as_u64()
            .and_then(|port| u16::try_from(port).ok());
        number.filter(|port| *port > 0).or_else(|| {
            faults.push(&field.pointer, "invalid port number");
            None
        })
    });
    let text = host.text(faults)?;
    let Some(host_name) = parse_host(text) else {
        faults.push_with(
            &host.pointer,
            "must be a host name or an IP address",
            Some("a URL belongs in base_url".to_owned()).filter(|_| text.contains("://")),
        );
        return None;
    };
    let protocol = protocol?;
    Some(Destination::Address {
        protocol,
        host: host_name,
        port: port.unwrap_or(Some(protocol.default_port()))?,
    })
}

fn parse_host(text: &str) -> Option<String> {
    if let Ok(address) = text.parse::<std::net::Ipv6Addr>() {
        return Some(address.to_string());
    }
    match Host::parse(text).ok()? {
        Host::Domain(name) if !name.is_empty() && name.len() <= 253 => Some(name),
        Host::Domain(_) => None,
        Host::Ipv4(address) => Some(address.to_string()),
        Host::Ipv6(address) => Some(address.to_string()),
    }
}
