//! The providers that are known by name: data, not code.

mod providers;

use crate::continuation::Prefills;
use crate::dialect::Dialect;

/// A provider: where it is, what it speaks, how it wants to be asked.
#[derive(Debug)]
#[non_exhaustive]
pub struct Provider {
    /// The name that configurations use.
    pub name: &'static str,
    /// The wire format of its conversations.
    pub dialect: Dialect,
    /// Where its API begins; its paths are joined to it by [`join_url_path`]. Empty where every
    /// customer has a host of their own: a target must then give its base URL. `{region}` and
    /// `{project}` stand for parts that the target names: see [`base_url_at`](Self::base_url_at).
    pub base_url: &'static str,
    /// Where conversations are sent when a target names no path of its own.
    pub chat_path: &'static str,
    /// A call that proves it reachable and its credentials good, and costs no tokens.
    pub probe: Probe,
    /// Where its credential goes.
    pub auth: Auth,
    /// Headers every request must carry, unless the target sets them itself.
    pub required_headers: &'static [(&'static str, &'static str)],
    /// Where it differs from its dialect.
    pub quirks: Quirks,
    /// The providers whose models it sells under the names their makers give them.
    pub sells: &'static [&'static str],
    /// The service for which requests are signed where the credential is a key of AWS.
    pub signed_as: Option<&'static str>,
}

/// A target does not say which part of its provider it is.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a target of {provider} needs a {part}")]
pub struct MissingPart {
    /// The provider's name.
    pub provider: &'static str,
    /// The field that is missing: `region` or `project`.
    pub part: &'static str,
}

impl Provider {
    /// Returns where its API begins for a region and a project. The location `global` of Google's
    /// has no host of its own.
    ///
    /// # Errors
    ///
    /// [`MissingPart`] when it depends on one that is not given.
    pub fn base_url_at(
        &self,
        region: Option<&str>,
        project: Option<&str>,
    ) -> Result<String, MissingPart> {
        let mut url = self.base_url.to_owned();
        for (part, mark, value) in [
            ("region", "{region}", region),
            ("project", "{project}", project),
        ] {
            if !url.contains(mark) {
                continue;
            }
            let value = value.ok_or(MissingPart {
                provider: self.name,
                part,
            })?;
            if value == "global" {
                url = url.replace("//{region}-", "//");
            }
            url = url.replace(mark, value);
        }
        Ok(url)
    }

    /// Names the parts that [`base_url_at`](Self::base_url_at) needs.
    pub fn parts(&self) -> impl Iterator<Item = &'static str> {
        [("region", "{region}"), ("project", "{project}")]
            .into_iter()
            .filter(|(_, mark)| self.base_url.contains(mark))
            .map(|(part, _)| part)
    }
}

/// A call that costs no tokens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Probe {
    /// The HTTP method.
    pub method: &'static str,
    /// The path, joined to the base URL by [`join_url_path`].
    pub path: &'static str,
    /// The status of the answer that proves it.
    pub status: u16,
}

/// Where a credential goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Auth {
    /// The header's name, in lower case.
    pub header: &'static str,
    /// What stands before the credential.
    pub scheme: AuthScheme,
}

/// What stands before a credential in its header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AuthScheme {
    /// `Bearer ` and the credential.
    Bearer,
    /// The credential alone.
    Plain,
    /// The provider asks for no credential by itself; one that is configured is sent as `Bearer`.
    Optional,
}

/// Where a provider differs from the dialect it speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Quirks {
    /// How it names the bound on output tokens.
    pub max_tokens: MaxTokensField,
    /// What it makes of the `developer` role.
    pub developer_role: DeveloperRole,
    /// Whether it takes several text parts in one message.
    pub text_parts: TextParts,
    /// Which identifiers of tool calls it takes.
    pub tool_ids: ToolIds,
    /// Whether usage at the end of a stream has to be asked for.
    pub stream_usage: StreamUsage,
    /// Whether it serves the Responses API too.
    pub responses: ResponsesApi,
    /// Whether `reasoning_content` of earlier turns has to be sent back.
    pub takes_reasoning_back: bool,
    /// Fields it refuses, which are left out of a request.
    pub refused: &'static [&'static str],
    /// Fields it has under another name.
    pub renamed: &'static [(&'static str, &'static str)],
    /// Whether Gemini's calls of functions, and their results, may have identifiers.
    pub call_ids: CallIds,
    /// How it spells a tool choice of "some tool, whichever".
    pub any_tool: &'static str,
    /// The version of Anthropic's dialect, where it stands in the body, and the model in the path.
    pub version_in_body: Option<&'static str>,
    /// Which models go on with the beginning of an answer.
    pub prefills: Prefills,
}

/// How a provider names the bound on output tokens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MaxTokensField {
    /// `max_completion_tokens`; `max_tokens` is still taken where the model does not reason.
    MaxCompletionTokens,
    /// Only `max_tokens`.
    MaxTokens,
}

/// What a provider makes of the `developer` role.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DeveloperRole {
    /// Takes it.
    Kept,
    /// Knows only `system`.
    AsSystem,
}

/// Whether a provider takes several text parts in one message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TextParts {
    /// Takes them.
    Kept,
    /// Wants one string where there is only text.
    Joined,
}

/// Which identifiers of tool calls a provider takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ToolIds {
    /// Whatever it is given.
    Any,
    /// Letters, digits, `_` and `-`.
    Plain,
    /// Exactly nine letters and digits.
    NineAlphanumeric,
}

/// Whether Gemini's calls of functions, and their results, may have identifiers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CallIds {
    /// They may.
    Taken,
    /// Calls are told apart by their order alone.
    Refused,
}

/// Whether usage at the end of a stream has to be asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StreamUsage {
    /// By `stream_options.include_usage`.
    Asked,
    /// It always comes, and the field that asks for it may be refused.
    Always,
}

/// Whether a provider that speaks chat completions serves the Responses API too.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ResponsesApi {
    /// At `/v1/responses`.
    Served,
    /// Not; responses are made of chat completions.
    Missing,
}

impl Quirks {
    /// Whatever its dialect allows, the provider takes.
    pub const NONE: Self = Self {
        max_tokens: MaxTokensField::MaxCompletionTokens,
        developer_role: DeveloperRole::Kept,
        text_parts: TextParts::Kept,
        tool_ids: ToolIds::Any,
        stream_usage: StreamUsage::Asked,
        responses: ResponsesApi::Missing,
        takes_reasoning_back: false,
        refused: &[],
        renamed: &[],
        call_ids: CallIds::Taken,
        any_tool: "required",
        version_in_body: None,
        prefills: Prefills::Unknown,
    };

    /// What servers that speak OpenAI's dialect have in common: the dialect as it was before
    /// reasoning models.
    pub const COMPATIBLE: Self = Self {
        max_tokens: MaxTokensField::MaxTokens,
        developer_role: DeveloperRole::AsSystem,
        text_parts: TextParts::Joined,
        ..Self::NONE
    };
}

impl Default for Quirks {
    fn default() -> Self {
        Self::NONE
    }
}

/// Finds a provider by the name configurations use.
pub fn provider(name: &str) -> Option<&'static Provider> {
    providers::ALL.iter().find(|provider| provider.name == name)
}

/// Goes over the names of all known providers.
pub fn provider_names() -> impl Iterator<Item = &'static str> {
    providers::ALL.iter().map(|provider| provider.name)
}

/// Joins a path to a base URL or base path.
///
/// Segments that end the base and begin the path are taken once, so that `/v1` may be written on
/// either side or on both: `https://host/openai/v1` and `/v1/models` give
/// `https://host/openai/v1/models`.
pub fn join_url_path(base: &str, path: &str) -> String {
    let base = base.trim_end_matches('/');
    let path = path.trim_start_matches('/');
    let root = base.find("://").map_or(0, |scheme| {
        base.get(scheme + 3..)
            .and_then(|rest| rest.find('/'))
            .map_or(base.len(), |at| scheme + 3 + at)
    });
    let own = base.get(root..).unwrap_or_default().trim_start_matches('/');
    let overlap = path
        .match_indices(['/', '?'])
        .map(|(at, _)| at)
        .chain([path.len()])
        .filter_map(|at| path.get(..at))
        .filter(|begin| {
            own.strip_suffix(begin)
                .is_some_and(|rest| !begin.is_empty() && (rest.is_empty() || rest.ends_with('/')))
        })
        .map(str::len)
        .max()
        .unwrap_or(0);
    let rest = path.get(overlap..).unwrap_or_default();
    if rest.is_empty() || rest.starts_with(['/', '?']) {
        format!("{base}{rest}")
    } else {
        format!("{base}/{rest}")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{join_url_path, provider, provider_names};
    use crate::dialect::{Dialect, dialect_of_path};

    #[test]
    fn segments_on_both_sides_of_a_join_are_taken_once() {
        let check = |base, path, joined: &str| assert_eq!(join_url_path(base, path), joined);
        check("https://h", "/v1/messages", "https://h/v1/messages");
        check("https://h/", "v1/messages", "https://h/v1/messages");
        check("https://h/v1", "/v1/messages", "https://h/v1/messages");
        check("https://h/v1/", "/messages", "https://h/v1/messages");
        check(
            "https://h/openai/v1",
            "/v1/models",
            "https://h/openai/v1/models",
        );
        check(
            "https://h/openai/v1",
            "/openai/v1/models",
            "https://h/openai/v1/models",
        );
        check("http://v1", "/v1/models", "http://v1/v1/models");
        check("http://h/v1", "/v1beta/models", "http://h/v1/v1beta/models");
        check("http://h/api1", "/1/models", "http://h/api1/1/models");
        check("http://h/v1", "/v1?x=1", "http://h/v1?x=1");
        check("/base", "", "/base");
        check("", "/v1/models", "/v1/models");
    }

    #[test]
    fn provider_names_are_unique_and_found() {
        let names: Vec<_> = provider_names().collect();
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len());
        for name in names {
            assert_eq!(provider(name).unwrap().name, name);
        }
        assert!(provider("nobody").is_none());
    }

    #[test]
    fn a_provider_s_path_tells_its_dialect_where_paths_do() {
        for provider in provider_names().filter_map(provider) {
            if let Some(dialect) = dialect_of_path(provider.chat_path) {
                assert_eq!(dialect, provider.dialect, "{}", provider.name);
            }
        }
        assert_eq!(
            provider("anthropic").unwrap().dialect,
            Dialect::AnthropicMessages
        );
    }
}
