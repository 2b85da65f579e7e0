//! Which part of a provider a target is.

use crate::{
    Faults,
    read::{Field, Fields},
    write::Writer,
};

/// Which part of a provider a target is, where the provider has several: all of it goes into URLs
/// and signatures.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Site {
    /// A cloud's region or location, such as `us-east-1` or `global`.
    pub region: Option<String>,
    /// The account's project.
    pub project: Option<String>,
    /// The dated version of the API that is asked for.
    pub api_version: Option<String>,
}

impl Site {
    /// Reads the fields out of a target's own; they mean something beside `provider` only.
    pub(super) fn read(
        fields: &mut Fields<'_>,
        beside_provider: bool,
        faults: &mut Faults,
    ) -> Self {
        let mut part = |name: &'static str, limit: usize, others: &str| {
            let field = fields.get(name)?;
            if !beside_provider {
                faults.push(field.pointer, "must stand beside provider");
                return None;
            }
            read_part(&field, limit, others, faults)
        };
        Self {
            region: part("region", 63, "-"),
            project: part("project", 128, "-_.:"),
            api_version: part("api_version", 32, "-."),
        }
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.put_some("region", self.region.as_deref());
        writer.put_some("project", self.project.as_deref());
        writer.put_some("api_version", self.api_version.as_deref());
    }
}

/// Reads letters, digits and `others`, beginning with a letter or digit.
fn read_part(field: &Field<'_>, limit: usize, others: &str, faults: &mut Faults) -> Option<String> {
    let text = field.text(faults)?;
    let is_good = text.len() <= limit
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || others.contains(c));
    if !is_good {
        let message = format!(
            "must be up to {limit} letters, digits and {others}, beginning with a letter or digit"
        );
        faults.push(&field.pointer, message);
    }
    is_good.then(|| text.to_owned())
}
