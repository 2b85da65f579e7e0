"""Google's client for Python against every target."""

from google import genai
from google.genai import errors, types
from pydantic import BaseModel

from pairs import CACHED, CACHED_TOKENS, LIMIT, LONG_QUESTION, PIXEL, SAMPLE, client, failing


class Trip(BaseModel):
    city: str
    days: int


generate = client("Google GenAI for Python")


def sdk(world):
    options = types.HttpOptions(base_url=world.proxy, timeout=20_000, retry_options=types.HttpRetryOptions(attempts=1))
    return genai.Client(api_key=world.key, http_options=options)


def ask(world, target, contents, model=None, **config):
    config = types.GenerateContentConfig(**config)
    with sdk(world) as kept:  # Its connections end with it.
        return kept.models.generate_content(model=model or target.model, contents=contents, config=config)


def stream(world, target, contents, model=None, **config):
    config = types.GenerateContentConfig(**config)
    with sdk(world) as kept:
        return list(kept.models.generate_content_stream(model=model or target.model, contents=contents, config=config))


def declared(*names):
    schema = types.Schema(
        type="OBJECT",
        properties={"city": types.Schema(type="STRING"), "days": types.Schema(type="INTEGER")},
        required=["city", "days"],
    )
    functions = [types.FunctionDeclaration(name=name, description="A tool.", parameters=schema) for name in names]
    return [types.Tool(function_declarations=functions)]


def parts_of(answer):
    return answer.candidates[0].content.parts or []


def calls_of(answer):
    return [part.function_call for part in parts_of(answer) if part.function_call]


@generate("plain")
def _(world, target):
    answer = ask(world, target, "hello there")
    assert answer.text == target.said("hello there"), answer
    assert answer.candidates[0].finish_reason == "STOP" and answer.model_version == target.model, answer
    usage = answer.usage_metadata
    words = len(answer.text.split())
    assert (usage.prompt_token_count, usage.candidates_token_count, usage.total_token_count) == (2, words, 2 + words), usage


@generate("a model and the list of them")
def _(world, target):
    with sdk(world) as kept:
        assert kept.models.get(model=target.model).name == f"models/{target.model}"
        listed = {model.name: model for model in kept.models.list()}
        # The catalogue knows Google's own.
        own = listed[f"models/{target.model}"]
        assert target.dialect != "gemini" or own.input_token_limit > own.output_token_limit > 0, own
        try:
            kept.models.get(model="no-such-model")
        except errors.ClientError as error:
            assert error.status == "NOT_FOUND", error
        else:
            raise AssertionError("a model that there is not")


@generate("streamed")
def _(world, target):
    chunks = stream(world, target, "hello there")
    text = "".join(chunk.text or "" for chunk in chunks)
    assert text == target.said("hello there"), text
    reasons = [chunk.candidates[0].finish_reason for chunk in chunks if chunk.candidates[0].finish_reason]
    assert reasons == ["STOP"], reasons
    assert chunks[-1].usage_metadata.candidates_token_count == len(text.split()), chunks[-1]


@generate("instructions and history")
def _(world, target):
    contents = [
        types.UserContent("one"),
        types.ModelContent("two"),
        types.UserContent("three"),
    ]
    answer = ask(world, target, contents, system_instruction="be brief")
    assert answer.text.endswith("You said: three") and answer.usage_metadata.prompt_token_count == 5, answer


@generate("cached tokens in usage")
def _(world, target):
    usage = ask(world, target, "hello there", system_instruction=CACHED).usage_metadata
    assert usage.prompt_token_count == CACHED_TOKENS + 2, usage
    assert usage.cached_content_token_count == CACHED_TOKENS, usage


@generate("a limit on the answer")
def _(world, target):
    answer = ask(world, target, LONG_QUESTION, max_output_tokens=LIMIT)
    assert answer.candidates[0].finish_reason == "MAX_TOKENS", answer
    assert stream(world, target, LONG_QUESTION, max_output_tokens=LIMIT)[-1].candidates[0].finish_reason == "MAX_TOKENS"


@generate("settings")
def _(world, target):
    for settings in ({"temperature": 1.5, "top_k": 5, "seed": 7}, {"top_p": 1}):
        answer = ask(world, target, "hello there", stop_sequences=["zzz"], **settings)
        assert answer.text == target.said("hello there"), answer


@generate("a tool and its result")
def _(world, target):
    contents, tools = [types.UserContent("how is it?")], declared("get_weather")
    first = ask(world, target, contents, tools=tools)
    [call] = calls_of(first)
    assert call.name == "get_weather" and call.args == SAMPLE, call
    result = types.Part.from_function_response(name=call.name, response={"output": "12 degrees"})
    result.function_response.id = call.id
    contents += [first.candidates[0].content, types.Content(role="user", parts=[result])]
    second = ask(world, target, contents, tools=tools)
    assert second.text.endswith("The tool said: 12 degrees"), second


@generate("parallel tools and their results")
def _(world, target):
    contents, tools = [types.UserContent("call get_weather and get_time")], declared("get_weather", "get_time")
    first = ask(world, target, contents, tools=tools)
    assert [call.name for call in calls_of(first)] == ["get_weather", "get_time"], first
    # As the client does it by itself: without identifiers, in the order of the calls.
    results = [
        types.Part.from_function_response(name=call.name, response={"output": text})
        for call, text in zip(calls_of(first), ("12 degrees", "noon"), strict=True)
    ]
    for call, result in zip(calls_of(first), results, strict=True):
        result.function_response.id = call.id
    contents += [first.candidates[0].content, types.Content(role="user", parts=results)]
    text = ask(world, target, contents, tools=tools).text
    assert text.endswith("The tool said: 12 degrees The tool said: noon"), text


@generate("parallel tools, streamed")
def _(world, target):
    tools = declared("get_weather", "get_time")
    chunks = stream(world, target, "call get_weather and get_time", tools=tools)
    calls = [call for chunk in chunks for call in calls_of(chunk)]
    assert [call.name for call in calls] == ["get_weather", "get_time"], calls
    assert all(call.args == SAMPLE for call in calls), calls


@generate("tool choice")
def _(world, target):
    def choose(mode, names=None):
        calling = types.FunctionCallingConfig(mode=mode, allowed_function_names=names)
        config = types.ToolConfig(function_calling_config=calling)
        answer = ask(world, target, "first or second", tools=declared("first", "second"), tool_config=config)
        return [call.name for call in calls_of(answer)]

    assert choose("ANY", ["second"]) == ["second"]
    assert choose("ANY") == ["first", "second"]
    assert choose("NONE") == []


@generate("an image")
def _(world, target):
    import base64

    image = types.Part.from_bytes(data=base64.b64decode(PIXEL), mime_type="image/png")
    answer = ask(world, target, ["what is it?", image])
    assert "I see 1 image. You said: what is it?" in answer.text, answer


@generate("structured output")
def _(world, target):
    answer = ask(world, target, "where?", response_mime_type="application/json", response_schema=Trip)
    assert answer.parsed == Trip(**SAMPLE), answer


@generate("reasoning")
def _(world, target):
    config = {"thinking_config": types.ThinkingConfig(include_thoughts=True, thinking_budget=2048)}
    answers = [ask(world, target, "why?", model=target.thinker, **config)]
    answers.append(stream(world, target, "why?", model=target.thinker, **config))
    for answer in answers:
        chunks = answer if isinstance(answer, list) else [answer]
        parts = [part for chunk in chunks for part in parts_of(chunk)]
        text = "".join(part.text or "" for part in parts if not part.thought)
        thought = "".join(part.text for part in parts if part.thought)
        assert text == target.said("why?", target.thinker), parts
        assert thought == (target.thought("why?") if target.tells_thoughts else ""), parts


@generate("reasoning before a tool's result")
def _(world, target):
    config = {
        "thinking_config": types.ThinkingConfig(include_thoughts=True, thinking_budget=2048),
        "tools": declared("get_weather"),
    }
    contents = [types.UserContent("how is it?")]
    first = ask(world, target, contents, model=target.thinker, **config)
    [call] = calls_of(first)
    result = types.Part.from_function_response(name=call.name, response={"output": "12 degrees"})
    result.function_response.id = call.id
    contents += [first.candidates[0].content, types.Content(role="user", parts=[result])]
    second = ask(world, target, contents, model=target.thinker, **config)
    assert second.text.endswith("The tool said: 12 degrees"), second


@generate("refusals in its own words")
def _(world, target):
    for status, name in ((400, "INVALID_ARGUMENT"), (413, "INVALID_ARGUMENT"), (429, "RESOURCE_EXHAUSTED")):
        headers = {"retry-after": "7"} if status == 429 else {}
        with failing(world, target, "status", status=status, headers=headers):
            try:
                ask(world, target, "hello")
            except errors.ClientError as error:
                assert error.code == status and error.status == name and error.message, error
            else:
                raise AssertionError(f"{status} was taken for an answer")
    with failing(world, target, "status", status=500):
        try:
            ask(world, target, "hello")
        except errors.ServerError as error:
            assert error.code >= 500 and error.message, error
        else:
            raise AssertionError("500 was taken for an answer")


@generate("an error in the middle of a stream")
def _(world, target):
    with failing(world, target, "error_event", after_events=8, error_type="server_error", message="sorry"):
        try:
            chunks = stream(world, target, LONG_QUESTION)
        except (errors.APIError, errors.UnknownApiResponseError):
            return
        # The client passes over an error in a stream; what it never may see is a reason for the end.
        assert not any(chunk.candidates and chunk.candidates[0].finish_reason for chunk in chunks), chunks
