//! How the model is to answer, as the model at hand takes it.

use super::generation;
use crate::exchange::Plan;
use crate::json::Writer;
use crate::neutral::{Effort, Format, Reasoning, Request};

/// The most stop sequences Google takes.
const STOP_LIMIT: usize = 5;

/// Fields of OpenAI's that Google has too, and its names for them.
pub(super) const SHARED: [(&str, &str); 3] = [
    ("seed", "seed"),
    ("frequency_penalty", "frequencyPenalty"),
    ("presence_penalty", "presencePenalty"),
];

pub(super) fn write_settings(request: &Request<'_>, plan: &mut Plan<'_>, out: &mut Writer) {
    out.key("generationConfig").object(|out| {
        if let Some(max_tokens) = request.max_tokens {
            out.key("maxOutputTokens").number(max_tokens);
        }
        for (name, value) in [
            ("temperature", request.temperature),
            ("topP", request.top_p),
            ("topK", request.top_k),
        ] {
            if let Some(value) = value {
                out.key(name).raw(value);
            }
        }
        if !request.stop.is_empty() {
            if request.stop.len() > STOP_LIMIT {
                plan.dropped.note("stop");
            }
            out.key("stopSequences").array(|out| {
                for sequence in request.stop.iter().take(STOP_LIMIT) {
                    out.text(sequence);
                }
            });
        }
        if request.logprobs.asked_by.is_some() {
            out.key("responseLogprobs").bool(true);
        }
        if let Some((_, count)) = request.logprobs.top {
            out.key("logprobs").number(count);
        }
        for (name, value) in &request.openai_only {
            match SHARED.iter().find(|(known, _)| known == name) {
                Some((_, name)) => {
                    out.key(name).raw(value);
                }
                None => plan.dropped.note(name),
            }
        }
        write_format(request, out);
        write_thinking(request, plan, out);
    });
}

fn write_format(request: &Request<'_>, out: &mut Writer) {
    let Some(format) = &request.format else {
        return;
    };
    out.key("responseMimeType").str("application/json");
    if let Format::Schema { schema, .. } = format {
        out.key("responseJsonSchema").verbatim(schema);
    }
}

fn write_thinking(request: &Request<'_>, plan: &mut Plan<'_>, out: &mut Writer) {
    let Some(reasoning) = request.reasoning else {
        return;
    };
    let Some(version) = generation(plan.to.model).filter(|version| *version >= (2, 5)) else {
        if reasoning != Reasoning::Off {
            plan.dropped.note("reasoning_effort");
        }
        return;
    };
    let is_leveled = version >= (3, 0);
    let can_rest = !is_leveled && !plan.to.model.contains("pro");
    if reasoning == Reasoning::Off && !can_rest {
        plan.dropped.note("reasoning_effort");
        return;
    }
    out.key("thinkingConfig").object(|out| {
        let effort = match reasoning {
            Reasoning::Off => {
                out.key("thinkingBudget").number(0);
                return;
            }
            Reasoning::BudgetTokens(tokens) if !is_leveled => {
                out.key("thinkingBudget").number(tokens);
                out.key("includeThoughts").bool(true);
                return;
            }
            Reasoning::BudgetTokens(tokens) => Effort::of_budget(tokens),
            Reasoning::Effort(effort) => effort,
        };
        if is_leveled {
            out.key("thinkingLevel")
                .str(effort.min(Effort::High).as_str());
        } else {
            out.key("thinkingBudget").number(effort.budget_tokens());
        }
        out.key("includeThoughts").bool(true);
    });
}
