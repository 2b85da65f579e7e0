"""OpenAI's client for Python, chat completions and responses, against every target."""

import json

import openai
from pydantic import BaseModel

from pairs import CACHED, CACHED_TOKENS, LIMIT, LONG_QUESTION, PIXEL_URL, SAMPLE, SCHEMA, client, failing


class Trip(BaseModel):
    city: str
    days: int


def sdk(world, **options):
    options.setdefault("api_key", world.key)
    return openai.OpenAI(base_url=f"{world.proxy}/v1", max_retries=0, timeout=20, **options)


def user(content):
    return [{"role": "user", "content": content}]


chat = client("OpenAI for Python, chat completions")


def ask(world, target, messages, model=None, **options):
    return sdk(world).chat.completions.create(model=model or target.model, messages=messages, **options)


def function(name):
    return {"type": "function", "function": {"name": name, "description": "A tool.", "parameters": SCHEMA}}


def joined(chunks, field="content"):
    return "".join(getattr(choice.delta, field, None) or "" for chunk in chunks for choice in chunk.choices)


@chat("plain")
def _(world, target):
    answer = ask(world, target, user("hello there"))
    [choice] = answer.choices
    assert choice.message.content == target.said("hello there"), choice
    assert choice.message.role == "assistant" and choice.finish_reason == "stop", choice
    assert answer.object == "chat.completion" and answer.id and answer.created and answer.model == target.model
    words = len(choice.message.content.split())
    usage = answer.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (2, words, 2 + words), usage


@chat("a model and the list of them")
def _(world, target):
    models = sdk(world).models
    assert models.retrieve(target.model).id == target.model
    assert target.model in [model.id for model in models.list()]
    try:
        models.retrieve("no-such-model")
    except openai.NotFoundError as error:
        assert error.code == "model_not_found", error.body
    else:
        raise AssertionError("a model that there is not")


@chat("streamed")
def _(world, target):
    stream = ask(world, target, user("hello there"), stream=True, stream_options={"include_usage": True})
    chunks = list(stream)
    if target.name == "azure":  # What its filters found comes first, in a chunk that names no model.
        assert not chunks[0].choices and chunks.pop(0).prompt_filter_results
    assert joined(chunks) == target.said("hello there"), joined(chunks)
    assert len({chunk.id for chunk in chunks}) == 1 and all(chunk.model == target.model for chunk in chunks)
    reasons = [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason]
    assert reasons == ["stop"], reasons
    usage = chunks[-1].usage
    assert usage.prompt_tokens == 2 and usage.completion_tokens == len(joined(chunks).split()), usage
    unasked = list(ask(world, target, user("hello"), stream=True))
    told = unasked[1:] if target.name == "azure" else unasked
    assert all(chunk.usage is None and chunk.choices for chunk in told), "usage that nobody asked for"


@chat("instructions and history")
def _(world, target):
    messages = [
        {"role": "developer", "content": "be brief"},
        *user("one"),
        {"role": "assistant", "content": "two"},
        *user([{"type": "text", "text": "three"}, {"type": "text", "text": "four"}]),
    ]
    answer = ask(world, target, messages)
    assert answer.choices[0].message.content.split("You said: ")[1].split() == ["three", "four"], answer
    assert answer.usage.prompt_tokens == 6, answer.usage


@chat("cached tokens in usage")
def _(world, target):
    messages = [{"role": "system", "content": CACHED}, *user("hello there")]
    usage = ask(world, target, messages).usage
    assert usage.prompt_tokens == CACHED_TOKENS + 2, usage
    assert usage.prompt_tokens_details.cached_tokens == CACHED_TOKENS, usage
    chunks = list(ask(world, target, messages, stream=True, stream_options={"include_usage": True}))
    assert chunks[-1].usage.prompt_tokens_details.cached_tokens == CACHED_TOKENS, chunks[-1].usage


@chat("a limit on the answer")
def _(world, target):
    for stream in (False, True):
        name = "max_tokens" if target.name == "compatible" else "max_completion_tokens"
        answer = ask(world, target, user(LONG_QUESTION), stream=stream, **{name: LIMIT})
        choices = [choice for chunk in answer for choice in chunk.choices] if stream else answer.choices
        assert choices[-1].finish_reason == "length", choices[-1]


@chat("settings")
def _(world, target):
    for settings in (
        {"temperature": 1.5, "stop": ["zzz"], "seed": 7, "user": "somebody"},
        {"top_p": 1, "presence_penalty": 0.5, "frequency_penalty": 0.5},
        {"top_p": 0},
    ):
        answer = ask(world, target, user("hello there"), **settings)
        assert answer.choices[0].message.content == target.said("hello there"), answer


@chat("a tool and its result")
def _(world, target):
    messages = user("how is it?")
    first = ask(world, target, messages, tools=[function("get_weather")]).choices[0]
    assert first.finish_reason == "tool_calls", first
    [call] = first.message.tool_calls
    assert call.function.name == "get_weather" and json.loads(call.function.arguments) == SAMPLE, call
    messages += [first.message, {"role": "tool", "tool_call_id": call.id, "content": "12 degrees"}]
    second = ask(world, target, messages, tools=[function("get_weather")]).choices[0]
    assert second.finish_reason == "stop" and second.message.content.endswith("The tool said: 12 degrees"), second
    # A name that some would refuse.
    [call] = ask(world, target, user("how is it?"), tools=[function("2nd-tool")]).choices[0].message.tool_calls
    assert call.function.name == "2nd-tool", call


@chat("parallel tools and their results")
def _(world, target):
    tools = [function("get_weather"), function("get_time")]
    messages = user("call get_weather and get_time")
    first = ask(world, target, messages, tools=tools).choices[0].message
    assert [call.function.name for call in first.tool_calls] == ["get_weather", "get_time"], first
    assert len({call.id for call in first.tool_calls}) == 2, first
    messages.append(first)
    for call, result in zip(first.tool_calls, ("12 degrees", "noon"), strict=True):
        messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
    text = ask(world, target, messages, tools=tools).choices[0].message.content
    assert text.endswith("The tool said: 12 degrees The tool said: noon"), text


@chat("parallel tools, streamed")
def _(world, target):
    tools = [function("get_weather"), function("get_time")]
    calls, reasons = {}, []
    for chunk in ask(world, target, user("call get_weather and get_time"), tools=tools, stream=True):
        for choice in chunk.choices:
            reasons += [choice.finish_reason] if choice.finish_reason else []
            for delta in choice.delta.tool_calls or []:
                call = calls.setdefault(delta.index, ["", "", ""])
                call[0] += delta.id or ""
                call[1] += delta.function.name or ""
                call[2] += delta.function.arguments or ""
    assert reasons == ["tool_calls"], reasons
    assert [calls[index][1] for index in (0, 1)] == ["get_weather", "get_time"], calls
    assert len({call[0] for call in calls.values()}) == 2 and all(call[0] for call in calls.values()), calls
    assert all(json.loads(call[2]) == SAMPLE for call in calls.values()), calls


@chat("tool choice")
def _(world, target):
    def choose(choice, **more):
        tools = [function("first"), function("second")]
        return ask(world, target, user("first or second"), tools=tools, tool_choice=choice, **more).choices[0].message

    named = choose({"type": "function", "function": {"name": "second"}})
    assert [call.function.name for call in named.tool_calls] == ["second"], named
    assert len(choose("required").tool_calls) == 2
    none = choose("none")
    assert not none.tool_calls and none.content, none
    if target.bounds_calls:  # Others have no word for it, and the answer's head says so.
        assert len(choose("auto", parallel_tool_calls=False).tool_calls) == 1


@chat("an image")
def _(world, target):
    parts = [{"type": "text", "text": "what is it?"}, {"type": "image_url", "image_url": {"url": PIXEL_URL}}]
    answer = ask(world, target, user(parts))
    assert "I see 1 image. You said: what is it?" in answer.choices[0].message.content, answer


@chat("structured output")
def _(world, target):
    answer = sdk(world).chat.completions.parse(model=target.model, messages=user("where?"), response_format=Trip)
    assert answer.choices[0].message.parsed == Trip(**SAMPLE), answer
    # Limits on values, which some refuse.
    schema = {**SCHEMA, "properties": {"city": {"type": "string", "maxLength": 9}, "days": {"type": "integer", "minimum": 1}}}
    form = {"type": "json_schema", "json_schema": {"name": "trip", "schema": schema}}
    answer = ask(world, target, user("where?"), response_format=form)
    assert json.loads(answer.choices[0].message.content) == SAMPLE, answer


@chat("reasoning")
def _(world, target):
    effort = {} if target.name == "compatible" else {"reasoning_effort": "medium"}
    messages = user("why?")
    answer = ask(world, target, messages, model=target.thinker, **effort)
    message = answer.choices[0].message
    assert message.content == target.said("why?", target.thinker), message
    assert answer.usage.completion_tokens > len(message.content.split()), answer.usage
    thought = getattr(message, "reasoning_content", None)
    chunks = list(ask(world, target, messages, model=target.thinker, stream=True, **effort))
    assert joined(chunks) == message.content
    if target.shows_thoughts:
        assert thought == joined(chunks, "reasoning_content") == target.thought("why?"), (thought, message)
    if target.counts_thoughts:
        assert answer.usage.completion_tokens_details.reasoning_tokens == 4, answer.usage


@chat("reasoning before a tool's result")
def _(world, target):
    options = {} if target.name == "compatible" else {"reasoning_effort": "medium"}
    options |= {"model": target.thinker, "tools": [function("get_weather")]}
    messages = user("how is it?")
    first = ask(world, target, messages, **options).choices[0].message
    messages += [first, {"role": "tool", "tool_call_id": first.tool_calls[0].id, "content": "12 degrees"}]
    second = ask(world, target, messages, **options).choices[0].message
    assert second.content.endswith("The tool said: 12 degrees"), second


@chat("refusals in its own words")
def _(world, target):
    def refused(status, kind, expected, **headers):
        with failing(world, target, "status", status=status, headers=headers):
            for stream in (False, True):
                try:
                    ask(world, target, user("hello"), stream=stream)
                except expected as error:
                    assert error.status_code == status and error.body["message"], error
                    assert error.body["type"] == kind, error.body
                    for name, value in headers.items():
                        assert error.response.headers[name] == value, error.response.headers
                else:
                    raise AssertionError(f"{status} was taken for an answer")

    refused(400, "invalid_request_error", openai.BadRequestError)
    refused(413, "invalid_request_error", openai.APIStatusError)
    with failing(world, target, "status", status=429, headers={"retry-after": "7"}):
        try:
            ask(world, target, user("hello"))
        except openai.RateLimitError as error:
            assert error.response.headers["retry-after"] == "7", error.response.headers
        else:
            raise AssertionError("429 was taken for an answer")
    with failing(world, target, "status", status=500):
        try:
            ask(world, target, user("hello"))
        except openai.InternalServerError as error:
            assert error.status_code in (500, 502, 503) and error.body["message"], error
        else:
            raise AssertionError("500 was taken for an answer")


@chat("an error in the middle of a stream")
def _(world, target):
    with failing(world, target, "error_event", after_events=6, error_type="server_error", message="sorry"):
        stream, chunks = ask(world, target, user(LONG_QUESTION), stream=True), []
        try:
            chunks += stream
        except openai.APIError as error:
            assert error.message, error
        else:
            raise AssertionError("it looks complete")


answers = client("OpenAI for Python, responses")


def respond(world, target, given, model=None, **options):
    return sdk(world).responses.create(model=model or target.model, input=given, **options)


def flat(name):
    return {"type": "function", "name": name, "description": "A tool.", "parameters": SCHEMA, "strict": True}


@answers("plain")
def _(world, target):
    answer = respond(world, target, "hello there")
    assert answer.output_text == target.said("hello there"), answer
    assert answer.status == "completed" and answer.object == "response" and answer.model == target.model, answer
    words = len(answer.output_text.split())
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (2, words), answer.usage


@answers("streamed")
def _(world, target):
    with sdk(world).responses.stream(model=target.model, input="hello there") as stream:
        events = list(stream)
        final = stream.get_final_response()
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text == final.output_text == target.said("hello there"), (text, final)
    numbers = [event.sequence_number for event in events if hasattr(event, "sequence_number")]
    assert numbers == sorted(numbers), numbers
    assert events[0].type == "response.created" and events[-1].type == "response.completed"
    assert final.usage.input_tokens == 2 and final.usage.output_tokens == len(text.split()), final.usage


@answers("instructions and history")
def _(world, target):
    given = [*user("one"), {"role": "assistant", "content": "two"}, *user("three")]
    answer = respond(world, target, given, instructions="be brief")
    assert answer.output_text.endswith("You said: three") and answer.usage.input_tokens == 5, answer


@answers("cached tokens in usage")
def _(world, target):
    usage = respond(world, target, "hello there", instructions=CACHED).usage
    assert usage.input_tokens == CACHED_TOKENS + 2, usage
    assert usage.input_tokens_details.cached_tokens == CACHED_TOKENS, usage


@answers("a limit on the answer")
def _(world, target):
    answer = respond(world, target, LONG_QUESTION, max_output_tokens=LIMIT)
    assert answer.status == "incomplete" and answer.incomplete_details.reason == "max_output_tokens", answer
    *_, last = respond(world, target, LONG_QUESTION, max_output_tokens=LIMIT, stream=True)
    assert last.type == "response.incomplete", last


@answers("a tool and its result")
def _(world, target):
    given = user("how is it?")
    first = respond(world, target, given, tools=[flat("get_weather")])
    [call] = [item for item in first.output if item.type == "function_call"]
    assert call.name == "get_weather" and json.loads(call.arguments) == SAMPLE, call
    given += first.output
    given.append({"type": "function_call_output", "call_id": call.call_id, "output": "12 degrees"})
    second = respond(world, target, given, tools=[flat("get_weather")])
    assert second.output_text.endswith("The tool said: 12 degrees"), second


@answers("parallel tools and their results")
def _(world, target):
    tools, given = [flat("get_weather"), flat("get_time")], user("call get_weather and get_time")
    first = respond(world, target, given, tools=tools)
    calls = [item for item in first.output if item.type == "function_call"]
    assert [call.name for call in calls] == ["get_weather", "get_time"], calls
    given += first.output
    for call, result in zip(calls, ("12 degrees", "noon"), strict=True):
        given.append({"type": "function_call_output", "call_id": call.call_id, "output": result})
    text = respond(world, target, given, tools=tools).output_text
    assert text.endswith("The tool said: 12 degrees The tool said: noon"), text


@answers("parallel tools, streamed")
def _(world, target):
    tools = [flat("get_weather"), flat("get_time")]
    with sdk(world).responses.stream(model=target.model, input="call get_weather and get_time", tools=tools) as stream:
        final = stream.get_final_response()
    calls = [item for item in final.output if item.type == "function_call"]
    assert [call.name for call in calls] == ["get_weather", "get_time"], calls
    assert all(json.loads(call.arguments) == SAMPLE for call in calls), calls


@answers("tool choice")
def _(world, target):
    def choose(choice):
        tools = [flat("first"), flat("second")]
        answer = respond(world, target, "first or second", tools=tools, tool_choice=choice)
        return [item.name for item in answer.output if item.type == "function_call"]

    assert choose({"type": "function", "name": "second"}) == ["second"]
    assert choose("required") == ["first", "second"]
    assert choose("none") == []


@answers("an image")
def _(world, target):
    parts = [{"type": "input_text", "text": "what is it?"}, {"type": "input_image", "image_url": PIXEL_URL}]
    answer = respond(world, target, user(parts))
    assert "I see 1 image. You said: what is it?" in answer.output_text, answer


@answers("structured output")
def _(world, target):
    answer = sdk(world).responses.parse(model=target.model, input="where?", text_format=Trip)
    assert answer.output_parsed == Trip(**SAMPLE), answer


@answers("reasoning")
def _(world, target):
    # What always thinks is not asked to: an open model takes no effort.
    reasoning = {"reasoning": {"effort": "medium", "summary": "auto"}}
    answer = respond(world, target, "why?", model=target.thinker, **reasoning)
    assert answer.output_text == target.said("why?", target.thinker), answer
    assert answer.usage.output_tokens > len(answer.output_text.split()), answer.usage
    summaries = [part.text for item in answer.output if item.type == "reasoning" for part in item.summary]
    with sdk(world).responses.stream(model=target.thinker, input="why?", **reasoning) as stream:
        events = list(stream)
    pieces = [event.delta for event in events if event.type == "response.reasoning_summary_text.delta"]
    assert "".join(summaries) == "".join(pieces) == target.thought("why?"), (summaries, pieces)


@answers("reasoning before a tool's result")
def _(world, target):
    options = {"reasoning": {"effort": "medium"}, "model": target.thinker, "tools": [flat("get_weather")]}
    given = user("how is it?")
    first = respond(world, target, given, **options)
    [call] = [item for item in first.output if item.type == "function_call"]
    given += first.output
    given.append({"type": "function_call_output", "call_id": call.call_id, "output": "12 degrees"})
    second = respond(world, target, given, **options)
    assert second.output_text.endswith("The tool said: 12 degrees"), second


@answers("refusals in its own words")
def _(world, target):
    for status, expected in ((400, openai.BadRequestError), (413, openai.APIStatusError), (429, openai.RateLimitError)):
        with failing(world, target, "status", status=status, headers={"retry-after": "7"}):
            try:
                respond(world, target, "hello")
            except expected as error:
                assert error.status_code == status and error.body["message"] and error.body["type"], error
            else:
                raise AssertionError(f"{status} was taken for an answer")


@answers("an error in the middle of a stream")
def _(world, target):
    with failing(world, target, "error_event", after_events=8, error_type="server_error", message="sorry"):
        kinds = []
        try:
            kinds += [event.type for event in respond(world, target, LONG_QUESTION, stream=True)]
        except openai.APIError:
            return
        assert kinds[-1] in ("response.failed", "error"), kinds
