//! How the model is to answer.

use crate::anthropic::Settings;
use crate::bedrock::is_claude;
use crate::exchange::Plan;
use crate::json::{Text, Writer};
use crate::neutral::{Format, Request};

pub(super) fn write_settings(
    request: &Request<'_>,
    settings: &Settings<'_>,
    plan: &mut Plan<'_>,
    out: &mut Writer,
) {
    // Thinking counts into the bound, so that one has to be given with it.
    let max_tokens = (request.max_tokens.is_some() || settings.thinking.is_some())
        .then_some(settings.max_tokens);
    let mut inference = Writer::default();
    if let Some(max_tokens) = max_tokens {
        inference.key("maxTokens").number(max_tokens);
    }
    if let Some(temperature) = settings.temperature {
        inference.key("temperature").verbatim(temperature);
    }
    if let Some(top_p) = settings.top_p {
        inference.key("topP").raw(top_p);
    }
    if settings.stop.iter().any(|stop| !stop.is_blank()) {
        inference.key("stopSequences").array(|out| {
            for stop in settings.stop.iter().filter(|stop| !stop.is_blank()) {
                out.text(stop);
            }
        });
    }
    write_filled("inferenceConfig", inference, out);
    let mut additional = Writer::default();
    if let Some(top_k) = settings.top_k {
        if is_claude(plan.to.model) {
            additional.key("top_k").raw(top_k);
        } else {
            plan.dropped.note("top_k");
        }
    }
    let thinking = settings.thinking;
    if let Some(effort) = thinking.and_then(|thinking| thinking.write(&mut additional)) {
        additional.key("output_config").object(|out| {
            out.key("effort").str(effort);
        });
    }
    write_filled("additionalModelRequestFields", additional, out);
    if let Some(schema) = &settings.format {
        write_format(request, schema, out);
    }
}

/// Writes an object, unless nothing is in it.
fn write_filled(name: &str, fields: Writer, out: &mut Writer) {
    let fields = fields.into_string();
    if !fields.is_empty() {
        out.key(name).object(|out| {
            out.verbatim(&fields);
        });
    }
}

/// Binds the answer's text to a schema, which stands in a string.
fn write_format(request: &Request<'_>, schema: &str, out: &mut Writer) {
    let Some(Format::Schema {
        name, description, ..
    }) = &request.format
    else {
        return;
    };
    let mut bound = Writer::default();
    bound.key("schema").text(&Text::plain(schema));
    let name = name.as_deref().unwrap_or("structured_output");
    bound.key("name").str(name);
    if let Some(description) = description {
        bound.key("description").text(description);
    }
    out.key("outputConfig").object(|out| {
        out.key("textFormat").object(|out| {
            out.key("type").str("json_schema");
            out.key("structure")
                .object(|out| write_filled("jsonSchema", bound, out));
        });
    });
}
