//! Paths, which name the model and the way of answering.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// What can't stand in a path's segment, so that a model's name stays one.
const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'/')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Returns the path of a conversation with `model`, below the API's base. A name such as
/// `tunedModels/x` says itself which kind of model it is.
pub(crate) fn conversation(model: &str, is_stream: bool) -> String {
    let (kind, name) = match model.split_once('/') {
        Some((kind @ ("models" | "tunedModels"), name)) => (kind, name),
        _ => ("models", model),
    };
    let name = segment(name);
    if is_stream {
        format!("/{kind}/{name}:streamGenerateContent?alt=sse")
    } else {
        format!("/{kind}/{name}:generateContent")
    }
}

/// Returns the path of a conversation with a model that Google sells in its maker's own dialect.
pub(crate) fn raw(model: &str, is_stream: bool) -> String {
    let method = if is_stream {
        "streamRawPredict"
    } else {
        "rawPredict"
    };
    format!("/models/{}:{method}", segment(model))
}

/// Writes a name so that it stays one segment of a path, and a segment that leads nowhere else.
pub(crate) fn segment(name: &str) -> Cow<'_, str> {
    match name {
        "." => Cow::Borrowed("%2E"),
        ".." => Cow::Borrowed("%2E%2E"),
        name => utf8_percent_encode(name, SEGMENT).into(),
    }
}

/// Reads the model and the way of answering from a call's path.
pub(crate) fn read(path: &str) -> Option<(&str, bool)> {
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    let call = ["/v1beta/models/", "/v1/models/", "/models/"]
        .iter()
        .find_map(|base| path.strip_prefix(base))?;
    let (model, method) = call.rsplit_once(':')?;
    let is_stream = match method {
        "generateContent" => false,
        "streamGenerateContent" => true,
        _ => return None,
    };
    (!model.is_empty() && !model.contains('/')).then_some((model, is_stream))
}

#[cfg(test)]
mod tests {
    use super::{conversation, read};

    #[test]
    fn a_model_s_name_stays_one_segment() {
        assert_eq!(
            conversation("gemini-2.5-pro", false),
            "/models/gemini-2.5-pro:generateContent"
        );
        assert_eq!(
            conversation("tunedModels/my-1", true),
            "/tunedModels/my-1:streamGenerateContent?alt=sse"
        );
        assert_eq!(
            conversation("models/../../x?y#z", false),
            "/models/..%2F..%2Fx%3Fy%23z:generateContent"
        );
    }

    #[test]
    fn a_call_names_its_model() {
        assert_eq!(
            read("/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse"),
            Some(("gemini-2.5-pro", true))
        );
        assert_eq!(read("/v1/models/m:generateContent"), Some(("m", false)));
        assert_eq!(read("/v1beta/models/m:countTokens"), None);
        assert_eq!(read("/v1beta/models/:generateContent"), None);
        assert_eq!(read("/v1beta/models/a/b:generateContent"), None);
    }
}
