//! What a model of Anthropic's takes, told from its name.

/// What a model takes. A name that is not Claude's is taken to be of a server that speaks the
/// dialect as it was when thinking came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Abilities {
    pub(super) thinking: Thinking,
    pub(super) sampling: Sampling,
    /// Whether the answer's text can be bound to a schema.
    pub(super) structured_output: bool,
    /// Whether it goes on with a last message of the assistant's.
    pub(crate) prefill: bool,
}

/// How a model is told to think.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Thinking {
    None,
    /// By a budget of tokens.
    Budget,
    /// By an effort, with `xhigh` among them or not.
    Adaptive {
        xhigh: bool,
    },
}

/// Which of `temperature`, `top_p` and `top_k` a model takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Sampling {
    Refused,
    /// Not `temperature` and `top_p` together.
    OneOf,
    Taken,
}

impl Abilities {
    /// Those of a model of another maker, on a platform that has Anthropic's beside it.
    pub(crate) const PLAIN: Self = Self {
        thinking: Thinking::None,
        sampling: Sampling::Taken,
        structured_output: false,
        prefill: false,
    };

    pub(crate) fn of(model: &str) -> Self {
        let Some((family, version)) = family_and_version(model) else {
            return Self {
                thinking: Thinking::Budget,
                sampling: Sampling::Taken,
                structured_output: false,
                prefill: false,
            };
        };
        let is_opus = family == "opus";
        Self {
            thinking: match version {
                (..3, _) | (3, ..7) => Thinking::None,
                (4, 6) => Thinking::Adaptive { xhigh: false },
                (4, 7..) | (5.., _) => Thinking::Adaptive { xhigh: true },
                _ => Thinking::Budget,
            },
            sampling: match version {
                (..4, _) | (4, 0) => Sampling::Taken,
                (4, ..7) => Sampling::OneOf,
                _ => Sampling::Refused,
            },
            structured_output: version >= (4, 5) || (is_opus && version >= (4, 1)),
            prefill: version < (4, 6),
        }
    }
}

type Version = (u32, u32);

/// Reads `claude-opus-4-5-20251101`, `claude-3-7-sonnet-latest`, with whatever stands before.
fn family_and_version(model: &str) -> Option<(&str, Version)> {
    let name = model.get(model.find("claude-")? + "claude-".len()..)?;
    let mut family = None;
    let mut numbers = [None; 2];
    for part in name.split(['-', '@', '.', ':']) {
        match part.parse::<u32>() {
            // A date, not a version.
            Ok(number) if number > 99 => break,
            Ok(number) => {
                if let Some(slot) = numbers.iter_mut().find(|slot| slot.is_none()) {
                    *slot = Some(number);
                }
            }
            Err(_) if family.is_none() => family = Some(part),
            Err(_) => break,
        }
    }
    let [Some(major), minor] = numbers else {
        return None;
    };
    Some((family.unwrap_or_default(), (major, minor.unwrap_or(0))))
}

#[cfg(test)]
mod tests {
    use super::{Abilities, Sampling, Thinking, family_and_version};

    #[test]
    fn family_and_version_are_read_from_every_spelling() {
        let check = |model, family, version| {
            assert_eq!(
                family_and_version(model),
                Some((family, version)),
                "{model}"
            );
        };
        check("claude-3-haiku-20240307", "haiku", (3, 0));
        check("claude-3-5-sonnet-20241022", "sonnet", (3, 5));
        check("claude-3-7-sonnet-latest", "sonnet", (3, 7));
        check("claude-sonnet-4-20250514", "sonnet", (4, 0));
        check("claude-opus-4-1-20250805", "opus", (4, 1));
        check("claude-haiku-4-5", "haiku", (4, 5));
        check("claude-sonnet-4.5", "sonnet", (4, 5));
        check("us.anthropic.claude-opus-4-6-v1:0", "opus", (4, 6));
        check("claude-sonnet-4-5@20250929", "sonnet", (4, 5));
        assert_eq!(family_and_version("glm-4.6"), None);
        assert_eq!(family_and_version("claude-instant"), None);
    }

    #[test]
    fn a_model_is_told_to_think_its_own_way() {
        let thinking = |model| Abilities::of(model).thinking;
        assert_eq!(thinking("claude-3-5-haiku-20241022"), Thinking::None);
        assert_eq!(thinking("claude-3-7-sonnet-20250219"), Thinking::Budget);
        assert_eq!(thinking("claude-sonnet-4-5"), Thinking::Budget);
        assert_eq!(
            thinking("claude-sonnet-4-6"),
            Thinking::Adaptive { xhigh: false }
        );
        assert_eq!(
            thinking("claude-opus-4-7"),
            Thinking::Adaptive { xhigh: true }
        );
        assert_eq!(
            thinking("claude-opus-5"),
            Thinking::Adaptive { xhigh: true }
        );
        assert_eq!(thinking("kimi-k2"), Thinking::Budget);
    }

    #[test]
    fn newer_models_take_less_sampling_and_more_structure() {
        let old = Abilities::of("claude-3-5-sonnet-20241022");
        assert_eq!(
            (old.sampling, old.structured_output),
            (Sampling::Taken, false)
        );
        let middle = Abilities::of("claude-sonnet-4-5");
        assert_eq!(
            (middle.sampling, middle.structured_output),
            (Sampling::OneOf, true)
        );
        assert_eq!(Abilities::of("claude-opus-4-7").sampling, Sampling::Refused);
    }

    #[test]
    fn only_older_models_go_on_with_the_beginning_of_an_answer() {
        let prefill = |model| Abilities::of(model).prefill;
        assert!(prefill("claude-3-5-haiku-20241022"));
        assert!(prefill("us.anthropic.claude-sonnet-4-5-20250929-v1:0"));
        assert!(!prefill("claude-opus-4-6") && !prefill("claude-sonnet-4-6"));
        assert!(!prefill("claude-opus-5") && !prefill("nova-pro"));
    }
}
