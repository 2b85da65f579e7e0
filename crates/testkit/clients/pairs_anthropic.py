"""Anthropic's client for Python against every target."""

import anthropic
from pydantic import BaseModel

from pairs import CACHED, CACHED_TOKENS, LIMIT, LONG_QUESTION, PIXEL, SAMPLE, SCHEMA, client, failing


class Trip(BaseModel):
    city: str
    days: int


def sdk(world, **options):
    options.setdefault("api_key", world.key)
    return anthropic.Anthropic(base_url=world.proxy, max_retries=0, timeout=20, **options)


def user(content):
    return [{"role": "user", "content": content}]


def tool(name):
    return {"name": name, "description": "A tool.", "input_schema": SCHEMA}


messages_of = client("Anthropic for Python")


def ask(world, target, messages, **options):
    options = {"model": target.model, "max_tokens": 99, **options}
    return sdk(world).messages.create(messages=messages, **options)


def final(world, target, messages, **options):
    options = {"model": target.model, "max_tokens": 99, **options}
    with sdk(world).messages.stream(messages=messages, **options) as stream:
        kinds = [event.type for event in stream]
        assert kinds[0] == "message_start" and kinds[-1] == "message_stop", kinds
        return stream.get_final_message()


def calls_of(answer):
    return [block for block in answer.content if block.type == "tool_use"]


def text_of(answer):
    return "".join(block.text for block in answer.content if block.type == "text")


@messages_of("plain")
def _(world, target):
    answer = ask(world, target, user("hello there"))
    [block] = answer.content
    assert block.text == target.said("hello there"), block
    assert answer.role == "assistant" and answer.type == "message" and answer.stop_reason == "end_turn"
    assert answer.model == target.model and answer.id, answer
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (2, len(block.text.split())), answer.usage


@messages_of("a model and the list of them")
def _(world, target):
    models = sdk(world).models
    assert models.retrieve(target.model).id == target.model
    assert target.model in [model.id for model in models.list()]
    try:
        models.retrieve("no-such-model")
    except anthropic.NotFoundError as error:
        assert error.body["error"]["type"] == "not_found_error", error.body
    else:
        raise AssertionError("a model that there is not")


@messages_of("streamed")
def _(world, target):
    answer = final(world, target, user("hello there"))
    assert text_of(answer) == target.said("hello there") and answer.stop_reason == "end_turn", answer
    assert answer.usage.input_tokens == 2 and answer.usage.output_tokens == len(text_of(answer).split()), answer.usage


@messages_of("instructions and history")
def _(world, target):
    messages = [*user("one"), {"role": "assistant", "content": "two"}, *user("three")]
    answer = ask(world, target, messages, system=[{"type": "text", "text": "be brief"}])
    assert text_of(answer).endswith("You said: three") and answer.usage.input_tokens == 5, answer


@messages_of("cached tokens in usage")
def _(world, target):
    for usage in (
        ask(world, target, user("hello there"), system=CACHED).usage,
        final(world, target, user("hello there"), system=CACHED).usage,
    ):
        assert (usage.input_tokens, usage.cache_read_input_tokens) == (2, CACHED_TOKENS), usage


@messages_of("a limit on the answer")
def _(world, target):
    for answer in (
        ask(world, target, user(LONG_QUESTION), max_tokens=LIMIT),
        final(world, target, user(LONG_QUESTION), max_tokens=LIMIT),
    ):
        assert answer.stop_reason == "max_tokens" and answer.usage.output_tokens == LIMIT, answer


@messages_of("settings")
def _(world, target):
    for settings in ({"temperature": 0.5, "top_k": 5}, {"top_p": 1}):
        more = {"stop_sequences": ["zzz"], "metadata": {"user_id": "somebody"}, "extra_body": settings}
        answer = ask(world, target, user("hello there"), **more)
        assert text_of(answer) == target.said("hello there"), answer


@messages_of("a tool and its result")
def _(world, target):
    messages = user("how is it?")
    first = ask(world, target, messages, tools=[tool("get_weather")])
    assert first.stop_reason == "tool_use", first
    [call] = calls_of(first)
    assert call.name == "get_weather" and call.input == SAMPLE, call
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "12 degrees"}
    messages += [{"role": "assistant", "content": first.content}, *user([result])]
    second = ask(world, target, messages, tools=[tool("get_weather")])
    assert second.stop_reason == "end_turn" and text_of(second).endswith("The tool said: 12 degrees"), second


@messages_of("parallel tools and their results")
def _(world, target):
    tools, messages = [tool("get_weather"), tool("get_time")], user("call get_weather and get_time")
    first = ask(world, target, messages, tools=tools)
    assert [call.name for call in calls_of(first)] == ["get_weather", "get_time"], first
    results = [
        {"type": "tool_result", "tool_use_id": call.id, "content": [{"type": "text", "text": text}]}
        for call, text in zip(calls_of(first), ("12 degrees", "noon"), strict=True)
    ]
    messages += [{"role": "assistant", "content": first.content}, *user(results)]
    text = text_of(ask(world, target, messages, tools=tools))
    assert text.endswith("The tool said: 12 degrees The tool said: noon"), text


@messages_of("parallel tools, streamed")
def _(world, target):
    tools = [tool("get_weather"), tool("get_time")]
    answer = final(world, target, user("call get_weather and get_time"), tools=tools)
    calls = calls_of(answer)
    assert answer.stop_reason == "tool_use" and [call.name for call in calls] == ["get_weather", "get_time"], answer
    assert all(call.input == SAMPLE for call in calls) and len({call.id for call in calls}) == 2, calls


@messages_of("tool choice")
def _(world, target):
    def choose(choice):
        tools = [tool("first"), tool("second")]
        return [call.name for call in calls_of(ask(world, target, user("first or second"), tools=tools, tool_choice=choice))]

    assert choose({"type": "tool", "name": "second"}) == ["second"]
    assert choose({"type": "any"}) == ["first", "second"]
    assert choose({"type": "none"}) == []
    if target.bounds_calls:
        assert choose({"type": "auto", "disable_parallel_tool_use": True}) == ["first"]


@messages_of("an image")
def _(world, target):
    source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
    parts = [{"type": "text", "text": "what is it?"}, {"type": "image", "source": source}]
    answer = ask(world, target, user(parts))
    assert "I see 1 image. You said: what is it?" in text_of(answer), answer


@messages_of("structured output")
def _(world, target):
    answer = sdk(world).messages.parse(model=target.model, max_tokens=99, messages=user("where?"), output_format=Trip)
    assert answer.parsed_output == Trip(**SAMPLE), answer


THINKING = {"max_tokens": 4096, "thinking": {"type": "enabled", "budget_tokens": 2048}}


@messages_of("reasoning")
def _(world, target):
    for answer in (
        ask(world, target, user("why?"), model=target.thinker, **THINKING),
        final(world, target, user("why?"), model=target.thinker, **THINKING),
    ):
        assert text_of(answer) == target.said("why?", target.thinker), answer
        assert answer.usage.output_tokens > len(text_of(answer).split()), answer.usage
        thoughts = [block.thinking for block in answer.content if block.type == "thinking"]
        assert thoughts == ([target.thought("why?")] if target.tells_thoughts else []), answer


@messages_of("reasoning before a tool's result")
def _(world, target):
    options = {"model": target.thinker, "tools": [tool("get_weather")], **THINKING}
    messages = user("how is it?")
    first = ask(world, target, messages, **options)
    [call] = calls_of(first)
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "12 degrees"}
    messages += [{"role": "assistant", "content": first.content}, *user([result])]
    second = ask(world, target, messages, **options)
    assert text_of(second).endswith("The tool said: 12 degrees"), second


@messages_of("refusals in its own words")
def _(world, target):
    for status, kind, expected in (
        (400, "invalid_request_error", anthropic.BadRequestError),
        (413, "request_too_large", anthropic.APIStatusError),
        (429, "rate_limit_error", anthropic.RateLimitError),
        (500, "api_error", anthropic.InternalServerError),
        (503, "overloaded_error", anthropic.APIStatusError),
    ):
        headers = {"retry-after": "7"} if status == 429 else {}
        with failing(world, target, "status", status=status, headers=headers):
            try:
                ask(world, target, user("hello"))
            except expected as error:
                assert error.body["type"] == "error" and error.body["error"]["message"], error.body
                assert status >= 500 or error.status_code == status, (status, error)
                assert status >= 500 or error.body["error"]["type"] == kind, (status, error.body)
                for name, value in headers.items():
                    assert error.response.headers[name] == value, error.response.headers
            else:
                raise AssertionError(f"{status} was taken for an answer")


@messages_of("an error in the middle of a stream")
def _(world, target):
    with failing(world, target, "error_event", after_events=8, error_type="overloaded_error", message="sorry"):
        events, kinds = ask(world, target, user(LONG_QUESTION), stream=True), []
        try:
            kinds += [event.type for event in events]
        except anthropic.APIError as error:
            assert error.body["error"]["type"], error.body
        else:
            raise AssertionError(f"it looks complete: {kinds}")
