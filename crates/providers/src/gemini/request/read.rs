//! From Google's dialect.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};

use serde_json::value::RawValue;

use super::schema::json_schema;
use super::settings::SHARED;
use crate::exchange::EncodeError;
use crate::gemini::camel;
use crate::json::{Object, Sort, Text};
use crate::neutral::block::{is_base64, standard_base64};
use crate::neutral::{
    Block, Content, Effort, Format, Input, Place, Reasoning, Request, Role, Source, Tool,
    ToolChoice, Turn, expect,
};

/// Reads the body of a generateContent call.
pub(crate) fn read_request(body: &str) -> Result<Request<'_>, EncodeError> {
    let fields: Object<'_> = serde_json::from_str(body)
        .map_err(|_| EncodeError::new("body", "must be a JSON object"))?;
    let mut request = Request::default();
    let mut contents = None;
    for (name, raw) in fields {
        if Sort::of(raw) == Sort::Null {
            continue;
        }
        match camel(&name).as_ref() {
            "contents" => contents = Some(raw),
            "systemInstruction" => {
                let content = expect::object(raw, &name)?;
                let mut blocks = Vec::new();
                let mut ids = Ids::default();
                read_parts(&content, Place::System, &mut ids, &mut blocks)?;
                request.turns.push(Turn {
                    role: Role::System,
                    blocks,
                });
            }
            "tools" => read_tools(raw, &mut request)?,
            "toolConfig" => request.tool_choice = read_choice(raw)?,
            "generationConfig" => read_config(raw, &mut request)?,
            "model" => {}
            _ => request.unknown.push(name.into_owned()),
        }
    }
    let Some(contents) = contents else {
        return Err(EncodeError::new("contents", "is required"));
    };
    let mut ids = Ids::default();
    let contents = expect::objects(contents, "contents", |at| format!("contents[{at}]"))?;
    for (index, content) in contents.iter().enumerate() {
        let role = match content.string("role").as_deref() {
            None | Some("user" | "function" | "") => Role::User,
            Some("model") => Role::Assistant,
            Some(role) => {
                return Err(EncodeError::new(
                    format_args!("contents[{index}].role"),
                    format!("must be user or model, and is \"{role}\""),
                ));
            }
        };
        let mut blocks = Vec::with_capacity(1);
        read_parts(content, Place::Content(index), &mut ids, &mut blocks)?;
        request.turns.push(Turn { role, blocks });
    }
    Ok(request)
}

/// The identifiers of calls, which the dialect may leave out: made from the order of the calls,
/// and found again by name for their results.
#[derive(Default)]
struct Ids {
    count: usize,
    open: HashMap<String, VecDeque<String>>,
}

impl Ids {
    fn begin(&mut self, name: &str) -> String {
        let id = format!("call_{}", self.count);
        self.count += 1;
        self.open
            .entry(name.to_owned())
            .or_default()
            .push_back(id.clone());
        id
    }

    fn end(&mut self, name: &str) -> Option<String> {
        self.open.get_mut(name)?.pop_front()
    }
}

fn read_parts<'a>(
    content: &Object<'a>,
    place: Place,
    ids: &mut Ids,
    blocks: &mut Vec<Block<'a>>,
) -> Result<(), EncodeError> {
    let Some(parts) = content.get("parts") else {
        return Err(EncodeError::new(
            format_args!("{place}.parts"),
            "is required",
        ));
    };
    for part in expect::objects(parts, format_args!("{place}.parts"), |_| place)? {
        blocks.push(Block::new(place, read_part(place, &part, ids)?));
    }
    Ok(())
}

fn either<'a>(object: &Object<'a>, camel: &str, snake: &str) -> Option<&'a RawValue> {
    object.get(camel).or_else(|| object.get(snake))
}

fn read_part<'a>(
    place: Place,
    part: &Object<'a>,
    ids: &mut Ids,
) -> Result<Content<'a>, EncodeError> {
    if let Some(text) = part.text("text") {
        if part.bool("thought") == Some(true) {
            let signature = None;
            return Ok(Content::Thinking { text, signature });
        }
        return Ok(Content::Text(text));
    }
    if let Some(data) = either(part, "inlineData", "inline_data") {
        return read_data(place, data);
    }
    if let Some(file) = either(part, "fileData", "file_data").and_then(Object::of) {
        let uri = either(&file, "fileUri", "file_uri").and_then(Text::of);
        return match uri {
            Some(uri) => Ok(Content::Image(Source::Url(uri))),
            None => Err(EncodeError::new(
                format_args!("{place}.fileData.fileUri"),
                "is required",
            )),
        };
    }
    if let Some(call) = either(part, "functionCall", "function_call").and_then(Object::of) {
        let name = expect::required_string(&call, "name", format_args!("{place}.functionCall"))?;
        let id = call
            .string("id")
            .unwrap_or_else(|| Cow::Owned(ids.begin(&name)));
        let input = match call.get("args") {
            Some(raw) => Input::Object(raw),
            None => Input::Quoted(Text::plain("{}")),
        };
        return Ok(Content::ToolCall { id, name, input });
    }
    if let Some(result) = either(part, "functionResponse", "function_response").and_then(Object::of)
    {
        return read_result(place, &result, ids);
    }
    let kind = part.iter().next().map_or("empty", |(name, _)| name);
    Ok(Content::Unknown {
        kind: Cow::Owned(kind.to_owned()),
    })
}

fn read_data(place: Place, raw: &RawValue) -> Result<Content<'_>, EncodeError> {
    let at = format!("{place}.inlineData");
    let blob = expect::object(raw, &at)?;
    let media_type = either(&blob, "mimeType", "mime_type")
        .and_then(Text::of)
        .map(Text::into_decoded)
        .ok_or_else(|| EncodeError::new(format_args!("{at}.mimeType"), "is required"))?;
    let data = expect::required_string(&blob, "data", &at)?;
    if !is_base64(&data) {
        return Err(EncodeError::new(
            format_args!("{at}.data"),
            "must be base64",
        ));
    }
    if let Some(format) = media_type.strip_prefix("audio/") {
        let format = Cow::Owned(format.to_owned());
        let data = standard_base64(data);
        return Ok(Content::Audio { format, data });
    }
    let is_image = media_type.starts_with("image/");
    let source = Source::base64(media_type, data);
    if is_image {
        return Ok(Content::Image(source));
    }
    Ok(Content::Document { source, name: None })
}

fn read_result<'a>(
    place: Place,
    result: &Object<'a>,
    ids: &mut Ids,
) -> Result<Content<'a>, EncodeError> {
    let at = format!("{place}.functionResponse");
    let name = expect::required_string(result, "name", &at)?;
    let id = match result.string("id") {
        Some(id) => id,
        None => ids.end(&name).map(Cow::Owned).ok_or_else(|| {
            EncodeError::new(
                &at,
                "is the result of a call that is not in the conversation",
            )
        })?,
    };
    let response = result.get("response");
    let fields = response.and_then(Object::of).unwrap_or_default();
    let text = ["output", "error", "content"]
        .iter()
        .find_map(|name| fields.text(name))
        .or_else(|| response.map(|raw| Text::plain(raw.get())))
        .unwrap_or_else(|| Text::plain(""));
    Ok(Content::ToolResult {
        id,
        content: vec![Block::new(place, Content::Text(text))],
        is_error: fields.get("error").is_some(),
    })
}

fn read_tools<'a>(raw: &'a RawValue, request: &mut Request<'a>) -> Result<(), EncodeError> {
    let tools = expect::objects(raw, "tools", |at| format!("tools[{at}]"))?;
    for (index, tool) in tools.iter().enumerate() {
        let at = format!("tools[{index}]");
        let Some(declared) = either(tool, "functionDeclarations", "function_declarations") else {
            let kind = tool.iter().next().map_or("nothing", |(name, _)| name);
            return Err(EncodeError::new(
                &at,
                format!("the model that serves this has no tool \"{kind}\""),
            ));
        };
        let at = format!("{at}.functionDeclarations");
        for function in expect::objects(declared, &at, |_| at.clone())? {
            request.tools.push(Tool {
                name: expect::required_string(&function, "name", &at)?,
                description: function.text("description"),
                schema: match either(&function, "parametersJsonSchema", "parameters_json_schema") {
                    Some(schema) => Some(schema.get().into()),
                    None => function.get("parameters").map(json_schema),
                },
                strict: None,
                cache: None,
            });
        }
    }
    Ok(())
}

fn read_choice(raw: &RawValue) -> Result<Option<ToolChoice<'_>>, EncodeError> {
    let config = expect::object(raw, "toolConfig")?;
    let calling = either(&config, "functionCallingConfig", "function_calling_config");
    let Some(calling) = calling.and_then(Object::of) else {
        return Ok(None);
    };
    let mode = calling.string("mode").unwrap_or_default();
    let names = either(&calling, "allowedFunctionNames", "allowed_function_names");
    let names = names.and_then(crate::json::items).unwrap_or_default();
    match (mode.as_ref(), names.as_slice()) {
        ("AUTO" | "MODE_UNSPECIFIED" | "", _) => Ok(Some(ToolChoice::Auto)),
        ("NONE", _) => Ok(Some(ToolChoice::None)),
        ("ANY" | "VALIDATED", []) => Ok(Some(ToolChoice::Any)),
        ("ANY" | "VALIDATED", [name]) => {
            let at = "toolConfig.functionCallingConfig.allowedFunctionNames[0]";
            Ok(Some(ToolChoice::Named(expect::string(name, at)?)))
        }
        ("ANY" | "VALIDATED", _) => Err(EncodeError::new(
            "toolConfig.functionCallingConfig.allowedFunctionNames",
            "must name one function at most for the model that serves this",
        )),
        _ => Err(EncodeError::new(
            "toolConfig.functionCallingConfig.mode",
            "must be one of AUTO, ANY, NONE",
        )),
    }
}

fn read_config<'a>(raw: &'a RawValue, request: &mut Request<'a>) -> Result<(), EncodeError> {
    let at = "generationConfig";
    for (name, raw) in expect::object(raw, at)? {
        if Sort::of(raw) == Sort::Null {
            continue;
        }
        let name = camel(&name);
        let field = format!("{at}.{name}");
        match name.as_ref() {
            "maxOutputTokens" => request.max_tokens = Some(expect::count(raw, field)?),
            "temperature" => request.temperature = Some(expect::number(raw, field)?),
            "topP" => request.top_p = Some(expect::number(raw, field)?),
            "topK" => request.top_k = Some(expect::number(raw, field)?),
            "stopSequences" => {
                request.stop = expect::array(raw, &field)?
                    .into_iter()
                    .map(|raw| expect::text(raw, &field))
                    .collect::<Result<_, _>>()?;
            }
            "responseLogprobs" => {
                let asked = expect::bool(raw, field)?;
                request.logprobs.asked_by = asked.then_some("generationConfig.responseLogprobs");
            }
            "logprobs" => {
                let count = expect::count(raw, field)?;
                request.logprobs.top = Some(("generationConfig.logprobs", count));
            }
            "candidateCount" => {
                if expect::count(raw, &field)? != 1 {
                    return Err(EncodeError::new(
                        field,
                        "must be 1: the model that serves this gives one answer",
                    ));
                }
            }
            "responseMimeType" => {
                if expect::string(raw, field)? == "application/json" {
                    request.format.get_or_insert(Format::Object);
                }
            }
            "responseSchema" | "responseJsonSchema" => {
                expect::object(raw, field)?;
                request.format = Some(Format::Schema {
                    name: None,
                    description: None,
                    schema: match name.as_ref() {
                        "responseSchema" => json_schema(raw),
                        _ => raw.get().into(),
                    },
                    strict: None,
                });
            }
            "thinkingConfig" => read_thinking(raw, request)?,
            _ => match SHARED.iter().find(|(_, own)| *own == name) {
                Some((shared, _)) => request.openai_only.push((Cow::Borrowed(shared), raw)),
                None => request.unknown.push(field),
            },
        }
    }
    Ok(())
}

/// Reads how it is to think, and whether what it thinks is to be told.
fn read_thinking(raw: &RawValue, request: &mut Request<'_>) -> Result<(), EncodeError> {
    let at = "generationConfig.thinkingConfig";
    let config = expect::object(raw, at)?;
    let told = either(&config, "includeThoughts", "include_thoughts");
    request.wants_thoughts = told.is_some_and(|raw| raw.get() == "true");
    let level = either(&config, "thinkingLevel", "thinking_level").and_then(Text::of);
    if let Some(level) = level {
        let level = level.decoded().to_ascii_lowercase();
        let effort = Effort::of(&level).ok_or_else(|| {
            EncodeError::new(
                format_args!("{at}.thinkingLevel"),
                "must be one of minimal, low, medium, high",
            )
        })?;
        request.reasoning = Some(Reasoning::Effort(effort));
        return Ok(());
    }
    let budget = config
        .number("thinkingBudget")
        .or_else(|| config.number("thinking_budget"));
    request.reasoning = budget.map(|budget| match budget {
        0 => Reasoning::Off,
        tokens => Reasoning::BudgetTokens(tokens),
    });
    Ok(())
}
