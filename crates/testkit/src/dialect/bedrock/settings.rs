//! How the model is to answer.

use serde_json::{Value, json};

use super::{Asked, Refusal, Thinking, invalid, is_claude, takes_schemas};
use crate::answer::{Tool, ToolChoice};
use crate::dialect::{check, elements, text_of};

pub(super) fn read(body: &Value, asked: &mut Asked) -> Result<(), Refusal> {
    read_inference(&body["inferenceConfig"], asked)?;
    read_tools(&body["toolConfig"], asked)?;
    read_additional(body, asked)?;
    read_format(&body["outputConfig"], asked)
}

fn only(value: &Value, at: &str, known: &[&str]) -> Result<(), Refusal> {
    match check::unknown_member(value, known) {
        Some(unknown) => Err(invalid(format!(
            "{at}: extraneous key [{unknown}] is not permitted"
        ))),
        None => Ok(()),
    }
}

fn read_inference(config: &Value, asked: &mut Asked) -> Result<(), Refusal> {
    only(
        config,
        "inferenceConfig",
        &["maxTokens", "temperature", "topP", "stopSequences"],
    )?;
    asked.max_tokens = config["maxTokens"].as_u64();
    if asked.max_tokens == Some(0) {
        return Err(invalid("inferenceConfig.maxTokens: must be 1 at least"));
    }
    for name in ["temperature", "topP"] {
        let is_well = |value: f64| (0.0..=1.0).contains(&value);
        if config[name].as_f64().is_some_and(|value| !is_well(value)) {
            return Err(invalid(format!(
                "inferenceConfig.{name}: must be between 0 and 1"
            )));
        }
    }
    let takes_one = is_claude(&asked.model) && asked.model.contains("-4-5");
    if takes_one && !config["temperature"].is_null() && !config["topP"].is_null() {
        return Err(invalid(
            "The model returned the following errors: `temperature` and `top_p` cannot both be \
             specified for this model.",
        ));
    }
    Ok(())
}

fn read_tools(config: &Value, asked: &mut Asked) -> Result<(), Refusal> {
    if config.is_null() {
        return Ok(());
    }
    only(config, "toolConfig", &["tools", "toolChoice"])?;
    for (index, tool) in elements(&config["tools"]).iter().enumerate() {
        let at = format!("toolConfig.tools.{index}");
        if tool["cachePoint"].is_object() {
            continue;
        }
        let spec = &tool["toolSpec"];
        only(spec, &at, &["name", "description", "inputSchema", "strict"])?;
        let schema = &spec["inputSchema"]["json"];
        if !check::is_plain_name(text_of(spec, "name"), 64) {
            return Err(invalid(format!(
                "{at}.toolSpec.name: must satisfy regular expression pattern: [a-zA-Z0-9_-]+"
            )));
        }
        if spec["description"].as_str() == Some("") || text_of(schema, "type") != "object" {
            return Err(invalid(format!(
                "The value at {at}.toolSpec.inputSchema.json.type must be one of the following: object."
            )));
        }
        asked.tools.push(Tool {
            name: text_of(spec, "name").to_owned(),
            schema: schema.clone(),
        });
    }
    if asked.tools.is_empty() {
        return Err(invalid("toolConfig.tools: must have 1 tool at least"));
    }
    let choice = &config["toolChoice"];
    only(choice, "toolConfig.toolChoice", &["auto", "any", "tool"])?;
    asked.tool_choice = match choice.as_object().map(serde_json::Map::len) {
        None => ToolChoice::Auto,
        Some(1) if choice["auto"].is_object() => ToolChoice::Auto,
        Some(1) if choice["any"].is_object() => ToolChoice::Required,
        Some(1)
            if asked
                .tools
                .iter()
                .any(|tool| choice["tool"]["name"] == *tool.name) =>
        {
            ToolChoice::Named(text_of(&choice["tool"], "name").to_owned())
        }
        Some(_) => {
            return Err(invalid(
                "toolConfig.toolChoice: must be one of auto, any, and a tool that there is",
            ));
        }
    };
    Ok(())
}

/// Reads what is not the same for all models: here, what Anthropic's think.
fn read_additional(body: &Value, asked: &mut Asked) -> Result<(), Refusal> {
    let additional = &body["additionalModelRequestFields"];
    let known: &[&str] = if is_claude(&asked.model) {
        &["thinking", "top_k", "output_config", "anthropic_beta"]
    } else {
        &["inferenceConfig", "reasoningConfig"]
    };
    only(additional, "Malformed input request: #", known)?;
    let thinking = &additional["thinking"];
    asked.thinking = match text_of(thinking, "type") {
        "" | "disabled" => return Ok(()),
        "adaptive" => Thinking::Shown,
        "enabled" => {
            let budget = thinking["budget_tokens"].as_u64().unwrap_or(0);
            if budget < 1_024 || asked.max_tokens.is_some_and(|most| most <= budget) {
                return Err(invalid(
                    "The model returned the following errors: `max_tokens` must be greater than \
                     `thinking.budget_tokens`, which is 1024 at least.",
                ));
            }
            Thinking::Shown
        }
        _ => return Err(invalid("thinking.type: not known")),
    };
    let is_cooled = body["inferenceConfig"]["temperature"]
        .as_f64()
        .is_some_and(|value| value < 1.0);
    if is_cooled || !additional["top_k"].is_null() {
        return Err(invalid(
            "The model returned the following errors: `temperature` may only be set to 1 and \
             `top_k` not at all when thinking is enabled.",
        ));
    }
    match asked.tool_choice {
        ToolChoice::Auto | ToolChoice::None => Ok(()),
        ToolChoice::Required | ToolChoice::Named(_) => Err(invalid(
            "The model returned the following errors: Thinking may not be enabled when tool_choice \
             forces tool use.",
        )),
    }
}

/// Reads the form that the answer is to have. Its schema stands in a string.
fn read_format(config: &Value, asked: &mut Asked) -> Result<(), Refusal> {
    if config.is_null() {
        return Ok(());
    }
    only(config, "outputConfig", &["textFormat"])?;
    let form = &config["textFormat"];
    let bound = &form["structure"]["jsonSchema"];
    only(
        bound,
        "outputConfig.textFormat.structure.jsonSchema",
        &["schema", "name", "description"],
    )?;
    if !takes_schemas(&asked.model) {
        return Err(invalid(
            "This model doesn't support the outputConfig.textFormat field.",
        ));
    }
    let schema: Value = serde_json::from_str(text_of(bound, "schema")).unwrap_or(json!(null));
    if text_of(form, "type") != "json_schema" || !schema.is_object() {
        return Err(invalid(
            "outputConfig.textFormat: needs a structure with a schema in a string",
        ));
    }
    if !check::is_closed(&schema) {
        return Err(invalid(
            "The model returned the following errors: output_config.format.schema: For 'object' \
             type, 'additionalProperties' must be explicitly set to false",
        ));
    }
    if let Some(keyword) = check::refused_by_claude(&schema) {
        return Err(invalid(format!(
            "The model returned the following errors: output_config.format.schema: property \
             '{keyword}' is not supported"
        )));
    }
    asked.json_schema = Some(schema);
    Ok(())
}
