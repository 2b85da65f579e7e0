"""The Anthropic client, through either provider."""

import anthropic

from harness import check, check_each

TARGETS = {"claude-3-5-sonnet-20241022": "anthropic", "gpt-4o-mini": "openai"}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def client(world, **options):
    options.setdefault("api_key", world.key)
    return anthropic.Anthropic(base_url=world.proxy, max_retries=0, timeout=20, **options)


def user(content):
    return [{"role": "user", "content": content}]


def tool(name):
    schema = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
    return {"name": name, "description": "A tool.", "input_schema": schema}


def said(target, model, question):
    return f"{target} stand-in here, serving {model}. You said: {question}"


@check_each("Anthropic client, plain", TARGETS)
def _(world, model):
    answer = client(world).messages.create(model=model, max_tokens=99, messages=user("hello there"))
    [block] = answer.content
    assert block.type == "text" and block.text == said(TARGETS[model], model, "hello there"), block
    assert answer.role == "assistant" and answer.type == "message" and answer.stop_reason == "end_turn"
    assert answer.model == model, answer.model
    assert answer.usage.input_tokens == 2 and answer.usage.output_tokens == len(block.text.split()), answer.usage


@check_each("Anthropic client, streamed", TARGETS)
def _(world, model):
    with client(world).messages.stream(model=model, max_tokens=99, messages=user("hello there")) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == said(TARGETS[model], model, "hello there"), text
    assert final.content[0].text == text and final.stop_reason == "end_turn" and final.model == model
    assert final.usage.input_tokens == 2 and final.usage.output_tokens == len(text.split()), final.usage


@check_each("Anthropic client, events in their order", TARGETS)
def _(world, model):
    events = client(world).messages.create(model=model, max_tokens=99, messages=user("hello"), stream=True)
    kinds = [event.type for event in events if event.type != "ping"]
    deltas = [kind for kind in kinds if kind == "content_block_delta"]
    expected = ["message_start", "content_block_start", *deltas, "content_block_stop", "message_delta", "message_stop"]
    assert deltas and kinds == expected, kinds


@check_each("Anthropic client, a tool and its result", TARGETS)
def _(world, model):
    def ask(messages):
        return client(world).messages.create(model=model, max_tokens=99, messages=messages, tools=[tool("get_weather")])

    messages = user("how is the weather?")
    first = ask(messages)
    assert first.stop_reason == "tool_use", first.stop_reason
    [call] = [block for block in first.content if block.type == "tool_use"]
    assert call.name == "get_weather" and call.input == {"city": "sample", "days": 1}, call
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "12 degrees"}
    messages += [{"role": "assistant", "content": first.content}, *user([result])]
    second = ask(messages)
    assert second.stop_reason == "end_turn"
    assert second.content[0].text.endswith("The tool said: 12 degrees"), second.content


@check_each("Anthropic client, parallel tools, streamed", TARGETS)
def _(world, model):
    tools = [tool("get_weather"), tool("get_time")]
    messages = user("call get_weather and get_time")
    with client(world).messages.stream(model=model, max_tokens=99, messages=messages, tools=tools) as stream:
        final = stream.get_final_message()
    calls = [block for block in final.content if block.type == "tool_use"]
    assert final.stop_reason == "tool_use", final.stop_reason
    assert [call.name for call in calls] == ["get_weather", "get_time"], calls
    assert all(call.input == {"city": "sample", "days": 1} for call in calls), calls
    assert len({call.id for call in calls}) == 2


@check_each("Anthropic client, results of parallel tools", TARGETS)
def _(world, model):
    tools = [tool("get_weather"), tool("get_time")]
    messages = user("call get_weather and get_time")
    first = client(world).messages.create(model=model, max_tokens=99, messages=messages, tools=tools)
    calls = [block for block in first.content if block.type == "tool_use"]
    results = [
        {"type": "tool_result", "tool_use_id": call.id, "content": [{"type": "text", "text": text}]}
        for call, text in zip(calls, ("12 degrees", "noon"), strict=True)
    ]
    messages += [{"role": "assistant", "content": first.content}, *user(results)]
    text = client(world).messages.create(model=model, max_tokens=99, messages=messages, tools=tools).content[0].text
    assert "The tool said: 12 degrees" in text and "The tool said: noon" in text, text


@check_each("Anthropic client, tool choice", TARGETS)
def _(world, model):
    def ask(choice):
        return client(world).messages.create(
            model=model, max_tokens=99, messages=user("hello"), tools=[tool("first"), tool("second")], tool_choice=choice
        )

    named = ask({"type": "tool", "name": "second"})
    assert [block.name for block in named.content if block.type == "tool_use"] == ["second"]
    assert ask({"type": "any"}).stop_reason == "tool_use"
    assert ask({"type": "none"}).stop_reason == "end_turn"


@check_each("Anthropic client, an image", TARGETS)
def _(world, model):
    source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
    parts = [{"type": "text", "text": "what is it?"}, {"type": "image", "source": source}]
    answer = client(world).messages.create(model=model, max_tokens=99, messages=user(parts))
    assert "I see 1 image." in answer.content[0].text, answer.content


@check_each("Anthropic client, instructions and a conversation", TARGETS)
def _(world, model):
    messages = [*user("one"), {"role": "assistant", "content": "two"}, *user("three")]
    answer = client(world).messages.create(model=model, max_tokens=99, system="be brief", messages=messages)
    assert answer.content[0].text.endswith("You said: three")
    assert answer.usage.input_tokens == 5, answer.usage


@check_each("Anthropic client, a limit on the answer", TARGETS)
def _(world, model):
    answer = client(world).messages.create(model=model, max_tokens=3, messages=user("hello"))
    assert answer.stop_reason == "max_tokens" and answer.usage.output_tokens == 3, answer


@check_each("Anthropic client, settings that one provider lacks", TARGETS)
def _(world, model):
    answer = client(world).messages.create(
        model=model,
        max_tokens=99,
        messages=user("hello"),
        stop_sequences=["###"],
        metadata={"user_id": "someone"},
        # What this client has no parameter for, and applications still send.
        extra_body={"temperature": 0.5, "top_p": 0.9, "top_k": 5},
    )
    assert answer.content[0].text.endswith("You said: hello")


@check("Anthropic client, the models")
def _(world):
    models = {model.id for model in client(world).models.list()}
    assert {"gpt-4o-mini", "claude-3-5-sonnet-20241022"} <= models, models


@check("Anthropic client, a wrong key")
def _(world):
    try:
        client(world, api_key="wrong").messages.create(model="gpt-4", max_tokens=9, messages=user("hello"))
    except anthropic.AuthenticationError as error:
        assert error.status_code == 401 and error.body["error"]["type"] == "authentication_error", error.body
    else:
        raise AssertionError("a wrong key was let in")


@check_each("Anthropic client, a request that the provider refuses", TARGETS)
def _(world, model):
    try:
        client(world).messages.create(model=model, max_tokens=9, messages=user([{"type": "hologram"}]))
    except anthropic.BadRequestError as error:
        assert error.body["type"] == "error" and error.body["error"]["message"], error.body
    else:
        raise AssertionError("a wrong block was let through")
