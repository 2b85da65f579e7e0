"""What nobody should send, and what no provider should answer: a clear error in the caller's dialect,
never a made-up success."""

import contextlib
import json

from harness import http
from pairs import client, failing

NO_IMAGE = "aGVsbG8gdGhlcmU="
PATHS = {"chat": "/v1/chat/completions", "responses": "/v1/responses", "messages": "/v1/messages"}

bad = client("plain HTTP, every dialect")


def requests_of(model, messages):
    """The same conversation as each dialect writes it: path and body."""
    for name, path in PATHS.items():
        body = {"model": model, **messages.get(name, {})}
        if name == "messages":
            body.setdefault("max_tokens", 99)
        if name in messages:
            yield path, body
    if "contents" in messages:
        yield f"/v1beta/models/{model}:generateContent", messages["contents"]


def error_of(path, answer):
    """The words of an error, which is in the dialect of the path."""
    told = answer.json()
    if path == PATHS["messages"]:
        assert told["type"] == "error" and told["error"]["type"], told
    elif path.startswith("/v1beta"):
        assert told["error"]["code"] == answer.status and told["error"]["status"], told
    else:
        assert told["error"]["type"] and "code" in told["error"] and "param" in told["error"], told
    assert told["error"]["message"], told
    return told["error"]["message"]


def refused(world, target, messages, status=400, fault=None):
    for path, body in requests_of(target.model, messages):
        for stream in (False, True):
            if path.startswith("/v1beta"):
                url = path.replace(":generate", ":streamGenerate") + "?alt=sse" if stream else path
            else:
                url, body = path, {**body, "stream": stream}
            # Put right after each request: a target that rests would refuse for another reason.
            with failing(world, target, **fault) if fault else contextlib.nullcontext():
                answer = http("POST", world.proxy + url, body, {"Authorization": f"Bearer {world.key}"})
            assert answer.status == status, (url, answer.status, answer.body[:300])
            error_of(path, answer)


def said(text="hello"):
    """A good request in every dialect."""
    messages = [{"role": "user", "content": text}]
    contents = [{"role": "user", "parts": [{"text": text}]}]
    return {"chat": {"messages": messages}, "responses": {"input": text}, "messages": {"messages": messages}, "contents": {"contents": contents}}


@bad("a role that nobody knows")
def _(world, target):
    messages = [{"role": "narrator", "content": "hm"}]
    contents = {"contents": [{"role": "narrator", "parts": [{"text": "hm"}]}]}
    refused(world, target, {"chat": {"messages": messages}, "responses": {"input": messages}, "messages": {"messages": messages}, "contents": contents})


@bad("no messages")
def _(world, target):
    refused(world, target, {"chat": {"messages": []}, "responses": {"input": []}, "messages": {"messages": []}, "contents": {"contents": []}})


@bad("messages that are none")
def _(world, target):
    refused(world, target, {"chat": {"messages": "hm"}, "responses": {"input": 3}, "messages": {"messages": {}}, "contents": {"contents": [[]]}})


@bad("a tool's result without its call")
def _(world, target):
    chat = [{"role": "user", "content": "hm"}, {"role": "tool", "tool_call_id": "call_1", "content": "12 degrees"}]
    output = [{"type": "function_call_output", "call_id": "call_1", "output": "12 degrees"}]
    result = [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": "12 degrees"}]}]
    response = {"functionResponse": {"name": "get_weather", "response": {"output": "12 degrees"}}}
    contents = {"contents": [{"role": "user", "parts": [response]}]}
    refused(world, target, {"chat": {"messages": chat}, "responses": {"input": output}, "messages": {"messages": result}, "contents": contents})


@bad("arguments of a call that are no JSON")
def _(world, target):
    function = {"name": "get_weather", "arguments": "{\"city\": "}
    chat = [
        {"role": "user", "content": "hm"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "call_1", "type": "function", "function": function}]},
        {"role": "tool", "tool_call_id": "call_1", "content": "12 degrees"},
    ]
    given = [
        {"role": "user", "content": "hm"},
        {"type": "function_call", "call_id": "call_1", **function},
        {"type": "function_call_output", "call_id": "call_1", "output": "12 degrees"},
    ]
    use = {"type": "tool_use", "id": "call_1", "name": "get_weather", "input": "{\"city\": "}
    messages = [
        {"role": "user", "content": "hm"},
        {"role": "assistant", "content": [use]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": "12 degrees"}]},
    ]
    refused(world, target, {"chat": {"messages": chat}, "responses": {"input": given}, "messages": {"messages": messages}})


@bad("arguments of a call that are no object")
def _(world, target):
    for written in ("[1]", "3"):
        function = {"name": "get_weather", "arguments": written}
        chat = [
            {"role": "user", "content": "hm"},
            {"role": "assistant", "content": None, "tool_calls": [{"id": "call_1", "type": "function", "function": function}]},
            {"role": "tool", "tool_call_id": "call_1", "content": "12 degrees"},
        ]
        use = {"type": "tool_use", "id": "call_1", "name": "get_weather", "input": json.loads(written)}
        messages = [
            {"role": "user", "content": "hm"},
            {"role": "assistant", "content": [use]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": "12 degrees"}]},
        ]
        refused(world, target, {"chat": {"messages": chat}, "messages": {"messages": messages}})


@bad("a message that says nothing")
def _(world, target):
    for content in ("", [], " "):
        messages = [{"role": "user", "content": content}]
        parts = [{"text": content}] if isinstance(content, str) else []
        asked = {
            "chat": {"messages": messages},
            "responses": {"input": messages},
            "messages": {"messages": messages},
            "contents": {"contents": [{"role": "user", "parts": parts}]},
        }
        # Some take it. Whoever does not says so; nobody fails over it.
        for path, body in requests_of(target.model, asked):
            answer = http("POST", world.proxy + path, body, {"Authorization": f"Bearer {world.key}"})
            assert answer.status in (200, 400), (path, answer.status, answer.body[:300])
            if answer.status == 400:
                error_of(path, answer)


@bad("a body that is half a JSON, and one that is no object")
def _(world, target):
    for path, _ in requests_of(target.model, said()):
        for body in ('{"model": "' + target.model + '", "messages": [{"role"', "[]", "\xff", ""):
            body = body.encode("latin-1")
            answer = http("POST", world.proxy + path, body, {"Authorization": f"Bearer {world.key}"})
            assert answer.status == 400, (path, answer.status, answer.body[:300])
            error_of(path, answer)


@bad("an image that is none")
def _(world, target):
    for url, data in ((f"data:image/png;base64,{NO_IMAGE}", NO_IMAGE), ("data:image/png;base64,%%%", "%%%"), ("nowhere", "")):
        chat = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]
        given = [{"role": "user", "content": [{"type": "input_image", "image_url": url}]}]
        source = {"type": "base64", "media_type": "image/png", "data": data}
        messages = [{"role": "user", "content": [{"type": "image", "source": source}]}]
        contents = {"contents": [{"role": "user", "parts": [{"inlineData": {"mimeType": "image/png", "data": data}}]}]}
        refused(world, target, {"chat": {"messages": chat}, "responses": {"input": given}, "messages": {"messages": messages}, "contents": contents})


def failed(world, target, kind, **details):
    refused(world, target, said(), status=502, fault={"kind": kind, **details})


@bad("a provider that answers a page for people")
def _(world, target):
    failed(world, target, "html")


@bad("a provider that answers half a JSON")
def _(world, target):
    failed(world, target, "status", status=200, headers={}, body='{"id": "x", "choices": [{"mess')


@bad("a provider that answers JSON of another kind")
def _(world, target):
    failed(world, target, "status", status=200, headers={}, body='{"hello": "there"}')


@bad("a provider that names another type of content")
def _(world, target):
    failed(world, target, "status", status=200, headers={"content-type": "text/plain"}, body="certainly!")


@bad("a provider that answers megabytes without a newline")
def _(world, target):
    endless = "data: " + "x" * (3 * 1024 * 1024)
    failed(world, target, "status", status=200, headers={"content-type": "text/event-stream"}, body=endless)
